"""What comes behind the person: nothing, the blurred place, a colour, an image or a video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from incognito import buffers, photo, still, video
from incognito.errors import UnknownBackgroundError
from incognito.frame import Frame, Matte, Picture, resize
from incognito.refine import spread

STRONGEST = 100  # of blur
USUAL = 16  # strength of a plain "blur"
SHORTEST = 1 / 1000  # seconds that a film's last picture stays, at the least: films whose times stand still must end
LINES = 720  # a blur's strength is its sigma in the pixels of a picture of so many lines
WORDS = "transparent, blur, blur:24, a colour such as #00b140"

Timed = tuple[float, Picture]  # seconds from a film's beginning, and what is shown then


class Background(Protocol):
    """Anything that can stand behind a person."""

    def behind(self, frame: Frame, matte: Matte, seconds: float) -> Picture | None:
        """Give the picture behind a frame at a time of the film, uint8 RGB (H, W, 3); None for nothing."""
        ...


class Transparent:
    """Nothing: the picture gets an alpha channel."""

    def behind(self, frame: Frame, matte: Matte, seconds: float) -> None:
        """Give nothing."""
        return


class Blur:
    """The place itself, blurred from background pixels only, so that the person's colours make no halo."""

    def __init__(self, strength: float = USUAL) -> None:
        self.strength = strength

    def behind(self, frame: Frame, matte: Matte, seconds: float) -> Picture:
        """Blur what is not person; as much of a picture, whatever its size."""
        sigma = self.strength * min(frame.size) / LINES
        factor = max(1, int(sigma / 2))  # a blur of sigma >= 2 hides that it was made on fewer pixels
        size = max(1, frame.size[0] // factor), max(1, frame.size[1] // factor)
        person = cv2.dilate(resize(matte.levels, size), np.ones((3, 3), np.uint8)).astype(np.float32)
        place = np.clip(1 - person * np.float32(2 / 255), 0, 1)
        blurred = spread(frame.shrunk(size), place, max(sigma / factor, 0.5))
        return cv2.resize(blurred, frame.size[::-1], dst=buffers.empty(frame.pixels.shape))


class Colour:
    """One colour."""

    def __init__(self, red: int, green: int, blue: int) -> None:
        self.rgb = (red, green, blue)

    def behind(self, frame: Frame, matte: Matte, seconds: float) -> Picture:
        """Give a view of one pixel, as large as the frame."""
        return np.broadcast_to(np.array(self.rgb, np.uint8), frame.pixels.shape)


class Image:
    """A picture, scaled and cut to cover the frame."""

    def __init__(self, pixels: Picture) -> None:
        self._pixels = pixels
        self._fitted = pixels

    def behind(self, frame: Frame, matte: Matte, seconds: float) -> Picture:
        """Cover the frame; the fitting is done once for a size."""
        fitted = self._fitted
        if fitted.shape != frame.pixels.shape:
            fitted = self._fitted = cover(self._pixels, frame.size)
        return fitted


class Film:
    """A video, played at its own pace, begun again when it ends, scaled and cut to cover the frame."""

    _pictures: Iterator[Timed]
    _now: Timed
    _next: Timed | None

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun = 0.0
        self._pause = 1 / 25  # how long the last picture stays: as long as the one before it
        self._restart()

    def behind(self, frame: Frame, matte: Matte, seconds: float) -> Picture:
        """Give the picture that the video shows at that time; times must not go back."""
        while (ahead := self._next) is None or seconds - self._begun >= ahead[0]:
            if ahead is not None:
                self._pause = max(ahead[0] - self._now[0], SHORTEST)
                self._now, self._next = ahead, next(self._pictures, None)
            elif seconds - self._begun >= self._now[0] + self._pause:
                length = self._now[0] + self._pause
                self._begun += length * ((seconds - self._begun) // length)
                self._restart()
            else:
                break
        return cover(self._now[1], frame.size)

    def _restart(self) -> None:
        self._pictures = video.pictures(self._path)
        self._now, self._next = next(self._pictures), next(self._pictures, None)


def parse(text: str | Path) -> Background:
    """Make a background of "transparent", "blur", "blur:24", "#00b140", or an image's or a video's path.

    Raises UnknownBackgroundError for anything else.
    """
    text = str(text)
    if (background := _of_word(text)) is not None:
        return background
    if Path(text).is_file():
        return _from_file(Path(text))
    raise UnknownBackgroundError(f"there is no background {text!r}; give {WORDS}, or a file")


def of_word(text: str) -> Background:
    """Make a background of the same words, but never of a file: for those who may not name one."""
    if (background := _of_word(text)) is not None:
        return background
    raise UnknownBackgroundError(f"there is no background {text!r}; give {WORDS}")


def cover(pixels: Picture, size: tuple[int, int]) -> Picture:
    """Cut the middle of a picture to the shape of size (height, width), and scale it evenly to that size."""
    scale = max(want / have for want, have in zip(size, pixels.shape, strict=False))
    height, width = (min(have, max(1, round(want / scale))) for want, have in zip(size, pixels.shape, strict=False))
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    middle = pixels[top : top + height, left : left + width]
    return cv2.resize(middle, size[::-1], interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _of_word(text: str) -> Background | None:
    if text == "transparent":
        return Transparent()
    if text == "blur":
        return Blur()
    if match := re.fullmatch(r"blur:(\d+(?:\.\d+)?)", text):
        if 1 <= float(match[1]) <= STRONGEST:
            return Blur(float(match[1]))
        raise UnknownBackgroundError(f"{text!r} is no blur; its strength goes from 1 to {STRONGEST}")
    if match := re.fullmatch(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", text):
        return Colour(*(int(part, 16) for part in match.groups()))
    return None


def _from_file(path: Path) -> Background:
    if not photo.is_photo(path):
        return Film(path)
    return Image(still.read(path.read_bytes(), str(path), srgb=True).frame.pixels)
