"""What an evaluation says, counts and shows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from making import add_variant

from incognito import zoo
from incognito.lab import compact, cost, rows, sheet
from incognito.lab.evaluate import evaluate, picture_rows, slice_rows, summary_row
from incognito.runtime import OnnxRuntime

ZOO = Path(__file__).parents[2] / "zoo"


@pytest.fixture(scope="module")
def evaluation(toy_data):
    return evaluate("fast", toy_data)


def test_empty_places_that_were_not_trained_on_are_scored(evaluation):
    """Two portraits of the test split, the four empty places of validation."""
    assert (len(evaluation.scored), len(evaluation.marked)) == (2, 4)
    assert evaluation.falsely_marked == pytest.approx(np.mean(evaluation.marked))


def test_a_row_tells_model_set_figures_cost_and_training(evaluation):
    """One row of results; its columns are fixed."""
    row = summary_row(evaluation)
    assert (row["model"], row["set"], row["split"], row["n"], row["n_empty"]) == (
        "fast", "people/portraits", "test", "2", "4",
    )  # fmt: skip
    assert float(row["iou"]) == pytest.approx(evaluation.mean("iou"), abs=1e-4)
    assert float(row["iou_low"]) <= float(row["iou"]) <= float(row["iou_high"])
    assert row["bytes"] == str(zoo.find("fast").bytes)
    assert "trained on" in row["training"]


def test_an_interval_is_of_the_pictures(evaluation):
    """The same again, around the mean, as wide as two pictures differ; a single picture has none."""
    scores = sorted(score.iou for _, score in evaluation.scored)
    found = evaluation.interval("iou")
    assert (found.low, found.high) == pytest.approx((scores[0], scores[1]))
    assert (found, found.mean) == (evaluation.interval("iou"), pytest.approx(evaluation.mean("iou")))
    single = dataclasses.replace(evaluation, scored=evaluation.scored[:1])
    assert single.sure() == {}
    assert summary_row(single)["iou_low"] == ""


def test_slices_are_means_of_their_own_pictures(evaluation):
    """Toy people end above the lower edge; slices without pictures have no row."""
    whole = {"n": "2", "iou": f"{evaluation.mean('iou'):.4f}", "boundary_f": f"{evaluation.mean('boundary_f'):.4f}"}
    listed = {row.pop("slice"): row for row in slice_rows(evaluation)}
    assert listed["full body"] == whole
    assert "several people" not in listed


def test_the_very_file_that_was_named_is_measured(toy_model, toy_data, monkeypatch):
    """Not the variant that would be chosen here; a label tells one from the other."""
    monkeypatch.setattr(zoo, "SHIPPED", toy_model.parent)
    monkeypatch.setattr("incognito.choice.choose", None)
    add_variant(toy_model.parent, most=128.0, iou=0.9)
    found = [evaluate(model, toy_data) for model in ("toy", "toy.int8")]
    assert [each.card.label for each in found] == ["toy", "toy.int8"]
    assert found[0].mean("mad") != found[1].mean("mad")


def test_pictures_come_worst_first(evaluation, tmp_path):
    """A row each, for a CSV."""
    listed = picture_rows(evaluation)
    assert [float(row["iou"]) for row in listed] == sorted(float(row["iou"]) for row in listed)
    rows.keep(tmp_path / "pictures.csv", listed)
    assert rows.read(tmp_path / "pictures.csv") == listed


def test_the_sheet_of_the_worst_has_a_tile_for_each(evaluation, tmp_path):
    """Rows of six; the file can be read."""
    sheet.write(tmp_path / "worst.jpg", sheet.worst(evaluation))
    assert sheet.read(tmp_path / "worst.jpg").shape == (sheet.TILE, 6 * sheet.TILE, 3)


def test_an_overlay_tints_what_was_found_and_draws_the_masks_edge():
    """Red where alpha is, green on the edge, the picture elsewhere."""
    picture = np.full((sheet.TILE, sheet.TILE, 3), 100, np.uint8)
    alpha = np.zeros((sheet.TILE, sheet.TILE), np.float32)
    alpha[:100] = 1
    mask = np.zeros_like(picture[..., 0])
    mask[200:] = 255
    shown = sheet.overlay(picture, alpha, mask)
    assert shown[50, 50, 0] > 150 > shown[50, 50, 2]
    assert tuple(shown[200, 50]) == sheet.TRUTH
    assert tuple(shown[150, 50]) == (100, 100, 100)


def test_costs_are_counted_by_hand(tmp_path):
    """A 3x3 convolution of 3 to 8 channels on 16x16, stride 2, and its bias."""
    import torch

    path = tmp_path / "one.onnx"
    layer = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
    torch.onnx.export(layer, (torch.zeros(1, 3, 16, 16),), str(path), opset_version=17, dynamo=False)
    assert cost.cost(path) == cost.Cost(8 * 3 * 9 + 8, 8 * 8 * 8 * 27)


def test_sizes_that_the_graph_computes_are_counted_too(tmp_path):
    """Padding as EfficientNet has it: every convolution of the network adds to the sum."""
    import torch

    from incognito.lab import export
    from incognito.lab.nets import build

    net = build("unet", "efficientnet-b0", [16] * 5).eval()
    path = tmp_path / "b0.onnx"
    path.write_bytes(export.to_onnx(export.Deployed(net), 64, 64))
    counted = []
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda m, _, out: counted.append(out.numel() * m.weight[0].numel()))
    net(torch.zeros(1, 3, 64, 64))
    assert cost.cost(path).multiply_adds == sum(counted) > 0


@pytest.mark.parametrize(("kind", "share", "moves"), [("float16", 0.55, 1e-3), ("int8", 0.35, 0.02)])
def test_smaller_weights_give_nearly_the_same_alpha(portrait, tmp_path, kind, share, moves):
    """The file shrinks, the model's answer hardly moves, and its cost is counted as before."""
    card = zoo.find(ZOO / "light-mobilenet_v2.onnx")
    small = compact.compact(card.load(), kind)
    assert len(small) < share * card.bytes
    picture = cv2.resize(portrait, (card.width, card.height), interpolation=cv2.INTER_AREA)[None]
    (tmp_path / "small.onnx").write_bytes(small)
    network = onnx.load_from_string(small)
    assert network.graph.input == onnx.load_from_string(card.load()).graph.input
    assert cost.cost(tmp_path / "small.onnx") == cost.cost(card.path)
    import dataclasses
    import hashlib

    written = dataclasses.replace(
        card, file="small.onnx", folder=tmp_path, bytes=len(small), sha256=hashlib.sha256(small).hexdigest()
    )
    difference = np.abs(OnnxRuntime(written).run(picture) - OnnxRuntime(card).run(picture))
    assert 0 < difference.mean() < moves


def test_the_command_writes_rows_pictures_and_a_sheet(run, toy_data, tmp_path):
    """Everything that an evaluation can leave behind."""
    out, pictures, worst = (tmp_path / name for name in ("rows.csv", "pictures.csv", "worst.png"))
    options = ("-o", out, "--pictures", pictures, "--worst", worst)
    code, stdout, _ = run("lab", "evaluate", "fast", "--data", toy_data, "--slices", *options)
    assert code == 0
    assert "\nslice " in stdout
    assert "false person in empty" in stdout
    assert len(rows.read(out)) == 1
    assert len(rows.read(pictures)) == 2
    assert worst.is_file()
    for option, path in (("--worst", tmp_path / "worst.xyz"), ("-o", tmp_path / "nowhere" / "rows.csv")):
        code, stdout, stderr = run("lab", "evaluate", "fast", "--data", toy_data, option, path)
        assert (code != 0, stdout, stderr.count("\n")) == (True, "", 1)
