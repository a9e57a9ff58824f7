"""Structured pruning: whole channels leave a network, where they add least to what reads them.

Every channel of every tensor has a label. A convolution gives new ones; what works channel by channel passes them on;
what adds two tensors makes theirs the same. A label is then a channel that can only leave everywhere at once, and it
adds to the convolutions that read it the mean square of its values times that of their weights for it. What a leaving
channel gave on average goes into the readers' biases.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from onnx import ModelProto, NodeProto

from incognito.errors import LabError
from incognito.lab import graph
from incognito.lab.refit import refit

PASSING = (
    "Relu", "Clip", "Sigmoid", "HardSwish", "HardSigmoid", "Resize", "MaxPool", "AveragePool", "GlobalAveragePool",
    "Identity",
)  # fmt: skip
PAIRING = ("Add", "Mul", "Sub", "Div")
PARTS = ("all", "encoder", "decoder", "fine", "shallow")


@dataclass(slots=True)
class Channels:
    """The labels of each tensor's channels, those that must stay, and which labels are one."""

    labels: dict[str, np.ndarray] = field(default_factory=dict)
    frozen: set[int] = field(default_factory=set)
    parents: list[int] = field(default_factory=list)

    def fresh(self, count: int) -> np.ndarray:
        """New labels."""
        start = len(self.parents)
        self.parents.extend(range(start, start + count))
        return np.arange(start, start + count)

    def root(self, label: int) -> int:
        """The label that stands for all that are one with it."""
        while self.parents[label] != label:
            self.parents[label] = self.parents[self.parents[label]]
            label = self.parents[label]
        return label

    def join(self, first: np.ndarray, second: np.ndarray) -> None:
        """Make labels the same, pair by pair."""
        for one, other in zip(first, second, strict=True):
            self.parents[self.root(int(one))] = self.root(int(other))

    def roots(self, name: str) -> np.ndarray:
        """What stands for each channel of a tensor."""
        return np.array([self.root(int(label)) for label in self.labels[name]])


