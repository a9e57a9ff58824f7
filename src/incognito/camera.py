"""Where live frames come from: one seam for cameras, files, streams and pipes."""

from __future__ import annotations

from typing import Protocol

from incognito.errors import CameraError
from incognito.frame import Picture

PATIENCE = 1.5  # seconds that a read() may wait for a frame


class StreamEnded(Exception):  # noqa: N818 - no error: a file has an end
    """There are no more frames, and there never will be."""


class NoFrame(CameraError):  # noqa: N818 - nothing is wrong yet
    """No frame came in time, but the camera is still there: it may be read again as it is."""


class Camera(Protocol):
    """Anything that frames can be read from, one after the other, by one thread."""

    name: str  # as the user gave it: "0", "film.mp4", "rtsp://..."
    format: str  # what was agreed on once it is open, as "MJPEG 1280x720, 30 fps"
    lasting: bool  # True where it is worth waiting for when it is gone: a camera can be plugged in again, a file cannot

    def open(self) -> None:
        """Take hold of it, also again after close(). Raises CameraError with the remedy."""
        ...

    def read(self) -> Picture:
        """Wait for the next frame, uint8 RGB (H, W, 3), whose memory is used again for the one after it.

        Returns or raises within two seconds. Raises NoFrame where none came, CameraError where the camera is gone,
        StreamEnded at a file's or pipe's end. The size may differ from the last frame's.
        """
        ...

    def close(self) -> None:
        """Let go of it; also when it is not open, and more than once."""
        ...
