"""The person over something else: 8-bit arithmetic all the way."""

from __future__ import annotations

import cv2
import numpy as np

from incognito import buffers
from incognito.background import Background, Blur
from incognito.foreground import decontaminate
from incognito.frame import Box, Frame, Matte, Picture, strips
from incognito.hands import shared
from incognito.refine import place_behind


def compose(frame: Frame, matte: Matte, background: Background, seconds: float = 0.0) -> Picture:
    """Lay the person over a background: uint8 RGB (H, W, 3), or RGBA (H, W, 4) over nothing.

    RGBA has straight alpha; where alpha is 0 the colours are 0 too, so that nothing of the place stays in the file.
    A frame's own transparency is multiplied in.
    """
    matte = visible(frame, matte)
    weight = matte.levels
    behind = background.behind(frame, matte, seconds)
    # over its own blurred place a person needs no cleaning: the colours mixed into the edge are the ones behind it
    person = frame.pixels if isinstance(background, Blur) else decontaminate(frame, matte.alpha)
    if behind is None:
        return _alone(person, weight)
    return blend(person, behind, weight)


def exchange(frame: Frame, matte: Matte, background: Background, seconds: float = 0.0) -> Picture:
    """Lay the person of a stream's frame over a background, as `compose` does, in a tenth of its time for a picture.

    What shines through the person's edge is taken off by (1 - alpha) x the place's colours around it, and never leaves
    more of a pixel than alpha.
    """
    matte = visible(frame, matte)
    if isinstance(background, Blur):  # made for this frame alone, it may be written to
        return lay(frame.pixels, background.behind(frame, matte, seconds), matte.levels)
    behind, place = background.behind(frame, matte, seconds), place_behind(frame, matte)
    if behind is not None:
        return blend(frame.pixels, behind, matte.levels, place)
    person = blend(frame.pixels, np.zeros_like(frame.pixels), matte.levels, place)
    return _alone(_divided(person, matte.levels), matte.levels)


def _divided(picture: Picture, weight: np.ndarray) -> Picture:
    """The colours of a picture that was multiplied by weight, uint8 (H, W)."""
    rows, columns = np.nonzero((weight > 0) & (weight < 255))
    whole = picture[rows, columns] * (np.float32(255) / weight[rows, columns])[:, None]
    picture[rows, columns] = np.rint(whole.clip(0, 255))
    return picture


def _alone(person: Picture, weight: np.ndarray) -> Picture:
    """The person over nothing, RGBA: without colours where the weight is 0."""
    picture: Picture = np.empty((*weight.shape, 4), np.uint8)
    for box in strips((slice(0, weight.shape[0]), slice(0, weight.shape[1]))):
        picture[box] = cv2.merge([*cv2.split(cv2.copyTo(person[box], weight[box])), weight[box]])
    return picture


def visible(frame: Frame, matte: Matte) -> Matte:
    """A matte with the frame's own transparency multiplied in."""
    if frame.opacity is None:
        return matte
    return Matte(cv2.multiply(matte.alpha, frame.opacity, scale=1 / 255, dtype=cv2.CV_32F).clip(0, 1))


def blend(person: Picture, behind: Picture, weight: np.ndarray, place: Picture | None = None) -> Picture:
    """Mix two pictures by weight, uint8 (H, W): person where it is 255, behind where it is 0.

    `place`, where it is given, is what shines through the person and is taken off.
    """
    picture = buffers.empty(behind.shape)
    np.copyto(picture, behind)
    return lay(person, picture, weight, place)


def lay(person: Picture, picture: Picture, weight: np.ndarray, place: Picture | None = None) -> Picture:
    """Mix a person into a picture, which is written to, as `blend` does."""

    def mix(strip: Box) -> None:
        rows, _ = strip
        left, top, width, height = cv2.boundingRect(weight[rows])  # of whoever is in this strip
        if width:
            box = slice(rows.start + top, rows.start + top + height), slice(left, left + width)
            _mix(person[box], picture[box], weight[box], None if place is None else place[box])

    shared(mix, strips((slice(0, weight.shape[0]), slice(0, weight.shape[1]))))
    return picture


def _mix(person: Picture, picture: Picture, weight: np.ndarray, place: Picture | None) -> None:
    weights = cv2.cvtColor(weight, cv2.COLOR_GRAY2RGB)  # a fifth of merge's time
    rest = cv2.bitwise_not(weights)
    if place is None:
        near = cv2.multiply(person, weights, scale=1 / 255)
    else:
        near = cv2.min(cv2.subtract(person, cv2.multiply(place, rest, scale=1 / 255)), weights)
    cv2.add(near, cv2.multiply(picture, rest, scale=1 / 255), dst=picture)
