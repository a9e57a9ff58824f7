"""The training loop, and what comes of it: checkpoints, models, figures."""

from __future__ import annotations

import csv
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from toys import as_toml, toy_tables

from incognito.errors import LabError
from incognito.lab import checkpoint, export, rows, sheet, train
from incognito.lab.batches import draw
from incognito.lab.begin import begin
from incognito.lab.data import read_manifest
from incognito.lab.nets import build
from incognito.lab.ranks import Ranks
from incognito.lab.recipe import Recipe

ZOO = Path(__file__).parents[2] / "zoo"


def weights(path):
    state = checkpoint.read(path)
    return state["network"], state["averaged"]


def test_a_resumed_training_ends_like_an_unbroken_one(tmp_path, toy_data, tables):
    """Stopped after the first checkpoint and resumed, across the change of size: weights and average are equal."""
    recipe = Recipe.from_dict(tables)
    train.train(recipe, toy_data, tmp_path, tmp_path / "whole")

    class StopError(Exception):
        pass

    def stop(seen: int, total: int | None) -> None:
        if seen > 8:
            raise StopError

    with pytest.raises(StopError):
        train.train(recipe, toy_data, tmp_path, tmp_path / "broken", on_batch=stop)
    assert checkpoint.read(tmp_path / "broken" / "last.pt")["seen"] == 8
    train.train(recipe, toy_data, tmp_path, tmp_path / "broken", resume=True)
    for one, two in zip(weights(tmp_path / "whole/last.pt"), weights(tmp_path / "broken/last.pt"), strict=True):
        assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_killed_training_resumes_with_its_own_next_loss(tmp_path, toy_data, tables):
    """Killed between two checkpoints: every loss is that of an unbroken run, and no line is there twice."""
    tables["training"] |= {"phases": [{"pictures": 80, "size": [32, 32]}], "checkpoint_every": 8, "validate_every": 40}
    recipe = tmp_path / "toy.toml"
    recipe.write_text(as_toml(tables))
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train.train(Recipe.from_dict(tables), toy_data, tmp_path, whole)
    command = [sys.executable, "-m", "incognito", "lab", "train", recipe, "--data", toy_data, "--out", broken]
    process = subprocess.Popen(command, start_new_session=True)
    steps = broken / "steps.csv"
    wait_until(lambda: steps.exists() and len(steps.read_text().splitlines()) > 5, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = int(steps.read_text().splitlines()[-1].split(",")[0])
    assert done < 80
    train.train(Recipe.from_dict(tables), toy_data, tmp_path, broken, resume=True)
    assert steps.read_text() == (whole / "steps.csv").read_text()
    assert (broken / "log.csv").read_text() == (whole / "log.csv").read_text()


def wait_until(there, process: subprocess.Popen) -> None:
    """Look every few milliseconds, as long as the process lives."""
    for _ in range(12_000):
        if there():
            return
        assert process.poll() is None, "the process ended by itself"
        time.sleep(0.01)
    raise AssertionError("nothing came in two minutes")


def test_hints_bring_the_features_near_the_teachers(tmp_path, toy_data, tables):
    """The distance falls within some batches; a resumed training has the same projections."""
    tables["training"] |= {
        "teacher": str(ZOO / "light-mobilenet_v2.onnx"),
        "hint": 1.0,
        "bf16": False,
        "decoder_rate": 0.02,
        "warmup": 0,
    }
    tables["training"] |= {"phases": [{"pictures": 8, "size": [64, 64]}]}
    recipe = Recipe.from_dict(tables)
    run = train.Run(recipe, tmp_path, tmp_path / "run", Ranks(0, 1, torch.device("cpu")), False, None)
    batch = next(draw(recipe, read_manifest(toy_data, "train"), 0, run.ranks))
    with torch.no_grad():
        before = run._learner(batch[0])[1]
    for _ in range(30):
        run.seen = 0
        run.step(batch)
    with torch.no_grad():
        assert run._learner(batch[0])[1] < 0.95 * before
    run._save("last.pt")
    again = train.Run(recipe, tmp_path, tmp_path / "run", run.ranks, True, None)
    mine, its = run._learner.projections.state_dict(), again._learner.projections.state_dict()
    assert all(torch.equal(mine[name], its[name]) for name in mine)


def test_frozen_stages_stay_as_they_are(tmp_path, toy_data, tables):
    """Weights and statistics; what comes after them learns."""
    tables["network"] |= {"architecture": "unet", "encoder": "resnet18", "weights": "start.pth", "frozen_stages": 1}
    source = build("unet", "resnet18", [16] * 5).encoder.state_dict()
    torch.save(source, tmp_path / "start.pth")
    best = train.train(Recipe.from_dict(tables), toy_data, tmp_path, tmp_path / "run")
    now = weights(best)[0]
    for name, value in source.items():
        held = name.startswith(("conv1", "bn1", "layer1"))
        if value.is_floating_point():
            assert torch.equal(now[f"unet.encoder.{name}"], value) == held, name


def test_what_cannot_be_meant_is_refused(tmp_path, toy_data, tables):
    """Freezing what knows nothing; resuming and beginning at once; a folder's odds for a folder that is not there."""
    recipe = Recipe.from_dict(tables)
    with pytest.raises(LabError, match="leave one of them out"):
        train.train(recipe, toy_data, tmp_path, tmp_path / "run", resume=True, begin=tmp_path / "last.pt")
    tables["data"]["groups"] = {"people/nowhere": 2.0}
    with pytest.raises(LabError, match=r"names people/nowhere; the training split has"):
        train.train(Recipe.from_dict(tables), toy_data, tmp_path, tmp_path / "other")
    tables["network"]["frozen_stages"] = 2
    with pytest.raises(LabError, match="knows nothing"):
        train.train(Recipe.from_dict(tables), toy_data, tmp_path, tmp_path / "third")


def test_a_state_of_something_else_is_no_checkpoint(tmp_path, toy_data, recipe):
    """Though PyTorch can read it."""
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(LabError, match="no checkpoint of this trainer"):
        train.train(recipe, toy_data, tmp_path, tmp_path / "run", begin=tmp_path / "other.pt")


def test_the_hubs_scaling_goes_along_with_a_model(tmp_path):
    """A stock U-Net with a gain and an offset, exported and begun from, has them again."""
    tables = toy_tables()
    tables["network"] |= {"architecture": "unet", "encoder": "resnet18"}
    source = build("unet", "resnet18", tables["network"]["decoder"])
    source.gain.fill_(2.0)
    source.offset.fill_(0.25)
    network = export.to_onnx(export.Deployed(source).eval(), 64, 64)
    card = export.write_model(tmp_path / "net.onnx", network, (64, 64), ["before"], [])
    start = begin(Recipe.from_dict(tables), tmp_path, card.path)
    assert (start.net.gain.unique().tolist(), start.net.offset.unique().tolist()) == ([2.0], [0.25])
    assert start.lineage == ["before"]


def test_a_training_that_no_longer_improves_stops(tmp_path, toy_data, tables):
    """With no rate nothing changes: after two validations without a better one it ends."""
    tables["training"] |= {"phases": [{"pictures": 80, "size": [32, 32]}], "validate_every": 4, "stop_after": 2}
    tables["training"] |= {
        "encoder_rate": 0.0,
        "decoder_rate": 0.0,
        "optimiser": "adam",
        "schedule": "plateau",
        "patience": 1,
    }
    tables["network"] |= {"encoder": "mobilenet_v2"}
    train.train(Recipe.from_dict(tables), toy_data, tmp_path, tmp_path / "run")
    state = checkpoint.read(tmp_path / "run" / "last.pt")
    assert state["seen"] < 80
    assert state["progress"]["waited"] == 2


def test_a_loss_that_is_no_number_ends_the_training(tmp_path, toy_data, tables):
    """With the remedy, and the last checkpoint as it was."""
    tables["training"] |= {"encoder_rate": 1e30, "decoder_rate": 1e30, "warmup": 0, "clip": 1e30}
    with pytest.raises(LabError, match=r"the (loss|gradient) is (nan|inf) after .* lower the rates"):
        train.train(Recipe.from_dict(tables), toy_data, tmp_path, tmp_path / "run")


NO_MEMORY = (
    torch.OutOfMemoryError("CUDA out of memory"),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
)


@pytest.mark.parametrize("error", NO_MEMORY, ids=["gpu", "python", "cpu"])
def test_no_memory_names_what_to_lower(tmp_path, toy_data, recipe, monkeypatch, error):
    """Batch and size; other errors are not disguised."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(train.losses, "total", fail)
    with pytest.raises(LabError, match="no memory for 4 pictures of 32x32; lower batch"):
        train.train(recipe, toy_data, tmp_path, tmp_path / "run")
    error = RuntimeError("something else")
    with pytest.raises(RuntimeError, match="something else"):
        train.train(recipe, toy_data, tmp_path, tmp_path / "other")


def test_a_broken_picture_is_named_in_one_line(tmp_path, toy_data, recipe):
    """Though a worker found it, with a traceback of its own; a mask of another size is named too."""
    root = tmp_path / "data"
    shutil.copytree(toy_data, root)
    for path in root.glob("people/*/train*.webp"):
        path.write_bytes(b"no picture")
    with pytest.raises(LabError, match=r"^\S+webp cannot be read; mend the file") as caught:
        train.train(recipe, root, tmp_path, tmp_path / "run")
    assert len(str(caught.value).splitlines()) == 1


def test_a_split_without_photos_is_refused_before_the_training(tmp_path, toy_data, recipe):
    """Not after hours of it; nor does an empty training split begin."""
    lines = (toy_data / "manifest.csv").read_text().splitlines()
    for kept, says in (("train", "no photos in the validation split"), ("val", "needs photos, of which")):
        root = tmp_path / kept
        root.mkdir()
        rows_kept = [line for line in lines if f",{kept}," in line]
        (root / "manifest.csv").write_text("\n".join([lines[0], *rows_kept]))
        with pytest.raises(LabError, match=says):
            train.train(recipe, root, tmp_path, tmp_path / f"run-{kept}")


def test_a_training_leaves_curves_and_events(tmp_path, toy_data, recipe):
    """A plot, TensorBoard's events, and the loss of every batch."""
    train.train(recipe, toy_data, tmp_path, tmp_path / "run")
    assert sheet.read(tmp_path / "run" / "curves.png").std() > 5
    events = EventAccumulator(str(tmp_path / "run" / "events")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [4, 8, 12, 16, 20]
    assert [event.step for event in events.Scalars("validation/iou")] == [8, 16, 20]
    assert [row["pictures"] for row in rows.read(tmp_path / "run" / "steps.csv")] == ["4", "8", "12", "16", "20"]


def test_the_log_has_a_line_for_every_validation(tmp_path, toy_data, recipe):
    """Pictures, loss, IoU, mean IoU, boundary F and the share falsely marked; the best checkpoint is kept."""
    seen = []
    best = train.train(
        recipe, toy_data, tmp_path, tmp_path / "run", on_batch=lambda done, total: seen.append((done, total))
    )
    with (tmp_path / "run" / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["pictures"] for row in rows] == ["8", "16", "20"]
    assert list(rows[0]) == ["pictures", "loss", "iou", "mean_iou", "boundary_f", "falsely_marked"]
    assert checkpoint.read(best)["progress"]["best"] == pytest.approx(max(float(row["iou"]) for row in rows), abs=1e-4)
    assert seen[-1] == (20, 20)


def test_a_network_learns_what_a_disc_is(tmp_path, toy_data, tables):
    """Forty batches of toy pictures are enough to find the discs of the validation split."""
    tables["training"] |= {"phases": [{"pictures": 480, "size": [64, 64]}], "batch": 8, "validate_every": 240}
    tables["data"] |= {"composite": 0.1, "empty": 0.1}
    train.train(Recipe.from_dict(tables), toy_data, tmp_path, tmp_path / "run")
    assert checkpoint.read(tmp_path / "run" / "best.pt")["progress"]["best"] > 0.7


def test_a_training_is_not_overwritten_nor_resumed_with_another_recipe(tmp_path, toy_data, recipe):
    """Both are refused, and say what to do."""
    out = tmp_path / "run"
    train.train(recipe, toy_data, tmp_path, out)
    with pytest.raises(LabError, match="--resume"):
        train.train(recipe, toy_data, tmp_path, out)
    other = dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, seed=4))
    with pytest.raises(LabError, match="another recipe"):
        train.train(other, toy_data, tmp_path, out, resume=True)
    with pytest.raises(LabError, match="does not exist"):
        train.train(recipe, toy_data, tmp_path, tmp_path / "nowhere", resume=True)


