"""Networks from elsewhere, taken in: uint8 (1, h, w, 3) in, alpha (1, h, w) out, whatever they took and gave.

What a card says is believed. Without one, shapes are read from the graph, and the rest, which no graph tells, is
found out: the usual scalings and outputs are tried on labelled pictures, and the ones that find people best are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper

from incognito.errors import LabError
from incognito.frame import resize as shrink
from incognito.lab import graph, metrics, tidy
from incognito.lab.judge import Judge
from incognito.zoo import Card

Scaling = tuple[tuple[float, ...], tuple[float, ...]]
SCALINGS: dict[str, Scaling] = {  # name: mean and deviation, for each channel, of a picture in 0 to 255
    "ImageNet's mean and deviation": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "0 to 1": ((0.0,) * 3, (255.0,) * 3),
    "-1 to 1": ((127.5,) * 3, (127.5,) * 3),
    "0 to 255": ((0.0,) * 3, (1.0,) * 3),
}
AS_IT_IS = "taken as it is"
TRIALS = 12  # pictures on which conventions are tried


@dataclass(frozen=True, slots=True)
class Convention:
    """What goes in and what comes out: how bytes are scaled, and which output plane becomes alpha, how."""

    colour: str  # RGB or BGR
    scaling: str
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    plane: int  # of the output (1, C, h, w)
    activation: str  # none, sigmoid or softmax

    def __str__(self) -> str:
        return f"{self.colour} scaled by {self.scaling}, output {self.plane}, activation {self.activation}"


def adopt(model: ModelProto, card: Card | None, judge: Judge) -> tuple[ModelProto, str]:
    """Give a model the laboratory's input and output; also says in words what was taken for what.

    Raises LabError where it has no picture for an input or no plane for an output, or leaves its size open.
    """
    given, (model, layout) = model, _shaped(tidy.modern(_with_own_names(model)), card)
    kind = graph.input_of(model).type.tensor_type.elem_type
    if card and (layout, kind, *_meaning(card)) == ("NHWC", TensorProto.UINT8, "RGB", "none", False):
        return given if None not in graph.shape_of(graph.input_of(given)) else model, AS_IT_IS
    if kind not in (TensorProto.UINT8, TensorProto.FLOAT):
        raise LabError(
            "the network takes neither bytes nor float32; export it so that it takes a picture in one of them"
        )
    convention = _told(model, layout, card, judge) if card else _tried(model, layout, judge)
    return _wrapped(model, layout, convention), f"{'told by its card' if card else 'found by trial'}: {convention}"


def _meaning(card: Card) -> tuple[str, str, bool]:
    return card.colour, card.activation, bool(card.mean)


def _with_own_names(model: ModelProto) -> ModelProto:
    """A copy whose tensors have names that none of the wrapping's can meet."""
    names = {name for node in model.graph.node for name in (*node.input, *node.output) if name}
    return graph.rename(graph.clone(model), {name: f"own.{name}" for name in names})


def _shaped(model: ModelProto, card: Card | None) -> tuple[ModelProto, str]:
    """Fix a batch that is left open, or a size that the card says; gives the layout too."""
    shape = graph.shape_of(graph.input_of(model))
    if len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise LabError(
            f"the network takes {shape}, no picture (1, 3, h, w) or (1, h, w, 3); this is no segmentation network"
        )
    layout = "NHWC" if shape[3] == 3 else "NCHW"
    sides = slice(1, 3) if layout == "NHWC" else slice(2, 4)
    size = list(card.size) if card else shape[sides]
    if None in size:
        raise LabError("the network leaves its input's height and width open; put a card beside it that says them")
    shape[0], shape[sides] = 1, size
    model = _planes_first(tidy.fix(model, [side or 0 for side in shape]), [int(side or 0) for side in size])
    _check_output(model, graph.shapes(model)[model.graph.output[0].name], [int(side or 0) for side in size])
    return model, layout


def _planes_first(model: ModelProto, size: list[int]) -> ModelProto:
    """Turn an output (1, h, w, C) to (1, C, h, w); raises LabError where it does not hold float32."""
    output = model.graph.output[0]
    if output.type.tensor_type.elem_type != TensorProto.FLOAT:
        raise LabError(
            "the network gives no float32, such as classes by their number; export it without that last step"
        )
    shape = graph.shapes(model)[output.name]
    if len(shape) == 4 and _same_shape(shape[1:3], size) and not _same_shape(shape[2:4], size):
        model.graph.node.append(helper.make_node("Transpose", [output.name], ["own.turned"], perm=[0, 3, 1, 2]))
        output.CopyFrom(helper.make_tensor_value_info("own.turned", TensorProto.FLOAT, None))
    return model


