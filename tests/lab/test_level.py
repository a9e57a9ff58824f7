"""Levelling: both halves of what a decoder joins have the same range, and the network is the same."""

from __future__ import annotations

import numpy as np
import pytest

from incognito.lab import graph, level, quantise


@pytest.fixture
def uneven(small_model):
    """The small network with what its decoder made a hundredth as large as before each concatenation, undone behind."""
    model = graph.clone(small_model)
    for joint in joints(model):
        (by_depth,) = graph.consumers(model)[joint.output[0]]
        filters = graph.arrays_of(model)[by_depth.input[1]].copy()
        channels = graph.shapes(model)[joint.input[0]][1]
        way = level._way(model, joint.input[0])
        assert way
        level._enlarge(model, way, 0.01)
        filters[:channels] *= 100
        level._replace(model, by_depth, 1, filters)
    return model


def joints(model):
    """The concatenations."""
    return [node for node in model.graph.node if node.op_type == "Concat"]


def alphas(model, pictures):
    return np.array([found[0] for found in graph.run(model, pictures)])


def test_the_network_is_the_same(small_model, uneven, pictures):
    """To the last digits of float32; what is given stays as it was."""
    before = graph.clone(uneven)
    found = alphas(level.levelled(uneven, pictures), pictures)
    assert np.abs(found - alphas(small_model, pictures)).max() < 1e-4
    assert uneven == before


def test_both_halves_reach_as_far(uneven, pictures):
    """The largest value of each part of each concatenation, over all pictures."""
    even = level.levelled(uneven, pictures)
    assert len(joints(even)) == len(joints(uneven)) > 0
    for joint in joints(even):
        seen = [[np.abs(part).max() for part in found] for found in graph.run(even, pictures, list(joint.input))]
        first, second = np.max(seen, axis=0)
        assert first == pytest.approx(second, rel=1e-3)


def test_8_bits_then_keep_both_halves(uneven, pictures, tmp_path):
    """Of the uneven network's smaller half rounding leaves little, of the level one's nearly all."""
    lost = []
    for name, model in (("uneven", uneven), ("even", level.levelled(uneven, pictures))):
        (tmp_path / name).mkdir()
        rounded = quantise.static(model, quantise.Calibration(pictures, tmp_path / name))
        joint = joints(model)[-1]
        channels, users = graph.shapes(model)[joint.input[0]][1], graph.consumers(rounded)
        (rounding,) = users[joint.output[0]]
        kept = users[rounding.output[0]][0].output[0]  # what the next layer is given: rounded, in float
        (right,), (found,) = graph.run(model, pictures[:1], [joint.output[0]]), graph.run(rounded, pictures[:1], [kept])
        lost.append(np.abs(found[0] - right[0])[:, :channels].mean() / np.abs(right[0])[:, :channels].mean())
    assert lost[1] < 0.2 < lost[0]


def test_what_cannot_be_scaled_alone_is_left(small_model):
    """A way ends at a second reader, an output of the model, an end that is computed, and where no convolution is."""
    name = joints(small_model)[0].input[0]
    assert level._way(small_model, name)
    assert level._way(small_model, graph.input_of(small_model).name) is None
    read, given, computed = (graph.clone(small_model) for _ in range(3))
    read.graph.node.add(op_type="Identity", input=[name], output=["second"])
    given.graph.output.add().name = name
    clip = next(node for node in level._way(computed, name) if node.op_type == "Clip")
    clip.input[2] = "computed"
    assert [level._way(model, name) for model in (read, given, computed)] == [None] * 3


def test_only_channels_are_levelled(small_model, pictures):
    """What is laid side by side, not channel behind channel, is not looked at."""
    model = graph.clone(small_model)
    for joint in joints(model):
        joint.attribute[0].i = 2
    assert list(level.levelled(model, pictures).graph.node) == list(model.graph.node)
