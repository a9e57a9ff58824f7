"""Public stand-ins for what cannot be everywhere: a camera that follows a script, a sink that shows nothing.

A script is words, one after the other: `ok` a frame, `ok*30` thirty; `stall:2s` nothing for so long; `dead` gone, until
it is opened again; `replug:480x640` frames of height x width from here on; `reuse` a frame whose memory the next
read writes over; `end` the end.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from functools import lru_cache

import cv2
import numpy as np

from incognito import photo
from incognito.camera import StreamEnded
from incognito.errors import CameraError, UsageError
from incognito.frame import Picture
from incognito.sink import Command
from incognito.timing import Clock

WORD = re.compile(r"(ok|reuse|dead|end)|ok\*(\d+)|stall:(\d+(?:\.\d+)?)s|replug:(\d+)x(\d+)")
TILE = 16  # of the made room's pattern, in pixels

Maker = Callable[[int, tuple[int, int]], Picture]  # a frame's number and its size -> uint8 RGB


def made(number: int, size: tuple[int, int]) -> Picture:
    """The portrait, swaying before a room of coloured tiles."""
    picture = room(size).copy()
    side = min(size) * 3 // 4
    portrait = _portrait(side)
    left = round((size[1] - side) * (0.5 + 0.3 * math.sin(number / 20)))
    picture[size[0] - side :, left : left + side] = portrait
    return picture


@lru_cache(maxsize=2)
def _portrait(side: int) -> Picture:
    return cv2.resize(photo.read(photo.PORTRAIT.read_bytes(), str(photo.PORTRAIT)).pixels, (side, side))


@lru_cache(maxsize=2)
def room(size: tuple[int, int]) -> Picture:
    """A room of tiles in random colours, always the same: easily recognised where it should not be."""
    height, width = size
    tiles = np.random.default_rng(7).integers(0, 256, (-(-height // TILE), -(-width // TILE), 3), np.uint8)
    return np.ascontiguousarray(tiles.repeat(TILE, 0).repeat(TILE, 1)[:height, :width])


class ScriptedCamera:
    """A camera that does what its script says. `pictures` makes its frames; it keeps the pace of `fps` by its clock."""

    lasting = True

    def __init__(
        self,
        script: str,
        pictures: Maker = made,
        size: tuple[int, int] = (720, 1280),
        fps: float = 30.0,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = script
        self._steps = _steps(script)
        self._pictures, self._size, self._fps = pictures, size, fps
        self._clock, self._sleep = clock, sleep
        self.format = f"scripted {size[1]}x{size[0]}, {fps:g} fps"
        self._number = 0
        self._next = -math.inf
        self._reused: Picture | None = None  # memory that the next read writes over
        self.opened = self.closed = 0

    def open(self) -> None:
        """Begin, or go on after `dead`."""
        self.opened += 1

    def close(self) -> None:
        """Let go."""
        self.closed += 1

    def read(self) -> Picture:
        """Do the script's next words, up to a frame. Raises CameraError where it is gone, StreamEnded at the end."""
        if self._reused is not None:
            self._reused.fill(255)
            self._reused = None
        for word, value in self._steps:
            if word == "end":
                break
            if word == "dead":
                raise CameraError(f"the scripted camera is gone after {self._number} frames; open it again")
            if word == "stall":
                self._sleep(value[0])
            elif word == "replug":
                self._size = (int(value[0]), int(value[1]))
            else:
                return self._frame(reuse=word == "reuse")
        raise StreamEnded

    def _frame(self, reuse: bool) -> Picture:
        self._next = max(self._clock(), self._next)
        self._sleep(max(0.0, self._next - self._clock()))
        self._next += 1 / self._fps if self._fps else 0
        picture = self._pictures(self._number, self._size)
        self._number += 1
        self._reused = picture if reuse else None
        return picture


class NullSink:
    """A sink that shows nothing and counts."""

    name, sees_room = "null", False

    def __init__(self) -> None:
        self.shown = self.opened = self.closed = 0

    def open(self, size: tuple[int, int], fps: float) -> None:
        """Count."""
        self.opened += 1

    def show(self, picture: Picture, original: Picture | None, seconds: float) -> None:
        """Count a picture."""
        self.shown += 1

    def commands(self) -> list[Command]:
        """Nobody asks for anything."""
        return []

    def watched(self) -> bool | None:
        """Nobody can tell."""
        return None

    def close(self) -> None:
        """Count."""
        self.closed += 1


class KeptSink(NullSink):
    """A sink that keeps copies of the last pictures that it was shown, and gives commands that it was given."""

    def __init__(self, most: int = 200) -> None:
        super().__init__()
        self.pictures: list[Picture] = []
        self.wanted: list[Command] = []
        self.most = most

    def show(self, picture: Picture, original: Picture | None, seconds: float) -> None:
        """Keep a copy."""
        super().show(picture, original, seconds)
        self.pictures = [*self.pictures, picture.copy()][-self.most :]

    def commands(self) -> list[Command]:
        """Give what was wanted, once."""
        wanted, self.wanted = self.wanted, []
        return wanted


def _steps(script: str) -> Iterator[tuple[str, tuple[float, ...]]]:
    """The words of a script one by one, checked before the first; raises UsageError."""
    steps: list[tuple[str, tuple[float, ...]]] = []
    for word in script.split():
        match = WORD.fullmatch(word)
        if not match:
            raise UsageError(
                f"a script has no word {word!r}; it has ok, ok*30, stall:2s, dead, replug:480x640, reuse, end"
            )
        plain, repeats, stall, height, width = match.groups()
        if plain or repeats:
            steps += [(plain or "ok", ())] * int(repeats or 1)
        else:
            steps.append(("stall", (float(stall),)) if stall else ("replug", (float(height), float(width))))
    return iter(steps)
