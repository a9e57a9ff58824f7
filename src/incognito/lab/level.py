"""Levelling: what a concatenation joins is brought to one range, for in 8 bits it has one step.

A decoder joins what it made itself, which ReLU6 ends at 6, with features of the encoder that reach 40 and more; of 255
steps over all, its own half would have 30. So that half is made larger where it begins, and the filter by depth behind
the concatenation smaller for its channels: the same function, and no rounding more, for each of the filter's channels
has a scale of its own (after Nagel et al. 2019, cross-layer equalisation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto

from incognito.lab import graph

PICTURES = 24  # are shown, to see the ranges
SCALING = ("Conv", "Clip", "Relu", "Resize")  # give as much more as they are given, or as their constants grow


@dataclass(frozen=True, slots=True)
class _Part:
    """What a concatenation takes: its largest value, its channels, and the nodes that can make it larger, if any."""

    range: float
    channels: int
    way: list[NodeProto] | None


def levelled(model: ModelProto, pictures: Sequence[np.ndarray]) -> ModelProto:
    """The same network with level concatenations, where a filter by depth follows; seen on the first PICTURES."""
    level = graph.clone(model)
    for joint in [node for node in level.graph.node if node.op_type == "Concat" and graph.attribute(node, "axis") == 1]:
        users = graph.consumers(level)[joint.output[0]]
        if len(users) == 1 and _is_by_depth(level, users[0]):
            _level(level, joint, users[0], pictures[:PICTURES])
    return graph.strip(level)


def _level(model: ModelProto, joint: NodeProto, by_depth: NodeProto, pictures: Sequence[np.ndarray]) -> None:
    """Bring the parts that can be scaled to the range of those that cannot; where all can, to the largest."""
    parts = _parts(model, joint, pictures)
    ends = [part.range for part in parts if part.way is None] or [part.range for part in parts]
    filters, start = graph.arrays_of(model)[by_depth.input[1]].copy(), 0
    for part in parts:
        if part.way and part.range and max(ends):
            scale = max(ends) / part.range
            filters[start : start + part.channels] /= scale
            _enlarge(model, part.way, scale)
        start += part.channels
    _replace(model, by_depth, 1, filters)


def _parts(model: ModelProto, joint: NodeProto, pictures: Sequence[np.ndarray]) -> list[_Part]:
    names = list(joint.input)
    seen = [[np.abs(tensor).max() for tensor in found] for found in graph.runs(model, pictures, names)]
    shapes = graph.shapes(model)
    ranges = np.max(seen, axis=0).tolist()
    return [_Part(end, shapes[name][1], _way(model, name)) for end, name in zip(ranges, names, strict=True)]


def _way(model: ModelProto, name: str) -> list[NodeProto] | None:
    """Back from a tensor to its convolution, by nodes that scale with it and feed nobody else; None if that fails."""
    made, users, held = graph.producers(model), graph.consumers(model), graph.arrays_of(model)
    given, way = {output.name for output in model.graph.output}, []
    while len(users[name]) == 1 and name not in given and (node := made.get(name)):
        way.append(node)
        if node.op_type not in SCALING or any(each not in held for each in _scaled(node)):
            return None
        if node.op_type == "Conv":
            return way
        name = node.input[0]
    return None


def _enlarge(model: ModelProto, way: list[NodeProto], scale: float) -> None:
    """Scale a convolution, and the ends of what clips it."""
    arrays = graph.arrays_of(model)
    for node in way:
        for name in _scaled(node):
            _replace(model, node, list(node.input).index(name), arrays[name] * scale)


def _scaled(node: NodeProto) -> list[str]:
    """The constants that grow with what a node gives."""
    return [name for name in node.input[1:] if name] if node.op_type in ("Conv", "Clip") else []


def _replace(model: ModelProto, node: NodeProto, place: int, array: np.ndarray) -> None:
    """Give a node a constant of its own: others may share the one that it has."""
    name = f"{node.name}.level{place}"
    graph.put(model, name, array.astype(np.float32))
    node.input[place] = name


def _is_by_depth(model: ModelProto, node: NodeProto) -> bool:
    return (
        node.op_type == "Conv" and graph.attribute(node, "group", 1) == len(graph.arrays_of(model)[node.input[1]]) > 1
    )
