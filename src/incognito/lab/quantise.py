"""Int8: a float32 model with every layer between its first and its last convolution computed in 8 bits.

ONNX Runtime's own tool places the rounding and calibrates; ours is choosing: of what, how, and what stays float.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from incognito.errors import LabError, OutputError, first_line
from incognito.lab import graph
from incognito.machine import cpu

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
KINDS = {  # of activations and weights, and whether weights use 7 bits only
    "u8s8": (QuantType.QUInt8, QuantType.QInt8, False),
    "u8u8": (QuantType.QUInt8, QuantType.QUInt8, False),
    "reduced": (QuantType.QUInt8, QuantType.QInt8, True),
}
HISTOGRAM_PICTURES = 24  # entropy and percentile keep every tensor of each picture in memory


@dataclass(frozen=True, slots=True)
class Calibration:
    """Pictures as the network takes them, and a folder where the ranges found on them are kept."""

    pictures: list[np.ndarray]
    folder: Path


def kind_here() -> str:
    """What int8 arithmetic suits this CPU: without VNNI, sums of 8 by 8 bits overflow their 16, so weights get 7."""
    return "u8s8" if "vnni" in cpu() or "amx" in cpu() else "reduced"


def static(
    model: ModelProto,
    calibration: Calibration,
    method: str = "minmax",
    kind: str = "u8s8",
    floats: frozenset[str] = frozenset(),
) -> ModelProto:
    """Quantise a tidy float32 model, weights per output channel; nodes named in `floats` stay as they are.

    Raises LabError where there is nothing to calibrate on, or a method or kind is not known.
    """
    if method not in METHODS or kind not in KINDS:
        raise LabError(f"choose a calibration of {', '.join(METHODS)} and a kind of {', '.join(KINDS)}")
    inside = between_convolutions(model)
    return _static(model, calibration, method, kind, [name for name in inside if name not in floats])


def alone(model: ModelProto, calibration: Calibration, method: str, kind: str, node: str) -> ModelProto:
    """Quantise a single node."""
    return _static(model, calibration, method, kind, [node])


def dynamic(model: ModelProto) -> ModelProto:
    """Quantise weights only beforehand, and activations picture by picture, as the first system did."""
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dynamic.onnx"
        names = [node.name for node in model.graph.node if node.op_type == "Conv" and _is_plain(node)]
        quantize_dynamic(graph.clone(model), str(path), weight_type=QuantType.QUInt8, nodes_to_quantize=names)
        return onnx.load(path)


def sensitivity(
    model: ModelProto,
    calibration: Calibration,
    method: str,
    kind: str,
    on_layer: Callable[[int, int | None], None] = lambda done, total: None,
) -> dict[str, float]:
    """How far alpha moves, on average over the pictures, when one convolution alone is quantised; the worst first."""
    layers = [node.name for node in model.graph.node if node.op_type == "Conv"]
    pictures = calibration.pictures[:4]
    right = [values[0] for values in graph.run(model, pictures)]
    moved = {}
    for done, name in enumerate(layers, 1):
        found = graph.run(alone(model, calibration, method, kind, name), pictures)
        moved[name] = float(np.mean([np.abs(a[0] - b).mean() for a, b in zip(found, right, strict=True)]))
        on_layer(done, len(layers))
    return dict(sorted(moved.items(), key=lambda pair: -pair[1]))


def between_convolutions(model: ModelProto) -> list[str]:
    """The names of the nodes from the first convolution to the last: scaling before and alpha behind stay float."""
    nodes = list(model.graph.node)
    places = [place for place, node in enumerate(nodes) if node.op_type in ("Conv", "ConvTranspose")]
    if not places:
        raise LabError("the network has no convolution, so there is nothing to quantise")
    return [node.name for node in nodes[places[0] : places[-1] + 1]]


class _Pictures(CalibrationDataReader):  # type: ignore[misc] # onnxruntime has no types
    def __init__(self, name: str, pictures: list[np.ndarray]) -> None:
        self._left = iter([{name: picture} for picture in pictures])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._left, None)


def _static(model: ModelProto, calibration: Calibration, method: str, kind: str, names: list[str]) -> ModelProto:
    if not calibration.pictures:
        raise LabError("there are no pictures to calibrate on; give --data a folder with photos for training")
    activations, weights, reduced = KINDS[kind]
    pictures = calibration.pictures if method == "minmax" else calibration.pictures[:HISTOGRAM_PICTURES]
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            graph.clone(model), str(path), _Pictures(graph.input_of(model).name, pictures),
            quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=reduced, activation_type=activations,
            weight_type=weights, nodes_to_quantize=names, calibrate_method=METHODS[method],
            calibration_cache_path=str(calibration.folder / f"{method}.json"),
        )  # fmt: skip
        return onnx.load(path)


def _is_plain(node: onnx.NodeProto) -> bool:
    return int(graph.attribute(node, "group", 1)) == 1


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime's tool prints, and speaks through the root logger; what fails in it becomes one line."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except LabError:
        raise
    except OSError as error:
        raise OutputError(f"a file cannot be written ({first_line(error)}); make room and go on") from error
    except Exception as error:
        raise LabError(f"the network cannot be quantised ({first_line(error)}); leave the int8 rungs out") from error
    finally:
        logging.disable(before)