def _same_shape(shape: list[int], size: list[int]) -> bool:
    """Whether a plane is shaped as the picture, whatever its size."""
    return abs(shape[0] * size[1] - shape[1] * size[0]) <= 2 * max(size)


def _check_output(model: ModelProto, shape: list[int], size: list[int]) -> None:
    """Refuse what gives no plane of the picture's shape, such as a classifier."""
    planes = len(shape) in (3, 4) or (len(shape) == 2 and shape == size)
    if not planes or not _same_shape(shape[-2:], size) or min(shape[-2:]) < 8:
        raise LabError(f"the network gives {shape} for a picture of {size}; this is no segmentation network")


def _told(model: ModelProto, layout: str, card: Card, judge: Judge) -> Convention:
    """What a card says; which of several planes is the person's, it cannot, so that is tried."""
    scaling = (tuple(card.mean) or (0.0,) * 3, tuple(card.deviation) or (1.0,) * 3)
    shape = graph.shapes(model)[model.graph.output[0].name]
    if len(shape) < 3 or shape[-3] == 1:
        return Convention(card.colour, "its card", *scaling, 0, card.activation)
    return _tried(model, layout, judge, (card.colour,), {"its card": scaling}, (card.activation, "softmax"))


def _tried(
    model: ModelProto, layout: str, judge: Judge, colours: tuple[str, ...] = ("RGB", "BGR"),
    scalings: dict[str, Scaling] | None = None, activations: tuple[str, ...] = ("none", "sigmoid", "softmax"),
) -> Convention:  # fmt: skip
    """The convention under which the network finds people best, on a few labelled pictures."""
    if not judge.samples:
        raise LabError("there are no labelled pictures to find out how the network is meant; put a card beside it")
    is_float = graph.input_of(model).type.tensor_type.elem_type == TensorProto.FLOAT
    usual = SCALINGS if is_float else {"0 to 255": SCALINGS["0 to 255"]}
    scored = _scored(model, layout, judge, colours, scalings or usual, activations)
    return max(scored, key=lambda pair: pair[0])[1]


def _scored(
    model: ModelProto, layout: str, judge: Judge, colours: tuple[str, ...], scalings: dict[str, Scaling],
    activations: tuple[str, ...],
) -> Iterator[tuple[float, Convention]]:  # fmt: skip
    """Each convention with how well people are found by it; those that give no alpha are left out."""
    given = graph.shape_of(graph.input_of(model))
    height, width = (given[1], given[2]) if layout == "NHWC" else (given[2], given[3])
    assert height and width
    pictures = [shrink(picture, (height, width)) for picture, _, _ in judge.samples[:TRIALS]]
    loaded = graph.session(model)
    kind = graph.input_of(model).type.tensor_type.elem_type
    for colour, (name, (mean, deviation)) in product(colours, scalings.items()):
        outputs = [
            _planes(
                loaded.run(None, {loaded.get_inputs()[0].name: _tensor(p, layout, colour, mean, deviation, kind)})[0]
            )
            for p in pictures
        ]
        for activation in activations[: 2 if len(outputs[0]) == 1 else None]:
            alphas = [_activated(output, activation) for output in outputs]
            if not all(alpha.min() >= 0 and alpha.max() <= 1 for alpha in alphas):
                continue
            for plane in range(len(outputs[0])):
                yield (
                    _overlap([alpha[plane] for alpha in alphas], judge),
                    Convention(colour, name, mean, deviation, plane, activation),
                )


def _tensor(
    picture: np.ndarray, layout: str, colour: str, mean: tuple[float, ...], deviation: tuple[float, ...], kind: int
) -> np.ndarray:
    turned = picture if colour == "RGB" else picture[..., ::-1]
    scaled = (turned - np.array(mean)) / np.array(deviation)
    tensor = scaled[None] if layout == "NHWC" else scaled.transpose(2, 0, 1)[None]
    return np.ascontiguousarray(tensor, helper.tensor_dtype_to_np_dtype(kind))


def _planes(output: np.ndarray) -> np.ndarray:
    """The output as (C, h, w)."""
    return output.reshape(-1, *output.shape[-2:]).astype(np.float64)