def test_a_training_can_begin_from_another(tmp_path, toy_data, tables, recipe):
    """The second starts from the first one's average, and its checkpoint tells of both."""
    first = train.train(recipe, toy_data, tmp_path, tmp_path / "first")
    tables["training"] |= {"encoder_rate": 0.0, "decoder_rate": 0.0, "phases": [{"pictures": 4, "size": [64, 64]}]}
    second = train.train(Recipe.from_dict(tables), toy_data, tmp_path, tmp_path / "second", begin=first)
    before, after = weights(first)[1], weights(second)[0]
    learnt = [name for name in before if name.endswith("weight")]
    assert all(torch.equal(before[name], after[name]) for name in learnt)
    seen = checkpoint.read(first)["seen"]
    lines = checkpoint.lineage_of(checkpoint.read(second))
    assert len(lines) == 2
    for line, count in zip(lines, (seen, 4), strict=True):
        assert line.startswith(f"trained on {count} pictures, light tiny, seed 3, 0 minutes on ")


def test_the_commands_train_evaluate_and_export(run, tmp_path, toy_data, tables):
    """The laboratory from the command line, end to end."""
    recipe = tmp_path / "toy.toml"
    recipe.write_text(as_toml(tables))
    code, out, err = run("lab", "train", recipe, "--data", toy_data, "--out", tmp_path / "run")
    assert (code, out, err) == (0, f"{tmp_path / 'run' / 'best.pt'}\n", "")
    code, out, _ = run("lab", "export", tmp_path / "run" / "best.pt", "-o", tmp_path / "toy.onnx")
    assert code == 0
    code, out, _ = run("lab", "evaluate", tmp_path / "toy.onnx", "--data", toy_data, "--split", "test")
    assert code == 0
    for word in ("person IoU", "mean IoU", "boundary F", "n 2"):
        assert word in out
