"""Bias correction: what the channels of a quantised network are off by on average, given back in their biases.

Rounding, and the ends of what 8 bits can hold, move the mean of a channel; one layer's shift is the next one's input,
and in the end alpha leans to one side (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias
Correction"; here by pictures).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, ValueInfoProto

from incognito.lab import graph

PICTURES = 32  # are shown to each layer
FOLLOWING = {"Clip", "Relu", "QuantizeLinear", "DequantizeLinear"}  # belong to the convolution that they follow


@dataclass(frozen=True, slots=True)
class _Layer:
    """A convolution: where its bias is held, the step of that (none in float), and the tensors that must agree."""

    bias: str
    step: np.ndarray | None
    wanted: str  # in the float model
    found: str  # in the quantised one


def corrected(model: ModelProto, quantised: ModelProto, pictures: Sequence[np.ndarray]) -> ModelProto:
    """A quantised model whose convolutions' channels have the means of the float one's, on the first PICTURES.

    Layer by layer from the first one on, for each is shown what the corrected ones before it give.
    """
    fixed, shown = graph.clone(quantised), pictures[:PICTURES]
    layers = _layers(model, fixed)
    wanted = _means(model, [layer.wanted for layer in layers], shown)
    for layer, mean in zip(layers, wanted, strict=True):
        lost = mean - _means(fixed, [layer.found], shown)[0]
        held = graph.arrays_of(fixed)[layer.bias]
        graph.put(fixed, layer.bias, held + lost if layer.step is None else _added(held, lost / layer.step))
    return fixed


def _layers(model: ModelProto, quantised: ModelProto) -> list[_Layer]:
    """The convolutions that have a bias, in the order in which they run."""
    floats = {node.name: node for node in model.graph.node if node.op_type == "Conv"}
    arrays, behind = graph.arrays_of(quantised), graph.producers(quantised)
    before, after = graph.consumers(model), graph.consumers(quantised)
    layers = []
    for node in quantised.graph.node:
        if node.op_type != "Conv" or len(node.input) < 3:
            continue
        rounding = behind.get(node.input[2])  # none where the layer stays in float
        bias, step = (rounding.input[0], arrays[rounding.input[1]]) if rounding else (node.input[2], None)
        layers.append(_Layer(bias, step, _settled(before, floats[node.name]), _settled(after, node)))
    return layers


def _added(held: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Whole numbers with so many added, as far as their type reaches: a channel of nearly no weights has tiny steps."""
    ends = np.iinfo(held.dtype)
    return np.clip(np.round(held + steps.astype(np.float64)), ends.min, ends.max).astype(held.dtype)


def _settled(users: dict[str, list[NodeProto]], node: NodeProto) -> str:
    """The tensor that a convolution gives in the end, with what belongs to it done; `users` take each tensor."""
    name = node.output[0]
    while users[name] and all(user.op_type in FOLLOWING for user in users[name]):
        name = users[name][0].output[0]
    return name


def _means(model: ModelProto, names: list[str], pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The mean of each channel of tensors (1, C, h, w) over pictures, by what leads to them alone."""
    part = graph.clone(model)
    del part.graph.output[:]
    part.graph.output.extend(ValueInfoProto(name=name) for name in names)
    sums = [np.zeros(1, np.float32)] * len(names)
    for found in graph.runs(graph.strip(part), pictures):
        sums = [total + tensor.mean((0, 2, 3)) for total, tensor in zip(sums, found, strict=True)]
    return [total / len(pictures) for total in sums]
