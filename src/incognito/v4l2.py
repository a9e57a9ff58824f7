"""What a video device of Linux says of itself: whether it is a camera, and in which formats. Nothing is started.

The requests and their structures are the kernel's, from linux/videodev2.h.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

QUERY_CAPABILITIES, ENUMERATE_FORMATS, ENUMERATE_SIZES = 0x80685600, 0xC0405602, 0xC02C564A
CAPTURE, DEVICE_CAPABILITIES = 0x1, 0x80000000  # bits of the capabilities
DISCRETE = 1  # a kind of frame size: one, not a range
MOST = 64  # formats, or sizes of one, that are asked for: a driver that never ends is left

Control = Callable[[int, int, bytes], bytes]  # a device's number, a request, a structure -> the structure, filled in


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device said: whether frames can be captured from it, and its formats, as "MJPG 1280x720, 640x480"."""

    captures: bool
    formats: list[str]


def ask(device: Path, control: Control | None = None) -> Answer:
    """Ask a device. Raises OSError where it cannot be opened, or is no video device."""
    control = control or _ioctl()
    number = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    try:
        fields = struct.unpack("16s32s32s3I12x", control(number, QUERY_CAPABILITIES, bytes(104)))
        capabilities = fields[5] if fields[4] & DEVICE_CAPABILITIES else fields[4]
        captures = bool(capabilities & CAPTURE)
        return Answer(captures, [*_formats(number, control)] if captures else [])
    finally:
        os.close(number)


def _formats(number: int, control: Control) -> Iterator[str]:
    with suppress(OSError):  # the kernel's way to say that there are no more
        for place in range(MOST):
            asked = struct.pack("3I32s2I12x", place, CAPTURE, 0, b"", 0, 0)
            code: int = struct.unpack("3I32s2I12x", control(number, ENUMERATE_FORMATS, asked))[4]
            name = code.to_bytes(4, "little").decode("latin-1").strip()
            yield " ".join([name, ", ".join(_sizes(number, code, control))]).strip()


def _sizes(number: int, code: int, control: Control) -> Iterator[str]:
    with suppress(OSError):
        for place in range(MOST):
            fields = struct.unpack("11I", control(number, ENUMERATE_SIZES, struct.pack("11I", place, code, *[0] * 9)))
            if fields[2] != DISCRETE:
                yield f"{fields[3]}x{fields[6]} to {fields[4]}x{fields[7]}"
                return
            yield f"{fields[3]}x{fields[4]}"


def _ioctl() -> Control:
    import fcntl

    return fcntl.ioctl
