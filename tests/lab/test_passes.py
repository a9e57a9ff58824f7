"""The passes: a contract over the table, and what each is for."""

import dataclasses

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto

from incognito import runtime
from incognito.errors import LabError
from incognito.lab import bias, graph, passes, quantise
from incognito.lab.judge import Judge
from incognito.lab.passes import PASSES, Context

OPTIONS = {"resolution": {"size": [32, 64]}, "prune": {"keep": 0.75}, "shorten": {"blocks": 1}}


class CountingJudge(Judge):
    """Says that each quantised convolution costs a thousandth of IoU."""

    def iou_of(self, model):
        made = graph.producers(model)
        return 0.9 - 0.001 * sum(n.op_type == "Conv" and n.input[1] in made for n in model.graph.node)


@pytest.fixture
def context(toy_data, small_model, pictures, portrait, tmp_path):
    judge = Judge.of(toy_data, 100)
    seen = [portrait, portrait // 3, *(picture[0] for picture in pictures)]
    return Context(seen, judge, judge.iou_of(small_model), 0.003, tmp_path, lambda model, *_: model)


@pytest.mark.parametrize("name", PASSES)
def test_every_pass_gives_a_network_of_the_same_kind(name, small_model, context):
    """Bytes in and alpha out, checked by ONNX, within its stated tolerance; the model that came in is untouched."""
    if name == "bf16" and not runtime.is_installed("openvino"):
        pytest.skip("OpenVINO is not installed")
    before = small_model.SerializeToString()
    found = PASSES[name].apply(small_model, context, **OPTIONS.get(name, {}))
    onnx.checker.check_model(found)
    height, width = OPTIONS.get(name, {}).get("size", [64, 64])
    assert graph.shape_of(graph.input_of(found)) == [1, height, width, 3]
    assert graph.input_of(found).type.tensor_type.elem_type == TensorProto.UINT8
    (alpha,) = graph.run(found, [np.zeros((1, height, width, 3), np.uint8)])[0]
    assert (alpha.shape, alpha.dtype) == ((1, height, width), np.float32)
    assert passes.prove(small_model, found) <= PASSES[name].tolerance
    assert small_model.SerializeToString() == before


def test_a_mistake_is_beyond_every_tolerance(small_model):
    """A network that finds the opposite moves alpha by far more than any pass may."""
    wrong = graph.clone(small_model)
    last = [node for node in wrong.graph.node if node.op_type == "Conv"][-1]
    graph.put(wrong, last.input[1], -graph.arrays_of(wrong)[last.input[1]])
    assert passes.prove(small_model, wrong) > max(step.tolerance for step in PASSES.values())


@pytest.mark.parametrize("size", [[64, 64], [96, 32]])
def test_a_size_that_the_strides_divide_needs_no_padding(small_model, context, size):
    """The graph as it was, at another size."""
    found = passes.resized(small_model, context, size)
    assert not {"Pad", "Slice"} & {node.op_type for node in found.graph.node}


def test_a_size_between_strides_is_padded_inside(small_model, context):
    """What is added is cut off again: the part that was there is as in the larger picture."""
    notes = []
    found = passes.resized(small_model, dataclasses.replace(context, note=notes.append), [72, 64])
    assert notes == ["padded to 64x96 inside"]
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (72, 64, 3), np.uint8), (0, 0), 3)
    larger = passes.resized(small_model, context, [96, 64])
    continued = np.concatenate([picture, np.repeat(picture[-1:], 24, axis=0)])
    expected = graph.run(larger, [continued[None]])[0][0][:, :72]
    np.testing.assert_allclose(graph.run(found, [picture[None]])[0][0], expected, atol=1e-5)


@pytest.mark.parametrize("size", [[64], [64, 0], [16, 64], ["a", 64]])
def test_senseless_sizes_are_refused(small_model, context, size):
    """With what a size is."""
    with pytest.raises(LabError, match=r"a size is \[height, width\]"):
        passes.resized(small_model, context, size)


@pytest.mark.parametrize("needed", [3, 4])
def test_layers_stay_float_until_the_budget_holds(small_model, context, needed):
    """As few of the most sensitive as will do, also where that is no power of two."""
    count = sum(node.op_type == "Conv" for node in small_model.graph.node)
    notes = []
    judged = dataclasses.replace(context, judge=CountingJudge([]), floating=0.9, note=notes.append)
    budget = 0.001 * (count - needed) + 1e-9
    found = passes.int8(small_model, dataclasses.replace(judged, budget=budget), method="minmax")
    assert CountingJudge([]).iou_of(found) == pytest.approx(0.9 - budget)
    assert notes[-1].startswith("left in float: ") and notes[-1].count(",") == needed - 1


def test_what_stays_float_is_what_is_needed():
    """Those that can go back do, the last ones first."""
    asked = []

    def holds(names: list[str]) -> bool:
        asked.append("".join(names))
        return {"a", "c"} <= {*names}

    assert passes.fewest(["a", "b", "c", "d"], holds) == ["a", "c"]
    assert asked == ["abc", "ab", "ac", "c"]


def test_what_no_layers_in_float_can_save_is_said(small_model, context):
    """The gate then sees the loss."""
    notes = []
    judged = dataclasses.replace(context, judge=CountingJudge([]), floating=0.9, budget=0.0, note=notes.append)
    found = passes.int8(small_model, judged, method="minmax")
    assert notes[-1] == "no choice of layers in float held the budget"
    assert judged.lost(found) > 0


def test_quantisation_is_trained_for_where_calibration_loses_too_much(small_model, context):
    """With the float weights for masters, on as many pictures as the rung says; not where calibration is enough."""
    calls = []

    def tune(model, count, masters):
        calls.append((count, len(masters)))
        return model

    judged = dataclasses.replace(context, judge=CountingJudge([]), floating=0.9, tune=tune)
    passes.int8(small_model, judged, method="minmax", pictures=160)
    convolutions = sum(node.op_type == "Conv" for node in small_model.graph.node)
    assert calls == [(160, 2 * convolutions)]
    easy = dataclasses.replace(judged, floating=judged.judge.iou_of(passes.int8(small_model, judged, "minmax")))
    passes.int8(small_model, easy, method="minmax", pictures=160)
    assert len(calls) == 1


def test_the_best_calibration_is_taken(monkeypatch, small_model, context):
    """Of all methods, the one that loses least; the note has every one's loss."""
    losses = {"minmax": 0.002, "entropy": 0.0005, "percentile": 0.001}
    monkeypatch.setattr(quantise, "static", lambda model, calibration, method, kind: method)
    monkeypatch.setattr(bias, "corrected", lambda model, quantised, pictures: quantised)
    notes = []
    judge = type("Judge", (), {"iou_of": lambda self, model: 0.9 - losses[model]})()
    judged = dataclasses.replace(context, judge=judge, floating=0.9, note=notes.append)
    assert passes.int8(small_model, judged) == "entropy"
    assert "calibration entropy: minmax lost 0.0020" in notes[0]
