"""Int8: what is rounded, how, and what stays float."""

import numpy as np
import pytest

from incognito.errors import LabError
from incognito.lab import graph, quantise


@pytest.fixture
def calibration(pictures, tmp_path):
    return quantise.Calibration(pictures, tmp_path)


def quantised_layers(model):
    """The convolutions whose weights come out of 8 bits."""
    made, arrays = graph.producers(model), graph.arrays_of(model)
    return {
        node.name
        for node in model.graph.node
        if node.op_type == "Conv" and node.input[1] in made and arrays[made[node.input[1]].input[0]].dtype.itemsize == 1
    }


def convolutions(model):
    return {node.name for node in model.graph.node if node.op_type == "Conv"}


def moved(model, other, pictures):
    return np.mean(
        [np.abs(a[0] - b[0]).mean() for a, b in zip(*(graph.run(m, pictures) for m in (model, other)), strict=True)]
    )


@pytest.mark.parametrize("method", quantise.METHODS)
def test_every_calibration_gives_a_network_of_8_bits(small_model, calibration, pictures, method):
    """All convolutions are quantised, the file is a third, and alpha hardly moves."""
    found = quantise.static(small_model, calibration, method)
    assert quantised_layers(found) == convolutions(small_model)
    assert len(found.SerializeToString()) < 0.5 * len(small_model.SerializeToString())
    assert moved(small_model, found, pictures) < 0.05
    assert graph.input_of(found) == graph.input_of(small_model)


def test_kinds_differ_in_their_weights(small_model, calibration):
    """Signed, unsigned, or signed in 7 bits."""
    weights = {}
    for kind in quantise.KINDS:
        model = quantise.static(small_model, calibration, kind=kind)
        arrays, made = graph.arrays_of(model), graph.producers(model)
        weights[kind] = [arrays[made[n.input[1]].input[0]] for n in model.graph.node if n.op_type == "Conv"]
    assert {array.dtype.name for array in weights["u8s8"] + weights["reduced"]} == {"int8"}
    assert {array.dtype.name for array in weights["u8u8"]} == {"uint8"}
    assert max(np.abs(array.astype(int)).max() for array in weights["reduced"]) <= 64
    assert max(np.abs(array.astype(int)).max() for array in weights["u8s8"]) > 100


def test_named_layers_stay_float(small_model, calibration):
    """And no others."""
    left = frozenset(sorted(convolutions(small_model))[:3])
    assert quantised_layers(quantise.static(small_model, calibration, floats=left)) == convolutions(small_model) - left


def test_sensitivity_names_the_worst_layer_first(small_model, calibration):
    """One number a convolution, falling."""
    found = quantise.sensitivity(small_model, calibration, "minmax", "u8s8")
    assert found.keys() == convolutions(small_model)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert next(iter(found.values())) > 0


def test_dynamic_quantisation_leaves_activations_to_the_run(small_model, pictures):
    """Weights of plain convolutions are in 8 bits; there is nothing to calibrate."""
    found = quantise.dynamic(small_model)
    assert "ConvInteger" in {node.op_type for node in found.graph.node}
    assert moved(small_model, found, pictures) < 0.05


@pytest.mark.parametrize(("method", "kind"), [("guess", "u8s8"), ("minmax", "s4")])
def test_unknown_orders_are_refused(small_model, calibration, method, kind):
    """With those that are known."""
    with pytest.raises(LabError, match="percentile"):
        quantise.static(small_model, calibration, method, kind)


def test_nothing_to_calibrate_on_is_an_error(small_model, tmp_path):
    """In one line, before any work."""
    with pytest.raises(LabError, match="no pictures to calibrate on"):
        quantise.static(small_model, quantise.Calibration([], tmp_path))


@pytest.mark.parametrize(
    ("name", "kind"), [("Xeon avx2 avx512_vnni", "u8s8"), ("Core avx2 avx_vnni", "u8s8"), ("Old avx2", "reduced")]
)
def test_the_kind_follows_the_cpu(monkeypatch, name, kind):
    """Without VNNI, weights get 7 bits."""
    monkeypatch.setattr(quantise, "cpu", lambda: name)
    assert quantise.kind_here() == kind
