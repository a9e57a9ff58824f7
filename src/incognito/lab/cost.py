"""What a model costs before it runs: parameters and multiply-adds, counted from its graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx
from onnx import NodeProto

from incognito.lab import graph

KINDS = ("Conv", "ConvInteger", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True, slots=True)
class Cost:
    """Counts of a model: of weights and biases, and of multiply-adds for one picture."""

    parameters: int
    multiply_adds: int


def cost(path: Path) -> Cost:
    """Count an ONNX model of fixed size: its convolutions and matrix products; the rest weighs next to nothing."""
    model = onnx.load(path)
    shapes, made = graph.shapes(model), graph.producers(model)
    weights: dict[str, int] = {}  # by where they are kept: a committee reads some several times
    multiply_adds = 0
    for node in (node for node in model.graph.node if node.op_type in KINDS):
        own = node.input[1:2] if node.op_type == "ConvInteger" else node.input[1:3]  # its third is a zero point
        weights |= {_kept(name, made): prod(shapes[name]) for name in own}
        multiply_adds += _multiply_adds(
            node.op_type, *(shapes[n] for n in (node.input[1], node.input[0], node.output[0]))
        )
    return Cost(sum(weights.values()), multiply_adds)


def _kept(name: str, made: Mapping[str, NodeProto]) -> str:
    """The constant that a weight is made of: one that is kept in fewer bits is cast and scaled before it is read."""
    while name in made:
        name = made[name].input[0]
    return name


def _multiply_adds(kind: str, weight: list[int], given: list[int], got: list[int]) -> int:
    if kind in (
        "Conv",
        "ConvInteger",
    ):  # each output pixel takes a whole kernel: weight is (outputs, inputs / groups, h, w)
        return prod(got) * prod(weight[1:])
    if kind == "ConvTranspose":  # each input pixel gives one: weight is (inputs, outputs / groups, h, w)
        return prod(given) * prod(weight[1:])
    return prod(got) * given[-1]
