"""Tensor to tensor: what runs a network. One method, so that anything can stand in."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from incognito.errors import ModelError, UsageError, first_line
from incognito.zoo import Card

# Microseconds that ONNX Runtime's threads (from 1.26 on) wait busily for more to do. Left alone they do so for 50 ms
# and more: a stream of 30 frames a second kept a second core at work for nothing, 40 ms of CPU time a frame. With 50
# a frame takes 10, as fast as with 200 and with less CPU time; with 0 a frame takes half a millisecond longer.
SPIN = 50

_FIRST = threading.Lock()  # held while OpenVINO is imported


class Runtime(Protocol):
    """Anything that turns a network's input into its output."""

    def run(self, tensor: np.ndarray) -> np.ndarray:
        """Run one input, batch of one, and return the network's first output, squeezed to (h, w)."""
        ...


class OnnxRuntime:
    """A network on ONNX Runtime's CPU provider, on exactly the threads that were asked for.

    Where that is one for each core, each has its own (`_cores_of_helpers`).
    """

    name = "onnxruntime"

    def __init__(self, card: Card, threads: int | None = None) -> None:
        import onnxruntime

        onnxruntime.disable_telemetry_events()  # on Windows, and where the program had loaded it before
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = count = _allowed(threads)
        options.inter_op_num_threads = 1
        self._taken = _cores_of_helpers(count)
        if self._taken:  # counted from 1
            places = ";".join(str(core + 1) for core in self._taken)
            options.add_session_config_entry("session.intra_op_thread_affinities", places)
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN))
        options.log_severity_level = 4  # errors reach the user as one line, from here
        network = card.load()
        try:
            self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own errors have no common base
            raise ModelError(f"{card.path} cannot be run ({first_line(error)}); install the model again") from None
        self._path = card.path
        tensor = self._session.get_inputs()[0]
        self._input = tensor.name
        _check(card, tensor.type[len("tensor(") : -1], tensor.shape)

    def run(self, tensor: np.ndarray) -> np.ndarray:
        """Run one input and return the first output, float32 (h, w)."""
        try:
            with _off(self._taken):
                return np.asarray(self._session.run(None, {self._input: tensor})[0]).squeeze()
        except Exception as error:
            raise ModelError(f"{self._path} cannot be run ({first_line(error)}); mend the model or its card") from None


class OpenVinoRuntime:
    """A network on OpenVINO's CPU plugin, on exactly the threads that were asked for.

    A model whose card says bf16 is computed in bf16, where the CPU has it. With `reshaped` a model that was made for
    another size is brought to the card's.
    """

    name = "openvino"

    def __init__(self, card: Card, threads: int | None = None, reshaped: bool = False) -> None:
        require(self.name)
        settings = {
            "INFERENCE_NUM_THREADS": _allowed(threads),
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if card.precision == "bf16" else "f32",
        }
        network = card.load()
        try:
            core = _openvino_core()
            if card.precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
                raise ModelError(f"{card.path} needs bf16, which this CPU has not; choose another variant")
            graph = core.read_model(network)
            if reshaped:
                graph.reshape(_shape(card))
            model = core.compile_model(graph, "CPU", settings)
        except RuntimeError as error:
            raise ModelError(f"{card.path} cannot be run ({_reason(error)}); choose onnxruntime") from None
        tensor = model.inputs[0]
        kinds = {"u8": "uint8", "f32": "float"}
        shape = [side.get_length() if side.is_static else None for side in tensor.get_partial_shape()]
        _check(card, kinds.get(tensor.element_type.get_type_name(), "another type"), shape)
        self._path = card.path
        self._request = model.create_infer_request()

    def run(self, tensor: np.ndarray) -> np.ndarray:
        """Run one input and return the first output, float32 (h, w)."""
        try:
            return np.array(self._request.infer([tensor])[0], copy=True).squeeze()
        except RuntimeError as error:
            raise ModelError(f"{self._path} cannot be run ({_reason(error)}); choose onnxruntime") from None


