"""A frame comes in and a matte is found: both are checked when made, and read-only after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np

from incognito.errors import InputError

Picture: TypeAlias = np.ndarray  # uint8 RGB (H, W, 3); OpenCV's results carry no dtype for the type checker
Plane: TypeAlias = np.ndarray  # float32 (H, W), in [0, 1]

FLAT_GREY = 128  # what lies under a picture's own transparency: what was hidden stays hidden


@dataclass(frozen=True, slots=True, eq=False)
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


@dataclass(frozen=True, slots=True, eq=False)
class Matte:
    """How much of each pixel is person: alpha float32 (H, W) in [0, 1], soft at the edges.

    Raises InputError for another dtype or shape, NaN, and values outside [0, 1].
    """

    alpha: Plane

    def __post_init__(self) -> None:
        alpha = self.alpha
        if not isinstance(alpha, np.ndarray) or alpha.dtype != np.float32 or alpha.ndim != 2 or alpha.size == 0:
            raise InputError(f"a matte is a float32 (H, W) array, not {_describe(alpha)}")
        if not (alpha.min() >= 0 and alpha.max() <= 1):  # NaN fails both
            raise InputError("a matte's alpha must lie in [0, 1]; clip it first")
        object.__setattr__(self, "alpha", _read_only(alpha))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.alpha.shape[0], self.alpha.shape[1]

    @property
    def levels(self) -> np.ndarray:
        """Alpha as a picture: uint8 (H, W), 255 where all is person."""
        return cv2.convertScaleAbs(self.alpha, alpha=255)


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