def _activated(planes: np.ndarray, activation: str) -> np.ndarray:
    if activation == "sigmoid":
        return 1 / (1 + np.exp(-planes.clip(-60, 60)))
    if activation == "softmax":
        powers = np.exp(planes - planes.max(0))
        return np.asarray(powers / powers.sum(0))
    return planes


def _overlap(alphas: list[np.ndarray], judge: Judge) -> float:
    """The mean IoU with the masks; ties are decided by how far alpha is above one half inside, and below outside."""
    score = 0.0
    for alpha, (_, mask, _) in zip(alphas, judge.samples, strict=False):
        truth = shrink(mask, (alpha.shape[0], alpha.shape[1])) >= 128
        found = alpha >= 0.5
        score += metrics.intersection_over_union(found, truth)
        score += 1e-3 * float(np.where(truth, alpha, 1 - alpha).mean())
    return score / len(alphas)


def _wrapped(model: ModelProto, layout: str, convention: Convention) -> ModelProto:
    """Put a convention's steps before and behind a network."""
    given, output = graph.input_of(model), model.graph.output[0].name
    shape = [side or 0 for side in graph.shape_of(given)]
    size = shape[1:3] if layout == "NHWC" else shape[2:4]
    before = _before(model, given.name, layout, convention)
    behind = _behind(model, output, graph.shapes(model)[output], size, convention)
    nodes = [*before, *model.graph.node, *behind]
    del model.graph.node[:], model.graph.output[:]
    model.graph.node.extend(nodes)
    picture = helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, *size, 3])
    others = [held for held in model.graph.input if held.name != given.name]
    del model.graph.input[:]
    model.graph.input.extend([picture, *others])
    model.graph.output.append(helper.make_tensor_value_info("alpha", TensorProto.FLOAT, [1, *size]))
    onnx.checker.check_model(model)
    return model


def _before(model: ModelProto, given: str, layout: str, convention: Convention) -> list[NodeProto]:
    """Nodes from "picture" to the network's own input."""
    kind = graph.input_of(model).type.tensor_type.elem_type
    graph.put(model, "adopt.mean", np.array(convention.mean, np.float32).reshape(1, 3, 1, 1))
    graph.put(model, "adopt.deviation", np.array(convention.deviation, np.float32).reshape(1, 3, 1, 1))
    steps: list[tuple[str, list[str], dict]] = [("Transpose", [], {"perm": [0, 3, 1, 2]})]
    if convention.colour == "BGR":
        graph.put(model, "adopt.order", np.array([2, 1, 0], np.int64))
        steps.append(("Gather", ["adopt.order"], {"axis": 1}))
    if kind == TensorProto.FLOAT:
        steps.append(("Cast", [], {"to": TensorProto.FLOAT}))
        steps += [("Sub", ["adopt.mean"], {}), ("Div", ["adopt.deviation"], {})]
    if layout == "NHWC":
        steps.append(("Transpose", [], {"perm": [0, 2, 3, 1]}))
    names = ["picture", *(f"adopt.{number}" for number in range(1, len(steps))), given]
    return [
        helper.make_node(kind_of, [names[number], *others], [names[number + 1]], **settings)
        for number, (kind_of, others, settings) in enumerate(steps)
    ]


def _behind(
    model: ModelProto, output: str, shape: list[int], size: list[int], convention: Convention
) -> list[NodeProto]:
    """Nodes from the network's own output to "alpha"."""
    graph.put(model, "adopt.shape", np.array([1, -1, *shape[-2:]], np.int64))
    graph.put(model, "adopt.plane", np.array(convention.plane, np.int64))
    kinds = {"none": "Identity", "sigmoid": "Sigmoid", "softmax": "Softmax"}
    axis: dict[str, Any] = {"axis": 1} if convention.activation == "softmax" else {}
    nodes = [
        helper.make_node("Reshape", [output, "adopt.shape"], ["adopt.raw"]),
        helper.make_node(kinds[convention.activation], ["adopt.raw"], ["adopt.sure"], **axis),
    ]
    last = "adopt.sure"
    if list(shape[-2:]) != list(size):
        factors = np.array([1, 1, size[0] / shape[-2], size[1] / shape[-1]], np.float32)
        graph.put(model, "adopt.factors", factors)
        nodes.append(helper.make_node("Resize", [last, "", "adopt.factors"], ["adopt.large"], mode="linear"))
        last = "adopt.large"
    return [*nodes, helper.make_node("Gather", [last, "adopt.plane"], ["alpha"], axis=1)]
