"""The passes, a row each: an ONNX model in, a faster or smaller one out, and how far its alpha may move.

Each works on a tidy model, uint8 (1, h, w, 3) in and alpha (1, h, w) out, and gives one. What a pass lost in accuracy
and won in time is for the gate to judge; its tolerance only says what would be a mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper

from incognito import runtime
from incognito.demo import portrait
from incognito.errors import LabError, UsageError
from incognito.frame import resize as shrink
from incognito.lab import bias, compact, graph, level, quantise, tidy
from incognito.lab import prune as pruning
from incognito.lab import shorten as shortening
from incognito.lab.judge import Judge

QAT_ABOVE = 0.003  # IoU that calibration may lose before quantisation is trained for
FLOATS = (1, 2, 4, 8, 16)  # so many of the worst layers are left in float, one after the other


@dataclass(frozen=True, slots=True)
class Context:
    """What a pass may use beside the model."""

    pictures: list[np.ndarray]  # for calibration, RGB uint8 (H, W, 3) of any size
    judge: Judge
    floating: float  # the float parent's IoU, which is lost against
    budget: float
    folder: Path  # for what is kept between two attempts
    tune: Callable[[ModelProto, int, graph.Arrays | None], ModelProto]  # a model, pictures, the masters of a quantised
    note: Callable[[str], None] = field(default=lambda text: None)  # a line for the lineage

    def lost(self, model: ModelProto) -> float:
        """How much IoU a model loses on the judge's pictures."""
        return self.floating - self.judge.iou_of(model)

    def inputs(self, model: ModelProto) -> list[np.ndarray]:
        """The pictures as the model takes them, uint8 (1, h, w, 3)."""
        size = size_of(model)
        return [shrink(picture, size)[None] for picture in self.pictures]


@dataclass(frozen=True, slots=True)
class Pass:
    """A step of the ladder: what it does, how far alpha may move on the portrait on average, and what it is then."""

    apply: Callable[..., ModelProto]
    tolerance: float
    precision: str = ""  # of the result; empty where it stays the same
    learns: bool = False  # from the pictures for training


def tidied(model: ModelProto, context: Context) -> ModelProto:
    """Tidy the graph; every other pass begins with that too, where it was not done."""
    return tidy.tidy(model)


