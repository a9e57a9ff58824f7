"""Bias correction: a quantised network whose channels do not lean to one side."""

from __future__ import annotations

import numpy as np
import pytest

from incognito.lab import bias, graph, quantise


def leaning(model, other, pictures):
    """By how much alpha is larger on average, away from zero."""
    first, second = (np.array([found[0] for found in graph.run(each, pictures)]) for each in (model, other))
    return abs(float((second - first).mean()))


@pytest.fixture
def rounded(small_model, pictures, tmp_path):
    """The small network in 8 bits, with the biases of every other layer too large."""
    found = quantise.static(small_model, quantise.Calibration(pictures, tmp_path))
    for layer in bias._layers(small_model, found)[::2]:
        held = graph.arrays_of(found)[layer.bias]
        graph.put(found, layer.bias, held + np.round(np.minimum(0.02 / layer.step, 1e6)).astype(held.dtype))
    return found


def test_what_leans_is_set_upright(small_model, rounded, pictures):
    """On the pictures that it is corrected on alpha leans by less than a tenth; what is given stays as it was."""
    before = graph.clone(rounded)
    fixed = bias.corrected(small_model, rounded, pictures)
    assert leaning(small_model, fixed, pictures) < 0.1 * leaning(small_model, rounded, pictures)
    assert rounded == before


def test_only_biases_change(small_model, rounded, pictures):
    """The same nodes and constants, but for the biases of convolutions, which keep their types."""
    fixed = bias.corrected(small_model, rounded, pictures)
    old, new = graph.arrays_of(rounded), graph.arrays_of(fixed)
    biases = {layer.bias for layer in bias._layers(small_model, rounded)}
    assert list(fixed.graph.node) == list(rounded.graph.node)
    assert {name for name in old if not np.array_equal(old[name], new[name])} <= biases
    assert {name: array.dtype for name, array in old.items()} == {name: array.dtype for name, array in new.items()}


def test_layers_in_float_are_corrected_too(small_model, pictures, tmp_path):
    """A layer that is left in float takes what those before it do to its mean."""
    names = [node.name for node in small_model.graph.node if node.op_type == "Conv"]
    model = quantise.static(small_model, quantise.Calibration(pictures, tmp_path), floats=frozenset(names[2:]))
    steps = [layer.step is None for layer in bias._layers(small_model, model)]
    assert any(steps) and not all(steps)
    fixed = bias.corrected(small_model, model, pictures)
    assert leaning(small_model, fixed, pictures) <= leaning(small_model, model, pictures)
