"""How a photo is finished: cut to the person, set into a size, with a shadow; words for it as they are typed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np

from incognito.background import cover
from incognito.errors import InputError, UsageError
from incognito.frame import Box, Plane

SEEN = 0.05  # of alpha: what a crop keeps
LARGEST = 16_384  # pixels of a side that may be asked for

# A soft shadow: as far below and as soft as these shares of the picture's shorter side, and as dark as this.
DROP, SOFTNESS, DARKNESS = 0.012, 0.02, 0.45

Shadow = Literal["none", "soft"]


@dataclass(frozen=True, slots=True)
class Finish:
    """What is wanted of a photo. `margin` is around a crop: pixels, or a share of its longer side where it is a float.

    `size` is (height, width) of what comes out, the person as large as fits. `srgb` converts colours; `place` keeps
    where the photo was taken.
    """

    crop: bool = False
    margin: int | float = 0
    size: tuple[int, int] | None = None
    shadow: Shadow = "none"
    srgb: bool = False
    place: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether the picture keeps its size and has nothing added."""
        return not self.crop and self.size is None and self.shadow == "none"


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """A person and what is behind: (H, W, 3) of uint8 or uint16, alpha float32 (H, W); nothing behind is None."""

    person: np.ndarray
    alpha: Plane
    behind: np.ndarray | None


def finished(layers: Layers, wanted: Finish) -> Layers:
    """Crop, set into the size and lay the shadow, in this order. Raises InputError where a crop finds nobody."""
    if wanted.crop:
        layers = cropped(layers, wanted.margin)
    if wanted.size:
        layers = fitted(layers, wanted.size)
    return layers


def cropped(layers: Layers, margin: int | float) -> Layers:
    """Cut to the person; a margin beyond the picture is empty where nothing is behind, and else cut short."""
    left, top, width, height = cv2.boundingRect((layers.alpha > SEEN).astype(np.uint8))
    if not width:
        raise InputError("there is nobody to crop the picture to; leave out --crop")
    more = round(margin * max(width, height)) if isinstance(margin, float) else margin
    rows, columns = slice(top - more, top + height + more), slice(left - more, left + width + more)
    if layers.behind is not None:
        height, width = layers.alpha.shape
        rows = slice(max(0, rows.start), min(rows.stop, height))
        columns = slice(max(0, columns.start), min(columns.stop, width))
    behind = None if layers.behind is None else layers.behind[rows, columns]
    return Layers(_cut(layers.person, (rows, columns)), _cut(layers.alpha, (rows, columns)), behind)


def fitted(layers: Layers, size: tuple[int, int]) -> Layers:
    """Set the picture into a size, as large as fits, in the middle; what is behind covers all of it."""
    scale = min(want / have for want, have in zip(size, layers.alpha.shape, strict=True))
    inner = tuple(max(1, round(have * scale)) for have in layers.alpha.shape)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    person = cv2.resize(layers.person, inner[::-1], interpolation=method)
    alpha = np.clip(cv2.resize(layers.alpha, inner[::-1], interpolation=method), 0, 1)
    top, left = ((want - have) // 2 for want, have in zip(size, inner, strict=True))
    box = slice(-top, size[0] - top), slice(-left, size[1] - left)
    behind = None if layers.behind is None else cover(layers.behind, size)
    return Layers(_cut(person, box), _cut(alpha, box), behind)


def shadow_of(alpha: Plane) -> Plane:
    """A soft shadow below a person, float32 (H, W): how much darker it is there."""
    side = min(alpha.shape)
    down = max(1, round(DROP * side))
    moved = np.zeros_like(alpha)
    moved[down:] = alpha[:-down]
    return DARKNESS * cv2.GaussianBlur(moved, (0, 0), max(0.5, SOFTNESS * side))


def parse(crop: bool, margin: str, size: str | None, shadow: str, srgb: bool, place: bool) -> Finish:
    """A finish from words as they are typed: a margin of "24px" or "5%", a size of "1200x1600"; raises UsageError."""
    if shadow not in get_args(Shadow):
        raise UsageError(f"--shadow {shadow!r} cannot be; give none or soft")
    around = _margin(margin)
    if around and not crop:
        raise UsageError("--margin is around a crop; add --crop")
    return Finish(crop, around, None if size is None else _size(size), shadow, srgb, place)  # type: ignore[arg-type]


def _margin(text: str) -> int | float:
    match = re.fullmatch(r"(\d{1,4})(?:px)?|(\d{1,3}(?:\.\d+)?)%", text.strip())
    if not match or (match[2] and float(match[2]) > 100):
        raise UsageError(f"--margin {text!r} cannot be; give pixels such as 24px, or a share such as 5%")
    return int(match[1]) if match[1] else float(match[2]) / 100


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    width, height = (int(side) for side in match.groups()) if match else (0, 0)
    if not (1 <= width <= LARGEST and 1 <= height <= LARGEST):
        raise UsageError(f"--size {text!r} cannot be; give width and height, such as 1200x1600")
    return height, width


def _cut(layer: np.ndarray, box: Box) -> np.ndarray:
    """Cut a box out of a layer; what lies beyond it is 0."""
    before = [max(0, -each.start) for each in box]
    after = [max(0, each.stop - length) for each, length in zip(box, layer.shape, strict=False)]
    rows, columns = (slice(max(0, each.start), each.stop) for each in box)
    inside = layer[rows, columns]
    if not any(before + after):
        return inside
    edges = before[0], after[0], before[1], after[1]
    return cv2.copyMakeBorder(np.ascontiguousarray(inside), *edges, cv2.BORDER_CONSTANT, value=0)
