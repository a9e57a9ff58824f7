"""The graph pass: the same answer from fewer nodes."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from toys import small_net

from incognito.errors import LabError
from incognito.lab import export, graph, tidy


@pytest.fixture(scope="module")
def exported():
    return graph.parse(export.to_onnx(export.Deployed(small_net()).eval(), 64, 64), "small")


def answer(model, picture):
    return graph.run(model, [picture])[0][0]


def kinds(model):
    return [node.op_type for node in model.graph.node]


def test_a_tidy_graph_gives_the_same_alpha(exported, small_model, pictures):
    """To rounding, with fewer nodes, each with a name of its own, and standard operators only."""
    assert len(small_model.graph.node) < 0.7 * len(exported.graph.node)
    for picture in pictures:
        np.testing.assert_allclose(answer(small_model, picture), answer(exported, picture), atol=1e-4)
    names = [node.name for node in small_model.graph.node]
    assert all(names) and len(set(names)) == len(names)
    assert {node.domain for node in small_model.graph.node} == {""}
    assert not {"Constant", "BatchNormalization", "Identity", "Dropout"} & set(kinds(small_model))


def test_tidying_twice_changes_nothing(small_model, pictures):
    """A tidy graph is as short as it gets."""
    again = tidy.tidy(small_model)
    assert kinds(again) == kinds(small_model)
    np.testing.assert_array_equal(answer(again, pictures[0]), answer(small_model, pictures[0]))


def scaled(steps, weight):
    """A convolution with a border behind steps of scaling."""
    arrays = {"w": weight} | {f"c{number}": array for number, (_, array) in enumerate(steps)}
    nodes = [
        helper.make_node("Transpose", ["picture"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["t0"], to=TensorProto.FLOAT),
        *(helper.make_node(kind, [f"t{n}", f"c{n}"], [f"t{n + 1}"]) for n, (kind, _) in enumerate(steps)),
        helper.make_node("Conv", [f"t{len(steps)}", "w"], ["y"], pads=[1, 1, 1, 1]),
    ]
    given = helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, 8, 8, 3])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 8, 8])
    held = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()]
    return helper.make_model(
        helper.make_graph(nodes, "scaled", [given], [made], held), opset_imports=[helper.make_opsetid("", 17)]
    )


def test_scalings_go_into_the_convolution_exactly(pictures):
    """At the border too: whatever the steps, one shift is left."""
    rng = np.random.default_rng(0)
    channels = lambda: rng.uniform(0.5, 2, (1, 3, 1, 1))  # noqa: E731
    steps = [("Div", np.array(127.5)), ("Sub", channels()), ("Mul", channels()), ("Add", channels())]
    model = scaled(steps, rng.standard_normal((4, 3, 3, 3)))
    found = tidy.fold_scaling(graph.clone(model))
    assert kinds(found) == ["Transpose", "Cast", "Add", "Conv"]
    picture = pictures[0][:, :8, :8]
    np.testing.assert_allclose(answer(found, picture), answer(model, picture), rtol=1e-4, atol=1e-4)


def test_a_shift_that_all_channels_share_is_one_number(pictures):
    """Three numbers beside one another in memory take ONNX Runtime a layer's time to add, one number does not."""
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, 3))
    alike = tidy.fold_scaling(scaled([("Sub", np.array(127.5)), ("Div", np.array(127.5))], weights))
    apart = tidy.fold_scaling(
        scaled([("Sub", np.array([1.0, 2, 3]).reshape(1, 3, 1, 1)), ("Div", np.array(2.0))], weights)
    )
    assert graph.arrays_of(alike)[tidy.SHIFT] == -127.5
    np.testing.assert_array_equal(graph.arrays_of(apart)[tidy.SHIFT].ravel(), [-1, -2, -3])


def test_a_scaling_that_another_node_reads_stays(pictures):
    """Only convolutions can take it up."""
    model = scaled([("Div", np.array(255.0)), ("Sub", np.array(0.5))], np.ones((4, 3, 3, 3)))
    model.graph.node.append(helper.make_node("Relu", ["t2"], ["z"]))
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 3, 8, 8]))
    assert kinds(tidy.fold_scaling(graph.clone(model))) == kinds(model)


def test_upsampling_by_sizes_becomes_upsampling_by_factors(small_model):
    """So that the same graph fits pictures of another size."""
    resizes = [node for node in small_model.graph.node if node.op_type == "Resize"]
    assert resizes and all(len(node.input) == 3 for node in resizes)


def test_old_opsets_are_brought_up():
    """What can be converted is; a graph of opset 11 runs on."""
    model = scaled([("Div", np.array(255.0))], np.ones((4, 3, 3, 3)))
    model.opset_import[0].version = 11
    assert tidy.modern(model).opset_import[0].version == tidy.OPSET


def test_an_opset_that_nobody_knows_is_refused():
    """In one line."""
    model = scaled([("Div", np.array(255.0))], np.ones((4, 3, 3, 3)))
    model.opset_import[0].version = 99
    with pytest.raises(LabError, match="export it again"):
        tidy.tidy(model)
