"""Structured pruning: what adds nothing leaves, everywhere at once."""

import numpy as np
import pytest
from onnx import helper
from toys import plain_model

from incognito.errors import LabError
from incognito.lab import graph, prune
from incognito.lab.cost import cost


def widths(model):
    arrays = graph.arrays_of(model)
    return {node.name: arrays[node.input[1]].shape for node in model.graph.node if node.op_type == "Conv"}


@pytest.mark.parametrize("part", prune.PARTS)
def test_a_pruned_network_is_smaller_and_runs(tmp_path, small_model, pictures, part):
    """Whatever the part; the other part keeps its layers' outputs, and alpha keeps its shape."""
    found = prune.prune(small_model, pictures, 0.5, part)
    assert graph.run(found, pictures[:1])[0][0].shape == (1, 64, 64)
    for name, model in (("before", small_model), ("after", found)):
        (tmp_path / f"{name}.onnx").write_bytes(model.SerializeToString())
    assert cost(tmp_path / "after.onnx").multiply_adds < cost(tmp_path / "before.onnx").multiply_adds
    changed = {name for name, shape in widths(found).items() if shape[0] != widths(small_model)[name][0]}
    late = {name for name in changed if "ups" in name}
    assert late if part == "decoder" else changed - late
    assert part != "decoder" or changed == late


@pytest.mark.parametrize(("part", "heights"), [("fine", {32}), ("shallow", {16, 32})])
def test_a_part_is_what_is_computed_at_such_a_size(small_model, pictures, part, heights):
    """Of 64 pixels: layers at 32, and at 16, are thinned, those below keep theirs; "shallow" spares the decoder."""
    found = widths(prune.prune(small_model, pictures, 0.5, part))
    seen = {node.name: graph.shapes(small_model)[node.output[0]][2] for node in small_model.graph.node}
    mixing = {name: shape for name, shape in widths(small_model).items() if shape[1] > 1}  # others pass channels on
    changed = {name for name, shape in mixing.items() if found[name][0] != shape[0]}
    assert changed
    assert {seen[name] for name in changed} == heights
    assert part == "fine" or not any("ups" in name for name in changed)


def test_residuals_lose_the_same_channels_and_dead_ones_leave_no_trace():
    """What is added must keep the same channels: the sum of two convolutions is cut alike in both."""
    rng = np.random.default_rng(1)
    shapes = {"w1": (8, 3, 1, 1), "w2": (8, 8, 3, 3), "w3": (1, 8, 1, 1)}
    arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    arrays["w1"][:4] = arrays["w2"][:4] = 0  # four channels of the sum are zero
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], "one"),
        helper.make_node("Conv", ["a", "w2"], ["b"], "two", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Conv", ["c", "w3"], ["alpha"], "three"),
    ]
    model, picture = plain_model(nodes, arrays), rng.integers(0, 256, (1, 8, 8, 3), np.uint8)
    found = prune.prune(model, [picture], 0.5, multiple=4)
    assert widths(found) == {"one": (4, 3, 1, 1), "two": (4, 4, 3, 3), "three": (1, 4, 1, 1)}
    np.testing.assert_allclose(*(graph.run(m, [picture])[0][0] for m in (found, model)), rtol=1e-4, atol=1e-3)


def test_what_a_leaving_channel_gave_on_average_stays():
    """Channels that are the same everywhere go into the bias of what read them: alpha is as before."""
    rng = np.random.default_rng(2)
    arrays = {"w1": rng.standard_normal((8, 3, 1, 1)), "b1": np.zeros(8), "w2": rng.standard_normal((1, 8, 1, 1))}
    arrays["w1"][:4], arrays["b1"][:4] = 0, 0.25
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], "one"),
        helper.make_node("Conv", ["a", "w2"], ["alpha"], "two"),
    ]
    model, picture = plain_model(nodes, arrays), rng.integers(0, 256, (1, 8, 8, 3), np.uint8)
    found = prune.prune(model, [picture], 0.5, multiple=4)
    assert widths(found) == {"one": (4, 3, 1, 1), "two": (1, 4, 1, 1)}
    np.testing.assert_allclose(*(graph.run(m, [picture])[0][0] for m in (found, model)), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("keep", "part"), [(0.0, "all"), (1.0, "all"), (0.5, "head")])
def test_senseless_orders_are_refused(small_model, pictures, keep, part):
    """With what may be said instead."""
    with pytest.raises(LabError, match="encoder, decoder"):
        prune.prune(small_model, pictures, keep, part)


def test_nothing_to_spare_is_an_error(small_model, pictures):
    """Rather than the same network again."""
    with pytest.raises(LabError, match="no layer has channels to spare"):
        prune.prune(small_model, pictures, 0.9, multiple=64)