class ConstantRuntime:
    """A network that finds the same alpha everywhere: for tests, the users' too."""

    name = "constant"

    def __init__(self, alpha: float, size: tuple[int, int] = (64, 64)) -> None:
        self._output = np.full(size, alpha, np.float32)

    def run(self, tensor: np.ndarray) -> np.ndarray:
        """Return the constant alpha, whatever comes in."""
        return self._output.copy()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def installed() -> list[str]:
    """The names of the runtimes that can be used here, the default first."""
    return [name for name in RUNTIMES if is_installed(name)]


def is_installed(name: str) -> bool:
    """Whether a runtime's package is there; it is not loaded."""
    return importlib.util.find_spec(name) is not None


def require(name: str) -> None:
    """Raise UsageError where a runtime is not known or not installed."""
    if name not in RUNTIMES:
        raise UsageError(f"there is no runtime {name!r}; choose one of {', '.join(RUNTIMES)}")
    if not is_installed(name):
        raise UsageError(f"{name} was asked for; this installation has none. pip install {name}, or choose another")


def open_runtime(card: Card, threads: int | None = None, name: str = OnnxRuntime.name) -> Runtime:
    """Load a card's network on a runtime by its name; raises UsageError where that is not known or not installed."""
    require(name)
    return RUNTIMES[name](card, threads)


def _openvino_core() -> Any:
    """OpenVINO's one core, kept as long as the program runs, whichever thread asks first.

    On CPUs with AMX each core sets a stack for signals, and takes it away when it goes: after a second core, the next
    signal would find one that is gone, and end the program.
    """
    with _FIRST:
        return _make_core()


@lru_cache(maxsize=1)
def _make_core() -> Any:
    return _import_openvino().Core()


def _import_openvino() -> Any:
    """Import OpenVINO with its telemetry out of reach, which else tells a statistics service of every first import.

    Without that package OpenVINO takes a stub. The program's own imports of it find it again afterwards.
    """
    telemetry = sys.modules.get("openvino_telemetry")
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # makes an import of it fail
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules["openvino_telemetry"]
        if telemetry is not None:
            sys.modules["openvino_telemetry"] = telemetry


def _allowed(threads: int | None) -> int:
    if threads is not None and not 1 <= threads <= cores():
        raise UsageError(f"{threads} threads were asked for; here there can be 1 to {cores()}")
    return threads or cores()


def _cores_of_helpers(threads: int) -> list[int]:
    """The cores for all threads but the caller's, where there are as many as cores and the system can be told.

    Left to itself a virtual machine may see no other core idle when it wakes a helper, and run it on the caller's: of
    two cores a stream's network then took 5.1 ms, 3.4 with a core each, and 4.0 on one thread.
    """
    if not hasattr(os, "sched_getaffinity") or threads < cores():
        return []
    return sorted(os.sched_getaffinity(0))[1:]


@contextmanager
def _off(taken: list[int]) -> Iterator[None]:
    """Keep this thread off the cores that its helpers have, where it may be."""
    if not taken:
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        with suppress(OSError):
            os.sched_setaffinity(0, before.difference(taken) or before)
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, before)


def _shape(card: Card) -> list[int]:
    """The shape of a card's input."""
    return [1, *card.size, 3] if card.layout == "NHWC" else [1, 3, *card.size]


def _check(card: Card, kind: str, shape: list[Any]) -> None:
    """Refuse a graph whose input is not what the card says."""
    wanted = _shape(card)
    fits = all(got == want or not isinstance(got, int) for got, want in zip(shape, wanted, strict=False))
    said = {"uint8": "uint8", "float32": "float"}[card.dtype]
    if kind != said or len(shape) != 4 or not fits:
        raise ModelError(f"{card.path} takes {kind} {shape}, its card says {said} {wanted}; mend the card")


def _reason(error: Exception) -> str:
    """The last line of OpenVINO's error, which says what was wrong; those before it say where in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:160] if lines else type(error).__name__


RUNTIMES: dict[str, Callable[[Card, int | None], Runtime]] = {
    OnnxRuntime.name: OnnxRuntime,
    OpenVinoRuntime.name: OpenVinoRuntime,
}
