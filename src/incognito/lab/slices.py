"""Slices: the kinds of pictures that figures are told apart by, found from the mask and the picture alone."""

from __future__ import annotations

import cv2
import numpy as np

NAMES = ("portrait", "half body", "full body", "several people", "dark")
BIG = 0.02  # of the picture: a part of the mask that is a person of their own
CLOSE = 0.25  # of the picture: a mask above this is a portrait's
TALL = 2.2  # times as high as wide: someone who is seen from head to foot
DARK = 60  # grey level


def slices(picture: np.ndarray, mask: np.ndarray) -> frozenset[str]:
    """The slices that a picture, RGB uint8 (H, W, 3), with its mask, uint8 (H, W), belongs to; there may be none.

    - several people: two or more connected parts of the mask (at one half) cover over 2 % of the picture each;
    - portrait: one person, the mask covers over 25 % and touches the lower edge;
    - full body: one person, no portrait, whose box is at least 2.2 times as high as wide or ends above the lower edge;
    - half body: one person, neither of both: it touches the lower edge and covers 25 % or less;
    - dark: the mean luma is below 60, whoever is there.
    """
    luma = float(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).mean())
    shot = _shot(mask)
    return frozenset(name for name in (shot, "dark" if luma < DARK else "") if name)


def _shot(mask: np.ndarray) -> str:
    """How people are framed; empty where nobody is."""
    person = (mask >= 128).astype(np.uint8)
    _, _, boxes, _ = cv2.connectedComponentsWithStats(person, connectivity=8)
    parts = boxes[1:]  # the first is the background
    if not len(parts):
        return ""
    if np.count_nonzero(parts[:, cv2.CC_STAT_AREA] > BIG * mask.size) > 1:
        return "several people"
    return _framing(parts[parts[:, cv2.CC_STAT_AREA].argmax()], person)


def _framing(box: np.ndarray, person: np.ndarray) -> str:
    """A single person's framing by the box of their largest part."""
    _, top, width, height, _ = (int(side) for side in box)
    is_cut_off = top + height > person.shape[0] - 2 - max(person.shape) // 200  # soft masks end a little before
    if is_cut_off and person.mean() > CLOSE:
        return "portrait"
    return "half body" if is_cut_off and height < TALL * width else "full body"