def prune(
    model: ModelProto, pictures: list[np.ndarray], keep: float, part: str = "all", multiple: int = 8
) -> ModelProto:
    """Keep a share of every layer's channels, rounded up to a multiple, in a tidy float32 model.

    `pictures` are inputs of the model; `part` may be "encoder", "decoder", all that comes after the first upsampling,
    "fine", all that is computed at half of the picture's size or more, or "shallow", what the encoder computes at a
    quarter or more. Raises LabError where nothing would leave.
    """
    if part not in PARTS or not 0 < keep < 1 or multiple < 1:
        raise LabError(f"part is one of {', '.join(PARTS)}, keep between 0 and 1, and multiple at least 1")
    arrays = graph.arrays_of(model)
    if any(node.input[1] not in arrays for node in model.graph.node if node.op_type == "Conv"):
        raise LabError("only float32 networks can be pruned; let the rung start from one")
    channels = _label(model)
    power, mean = _activity(model, pictures, channels)
    worth = _worth(model, channels, power)
    leaving = set()
    for layer in _layers(model, channels, part):
        count = min(len(layer), -(-round(len(layer) * keep) // multiple) * multiple)
        leaving |= set(sorted(layer, key=lambda label: worth[label])[: len(layer) - count])
    if not leaving:
        raise LabError(
            f"no layer has channels to spare at keep = {keep} and multiples of {multiple}; lower one of them"
        )
    thin = _without(graph.clone(model), channels, leaving, mean)
    kept = {name: ~np.isin(channels.roots(name), list(leaving)) for name in channels.labels}
    return refit(thin, model, kept, pictures)


def _label(model: ModelProto) -> Channels:
    """Follow the channels through the graph."""
    channels, sizes, arrays = Channels(), graph.shapes(model), graph.arrays_of(model)

    def of(name: str) -> np.ndarray:
        if name not in channels.labels:
            channels.labels[name] = channels.fresh(sizes[name][1] if len(sizes[name]) == 4 else 1)
            channels.frozen |= set(channels.labels[name].tolist())
        return channels.labels[name]

    for node in model.graph.node:
        given = [name for name in node.input if name and name not in arrays]
        made, widths = node.output[0], {len(of(name)) for name in given}
        if node.op_type == "Conv" and graph.attribute(node, "group", 1) == 1:
            of(given[0])
            channels.labels[made] = channels.fresh(sizes[made][1])
        elif node.op_type in PASSING or _is_depthwise(node, arrays):
            channels.labels[made] = of(given[0])
        elif node.op_type in PAIRING and len(sizes[made]) == 4 and len(widths) == 1:
            first, *others = [of(name) for name in given]
            for other in others:
                channels.join(first, other)
            channels.labels[made] = first
        elif node.op_type == "Concat" and graph.attribute(node, "axis") == 1 and len(given) == len(node.input):
            channels.labels[made] = np.concatenate([of(name) for name in given])
        else:
            for name in given:
                channels.frozen |= set(of(name).tolist())
    for output in model.graph.output:
        channels.frozen |= set(of(output.name).tolist())
    channels.frozen = {channels.root(label) for label in channels.frozen}
    return channels


def _is_depthwise(node: NodeProto, arrays: graph.Arrays) -> bool:
    """Whether a convolution filters each channel by itself."""
    return node.op_type == "Conv" and arrays[node.input[1]].shape[:2] == (graph.attribute(node, "group", 1), 1)


def _readers(model: ModelProto) -> list[NodeProto]:
    return [n for n in model.graph.node if n.op_type == "Conv" and graph.attribute(n, "group", 1) == 1]


def _activity(
    model: ModelProto, pictures: list[np.ndarray], channels: Channels
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The mean square and the mean of each channel that a convolution reads, by tensor."""
    names = sorted({node.input[0] for node in _readers(model)} & channels.labels.keys())
    power: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(1))
    mean: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(1))
    for values in graph.runs(model, pictures, names):
        for name, value in zip(names, values, strict=True):
            power[name] = power[name] + (value.astype(np.float64) ** 2).mean((0, 2, 3)) / len(pictures)
            mean[name] = mean[name] + value.mean((0, 2, 3), dtype=np.float64) / len(pictures)
    return power, mean


def _worth(model: ModelProto, channels: Channels, power: dict[str, np.ndarray]) -> dict[int, float]:
    """What each label adds to all that read it, as a share of what they read."""
    arrays = graph.arrays_of(model)
    worth: dict[int, float] = defaultdict(float)
    for node in _readers(model):
        share = power[node.input[0]] * (arrays[node.input[1]] ** 2).sum((0, 2, 3))
        for label, value in zip(channels.roots(node.input[0]), share / max(share.sum(), 1e-12), strict=True):
            worth[int(label)] += float(value)
    return worth


def _layers(model: ModelProto, channels: Channels, part: str) -> list[list[int]]:
    """The labels that may leave, in layers: those that come out of the same convolutions."""
    makers: dict[int, list[str]] = defaultdict(list)
    late, fine, quarter = _after_upsampling(model), _at_size(model, 2), _at_size(model, 4)
    for node in _readers(model):
        for label in channels.roots(node.output[0]):
            makers[int(label)].append(node.output[0])
    layers: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for label, names in makers.items():
        side = "decoder" if late >= {*names} else "encoder"
        shallow = side == "encoder" and quarter >= {*names}
        parts = {"all", side} | ({"fine"} if fine >= {*names} else set()) | ({"shallow"} if shallow else set())
        if label not in channels.frozen and part in parts:
            layers[tuple(names)].append(label)
    return list(layers.values())


def _after_upsampling(model: ModelProto) -> set[str]:
    """The tensors that depend on an upsampled one: the decoder's."""
    late: set[str] = set()
    for node in model.graph.node:
        if node.op_type in ("Resize", "Upsample", "ConvTranspose") or late & set(node.input):
            late |= set(node.output)
    return late


def _at_size(model: ModelProto, stride: int) -> set[str]:
    """The feature maps whose height times a stride is the picture's or more."""
    height = graph.shape_of(graph.input_of(model))[1] or 0
    return {name for name, size in graph.shapes(model).items() if len(size) == 4 and stride * size[2] >= height}


def _without(model: ModelProto, channels: Channels, leaving: set[int], mean: dict[str, np.ndarray]) -> ModelProto:
    """Cut the channels out of every weight that makes, filters or reads them."""
    arrays = graph.arrays_of(model)

    def staying(name: str) -> np.ndarray:
        return np.array([label not in leaving for label in channels.roots(name)])

    for number, node in enumerate(model.graph.node):
        made, own = node.output[0], [name for name in node.input if name in arrays]
        if made not in channels.labels or (all(staying(made)) and node.op_type != "Conv"):
            continue
        if node.op_type == "Conv":
            weight, bias = arrays[node.input[1]], _bias(node, arrays)
            if graph.attribute(node, "group", 1) == 1:
                gone = ~staying(node.input[0])
                bias = bias + np.einsum("oi,i->o", weight[:, gone].sum((2, 3)), mean[node.input[0]][gone])
                weight = weight[:, ~gone]
            elif _is_depthwise(node, arrays):
                _set_groups(node, int(staying(made).sum()))
            else:
                continue
            _give(model, node, number, weight[staying(made)], bias[staying(made)])
        elif node.op_type in PAIRING:
            for name in own:
                array = arrays[name]
                if array.ndim >= 3 and array.shape[-3] > 1:
                    graph.put(model, f"{name}.{number}", np.compress(staying(made), array, axis=array.ndim - 3))
                    node.input[list(node.input).index(name)] = f"{name}.{number}"
    del model.graph.value_info[:]
    return graph.strip(model)


def _bias(node: NodeProto, arrays: graph.Arrays) -> np.ndarray:
    return arrays[node.input[2]] if len(node.input) > 2 else np.zeros(len(arrays[node.input[1]]), np.float32)


def _give(model: ModelProto, node: NodeProto, number: int, weight: np.ndarray, bias: np.ndarray) -> None:
    """Give a convolution a weight and a bias of its own: equal ones are kept once, and others may read them."""
    names = [node.input[0], f"{node.input[1]}.{number}", f"bias.{number}"]
    graph.put(model, names[1], weight.astype(np.float32))
    graph.put(model, names[2], bias.astype(np.float32))
    del node.input[:]
    node.input.extend(names)


def _set_groups(node: NodeProto, count: int) -> None:
    for held in node.attribute:
        if held.name == "group":
            held.i = count
