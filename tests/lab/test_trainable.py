"""ONNX graphs as modules: the same numbers, weights that learn, and back."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

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


WINDOW = {"kernel_shape": [3, 3], "strides": [2, 2]}
NODES = {
    "a pool with pads": helper.make_node("MaxPool", ["x"], ["y"], pads=[0, 1, 1, 0], **WINDOW),
    "a mean pool": helper.make_node("AveragePool", ["x"], ["y"], pads=[1, 1, 1, 1], **WINDOW),
    "a mean of all": helper.make_node("GlobalAveragePool", ["x"], ["y"]),
    "hard swish": helper.make_node("HardSwish", ["x"], ["y"]),
    "hard sigmoid": helper.make_node("HardSigmoid", ["x"], ["y"], alpha=1 / 6, beta=0.5),
    "depth to space": helper.make_node("DepthToSpace", ["x"], ["y"], blocksize=2),
    "depth to space, by columns": helper.make_node("DepthToSpace", ["x"], ["y"], blocksize=2, mode="CRD"),
    "softmax": helper.make_node("Softmax", ["x"], ["y"], axis=1),
    "larger, smooth": helper.make_node("Resize", ["x", "", "factors"], ["y"], mode="linear"),
    "larger, in steps": helper.make_node(
        "Resize", ["x", "", "factors"], ["y"], mode="nearest", nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    ),
}  # fmt: skip


def one_node(node):
    factors = numpy_helper.from_array(np.array([1, 1, 2, 1.5], np.float32), "factors")
    weight = numpy_helper.from_array(np.linspace(-0.05, 0.05, 12, dtype=np.float32).reshape(4, 3, 1, 1), "w")
    return helper.make_model(
        helper.make_graph(
            [helper.make_node("Transpose", ["p"], ["t"], perm=[0, 3, 1, 2]),
             helper.make_node("Cast", ["t"], ["c"], to=TensorProto.FLOAT),
             helper.make_node("Conv", ["c", "w"], ["x"]), node],
            "one",
            [helper.make_tensor_value_info("p", TensorProto.UINT8, [1, 8, 12, 3])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [factors, weight],
        ),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
    )  # fmt: skip


@pytest.mark.parametrize("name", NODES)
def test_operators_give_what_onnx_runtime_gives(name, monkeypatch):
    """Each by itself, on one picture."""
    model = one_node(NODES[name])
    picture = np.random.default_rng(1).integers(0, 256, (1, 8, 12, 3), np.uint8)
    monkeypatch.setattr(torch, "logit", lambda answer, _: answer)  # what comes out is no alpha here
    with torch.no_grad():
        found = Trainable(model)(torch.from_numpy(picture)).numpy()
    np.testing.assert_allclose(found, graph.run(model, [picture])[0][0], atol=1e-5)


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Resize", ["x", "", "factors"], ["y"], mode="cubic"),
        helper.make_node("Resize", ["x", "", "factors"], ["y"], mode="nearest", nearest_mode="ceil"),
        helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], ceil_mode=1),
        helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[3, 3], pads=[0, 0, 1, 1]),
        helper.make_node("Conv", ["x", "w"], ["y"], auto_pad="SAME_UPPER"),
    ],
)
def test_what_pytorch_computes_otherwise_is_refused(node):
    """Rather than computed wrongly."""
    with pytest.raises(LabError, match="cannot be trained here"):
        Trainable(one_node(node))
