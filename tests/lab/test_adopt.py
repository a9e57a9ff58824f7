"""Networks from elsewhere: what their cards say, what is found out, and what is refused."""

import dataclasses

import numpy as np
import onnx
import pytest
from making import toy_card
from onnx import TensorProto, helper
from toys import colour_net

from incognito.errors import LabError
from incognito.lab import adopt, graph
from incognito.lab.judge import Judge


@pytest.fixture(scope="module")
def judge(toy_data):
    return Judge.of(toy_data, 100)


def model_of(network):
    return graph.parse(network, "elsewhere")


@pytest.mark.parametrize(("planes", "colour", "scale"), [(1, "RGB", 255.0), (3, "BGR", 255.0), (2, "RGB", 1.0)])
def test_a_networks_meaning_is_found_out_on_pictures(judge, planes, colour, scale):
    """Colour order, plane and activation, by what finds people: bytes go in then, and alpha comes out."""
    found, words = adopt.adopt(model_of(colour_net(planes=planes, colour=colour, scale=scale)), None, judge)
    assert graph.shape_of(graph.input_of(found)) == [1, 64, 64, 3]
    assert graph.input_of(found).type.tensor_type.elem_type == TensorProto.UINT8
    assert judge.iou_of(found) > 0.8
    assert words.startswith(f"found by trial: {colour}")
    assert f"output {planes - 1}" in words


def test_a_card_is_believed(judge):
    """Its scaling and activation are put into the graph; nothing is tried."""
    network = colour_net()
    card = toy_card(
        network, height=64, width=64, layout="NCHW", dtype="float32", activation="sigmoid",
        mean=[0.0, 0.0, 0.0], deviation=[1.0, 1.0, 1.0],
    )  # fmt: skip
    found, words = adopt.adopt(model_of(network), card, Judge([]))
    assert words.startswith("told by its card")
    assert judge.iou_of(found) > 0.8
    turned, _ = adopt.adopt(model_of(network), dataclasses.replace(card, colour="BGR"), Judge([]))
    assert judge.iou_of(turned) < 0.2


def test_what_already_fits_is_taken_as_it_is(small_model):
    """A network of this laboratory stays what it is."""
    card = toy_card(small_model.SerializeToString(), height=64, width=64)
    found, words = adopt.adopt(small_model, card, Judge([]))
    assert words == "taken as it is"
    assert found == small_model


def test_names_that_the_wrapping_uses_may_be_taken(judge):
    """A network whose own tensors are called picture and alpha is no worse."""
    model = graph.rename(model_of(colour_net()), {"x": "picture", "y": "alpha", "a": "adopt.mean"})
    assert judge.iou_of(adopt.adopt(model, None, judge)[0]) > 0.8


def test_planes_may_come_last(judge):
    """An output (1, h, w, C), as TensorFlow's converters give it, is turned."""
    model = model_of(colour_net(planes=2))
    model.graph.node.append(helper.make_node("Transpose", ["y"], ["z"], perm=[0, 2, 3, 1]))
    model.graph.output[0].CopyFrom(value("z", [1, 64, 64, 2]))
    assert judge.iou_of(adopt.adopt(model, None, judge)[0]) > 0.8


def test_a_card_that_says_bgr_is_not_taken_for_rgb(judge, small_model):
    """Bytes, too, are turned."""
    card = toy_card(small_model.SerializeToString(), height=64, width=64, colour="BGR")
    found, words = adopt.adopt(small_model, card, judge)
    picture = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    assert words.startswith("told by its card: BGR")
    turned = graph.run(small_model, [np.ascontiguousarray(picture[..., ::-1])])[0][0]
    np.testing.assert_allclose(graph.run(found, [picture])[0][0], turned, atol=1e-5)


def test_a_batch_left_open_is_fixed(judge):
    """One picture at a time."""
    model = model_of(colour_net())
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    found, _ = adopt.adopt(model, None, judge)
    assert judge.iou_of(found) > 0.8


def test_a_size_left_open_needs_a_card(judge):
    """The message says so; with a card the size is fixed."""
    network = colour_net()
    model = model_of(network)
    for place in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[place].dim_param = f"side{place}"
        model.graph.output[0].type.tensor_type.shape.dim[place].dim_param = f"side{place}"
    with pytest.raises(LabError, match="leaves its input's height and width open; put a card beside it"):
        adopt.adopt(model, None, judge)
    card = toy_card(network, height=32, width=96, layout="NCHW", dtype="float32", activation="sigmoid",
                    mean=[0.0] * 3, deviation=[1.0] * 3)  # fmt: skip
    assert graph.shape_of(graph.input_of(adopt.adopt(model, card, judge)[0])) == [1, 32, 96, 3]


def made(nodes, inputs, output, arrays=()):
    return helper.make_model(
        helper.make_graph(nodes, "other", inputs, [output], list(arrays)), opset_imports=[helper.make_opsetid("", 17)]
    )


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


NO_NETWORKS = {
    "a classifier": (
        made(
            [helper.make_node("GlobalAveragePool", ["x"], ["g"]), helper.make_node("Flatten", ["g"], ["y"])],
            [value("x", [1, 3, 64, 64])], value("y", [1, 3]),
        ),
        "no segmentation network",
    ),
    "no picture": (
        made([helper.make_node("Relu", ["x"], ["y"])], [value("x", [1, 80])], value("y", [1, 80])), "no picture",
    ),
    "two pictures": (
        made(
            [helper.make_node("Add", ["x", "z"], ["y"])],
            [value("x", [1, 3, 8, 8]), value("z", [1, 3, 8, 8])], value("y", [1, 3, 8, 8]),
        ),
        "takes 2 inputs",
    ),
    "whole numbers": (
        made([helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)],
             [value("x", [1, 3, 64, 64], TensorProto.INT32)], value("y", [1, 3, 64, 64])),
        "neither bytes nor float32",
    ),
    "classes by their number": (
        made([helper.make_node("ArgMax", ["x"], ["y"], axis=1)], [value("x", [1, 3, 64, 64])],
             value("y", [1, 1, 64, 64], TensorProto.INT64)),
        "gives no float32",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_NETWORKS)
def test_what_is_no_segmentation_network_is_refused(judge, name):
    """In one line that says what it is instead."""
    model, said = NO_NETWORKS[name]
    with pytest.raises(LabError, match=said):
        adopt.adopt(model, None, judge)


@pytest.mark.parametrize("network", [b"", b"no model", onnx.ModelProto().SerializeToString()])
def test_what_is_no_onnx_file_is_refused(network):
    """With the file's name."""
    with pytest.raises(LabError, match=r"net\.onnx"):
        graph.parse(network, "net.onnx")


def test_without_pictures_nothing_can_be_found_out():
    """The message names the remedy."""
    with pytest.raises(LabError, match="put a card beside it"):
        adopt.adopt(model_of(colour_net()), None, Judge([]))


def test_the_judge_knows_good_from_bad(judge, small_model):
    """People found at the masks' own size; a network that finds nothing gets nothing."""
    perfect, _ = adopt.adopt(model_of(colour_net()), None, judge)
    assert judge.iou_of(perfect) > 0.8 > judge.iou_of(small_model)
    assert judge.iou(lambda tensor: np.zeros((64, 64), np.float32), (64, 64)) == 0
