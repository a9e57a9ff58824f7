"""A virtual camera, through pyvirtualcam (extra [camera]): v4l2loopback, OBS's, or UnityCapture."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from incognito.errors import SinkError, first_line
from incognito.frame import Picture
from incognito.sink import Command

MISSING = "a virtual camera needs pyvirtualcam, which is not installed; pip install incognito[camera], or use --to page"
DRIVERS = {  # what makes programs see a camera, by system
    "linux": "sudo modprobe v4l2loopback exclusive_caps=1 card_label=Incognito",
    "darwin": "install OBS, start its virtual camera once and stop it again",
    "win32": "install OBS, whose virtual camera comes with it, or UnityCapture",
}
LOOPBACKS = Path("/sys/devices/virtual/video4linux")


class VirtualCamera:
    """Shows a stream to other programs as a camera of its own."""

    name = "virtual"
    sees_room = False

    def __init__(self, make: Callable[..., Any] | None = None) -> None:
        self._make = make
        self._camera: Any = None

    def open(self, size: tuple[int, int], fps: float) -> None:
        """Take a virtual camera of size (height, width); raises SinkError."""
        make = self._make or _maker()
        try:
            self._camera = make(width=size[1], height=size[0], fps=fps or 30)
        except (RuntimeError, OSError, ValueError) as error:
            remedy = DRIVERS.get(sys.platform, DRIVERS["linux"])
            raise SinkError(f"there is no virtual camera ({first_line(error)}); {remedy}") from None

    def show(self, picture: Picture, original: Picture | None, seconds: float) -> None:
        """Hand a picture over; raises SinkError."""
        try:
            self._camera.send(picture)
        except (RuntimeError, OSError) as error:
            raise SinkError(f"the virtual camera takes no more ({first_line(error)}); load its driver again") from None

    def commands(self) -> list[Command]:
        """Give nothing: who looks at a camera asks it for nothing."""
        return []

    def watched(self) -> bool | None:
        """Tell whether another program has the device open, on Linux; None where that cannot be told."""
        device = getattr(self._camera, "device", "")
        return _is_open_elsewhere(device) if device.startswith("/dev/") else None

    def close(self) -> None:
        """Let go of it."""
        self._camera.close()


def driver() -> tuple[bool, str]:
    """Whether a virtual camera's driver and its extra are here, and what is wrong if not."""
    if importlib.util.find_spec("pyvirtualcam") is None:
        return False, "pyvirtualcam is not installed"
    if sys.platform == "linux" and not any(LOOPBACKS.glob("video*")):
        return False, "v4l2loopback is not loaded"
    return True, "pyvirtualcam is installed" + (", v4l2loopback is loaded" if sys.platform == "linux" else "")


def _is_open_elsewhere(device: str, processes: Path = Path("/proc")) -> bool | None:
    """Whether a process other than this one holds a device; None where any could not be looked into and none does."""
    hidden = False
    for each in processes.glob("[0-9]*"):
        if each.name == str(os.getpid()):
            continue
        try:
            if any(str(link.readlink()) == device for link in (each / "fd").iterdir()):
                return True
        except PermissionError:
            hidden = True
        except OSError:  # it ended meanwhile
            continue
    return None if hidden else False


def _maker() -> Callable[..., Any]:
    try:
        import pyvirtualcam
    except ImportError:
        raise SinkError(MISSING) from None
    return pyvirtualcam.Camera
