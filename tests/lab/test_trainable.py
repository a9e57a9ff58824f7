"""ONNX graphs as modules: the same numbers, weights that learn, and back."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from incognito.errors import LabError
from incognito.lab import graph, quantise
from incognito.lab.passes import masters_of
from incognito.lab.trainable import Trainable


@pytest.fixture(scope="module")
def int8(small_model, pictures, tmp_path_factory):
    return quantise.static(small_model, quantise.Calibration(pictures, tmp_path_factory.mktemp("ranges")))


def alpha(net, picture):
    with torch.no_grad():
        return torch.sigmoid(net(torch.from_numpy(picture)))[:, 0].numpy()


def test_it_gives_what_onnx_runtime_gives(small_model, pictures):
    """To rounding, and the model comes back as it was."""
    net = Trainable(small_model)
    for picture in pictures:
        np.testing.assert_allclose(alpha(net, picture), graph.run(small_model, [picture])[0][0], atol=1e-5)
    again = net.model()
    np.testing.assert_array_equal(*(graph.run(model, pictures[:1])[0][0] for model in (small_model, again)))


def test_a_batch_may_be_larger_and_of_another_size(small_model):
    """The graph is for one picture of 64x64; learning is not."""
    assert Trainable(small_model)(torch.zeros(3, 96, 32, 3)).shape == (3, 1, 96, 32)


def test_every_convolution_learns(small_model, pictures):
    """The gradient reaches each weight and bias, and a step reaches the ONNX model."""
    net = Trainable(small_model)
    net(torch.from_numpy(pictures[0])).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in net.weights.values())
    with torch.no_grad():
        for weight in net.weights.values():
            weight.add_(torch.randn_like(weight), alpha=0.05)
    np.testing.assert_allclose(alpha(net, pictures[0]), graph.run(net.model(), pictures[:1])[0][0], atol=1e-4)


def test_a_quantised_graph_learns_with_its_rounding(small_model, int8, pictures):
    """It gives what int8 arithmetic gives, nearly, gradients pass the rounding, and its weights stay whole numbers."""
    net = Trainable(int8, masters_of(small_model, int8))
    expected = graph.run(int8, pictures[:1])[0][0]
    assert np.abs(alpha(net, pictures[0]) - expected).mean() < 0.02
    net(torch.from_numpy(pictures[0])).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in net.weights.values())
    before, after = graph.arrays_of(int8), graph.arrays_of(net.model())
    assert {name: array.dtype for name, array in after.items()} == {name: array.dtype for name, array in before.items()}
    for name, array in before.items():
        assert np.abs(after[name].astype(np.float64) - array).max() <= 1, name  # a step, where it was just between two


def test_the_masters_are_the_weights_before_rounding(small_model, int8):
    """None is missing, and each is what the float model has."""
    net, floats = Trainable(int8, masters_of(small_model, int8)), graph.arrays_of(small_model)
    assert len(masters_of(small_model, int8)) == len(net.weights)
    learnt = {array.detach().numpy().tobytes() for array in net.weights.values()}
    used = {name for node in small_model.graph.node if node.op_type == "Conv" for name in node.input[1:3]}
    assert learnt == {floats[name].tobytes() for name in used}


def test_what_it_cannot_run_is_refused(small_model):
    """With the operator's name."""
    model = graph.clone(small_model)
    model.graph.node.append(helper.make_node("Tan", [model.graph.output[0].name], ["tan"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("tan", TensorProto.FLOAT, [1, 64, 64]))
    with pytest.raises(LabError, match="Tan"):
        Trainable(model)
