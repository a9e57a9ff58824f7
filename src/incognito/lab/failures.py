"""How a model fails: the portrait and changes of it, each over the model's cut-out, in one picture.

Nothing in it is chosen: every model gets the same six inputs, made here from the portrait in the package alone.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from incognito import zoo
from incognito.background import Colour
from incognito.composite import compose
from incognito.demo import portrait
from incognito.frame import Frame, Picture, resize
from incognito.lab import sheet
from incognito.output import beside
from incognito.segment import Segmenter

BEHIND = Colour(142, 197, 196)  # what is left of a place shows on it, dark or bright
TILE = (224, 224)  # height and width
QUALITY = 80  # of the WebP, of 100
SHOWN = 0x010E  # EXIF's ImageDescription: whose cut-outs these are
LIGHT, NOISE = 0.08, 2.0  # of a dark room: share of the portrait's light, and its noise in grey levels
CONTRAST = 0.15


def dark(picture: Picture) -> Picture:
    """Eight per cent of the light, with a sensor's noise."""
    noise = np.random.default_rng(0).normal(0, NOISE, picture.shape)
    return np.clip(np.rint(picture * LIGHT + noise), 0, 255).astype(np.uint8)


def half_out(picture: Picture) -> Picture:
    """Mirrored, and the frame ends in the middle of the face: 290 by 290 pixels of the portrait."""
    return np.ascontiguousarray(picture[:290, ::-1][:, :290])


def two(picture: Picture) -> Picture:
    """Two halves, one mirrored, side by side."""
    half = picture[:, 96:352]
    return np.hstack([half, half[:, ::-1]])


def poster(picture: Picture) -> Picture:
    """Nobody: the portrait, framed, on a wall that is lit from the left."""
    height, width = picture.shape[:2]
    light = np.linspace(1.0, 0.6, width)[None, :, None]
    wall = np.broadcast_to(np.array([205, 195, 175]), picture.shape) * light
    side = height * 2 // 5
    top, left, edge = height // 8, width * 3 // 10, height // 64
    wall[top - edge : top + side + edge, left - edge : left + side + edge] = (60, 42, 30)
    wall[top : top + side, left : left + side] = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return np.rint(wall).astype(np.uint8)


def faint(picture: Picture) -> Picture:
    """A seventh of the contrast, as through fog."""
    return np.rint(150 + CONTRAST * (picture.astype(np.float32) - 128)).astype(np.uint8)


CASES: dict[str, Callable[[Picture], Picture]] = {
    "as it is": lambda picture: picture,
    "very dark": dark,
    "half out of the frame": half_out,
    "two people": two,
    "a poster (nobody)": poster,
    "low contrast": faint,
}


def strip(card: zoo.Card) -> Picture:
    """Every case over what the model, on ONNX Runtime and one thread, makes of it: RGB uint8, two rows of six."""
    segmenter = Segmenter(card.path, threads=1)
    still = portrait().pixels
    inputs = [make(still) for make in CASES.values()]
    cut_outs = [compose(frame, segmenter(frame), BEHIND) for frame in map(Frame, inputs)]
    named = [sheet.caption(resize(each, TILE), name) for each, name in zip(inputs, CASES, strict=True)]
    return sheet.grid([*named, *(resize(each, TILE) for each in cut_outs)], len(CASES))


def draw(card: zoo.Card) -> bytes:
    """The strip as a WebP that says by its SHA-256 whose it is; the same bytes again on the same machine."""
    marks = Image.Exif()
    marks[SHOWN] = card.sha256
    file = io.BytesIO()
    Image.fromarray(strip(card)).save(file, "WEBP", quality=QUALITY, method=6, exif=marks)
    return file.getvalue()


def shown(path: Path) -> str:
    """The SHA-256 of the network whose cut-outs a strip shows."""
    with Image.open(path) as picture:
        return str(picture.getexif().get(SHOWN, ""))


def write(card: zoo.Card, path: Path) -> None:
    """Write a model's strip, beside its place first."""
    with beside(path) as part:
        part.write_bytes(draw(card))
