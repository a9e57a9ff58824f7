"""An ONNX graph as a PyTorch module: run node by node, its convolutions' weights free to learn, and written back.

So a network can be tuned after any pass, wherever it came from: thinned, at another size, or quantised. The steps that
quantise run with their rounding, and gradients pass straight through it where the value was in range (Jacob et al.
2018); the weights behind them are kept in float32 and rounded anew each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from onnx import ModelProto, NodeProto, TensorProto
from torch import Tensor, nn

from incognito.errors import LabError
from incognito.lab import graph

MOVING = ("Gather", "Identity", "DepthToSpace", "Transpose")  # no value is changed
QUANTISING = ("QuantizeLinear", "DequantizeLinear")


class Trainable(nn.Module):
    """A tidy model as a module. `forward` gives logits; `model()` gives the ONNX model with what was learnt."""

    def __init__(self, model: ModelProto, masters: graph.Arrays | None = None) -> None:
        """Take up a model; `masters` are the float32 weights of a quantised one, by the names they have there."""
        super().__init__()
        self._model = graph.clone(model)
        self._arrays = graph.arrays_of(model)
        self._nodes = [node for node in self._model.graph.node if node.op_type != "Constant"]
        unknown = sorted({node.op_type for node in self._nodes} - OPERATORS.keys() - set(QUANTISING))
        if unknown:
            raise LabError(f"the network has {', '.join(unknown)}, which cannot be trained here; leave out tuning")
        for node in self._nodes:
            _check(node)
        self._given = graph.input_of(model).name
        self._answer, self._last = self._model.graph.output[0].name, _last_sigmoid(self._model)
        self._steps = _weight_steps(self._nodes, self._arrays)
        self._places: dict[str, str] = {}
        self.weights = nn.ParameterDict()
        for name, array in _learnt(self._nodes, self._arrays, self._steps, masters or {}).items():
            self._places[name] = f"w{len(self._places)}"
            self.weights[self._places[name]] = nn.Parameter(torch.from_numpy(np.array(array, np.float32)))
        self._constants: dict[str, Tensor] = {}

    def forward(self, picture: Tensor) -> Tensor:
        """uint8 or whole-numbered float (N, h, w, 3) -> logits (N, 1, h, w)."""
        values: dict[str, Any] = {self._given: picture}
        for node in self._nodes:
            if node.op_type in QUANTISING and node.input[0] in self._steps:
                values[node.output[0]] = self._weight(node)
            elif node.output[0] == self._last:
                values[self._last] = values[node.input[0]]
            else:
                inputs = [self._value(name, values) for name in node.input]
                known = OPERATORS.get(node.op_type) or _fake
                values[node.output[0]] = known(node, inputs)
        answer = values[self._answer].float()
        answer = answer if self._last else torch.logit(answer, 1e-4)
        return answer if answer.dim() == 4 else answer.unsqueeze(1)

    def model(self) -> ModelProto:
        """The ONNX model with the weights as they are now, rounded where it is quantised."""
        model = graph.clone(self._model)
        for name, place in self._places.items():
            array = self.weights[place].detach().numpy()
            graph.put(model, name, self._rounded(name, array) if name in self._steps else array)
        return model

    def _weight(self, node: NodeProto) -> Tensor:
        """A quantised weight as the network sees it: its float32 master, rounded."""
        scale, zero, axis, (low, high) = self._steps[node.input[0]]
        master: Tensor = self.weights[self._places[node.input[0]]]
        if high > 255:  # a bias, whose 2**32 steps are finer than float32's own
            return master
        return fake_quantise(master, scale, zero, axis, low, high)

    def _rounded(self, name: str, array: np.ndarray) -> np.ndarray:
        scale, zero, axis, (low, high) = self._steps[name]
        steps = np.rint(array / _along(scale, axis, array.ndim)) + _along(zero, axis, array.ndim)
        return np.clip(steps, low, high).astype(self._arrays[name].dtype)

    def _value(self, name: str, values: dict[str, Any]) -> Any:
        if name in values:
            return values[name]
        if name in self._places:
            return self.weights[self._places[name]]
        if not name:
            return None
        if name not in self._constants:
            self._constants[name] = torch.from_numpy(np.array(self._arrays[name]))
        return self._constants[name]


LEGAL: dict[str, dict[str, tuple[Any, ...]]] = {  # attributes by operator, and the values that PyTorch has too
    "AveragePool": {"auto_pad": ("NOTSET",), "ceil_mode": (0,), "dilations": ([1, 1],)},
    "Cast": {"to": (TensorProto.FLOAT,)},
    "Conv": {"auto_pad": ("NOTSET",)},
    "MaxPool": {"auto_pad": ("NOTSET",), "ceil_mode": (0,), "dilations": ([1, 1],), "storage_order": (0,)},
    "Resize": {
        "mode": ("nearest", "linear"), "nearest_mode": ("floor",), "antialias": (0,),
        "coordinate_transformation_mode": ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"),
    },
}  # fmt: skip


def fake_quantise(value: Tensor, scale: Tensor, zero: Tensor, axis: int, low: int, high: int) -> Tensor:
    """Round a tensor to its steps and back, as int8 arithmetic will; gradients pass where it was in range."""
    if scale.dim() and scale.numel() > 1:
        return torch.fake_quantize_per_channel_affine(value.float(), scale, zero.int(), axis, low, high)
    return torch.fake_quantize_per_tensor_affine(value.float(), scale.reshape(()), zero.reshape(()).int(), low, high)


def _fake(node: NodeProto, inputs: list[Any]) -> Tensor:
    """QuantizeLinear rounds to steps and back at once; the DequantizeLinear behind it passes on."""
    if node.op_type == "DequantizeLinear":
        return inputs[0]
    low, high = (0, 255) if inputs[2].dtype == torch.uint8 else (-128, 127)
    return fake_quantise(inputs[0], inputs[1], inputs[2].int(), 0, low, high)


def _weight_steps(nodes: list[NodeProto], arrays: graph.Arrays) -> dict[str, tuple]:
    """Scale, zero, axis and range of each constant that a DequantizeLinear brings to float."""
    steps = {}
    for node in nodes:
        if node.op_type == "DequantizeLinear" and node.input[0] in arrays:
            held = arrays[node.input[0]]
            limits = _limits(held)
            scale = torch.from_numpy(np.array(arrays[node.input[1]], np.float32))
            zero = torch.from_numpy(np.array(arrays[node.input[2]])).int() if len(node.input) > 2 else scale.int() * 0
            steps[node.input[0]] = (scale, zero, graph.attribute(node, "axis", 1), limits)
    return steps


def _limits(held: np.ndarray) -> tuple[int, int]:
    """The range that a quantised weight may have: 7 bits stay 7 bits, for CPUs whose sums would overflow."""
    if held.dtype == np.uint8:
        return 0, 255
    if held.dtype == np.int32:
        return -(2**31), 2**31 - 1
    return (-64, 64) if np.abs(held.astype(int)).max() <= 64 else (-127, 127)


def _learnt(nodes: list[NodeProto], arrays: graph.Arrays, steps: dict, masters: graph.Arrays) -> graph.Arrays:
    """The weights and biases of all convolutions by name: where quantised, the float32 that was rounded."""
    behind = {node.output[0]: node.input[0] for node in nodes if node.op_type == "DequantizeLinear"}
    learnt = {}
    for node in nodes:
        for name in node.input[1:3] if node.op_type == "Conv" else ():
            stored = behind.get(name, name)
            if stored in masters:
                learnt[stored] = masters[stored]
            elif stored in steps:
                (scale, zero, axis, _), held = steps[stored], arrays[stored]
                whole = held.astype(np.float32) - _along(zero, axis, held.ndim)
                learnt[stored] = whole * _along(scale, axis, held.ndim)
            elif stored in arrays:
                learnt[stored] = arrays[stored]
    return learnt


def _along(numbers: Tensor, axis: int, dimensions: int) -> np.ndarray:
    """One number, or one for each place on an axis, shaped to meet an array of so many dimensions."""
    return numbers.numpy().reshape([-1 if place == axis else 1 for place in range(dimensions)] if numbers.dim() else [])


def _check(node: NodeProto) -> None:
    """Refuse what PyTorch would compute in another way than ONNX Runtime."""
    legal = LEGAL.get(node.op_type, {})
    for held in node.attribute:
        value = graph.attribute(node, held.name)
        if held.name in legal and value not in legal[held.name]:
            raise LabError(f"{node.op_type} with {held.name} {value!r} cannot be trained here; leave out tuning")
    uneven = graph.attribute(node, "pads", [0, 0, 0, 0])
    if node.op_type == "AveragePool" and uneven[:2] != uneven[2:]:
        raise LabError("AveragePool with uneven pads cannot be trained here; leave out tuning")


def _last_sigmoid(model: ModelProto) -> str:
    """What the sigmoid gives that only moves stand behind, which logits pass as well; empty where there is none."""
    made, tensor = graph.producers(model), model.graph.output[0].name
    while tensor in made and made[tensor].op_type in (*MOVING, *QUANTISING):
        tensor = made[tensor].input[0]
    return tensor if tensor in made and made[tensor].op_type == "Sigmoid" else ""


def _pads(node: NodeProto, value: Tensor, filling: float = 0.0) -> tuple[Tensor, list[int]]:
    """Padding of a convolution or pooling: kept as it is where both sides are even, else done before."""
    pads = graph.attribute(node, "pads", [0, 0, 0, 0])
    if pads[:2] == pads[2:]:
        return value, list(pads[:2])
    return F.pad(value, (pads[1], pads[3], pads[0], pads[2]), value=filling), [0, 0]


def _conv(node: NodeProto, inputs: list[Any]) -> Tensor:
    value, pads = _pads(node, inputs[0])
    strides, dilations = (graph.attribute(node, name, [1, 1]) for name in ("strides", "dilations"))
    bias = inputs[2] if len(inputs) > 2 else None
    return F.conv2d(value, inputs[1], bias, strides, pads, dilations, graph.attribute(node, "group", 1))


def _pool(node: NodeProto, inputs: list[Any]) -> Tensor:
    kernel, strides = graph.attribute(node, "kernel_shape"), graph.attribute(node, "strides", [1, 1])
    if node.op_type == "MaxPool":
        value, pads = _pads(node, inputs[0], float("-inf"))
        return F.max_pool2d(value, kernel, strides, pads)
    value, pads = _pads(node, inputs[0])
    return F.avg_pool2d(
        value, kernel, strides, pads, count_include_pad=bool(graph.attribute(node, "count_include_pad", 0))
    )


def _resize(node: NodeProto, inputs: list[Any]) -> Tensor:
    mode = graph.attribute(node, "mode", "nearest")
    if len(inputs) > 3:
        size = [int(side) for side in inputs[3][2:]]
    else:
        size = [int(side * float(scale)) for side, scale in zip(inputs[0].shape[2:], inputs[2][2:], strict=True)]
    place = graph.attribute(node, "coordinate_transformation_mode", "half_pixel")
    if (mode == "nearest") != (place == "asymmetric"):
        raise LabError(f"Resize with mode {mode} at {place} cannot be trained here; leave out tuning")
    if mode == "nearest":
        return F.interpolate(inputs[0], size, mode="nearest")
    return F.interpolate(inputs[0], size, mode="bilinear", align_corners=place == "align_corners")


def _clip(_: NodeProto, inputs: list[Any]) -> Tensor:
    low, high = ([*inputs[1:], None, None])[:2]
    return inputs[0].clamp(None if low is None else float(low), None if high is None else float(high))


def _depth_to_space(node: NodeProto, inputs: list[Any]) -> Tensor:
    size = graph.attribute(node, "blocksize")
    if graph.attribute(node, "mode", "DCR") == "CRD":
        return F.pixel_shuffle(inputs[0], size)
    count, channels, height, width = inputs[0].shape
    blocks = inputs[0].reshape(count, size, size, channels // size**2, height, width)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(count, channels // size**2, height * size, width * size)


def _hard_sigmoid(node: NodeProto, inputs: list[Any]) -> Tensor:
    slope, offset = graph.attribute(node, "alpha", 0.2), graph.attribute(node, "beta", 0.5)
    return (inputs[0] * slope + offset).clamp(0, 1)


def _gather(node: NodeProto, inputs: list[Any]) -> Tensor:
    axis = graph.attribute(node, "axis", 0)
    return inputs[0].index_select(axis, inputs[1]) if inputs[1].dim() else inputs[0].select(axis, int(inputs[1]))


def _transpose(node: NodeProto, inputs: list[Any]) -> Tensor:
    return inputs[0].permute(*graph.attribute(node, "perm"))


def _means(node: NodeProto, inputs: list[Any]) -> Tensor:
    return inputs[0].mean((2, 3), keepdim=True)


OPERATORS: dict[str, Callable[[NodeProto, list[Any]], Any]] = {
    "Add": lambda _, i: i[0] + i[1],
    "AveragePool": _pool,
    "Cast": lambda _, i: i[0].float(),
    "Clip": _clip,
    "Concat": lambda node, i: torch.cat(i, graph.attribute(node, "axis")),
    "Conv": _conv,
    "DepthToSpace": _depth_to_space,
    "Div": lambda _, i: i[0] / i[1],
    "Gather": _gather,
    "GlobalAveragePool": _means,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda _, i: F.hardswish(i[0]),
    "Identity": lambda _, i: i[0],
    "MaxPool": _pool,
    "Mul": lambda _, i: i[0] * i[1],
    "Relu": lambda _, i: F.relu(i[0]),
    "Resize": _resize,
    "Sigmoid": lambda _, i: torch.sigmoid(i[0]),
    "Softmax": lambda node, i: torch.softmax(i[0], graph.attribute(node, "axis", -1)),
    "Sub": lambda _, i: i[0] - i[1],
    "Transpose": _transpose,
}
