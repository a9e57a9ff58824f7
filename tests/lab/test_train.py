"""The training loop, and what comes of it: checkpoints, models, figures."""

from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest
import torch

import incognito
from incognito.errors import LabError
from incognito.lab import bench, checkpoint, export, rows, train
from incognito.lab.average import average
from incognito.lab.evaluate import evaluate
from incognito.lab.recipe import Recipe


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


def test_an_average_is_the_mean_of_the_weights(tmp_path, trained):
    """Half of one and half of the other; the card will tell."""
    other = checkpoint.read(trained)
    other["averaged"] = {name: value + 1 for name, value in other["averaged"].items()}
    checkpoint.save(tmp_path / "other.pt", other)
    average([trained, tmp_path / "other.pt"], tmp_path / "mean.pt")
    before, mean = weights(trained)[1], checkpoint.read(tmp_path / "mean.pt")
    for name, value in before.items():
        if value.is_floating_point():
            assert torch.allclose(mean["averaged"][name], value + 0.5)
    assert checkpoint.lineage_of(mean)[-1] == "mean of the weights of 2 checkpoints, this the last"
    with pytest.raises(LabError, match="two or more"):
        average([trained], tmp_path / "one.pt")
    other["recipe"]["network"]["decoder"] = [16, 16, 16, 16, 16]
    checkpoint.save(tmp_path / "other.pt", other)
    with pytest.raises(LabError, match="same network"):
        average([trained, tmp_path / "other.pt"], tmp_path / "none.pt")


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path, toy_data, tables):
    """The error says when, and what to change."""
    tables["training"]["encoder_rate"] = tables["training"]["decoder_rate"] = 1e30
    with pytest.raises(LabError, match="lower the rates"):
        train.train(Recipe.from_dict(tables), toy_data, tmp_path, tmp_path / "run")


def test_the_pace_rises_and_falls():
    """A linear warm-up to the peak, then a cosine to a hundredth of it."""
    paces = [train.pace(seen, 10, 110) for seen in range(111)]
    assert paces[0] == pytest.approx(0.1)
    assert max(paces) == paces[10] == 1.0
    assert paces[60] == pytest.approx(0.505)
    assert paces[110] == pytest.approx(0.01)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, toy_data):
    """A checkpoint of the toy recipe."""
    folder = tmp_path_factory.mktemp("run")
    tables = {
        "network": {"encoder": "tiny", "decoder": [32, 32, 16, 16, 16], "weights": "", "frozen_stages": 0},
        "data": {"photo": 0.5, "composite": 0.3, "empty": 0.2, "groups": {}},
        "training": {
            "seed": 3, "batch": 4, "phases": [{"pictures": 8, "size": [64, 64]}], "encoder_rate": 0.002,
            "decoder_rate": 0.002, "weight_decay": 0.01, "warmup": 4, "ema": 0.9, "clip": 1.0, "dice": 1.0,
            "boundary": 0.5, "validate_every": 8,
        },
    }  # fmt: skip
    return train.train(Recipe.from_dict(tables), toy_data, folder, folder / "run")


def test_a_checkpoint_becomes_a_model_that_runs(tmp_path, toy_data, trained, portrait):
    """Export writes an .onnx and its card; the Segmenter takes it, and the card says what was measured."""
    card = export.export(trained, tmp_path / "toy.onnx", toy_data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.json", "toy.onnx"]
    segmenter = incognito.Segmenter(tmp_path / "toy.onnx")
    assert segmenter.card == card
    assert segmenter.raw(portrait).shape == (64, 64)
    assert card.measured["n"] == 2
    assert card.training_data == ["made (terms not recorded)"]
    assert card.iou == pytest.approx(evaluate(tmp_path / "toy.onnx", toy_data).mean("iou"), abs=1e-4)


def test_an_export_that_disagrees_is_refused(tmp_path, trained, monkeypatch):
    """When ONNX Runtime and PyTorch differ by more than the tolerance, nothing is written."""
    honest = export.disagreement
    monkeypatch.setattr(export, "disagreement", lambda *arguments: honest(*arguments) + 2 * export.TOLERANCE)
    with pytest.raises(LabError, match="differ by"):
        export.export(trained, tmp_path / "toy.onnx")
    assert list(tmp_path.iterdir()) == []


def test_disagreement_sees_a_changed_weight(tmp_path, trained):
    """The check compares, and does not only pass."""
    state = checkpoint.read(trained)
    net = train.make_network(Recipe.from_dict(state["recipe"]), None)
    net.load_state_dict(state["averaged"])
    deployed = export.Deployed(net).eval()
    card = export.write_model(tmp_path / "net.onnx", export.to_onnx(deployed, 64, 64), (64, 64), [], [])
    with torch.no_grad():
        net.head.bias += 0.1
    assert export.disagreement(deployed, incognito.segment.OnnxRuntime(card), (64, 64)).max() > 10 * export.TOLERANCE


def test_what_is_no_checkpoint_is_refused(tmp_path):
    """A file of something else, and a name that is no model's."""
    (tmp_path / "bad.pt").write_bytes(b"nothing")
    with pytest.raises(LabError, match="no checkpoint"):
        export.export(tmp_path / "bad.pt", tmp_path / "toy.onnx")
    with pytest.raises(LabError, match=r"\.onnx"):
        export.export(tmp_path / "bad.pt", tmp_path / "toy.bin")


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


def as_toml(tables: dict) -> str:
    training = dict(tables["training"])
    phases = training.pop("phases")
    lines = []
    for name, table in (("network", tables["network"]), ("data", tables["data"]), ("training", training)):
        lines += [
            f"[{name}]",
            *(f"{k} = {'{}' if v == {} else repr(v).replace(chr(39), chr(34))}" for k, v in table.items()),
        ]
    for phase in phases:
        lines += ["[[training.phases]]", f"pictures = {phase['pictures']}", f"size = {phase['size']}"]
    return "\n".join(lines)


def test_a_group_without_pictures_is_refused(toy_data):
    """The error names the group."""
    with pytest.raises(LabError, match="people/nowhere"):
        evaluate("fast", toy_data, "test", "people/nowhere")


def test_rows_are_only_ever_added(tmp_path):
    """A second row goes beneath the first; a row with other columns is refused."""
    path = tmp_path / "rows.csv"
    rows.append(path, {"model": "a", "ms": "1"})
    rows.append(path, {"model": "b", "ms": "2"})
    assert path.read_text() == "model,ms\na,1\nb,2\n"
    with pytest.raises(LabError, match="other columns"):
        rows.append(path, {"model": "c"})


def test_a_bench_row_has_every_stage(monkeypatch):
    """Model, machine and the p50 and p95 of each stage, measured on the demonstration's film."""
    monkeypatch.setattr("incognito.demo.SECONDS", 1)
    row = bench.bench("fast", 1)
    assert row["n"] == "30"
    assert row["threads"] == "1"
    for stage in bench.STAGES:
        assert 0 < float(row[f"{stage}_p50_ms"]) <= float(row[f"{stage}_p95_ms"])


def test_the_shipped_model_keeps_its_figures(data):
    """Two-sided: on the EG1800 test list, fast is as accurate as its card says, no less and no more."""
    result = evaluate("fast", data)
    card = incognito.Segmenter("fast").card
    assert len(result.scored) == 261
    for name in ("iou", "mean_iou", "boundary_f"):
        assert result.mean(name) == pytest.approx(card.measured[name], abs=0.001)
    assert np.isfinite(card.iou)
