"""What a model costs before it runs: parameters and multiply-adds, counted from its graph."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from incognito.lab.compact import restored

KINDS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
Shapes = dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Cost:
    """Counts of a model: of weights and biases, and of multiply-adds for one picture."""

    parameters: int
    multiply_adds: int


def cost(path: Path) -> Cost:
    """Count an ONNX model of fixed size: its convolutions and matrix products; the rest weighs next to nothing."""
    model = onnx.load(path)
    nodes = [node for node in model.graph.node if node.op_type in KINDS]
    shapes = _shapes(model, {name for node in nodes for name in (*node.input, *node.output)})
    parameters = multiply_adds = 0
    for node in nodes:
        parameters += sum(prod(shapes[name]) for name in node.input[1:3])
        multiply_adds += _multiply_adds(
            node.op_type, *(shapes[n] for n in (node.input[1], node.input[0], node.output[0]))
        )
    return Cost(parameters, multiply_adds)


def _multiply_adds(kind: str, weight: list[int], given: list[int], got: list[int]) -> int:
    if kind == "Conv":  # each output pixel takes a whole kernel: weight is (outputs, inputs / groups, h, w)
        return prod(got) * prod(weight[1:])
    if kind == "ConvTranspose":  # each input pixel gives one: weight is (inputs, outputs / groups, h, w)
        return prod(given) * prod(weight[1:])
    return prod(got) * given[-1]


def _shapes(model: onnx.ModelProto, names: set[str]) -> Shapes:
    """The shapes of tensors, seen in a run on a blank picture: sizes that a graph computes defeat shape inference."""
    arrays = restored(model)
    asked = sorted(names - arrays.keys())
    there = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in asked if name not in there)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    blank = np.zeros(given.shape, np.uint8 if given.type == "tensor(uint8)" else np.float32)
    seen = zip(asked, session.run(asked, {given.name: blank}), strict=True)
    return {name: list(array.shape) for name, array in [*arrays.items(), *seen]}
