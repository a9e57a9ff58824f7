"""Cameras at this machine, through OpenCV: V4L2 on Linux, AVFoundation on macOS, DirectShow on Windows."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from incognito import v4l2
from incognito.camera import PATIENCE
from incognito.errors import CameraError
from incognito.frame import Picture

MJPEG = "MJPG"
WIDE = 720  # lines from which on raw pictures are too much for USB 2 at 30 a second
SELECT_TIMEOUT = ("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")  # seconds for a frame, instead of 10; whole ones only
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
        os.environ.setdefault(*SELECT_TIMEOUT)
        device = self._open(self._index, BACKENDS.get(sys.platform, cv2.CAP_ANY), [])
        if not device.isOpened():
            raise CameraError(_refusal(self._index))
        for place in range(0, len(wanted), 2):
            device.set(wanted[place], wanted[place + 1])
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        device.set(cv2.CAP_PROP_READ_TIMEOUT_MSEC, 1000 * PATIENCE)
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


def found(listed: Path = Path("/sys/class/video4linux"), devices: Path = Path("/dev")) -> list[Found]:
    """The cameras of this machine: on Linux those that are listed, elsewhere those of the first four that open."""
    if sys.platform == "linux":
        names = sorted(listed.glob("video*"), key=lambda path: int(re.sub(r"\D", "", path.name) or 0))
        return [each for each in (_asked(path, devices) for path in names) if each]
    return [each for each in map(_probed, range(4)) if each]


def _asked(listed: Path, devices: Path) -> Found | None:
    """What the kernel knows of a camera; None for what is no camera, such as a camera's second device for metadata."""
    index, name = int(listed.name[5:]), (listed / "name").read_text().strip()
    try:
        answer = v4l2.ask(devices / listed.name)
    except OSError:  # it may not be opened, and is there all the same
        return Found(index, name, [])
    return Found(index, name, answer.formats) if answer.captures else None


def _probed(index: int) -> Found | None:
    camera = Webcam(index)
    try:
        camera.open()
        return Found(index, f"camera {index}", [camera.format])
    except CameraError:
        return None
    finally:
        camera.close()


def _refusal(index: int, devices: Path = Path("/dev")) -> str:
    """Why a camera cannot be opened, as far as that can be told, and what to do about it."""
    device = devices / f"video{index}"
    if sys.platform != "linux":
        return f"there is no camera {index}, or another program has it; plug it in, allow its use, or give a file"
    if not device.exists():
        there = ", ".join(f"{each.index} ({each.name})" for each in found())
        remedy = f"these are here: {there}" if there else "plug one in, or give a file"
        return f"there is no camera {index}; {remedy}"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"you may not use camera {index}; add yourself to the group video and log in again"
    return f"camera {index} gives nothing, or another program has it; close that program"


def _format(device: Any) -> str:
    code = int(device.get(cv2.CAP_PROP_FOURCC))
    name = "".join(chr(code >> shift & 255) for shift in (0, 8, 16, 24)).strip("\0 ") or "unknown format"
    size = f"{device.get(cv2.CAP_PROP_FRAME_WIDTH):.0f}x{device.get(cv2.CAP_PROP_FRAME_HEIGHT):.0f}"
    return f"{name} {size}, {device.get(cv2.CAP_PROP_FPS):g} fps"


def _fitting(buffer: Picture | None, pixels: Picture) -> Picture | None:
    return buffer if buffer is not None and buffer.shape == pixels.shape and buffer.dtype == np.uint8 else None
