"""A training in several processes."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toys import as_toml, toy_tables

from incognito.errors import LabError
from incognito.lab import checkpoint, rows, train
from incognito.lab.batches import draw
from incognito.lab.data import read_manifest
from incognito.lab.ranks import Ranks
from incognito.lab.recipe import Recipe


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]


def launches(machines: int) -> list[list[str]]:
    """What is called on each machine for two processes in all; two machines are this one, called twice."""
    if machines == 1:
        return [["--standalone", "--nproc-per-node", "2"]]
    meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}"]
    return [["--nnodes", "2", "--nproc-per-node", "1", *meeting]] * 2


@pytest.fixture(scope="module")
def alone(tmp_path_factory, toy_data) -> tuple[Path, Path]:
    """A recipe, and the training that one process made of it."""
    folder, tables = tmp_path_factory.mktemp("alone"), toy_tables()
    tables["network"] |= {"encoder": "mobilenet_v2"}
    tables["training"] |= {"phases": [{"pictures": 64, "size": [64, 64]}], "bf16": False, "batch": 8}
    tables["training"] |= {"warmup": 0, "encoder_rate": 1e-3, "decoder_rate": 3e-3, "validate_every": 32}
    recipe = folder / "toy.toml"
    recipe.write_text(as_toml(tables))
    train.train(Recipe.from_dict(tables), toy_data, folder, folder / "one")
    return recipe, folder / "one"


@pytest.mark.parametrize("machines", [1, 2])
def test_two_processes_follow_one(tmp_path, toy_data, alone, machines):
    """Started by torchrun, with half a batch each, they have the losses of one process with the whole batch."""
    recipe, one = alone
    two = tmp_path / "two"
    torchrun = Path(sys.executable).parent / "torchrun"
    work = ["-m", "incognito", "lab", "train", recipe, "--data", toy_data, "--out", two]
    calls = [[torchrun, *launch, *work] for launch in launches(machines)]
    begun = [subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for call in calls]
    told = [each.communicate() for each in begun]
    assert [each.returncode for each in begun] == [0] * machines, told
    assert "".join(out for out, _ in told).count("best.pt") == 1
    expected, losses = ([float(row["loss"]) for row in rows.read(out / "steps.csv")] for out in (one, two))
    assert len(expected) == len(losses) == 8
    assert min(expected) < 0.85 * expected[0]
    assert losses == pytest.approx(expected, rel=0.05)
    state = checkpoint.read(two / "last.pt")
    assert (state["seen"], state["device"][:4]) == (64, "2 x ")


def test_a_batch_that_the_processes_cannot_share_is_refused(toy_data, recipe):
    """Four pictures among three."""
    samples = read_manifest(toy_data, "train")
    with pytest.raises(LabError, match="cannot be shared by 3"):
        next(draw(recipe, samples, 0, Ranks(0, 3, torch.device("cpu"))))


def test_the_processes_shares_are_the_whole_batch(toy_data, recipe):
    """No picture twice and none left out, also from the middle on."""
    samples = read_manifest(toy_data, "train")
    whole = next(draw(recipe, samples, 8, Ranks(0, 1, torch.device("cpu"))))[0]
    halves = [next(draw(recipe, samples, 8, Ranks(rank, 2, torch.device("cpu"))))[0] for rank in (0, 1)]
    assert torch.equal(whole, torch.stack(halves, 1).flatten(0, 1))
