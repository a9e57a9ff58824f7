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
    return compose(frame, _segmenter(card.path.absolute(), card.sha256)(frame), behind)


@lru_cache(maxsize=2)
def _segmenter(path: Path, sha256: str) -> Segmenter:
    """Keep a model loaded from one picture to the next, as long as its file is the same."""
    return Segmenter(path)
