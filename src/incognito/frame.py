"""A frame comes in and a matte is found: both are checked when made, and read-only after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import cv2
import numpy as np

from incognito import buffers
from incognito.errors import InputError

Picture: TypeAlias = np.ndarray  # uint8 RGB (H, W, 3); OpenCV's results carry no dtype for the type checker
Plane: TypeAlias = np.ndarray  # float32 (H, W), in [0, 1]
Box: TypeAlias = tuple[slice, slice]  # rows and columns of a picture

STRIP = 120  # rows that are worked on at once: what lies between stays in the cache; with 48 mixing took a third longer
FLAT_GREY = 128  # what lies under a picture's own transparency: what was hidden stays hidden


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture: pixels uint8 RGB (H, W, 3) and, where it had transparency of its own, opacity uint8 (H, W).

    It is a read-only view: what it was made of must not be written to while it is in use. Raises InputError for
    another dtype or shape.
    """

    pixels: Picture
    opacity: np.ndarray | None = None

    def __post_init__(self) -> None:
        _check(self.pixels, 3)
        if self.opacity is not None and (_check(self.opacity, 1), self.opacity.shape) != (1, self.size):
            raise InputError(f"a frame's opacity has its size, not {_describe(self.opacity)}; cut it first")
        object.__setattr__(self, "pixels", _read_only(self.pixels))

    @classmethod
    def of(cls, picture: Any) -> Frame:
        """Make a frame of uint8 grey (H, W) or (H, W, 1), RGB (H, W, 3) or RGBA (H, W, 4); RGBA is laid over grey."""
        if isinstance(picture, Frame):
            return picture
        channels = _check(picture, 1, 3, 4)
        if channels == 1:
            return cls(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB))
        if channels == 3:
            return cls(picture)
        opacity = np.ascontiguousarray(picture[..., 3])
        weight = cv2.merge([opacity] * 3)
        pixels = cv2.multiply(np.ascontiguousarray(picture[..., :3]), weight, scale=1 / 255)
        return cls(cv2.add(pixels, cv2.convertScaleAbs(255 - weight, alpha=FLAT_GREY / 255)), opacity)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @cached_property
    def _halves(self) -> list[Picture]:
        """The frame, and what it was halved to so far: the network, a blur and a glance all begin from these."""
        return [self.pixels]

    def shrunk(self, size: tuple[int, int]) -> Picture:
        """The frame stretched to size (height, width), as `resize` does it."""
        place = 0
        while all(have >= 2 * want for have, want in zip(self._halves[place].shape, size, strict=False)):
            place += 1
            if len(self._halves) == place:
                self._halves.append(halved(self._halves[-1], (True, True)))
        return resize(self._halves[place], size)


class Matte:
    """How much of each pixel is person, soft at the edges: as `alpha`, and as `levels`; either is made from the other.

    Raises InputError for another dtype or shape, NaN, and values outside [0, 1].
    """

    def __init__(self, alpha: Plane) -> None:
        """Take alpha, float32 (H, W) in [0, 1]."""
        if not isinstance(alpha, np.ndarray) or alpha.dtype != np.float32 or alpha.ndim != 2 or alpha.size == 0:
            raise InputError(f"a matte is a float32 (H, W) array, not {_describe(alpha)}")
        if not (alpha.min() >= 0 and alpha.max() <= 1):  # NaN fails both
            raise InputError("a matte's alpha must lie in [0, 1]; clip it first")
        self.size = alpha.shape[0], alpha.shape[1]  # height and width in pixels
        self.alpha = _read_only(alpha)

    @classmethod
    def of_levels(cls, levels: np.ndarray) -> Matte:
        """Make a matte of its levels, uint8 (H, W), 255 where all is person."""
        _check(levels, 1)
        matte = cls.__new__(cls)
        matte.size = levels.shape[0], levels.shape[1]
        matte.levels = _read_only(levels)
        return matte

    @cached_property
    def alpha(self) -> Plane:
        """The share of each pixel that is person, float32 (H, W) in [0, 1]."""
        return _read_only(self.levels * np.float32(1 / 255))

    @cached_property
    def levels(self) -> np.ndarray:
        """Alpha as a picture: uint8 (H, W), 255 where all is person."""
        return _read_only(cv2.convertScaleAbs(self.alpha, alpha=255))


def strips(box: Box) -> Iterator[Box]:
    """Cut a part of a picture into strips of whole rows."""
    rows, columns = box
    for top in range(rows.start, rows.stop, STRIP):
        yield slice(top, min(top + STRIP, rows.stop)), columns


def resize(pixels: Picture, size: tuple[int, int]) -> Picture:
    """Stretch uint8 (H, W, C) to size (height, width): by halves as far as they go, then bilinear.

    Every pixel counts. Within 2 grey levels, on average, of OpenCV's exact area averaging for a noisy 720p photo, at a
    quarter of its time.
    """
    while any(halves := [have >= 2 * want for have, want in zip(pixels.shape, size, strict=False)]):
        pixels = halved(pixels, (halves[0], halves[1]))
    return cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_LINEAR)


def halved(pixels: Picture, sides: tuple[bool, bool]) -> Picture:
    """A picture at half its height, its width or both: averages of two pixels or four."""
    height, width = (-(-length // 2) if half else length for length, half in zip(pixels.shape, sides, strict=False))
    half = buffers.empty((height, width, *pixels.shape[2:]))
    return cv2.resize(pixels, (width, height), dst=half, interpolation=cv2.INTER_LINEAR)  # averages, at a half


def _check(picture: Any, *allowed: int) -> int:
    """Return a picture's channels, or raise if it is no uint8 picture of an allowed number of them."""
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.size:
        channels = {2: 1, 3: picture.shape[-1]}.get(picture.ndim)
        if channels in allowed:
            return int(channels)
    raise InputError(f"a frame is a uint8 array, RGB (H, W, 3), not {_describe(picture)}; convert it first")


def _describe(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def _read_only(array: np.ndarray) -> np.ndarray:
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
