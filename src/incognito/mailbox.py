"""The newest frame and no other: what a camera's thread leaves for the loop."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from incognito.frame import Picture


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A frame, uint8 RGB (H, W, 3), its number from 0 on, and when it was captured, in seconds of the loop's clock."""

    pixels: Picture
    number: int
    seconds: float


class Mailbox:
    """One place for a frame, between a thread that posts and one that takes.

    Frames are copied into buffers that are used again: one is written, one waits, one is read. So a camera may use its
    memory again, nothing that is being read is ever overwritten, and nothing grows.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: Shot | None = None
        self._held: Picture | None = None
        self._spare: list[Picture] = []
        self.captured = self.dropped = 0

    def post(self, pixels: Picture, seconds: float) -> None:
        """Leave a copy of a frame; one that was not taken is dropped for it."""
        with self._changed:
            buffer = self._buffer(pixels.shape)
        np.copyto(buffer, pixels)
        with self._changed:
            if self._waiting:
                self.dropped += 1
                self._spare.append(self._waiting.pixels)
            self._waiting = Shot(buffer, self.captured, seconds)
            self.captured += 1
            self._changed.notify()

    def take(self, timeout: float) -> Shot | None:
        """Wait so many seconds for a frame, and give it once; None where none came. The one before is given back."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, timeout)
            shot, self._waiting = self._waiting, None
            if shot:
                if self._held is not None:
                    self._spare.append(self._held)
                self._held = shot.pixels
            return shot

    @property
    def waiting(self) -> bool:
        """Whether a frame is there that was not taken."""
        return self._waiting is not None

    def _buffer(self, shape: tuple[int, ...]) -> Picture:
        """A buffer that nobody reads; those of another size are let go."""
        self._spare = [each for each in self._spare if each.shape == shape]
        return self._spare.pop() if self._spare else np.empty(shape, np.uint8)
