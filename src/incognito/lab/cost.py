"""What a model costs before it runs: parameters and multiply-adds, counted from its graph."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx

Shapes = dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Cost:
    """Counts of a model: of weights and biases, and of multiply-adds for one picture."""

    parameters: int
    multiply_adds: int


def cost(path: Path) -> Cost:
    """Count an ONNX model of fixed size: its convolutions and matrix products; the rest weighs next to nothing."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    shapes = _shapes(model.graph)
    parameters = multiply_adds = 0
    for node in model.graph.node:
        if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
            weight = shapes[node.input[1]]
            parameters += sum(prod(shapes[name]) for name in node.input[1:3])
            multiply_adds += _multiply_adds(node.op_type, weight, shapes[node.input[0]], shapes[node.output[0]])
    return Cost(parameters, multiply_adds)


def _multiply_adds(kind: str, weight: list[int], given: list[int], got: list[int]) -> int:
    if kind == "Conv":  # each output pixel takes a whole kernel: weight is (outputs, inputs / groups, h, w)
        return prod(got) * prod(weight[1:])
    if kind == "ConvTranspose":  # each input pixel gives one: weight is (inputs, outputs / groups, h, w)
        return prod(given) * prod(weight[1:])
    return prod(got) * given[-1]


def _shapes(graph: onnx.GraphProto) -> Shapes:
    values = [*graph.input, *graph.value_info, *graph.output]
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}
    return shapes | {tensor.name: list(tensor.dims) for tensor in graph.initializer}
