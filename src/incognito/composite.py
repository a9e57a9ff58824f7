"""The person over something else: 8-bit arithmetic all the way."""

from __future__ import annotations

import cv2
import numpy as np

from incognito.background import Background, Blur
from incognito.frame import Frame, Matte, Picture
from incognito.refine import decontaminate


def compose(frame: Frame, matte: Matte, background: Background, seconds: float = 0.0) -> Picture:
    """Lay the person over a background: uint8 RGB (H, W, 3), or RGBA (H, W, 4) over nothing.

    RGBA has straight alpha; where alpha is 0 the colours are 0 too, so that nothing of the place stays in the file.
    A frame's own transparency is multiplied in.
    """
    matte = visible(frame, matte)
    alpha, weight = matte.alpha, matte.levels
    behind = background.behind(frame, alpha, seconds)
    # over its own blurred place a person needs no cleaning: the colours mixed into the edge are the ones behind it
    person = frame.pixels if isinstance(background, Blur) else decontaminate(frame, alpha)
    if behind is None:
        return cv2.merge([*cv2.split(cv2.copyTo(person, weight)), weight])
    return blend(person, behind, weight)


def visible(frame: Frame, matte: Matte) -> Matte:
    """A matte with the frame's own transparency multiplied in."""
    if frame.opacity is None:
        return matte
    return Matte(cv2.multiply(matte.alpha, frame.opacity, scale=1 / 255, dtype=cv2.CV_32F).clip(0, 1))


def blend(person: Picture, behind: Picture, weight: np.ndarray) -> Picture:
    """Mix two pictures by weight, uint8 (H, W): person where it is 255, behind where it is 0."""
    weights = cv2.merge([weight] * 3)
    near = cv2.multiply(person, weights, scale=1 / 255)
    far = cv2.multiply(behind, cv2.bitwise_not(weights), scale=1 / 255)
    return cv2.add(near, far)
