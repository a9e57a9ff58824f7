"""Shortening: whole residual blocks leave a network, those without which alpha moves least.

A residual block adds to its input; without it the input goes on alone. What was lost is made up for by a fit of the
convolutions that stay.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from onnx import ModelProto, NodeProto

from incognito.errors import LabError
from incognito.lab import graph
from incognito.lab.refit import refit


def shorten(model: ModelProto, pictures: list[np.ndarray], blocks: int) -> ModelProto:
    """Take out so many residual blocks of a tidy float32 model, one after the other.

    `pictures` are inputs of the model. Raises LabError where it has fewer blocks, and for less than one.
    """
    if blocks < 1:
        raise LabError(f"blocks is 1 or more, not {blocks}")
    wanted = _alphas(model, pictures)
    short = model
    for taken in range(blocks):
        shorter = [_without(short, add, given) for add, given in residuals(short)]
        if not shorter:
            raise LabError(f"the network has {taken} residual blocks to spare, not {blocks}; lower blocks")
        moved = [np.abs(_alphas(each, pictures) - wanted).mean() for each in shorter]
        short = shorter[int(np.argmin(moved))]
    kept = {name: np.ones(shape[1], bool) for name, shape in graph.shapes(short).items() if len(shape) == 4}
    return refit(short, model, kept, pictures)


def residuals(model: ModelProto) -> Iterator[tuple[NodeProto, str]]:
    """The additions of something to what it was made from, each with the name of that."""
    made, arrays = graph.producers(model), graph.arrays_of(model)
    for node in model.graph.node:
        if node.op_type == "Add" and not arrays.keys() & set(node.input):
            first, second = node.input
            if first in _behind(second, made):
                yield node, first
            elif second in _behind(first, made):
                yield node, second


def _behind(name: str, made: dict[str, NodeProto]) -> set[str]:
    """All tensors that one was made from."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        node = made.get(waiting.pop())
        fresh = set(node.input) - found if node else set()
        found |= fresh
        waiting.extend(fresh)
    return found


def _without(model: ModelProto, add: NodeProto, given: str) -> ModelProto:
    """A copy in which what read a sum reads what was given instead."""
    model = graph.clone(model)
    for node in model.graph.node:
        node.input[:] = [given if name == add.output[0] else name for name in node.input]
    return graph.strip(model)


def _alphas(model: ModelProto, pictures: list[np.ndarray]) -> np.ndarray:
    return np.stack([alpha for (alpha,) in graph.runs(model, pictures)])
