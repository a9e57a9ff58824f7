"""Refitting: after channels left, every convolution is fitted anew to what it gave before, layer by layer.

After He et al. 2017 (Channel Pruning): a least-squares fit on samples of a few pictures, first layer first, so that
each makes up for what was lost before it. It takes a minute and mends more than the same time of training.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from onnx import ModelProto, NodeProto

from incognito.lab import graph

SAMPLES = 512  # places in each picture
WIDEST = 4096  # numbers that a fitted output may depend on; more would take minutes
RIDGE = 1e-3  # of the mean square of the inputs: holds the fit near the weights as they are


def refit(
    model: ModelProto, original: ModelProto, kept: dict[str, np.ndarray], pictures: list[np.ndarray]
) -> ModelProto:
    """Fit a pruned model's convolutions to the original's; `kept` says for each output which channels are left.

    `pictures` are inputs of both models.
    """
    model = graph.clone(model)
    nodes = [node for node in model.graph.node if _can_be_fitted(model, node)]
    names = [node.output[0] for node in nodes]
    rng = np.random.default_rng(0)
    places: dict[str, list[np.ndarray]] = {name: [] for name in names}  # rows and columns, for each picture
    wanted: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for values in graph.runs(original, pictures, names):
        for name, (value,) in zip(names, values, strict=True):
            here = np.stack([rng.integers(0, side, SAMPLES) for side in value.shape[1:]])
            places[name].append(here)
            wanted[name].append(value[kept[name]][:, here[0], here[1]].T)
    for node in nodes:
        name = node.output[0]
        shape = graph.arrays_of(model)[node.input[1]].shape
        given = graph.runs(model, pictures, [node.input[0]])
        seen = [_patches(node, value[0], shape, *here) for (value,), here in zip(given, places[name], strict=True)]
        _fit(model, node, np.concatenate(seen), np.concatenate(wanted[name]))
    return model


def _can_be_fitted(model: ModelProto, node: NodeProto) -> bool:
    if node.op_type != "Conv" or graph.attribute(node, "group", 1) != 1:
        return False
    if graph.attribute(node, "auto_pad", "NOTSET") != "NOTSET":
        return False
    return int(np.prod(graph.arrays_of(model)[node.input[1]].shape[1:])) < WIDEST


def _fit(model: ModelProto, node: NodeProto, seen: np.ndarray, wanted: np.ndarray) -> None:
    """Replace a convolution's weight and bias by those that come closest to what is wanted of it."""
    arrays = graph.arrays_of(model)
    weight, bias = arrays[node.input[1]], arrays[node.input[2]]
    now = np.concatenate([weight.reshape(len(weight), -1), bias[:, None]], 1)
    missing = wanted - seen @ now.T
    square = (seen.T @ seen).astype(np.float64)
    square[np.diag_indices_from(square)] += RIDGE * np.trace(square) / len(square)
    change = np.linalg.solve(square, (seen.T @ missing).astype(np.float64)).T  # (outputs, inputs x kernel + 1)
    graph.put(model, node.input[1], weight + change[:, :-1].reshape(weight.shape).astype(np.float32))
    graph.put(model, node.input[2], bias + change[:, -1].astype(np.float32))


def _patches(
    node: NodeProto, value: np.ndarray, shape: tuple[int, ...], rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """What a convolution sees at some places of its output, with a 1 behind for the bias: float32 (places, n + 1)."""
    top, left, bottom, right = graph.attribute(node, "pads", [0, 0, 0, 0])
    strides, dilations = (graph.attribute(node, name, [1, 1]) for name in ("strides", "dilations"))
    padded = np.pad(value, ((0, 0), (top, bottom), (left, right)))
    reach = [(side - 1) * dilation + 1 for side, dilation in zip(shape[2:], dilations, strict=True)]
    windows = sliding_window_view(padded, reach, (1, 2))[..., :: dilations[0], :: dilations[1]]
    seen = windows[:, rows * strides[0], columns * strides[1]].transpose(1, 0, 2, 3).reshape(len(rows), -1)
    return np.concatenate([seen, np.ones((len(rows), 1), np.float32)], 1)