def resized(model: ModelProto, context: Context, size: list[int], pictures: int = 0) -> ModelProto:
    """Give the network another input size (height, width), and tune it there on so many pictures.

    Where its strides do not divide the size, the picture is continued at its lower and right edge inside the graph.
    """
    if len(size) != 2 or any(not isinstance(side, int) or side < 32 for side in size):
        raise LabError(f"a size is [height, width], 32 or more each, not {size}")
    small = _at(model, size, size)
    try:
        graph.shapes(small)
    except Exception:  # skips that do not meet: ONNX Runtime's errors have no common base
        inside = [-(-side // 32) * 32 for side in size]
        small = _at(model, size, inside)
        context.note(f"padded to {inside[1]}x{inside[0]} inside")
    return context.tune(small, pictures, None) if pictures else small


def pruned(
    model: ModelProto, context: Context, keep: float, part: str = "all", multiple: int = 8, pictures: int = 0
) -> ModelProto:
    """Keep a share of the channels of a part (prune.PARTS says which there are), and tune on so many pictures."""
    thin = pruning.prune(model, context.inputs(model), keep, part, multiple)
    return context.tune(thin, pictures, None) if pictures else thin


def shortened(model: ModelProto, context: Context, blocks: int, pictures: int = 0) -> ModelProto:
    """Take out so many residual blocks, and tune on so many pictures."""
    short = shortening.shorten(model, context.inputs(model), blocks)
    return context.tune(short, pictures, None) if pictures else short


def int8(
    model: ModelProto, context: Context, method: str = "best", kind: str = "here", pictures: int = 0
) -> ModelProto:
    """Quantise by the calibration that loses least, with biases corrected; if that is too much, train or leave floats.

    Quantisation is trained for, on so many pictures, where calibration alone loses more than QAT_ABOVE.
    """
    kind = quantise.kind_here() if kind == "here" else kind
    calibration = quantise.Calibration(context.inputs(model), context.folder)
    model = level.levelled(model, calibration.pictures)
    methods = quantise.METHODS if method == "best" else [method]
    tried = {name: quantise.static(model, calibration, name, kind) for name in methods}
    losses = {name: context.lost(found) for name, found in tried.items()}
    best = min(losses, key=lambda name: losses[name])
    context.note(f"{kind}, calibration {best}: {', '.join(f'{n} lost {v:.4f}' for n, v in losses.items())}")
    tried[best] = bias.corrected(model, tried[best], calibration.pictures)
    losses[best] = context.lost(tried[best])
    context.note(f"biases corrected: lost {losses[best]:.4f}")
    if losses[best] <= min(context.budget, QAT_ABOVE):
        return tried[best]
    if pictures:
        trained = context.tune(tried[best], pictures, masters_of(model, tried[best]))
        lost = context.lost(trained)
        if lost <= context.budget:
            context.note(f"trained with its rounding on {pictures} pictures")
            return trained
        context.note(f"trained with its rounding on {pictures} pictures it lost {lost:.4f}, and was given up")
    if losses[best] <= context.budget:
        return tried[best]
    return _with_floats(model, context, calibration, best, kind, tried[best])


def dynamic(model: ModelProto, context: Context) -> ModelProto:
    """Quantise weights beforehand and activations on the fly: the first system's way, kept for comparison."""
    return quantise.dynamic(model)


def float16(model: ModelProto, context: Context) -> ModelProto:
    """Keep the weights in 16 bits: half the bytes at the same speed."""
    return graph.parse(compact.compact(model.SerializeToString(), "float16"), "the float16 model")


def bfloat16(model: ModelProto, context: Context) -> ModelProto:
    """Leave the model as it is, to be computed in bf16, which OpenVINO does where the CPU has it."""
    if not runtime.is_installed("openvino"):
        raise UsageError("bf16 needs OpenVINO; pip install openvino")
    return model


PASSES: dict[str, Pass] = {
    "graph": Pass(tidied, 1e-4),
    "resolution": Pass(resized, 0.15, learns=True),
    "prune": Pass(pruned, 0.1, learns=True),
    "shorten": Pass(shortened, 0.1, learns=True),
    "int8": Pass(int8, 0.05, "int8", learns=True),
    "dynamic": Pass(dynamic, 0.1, "int8"),
    "float16": Pass(float16, 2e-3, "float16"),
    "bf16": Pass(bfloat16, 0.02, "bf16"),
}


def prove(before: ModelProto, after: ModelProto) -> float:
    """How far alpha moved, on average, on the portrait as it is, mirrored and in the dark; at the first one's size."""
    bright = portrait().pixels
    pictures = [bright, np.ascontiguousarray(bright[:, ::-1]), bright // 3]
    found = [graph.run(model, [shrink(each, size_of(model))[None] for each in pictures]) for model in (before, after)]
    moved = []
    for (first,), (second,) in zip(*found, strict=True):
        was, now = first.squeeze(), second.squeeze()
        moved.append(np.abs(cv2.resize(now, was.shape[::-1]) - was).mean())
    return float(np.mean(moved))


def size_of(model: ModelProto) -> tuple[int, int]:
    """The input's height and width."""
    _, height, width, _ = graph.shape_of(graph.input_of(model))
    assert height and width
    return height, width


def masters_of(model: ModelProto, quantised: ModelProto) -> graph.Arrays:
    """The float32 weights behind those of a quantised model, by their names there."""
    arrays = graph.arrays_of(model)
    floats = {node.name: node.input[1:3] for node in model.graph.node if node.op_type == "Conv"}
    behind = {node.output[0]: node.input[0] for node in quantised.graph.node if node.op_type == "DequantizeLinear"}
    pairs = [
        (behind.get(held, held), own)
        for node in quantised.graph.node
        if node.name in floats
        for own, held in zip(floats[node.name], node.input[1:3], strict=True)
    ]
    return {held: arrays[own] for held, own in pairs}


def _with_floats(
    model: ModelProto, context: Context, calibration: quantise.Calibration, method: str, kind: str, worst: ModelProto
) -> ModelProto:
    """Leave ever more of the layers that move alpha most in float, until the budget holds; then as few as it takes.

    Each costs its own time, and that of the way to float and back.
    """

    def leaving(names: list[str]) -> ModelProto:
        return quantise.static(model, calibration, method, kind, frozenset(names))

    def holds(names: list[str]) -> bool:
        return context.lost(leaving(names)) <= context.budget

    order = list(quantise.sensitivity(model, calibration, method, kind))
    for count in FLOATS:
        if count < len(order) and holds(order[:count]):
            left = fewest(order[:count], holds)
            context.note(f"left in float: {', '.join(left)}")
            return bias.corrected(model, leaving(left), calibration.pictures)
    context.note("no choice of layers in float held the budget")
    return worst


def fewest(names: list[str], holds: Callable[[list[str]], bool]) -> list[str]:
    """Leave out, from the last one on, every name without which it still holds."""
    kept = names
    for name in reversed(names):
        fewer = [each for each in kept if each != name]
        if holds(fewer):
            kept = fewer
    return kept


def _at(model: ModelProto, size: list[int], inside: list[int]) -> ModelProto:
    """The model for pictures of a size, continued to the size inside where that is larger."""
    model = tidy.fix(model, [1, *size, 3])
    if size != inside:
        given, alpha = graph.input_of(model).name, model.graph.output[0].name
        for node in model.graph.node:
            node.input[:] = [f"{given}.whole" if name == given else name for name in node.input]
            node.output[:] = [f"{alpha}.whole" if name == alpha else name for name in node.output]
            node.input[:] = [f"{alpha}.whole" if name == alpha else name for name in node.input]
        pads = [0, 0, 0, 0, 0, inside[0] - size[0], inside[1] - size[1], 0]
        for name, values in (("pads", pads), ("starts", [0, 0]), ("ends", size), ("axes", [-2, -1])):
            graph.put(model, f"frame.{name}", np.array(values, np.int64))
        model.graph.node.insert(
            0, helper.make_node("Pad", [given, "frame.pads"], [f"{given}.whole"], "frame.pad", mode="edge")
        )
        cut = [f"{alpha}.whole", "frame.starts", "frame.ends", "frame.axes"]
        model.graph.node.append(helper.make_node("Slice", cut, [alpha], "frame.cut"))
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info(model.graph.output[0].name, TensorProto.FLOAT, [1, *size])
    )
    onnx.checker.check_model(model)
    return model
