"""The two functions that most programs need."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from incognito import background as backgrounds
from incognito import zoo
from incognito.composite import compose
from incognito.frame import Frame, Picture
from incognito.segment import Segmenter
from incognito.zoo import models

__all__ = ["models", "remove"]


def remove(image: Any, background: str | Path = "blur", model: str | Path = "fast") -> Picture:
    """Take away what is behind the people in a picture.

    `image` is uint8 RGB (H, W, 3), grey (H, W) or RGBA (H, W, 4). `background` is "transparent", "blur", "blur:24",
    a colour such as "#00b140", or an image's or a video's path. Returns uint8 RGB (H, W, 3), or RGBA (H, W, 4) for
    "transparent". Raises UnknownBackgroundError, UnknownModelError, InputError and ModelError.
    """
    behind = backgrounds.parse(background)
    frame = Frame.of(image)
    card = zoo.find(model)
    named = str(model) if zoo.is_name(model) else card.path.absolute()
    files = tuple(each.sha256 for each in zoo.variants(card))
    return compose(frame, _segmenter(named, files)(frame), behind)


@lru_cache(maxsize=2)
def _segmenter(model: str | Path, files: tuple[str, ...]) -> Segmenter:
    """Keep a model loaded from one picture to the next, as long as its files, by their SHA-256, are the same."""
    return Segmenter(model)
