"""Cameras at this machine, through OpenCV: V4L2 on Linux, AVFoundation on macOS, DirectShow on Windows."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from incognito.errors import CameraError
from incognito.frame import Picture

MJPEG = "MJPG"
WIDE = 720  # lines from which on raw pictures are too much for USB 2 at 30 a second
PATIENCE = 1500  # milliseconds for a frame
BACKENDS = {"linux": cv2.CAP_V4L2, "darwin": cv2.CAP_AVFOUNDATION, "win32": cv2.CAP_DSHOW}

Open = Callable[[int, int, list[int]], Any]  # index, backend, parameters -> what cv2.VideoCapture gives


@dataclass(frozen=True, slots=True)
class Found:
    """A camera that this machine says it has: its index, its name, and its formats where they can be told."""

    index: int
    name: str
    formats: list[str]


class Webcam:
    """A camera by its index, asked for size (height, width) and frames a second; `format` says what it agreed to."""

    lasting = True

    def __init__(
        self, index: int, size: tuple[int, int] = (720, 1280), fps: float = 30.0, capture: Open = cv2.VideoCapture
    ) -> None:
        self.name, self.format = str(index), "not open"
        self._index, self._size, self._fps, self._open = index, size, fps, capture
        self._device: Any = None
        self._buffer: Picture | None = None

    def open(self) -> None:
        """Open it, in MJPEG where raw pictures would be too many bytes. Raises CameraError."""
        height, width = self._size
        wanted = [cv2.CAP_PROP_FRAME_WIDTH, width, cv2.CAP_PROP_FRAME_HEIGHT, height]
        wanted += [cv2.CAP_PROP_FPS, round(self._fps or 30)]
        if height >= WIDE:
            wanted = [cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*MJPEG), *wanted]
        device = self._open(self._index, BACKENDS.get(sys.platform, cv2.CAP_ANY), [])
        if not device.isOpened():
            raise CameraError(f"there is no camera {self._index}, or another program has it; {_whom(self._index)}")
        for place in range(0, len(wanted), 2):
            device.set(wanted[place], wanted[place + 1])
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        device.set(cv2.CAP_PROP_READ_TIMEOUT_MSEC, PATIENCE)
        self._device, self.format = device, _format(device)

    def read(self) -> Picture:
        """Give the next frame; raises CameraError where none comes."""
        there, pixels = self._device.read() if self._device else (False, None)
        if not there or pixels is None:
            raise CameraError(f"camera {self._index} gives no frames; check its cable and that it is not covered")
        self._buffer = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=_fitting(self._buffer, pixels))
        return self._buffer

    def close(self) -> None:
        """Let go of it."""
        if self._device:
            self._device.release()
        self._device = None


def found(devices: Path = Path("/sys/class/video4linux")) -> list[Found]:
    """The cameras of this machine: on Linux those that are listed, elsewhere those of the first four that open."""
    if sys.platform == "linux":
        names = sorted(devices.glob("video*"), key=lambda path: int(re.sub(r"\D", "", path.name) or 0))
        return [Found(int(path.name[5:]), (path / "name").read_text().strip(), []) for path in names]
    return [each for each in map(_probed, range(4)) if each]


def _probed(index: int) -> Found | None:
    camera = Webcam(index)
    try:
        camera.open()
        return Found(index, f"camera {index}", [camera.format])
    except CameraError:
        return None
    finally:
        camera.close()


def _whom(index: int) -> str:
    """What to do about a camera that cannot be opened."""
    there = ", ".join(f"{each.index} ({each.name})" for each in found()) if sys.platform == "linux" else ""
    return f"these are here: {there}" if there else "plug one in, allow its use, or give --camera a file"


def _format(device: Any) -> str:
    code = int(device.get(cv2.CAP_PROP_FOURCC))
    name = "".join(chr(code >> shift & 255) for shift in (0, 8, 16, 24)).strip("\0 ") or "unknown format"
    size = f"{device.get(cv2.CAP_PROP_FRAME_WIDTH):.0f}x{device.get(cv2.CAP_PROP_FRAME_HEIGHT):.0f}"
    return f"{name} {size}, {device.get(cv2.CAP_PROP_FPS):g} fps"


def _fitting(buffer: Picture | None, pixels: Picture) -> Picture | None:
    return buffer if buffer is not None and buffer.shape == pixels.shape and buffer.dtype == np.uint8 else None
