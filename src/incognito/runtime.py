"""Tensor to tensor: what runs a network. One method, so that anything can stand in."""

from __future__ import annotations

import os
from typing import Protocol

import numpy as np

from incognito.errors import ModelError, UsageError, first_line
from incognito.zoo import Card


class Runtime(Protocol):
    """Anything that turns a network's input into its output."""

    def run(self, tensor: np.ndarray) -> np.ndarray:
        """Run one input, batch of one, and return the network's first output, squeezed to (h, w)."""
        ...


class OnnxRuntime:
    """A network on ONNX Runtime's CPU provider, on exactly the threads that were asked for."""

    def __init__(self, card: Card, threads: int | None = None) -> None:
        import onnxruntime

        if threads is not None and not 1 <= threads <= cores():
            raise UsageError(f"{threads} threads were asked for; here there can be 1 to {cores()}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # errors reach the user as one line, from here
        network = card.load()
        try:
            self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own errors have no common base
            raise ModelError(f"{card.path} cannot be run ({first_line(error)}); install the model again") from None
        self._path = card.path
        self._check(card)

    def run(self, tensor: np.ndarray) -> np.ndarray:
        """Run one input and return the first output, float32 (h, w)."""
        try:
            return np.asarray(self._session.run(None, {self._input: tensor})[0]).squeeze()
        except Exception as error:
            raise ModelError(f"{self._path} cannot be run ({first_line(error)}); mend the model or its card") from None

    def _check(self, card: Card) -> None:
        """Refuse a graph whose input is not what the card says."""
        tensor = self._session.get_inputs()[0]
        self._input = tensor.name
        height, width = card.size
        shape = [1, height, width, 3] if card.layout == "NHWC" else [1, 3, height, width]
        kind = {"uint8": "tensor(uint8)", "float32": "tensor(float)"}[card.dtype]
        fits = all(got == want or not isinstance(got, int) for got, want in zip(tensor.shape, shape, strict=False))
        if tensor.type != kind or len(tensor.shape) != 4 or not fits:
            raise ModelError(
                f"{card.path} takes {tensor.type} {tensor.shape}, its card says {kind} {shape}; mend the card"
            )


class ConstantRuntime:
    """A network that finds the same alpha everywhere: for tests, the users' too."""

    def __init__(self, alpha: float, size: tuple[int, int] = (64, 64)) -> None:
        self._output = np.full(size, alpha, np.float32)

    def run(self, tensor: np.ndarray) -> np.ndarray:
        """Return the constant alpha, whatever comes in."""
        return self._output.copy()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
