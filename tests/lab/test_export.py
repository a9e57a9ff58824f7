"""What comes of a checkpoint: averages, models, figures and rows."""

import numpy as np
import pytest
import torch
from toys import toy_tables

import incognito
from incognito import zoo
from incognito.errors import LabError
from incognito.lab import bench, checkpoint, export, rows, train, weights
from incognito.lab.average import average
from incognito.lab.evaluate import evaluate
from incognito.lab.recipe import Recipe
from incognito.runtime import OnnxRuntime


@pytest.fixture(scope="module")
def trained(tmp_path_factory, toy_data):
    """A checkpoint of the toy recipe."""
    folder = tmp_path_factory.mktemp("run")
    tables = toy_tables()
    tables["training"] |= {"phases": [{"pictures": 8, "size": [64, 64]}]}
    return train.train(Recipe.from_dict(tables), toy_data, folder, folder / "run")


def test_an_average_is_the_mean_of_the_weights(tmp_path, trained):
    """Half of one and half of the other; the card will tell."""
    other = checkpoint.read(trained)
    other["averaged"] = {name: value + 1 for name, value in other["averaged"].items()}
    checkpoint.save(tmp_path / "other.pt", other)
    average([trained, tmp_path / "other.pt"], tmp_path / "mean.pt")
    before, mean = checkpoint.read(trained)["averaged"], checkpoint.read(tmp_path / "mean.pt")
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


def test_a_model_and_a_checkpoint_have_a_mean(tmp_path, trained, portrait):
    """Of weights with the batch norms in them: of a network and itself it is that network, and half of it with none."""
    card = export.export(trained, tmp_path / "model.onnx")
    average([card.path, trained], tmp_path / "mean.pt")
    mean = export.export(tmp_path / "mean.pt", tmp_path / "mean.onnx")
    one, two = (incognito.Segmenter(each.path).raw(portrait) for each in (card, mean))
    assert np.abs(one - two).max() < 1e-3
    assert "mean of the weights of 2 networks, this the last" in mean.lineage

    none = checkpoint.read(trained)
    none["averaged"] = {name: torch.zeros_like(value) for name, value in none["averaged"].items()}
    checkpoint.save(tmp_path / "none.pt", none)
    average([card.path, tmp_path / "none.pt"], tmp_path / "half.pt")
    half = train.make_network(Recipe.from_dict(none["recipe"]))
    half.load_state_dict(checkpoint.read(tmp_path / "half.pt")["averaged"])
    for (weight, _), (whole, _) in zip(weights.fold(half), weights.read_folded(card.path), strict=True):
        assert np.allclose(weight, whole / 2, atol=1e-5)


def test_a_mean_that_cannot_be_is_refused(tmp_path, trained):
    """A model at the end, which is no checkpoint to go on from; a model of another network."""
    card = export.export(trained, tmp_path / "model.onnx")
    with pytest.raises(LabError, match="the last a checkpoint"):
        average([trained, card.path], tmp_path / "none.pt")
    with pytest.raises(LabError, match="same network"):
        average([zoo.find("tiny").path, trained], tmp_path / "none.pt")


def test_a_checkpoint_becomes_a_model_that_runs(tmp_path, toy_data, trained, portrait):
    """Export writes an .onnx and its card; the Segmenter takes it, and the card says what was measured."""
    card = export.export(trained, tmp_path / "toy.onnx", toy_data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.json", "toy.onnx"]
    segmenter = incognito.Segmenter(tmp_path / "toy.onnx")
    assert segmenter.card == card
    assert segmenter.raw(portrait).shape == (64, 64)
    assert card.measured["n"] == 2
    assert card.measured["iou_low"] <= card.measured["iou"] <= card.measured["iou_high"]
    with pytest.raises(LabError, match="no photos in images"):
        export.export(trained, tmp_path / "other.onnx", toy_data, group="images")
    assert card.training_data == ["made (terms not recorded)"]
    assert card.iou == pytest.approx(evaluate(tmp_path / "toy.onnx", toy_data).mean("iou"), abs=1e-4)


def test_a_training_goes_on_from_a_model(tmp_path, toy_data, trained, portrait):
    """Its batch norms unfolded: with no rate it gives nearly the alpha that the model gives, and tells of its past."""
    card = export.export(trained, tmp_path / "toy.onnx")
    tables = toy_tables()
    tables["training"] |= {"encoder_rate": 0.0, "decoder_rate": 0.0, "ema": 0.0, "bf16": False}
    tables["training"] |= {"phases": [{"pictures": 4, "size": [64, 64]}], "batch": 4}
    tables["network"] |= {"weights": "not-needed.npz"}
    best = train.train(Recipe.from_dict(tables), toy_data, tmp_path, tmp_path / "on", begin=card.path)
    again = export.export(best, tmp_path / "again.onnx")
    assert again.lineage[: len(card.lineage)] == card.lineage
    assert "trained on 4 pictures" in again.lineage[len(card.lineage)]
    alphas = [incognito.Segmenter(model.path).raw(portrait) for model in (card, again)]
    assert np.abs(alphas[0] - alphas[1]).mean() < 0.25 * alphas[0].std()
    assert again.training_data == card.training_data


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
    net = train.make_network(Recipe.from_dict(state["recipe"]))
    net.load_state_dict(state["averaged"])
    deployed = export.Deployed(net).eval()
    card = export.write_model(tmp_path / "net.onnx", export.to_onnx(deployed, 64, 64), (64, 64), [], [])
    with torch.no_grad():
        net.head.bias += 0.1
    assert export.disagreement(deployed, OnnxRuntime(card), (64, 64)).max() > 10 * export.TOLERANCE


def test_what_is_no_checkpoint_is_refused(tmp_path):
    """A file of something else, and a name that is no model's."""
    (tmp_path / "bad.pt").write_bytes(b"nothing")
    with pytest.raises(LabError, match="no checkpoint"):
        export.export(tmp_path / "bad.pt", tmp_path / "toy.onnx")
    with pytest.raises(LabError, match=r"\.onnx"):
        export.export(tmp_path / "bad.pt", tmp_path / "toy.bin")


def test_smaller_weights_make_a_smaller_file_and_are_told_of(tmp_path, trained):
    """The card says so; weights that move alpha too far are refused."""
    whole = export.export(trained, tmp_path / "whole.onnx")
    small = export.export(trained, tmp_path / "small.onnx", weights="int8")
    assert small.bytes < 0.6 * whole.bytes
    assert small.lineage == [*whole.lineage, "weights kept as int8"]
    with pytest.raises(LabError, match="choose one of float32, float16, int8"):
        export.export(trained, tmp_path / "none.onnx", weights="int3")


def test_smaller_weights_that_lose_too_much_are_refused(tmp_path, trained, monkeypatch):
    """Nothing is written then."""
    monkeypatch.setattr(export, "LOSS", 0.0)
    with pytest.raises(LabError, match="with int8 weights alpha moves by"):
        export.export(trained, tmp_path / "small.onnx", weights="int8")
    assert list(tmp_path.iterdir()) == []


def test_a_group_without_pictures_is_refused(toy_data):
    """The error names the group."""
    with pytest.raises(LabError, match="people/nowhere"):
        evaluate("fast", toy_data, "test", "people/nowhere")


def test_rows_are_only_ever_added(tmp_path):
    """A second row goes beneath the first; new columns are empty in older rows; a row that lacks one is refused."""
    path = tmp_path / "rows.csv"
    rows.append(path, {"model": "a", "ms": "1"})
    rows.append(path, {"model": "b", "ms": "2"})
    assert path.read_text() == "model,ms\na,1\nb,2\n"
    with pytest.raises(LabError, match="other columns"):
        rows.append(path, {"model": "c"})
    rows.append(path, {"model": "c", "iou": "0.9", "ms": "3"})
    assert path.read_text() == "model,iou,ms\na,,1\nb,,2\nc,0.9,3\n"


def test_a_bench_row_has_every_stage(monkeypatch):
    """Model, machine and the p50 and p95 of each stage, measured on the demonstration's film."""
    monkeypatch.setattr("incognito.demo.SECONDS", 1)
    row = bench.bench("fast", 1)
    assert row["n"] == "30"
    assert row["threads"] == "1"
    for stage in bench.STAGES:
        assert 0 < float(row[f"{stage}_p50_ms"]) <= float(row[f"{stage}_p95_ms"])


@pytest.mark.parametrize("model", ["tiny", "tiny.int8", "fast", "fast.int8", "best"])
def test_the_shipped_models_keep_their_figures(data, model):
    """Two-sided: on the EG1800 test list, the file that ships is as accurate as its card says, no less and no more."""
    result = evaluate(model, data)
    card = result.card
    assert len(result.scored) == 261
    for name in ("iou", "mean_iou", "boundary_f"):
        assert result.mean(name) == pytest.approx(card.measured[name], abs=0.001)
    assert np.isfinite(card.iou)
