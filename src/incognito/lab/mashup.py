"""Portraits set into rooms: the "Portrait x Indoor" set, picture by picture or as a folder with a manifest.

Picture k depends on the seed and on k alone. Neither a portrait nor a room is in two splits: portraits keep their
manifest's, the rooms of the validation split are dealt to validation and test in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from incognito.errors import LabError
from incognito.lab import augment, manifest, paste, sheet
from incognito.lab.data import Sample, read_manifest
from incognito.output import folder_beside
from incognito.runtime import cores

PORTRAITS, ROOMS = "people/portraits", "empty/rooms"
GROUP = "people/mashup"
SHEET, SHOWN = "contact-sheet.jpg", 48
OnPicture = Callable[[int, int | None], None]
SIDES_AT = {"whole": (0.42, 0.58), "left": (0.2, 0.4), "right": (0.6, 0.8)}  # a figure's middle, of the width
SIDES = tuple(SIDES_AT)
Layers = tuple[np.ndarray, np.ndarray]  # a picture RGB uint8 (h, w, 3), its alpha uint8 (h, w)


def write(
    data: Path, out: Path, seed: int, counts: dict[str, int], size: tuple[int, int], on_picture: OnPicture
) -> None:
    """Write a mash-up of data's portraits and rooms: pictures, masks, manifest.csv and a contact sheet, all at once.

    `counts` are of each split, `size` is (height, width). The manifest's last columns say who is where.
    """
    if out.exists():
        raise LabError(f"{out} exists; choose another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    samples = read_manifest(data, kinds=("photo", "empty"))
    sets = {name: Mashup(*split(samples, name), size, seed) for name in counts}
    drawn = [(sets[name], name, index) for name, count in counts.items() for index in range(count)]
    with folder_beside(out) as part:
        (part / GROUP).mkdir(parents=True)
        with ThreadPoolExecutor(cores()) as pool:
            rows = []
            for row in pool.map(lambda job: _write_one(part, *job), drawn):
                rows.append(row)
                on_picture(len(rows), len(drawn))
        manifest.write(part / manifest.NAME, rows)
        sheet.write(part / SHEET, sheet.grid([sheet.read(part / row["image"]) for row in rows[:SHOWN]], 8))


def _write_one(root: Path, mashup: Mashup, name: str, index: int) -> dict[str, str]:
    """Write picture k of a split and its mask; gives the manifest's row."""
    picture, alpha = mashup[index]
    portrait, room = mashup.cast(index)
    image, mask = (f"{GROUP}/{name}-{index:05}.{kind}" for kind in ("webp", "png"))
    for path, pixels in ((root / image, picture[..., ::-1]), (root / mask, alpha)):
        _, data = cv2.imencode(path.suffix, pixels, [cv2.IMWRITE_WEBP_QUALITY, 95] if path.suffix == ".webp" else [])
        path.write_bytes(np.asarray(data).tobytes())
    height, width = alpha.shape
    source = "; ".join(sorted({portrait.source, room.source}))
    values = [image, mask, "photo", name, str(width), str(height), "0", source]
    return dict(zip(manifest.COLUMNS, values, strict=True)) | {"portrait": portrait.image.stem, "room": room.image.stem}


class Mashup:
    """Draw picture k of portraits in rooms: RGB uint8 (h, w, 3) and alpha uint8 (h, w)."""

    def __init__(self, portraits: list[Sample], rooms: list[Sample], size: tuple[int, int], seed: int) -> None:
        if not (portraits and rooms):
            raise LabError(f"the mash-up needs photos in {PORTRAITS} and pictures in {ROOMS}; check the manifest")
        self.portraits, self.rooms = portraits, rooms
        self._size, self._seed = size, seed

    def cast(self, index: int) -> tuple[Sample, Sample]:
        """Who and where picture k shows: every portrait once, in an order of its own, before any comes again."""
        turn, place = divmod(index, len(self.portraits))
        order = np.random.default_rng((self._seed, 1, turn)).permutation(len(self.portraits))
        rng = np.random.default_rng((self._seed, 2, index))
        return self.portraits[order[place]], self.rooms[int(rng.integers(len(self.rooms)))]

    def __getitem__(self, index: int) -> Layers:
        portrait, room = self.cast(index)
        rng = np.random.default_rng((self._seed, 3, index))
        picture, mask, _ = portrait.load()
        return compose((picture, mask), room.load()[0], self._size, rng)


def split(samples: list[Sample], name: str) -> tuple[list[Sample], list[Sample]]:
    """The portraits and the rooms of a split, "train", "val" or "test", from a whole manifest."""
    portraits = [s for s in samples if s.group == PORTRAITS and s.split == name]
    rooms = [s for s in samples if s.group == ROOMS and s.split == ("train" if name == "train" else "val")]
    return portraits, rooms if name == "train" else rooms[name == "test" :: 2]


def compose(portrait: Layers, room: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> Layers:
    """Set a portrait into a room: whole, left or right, scaled; its soft edge, light and noise fit the room."""
    person, matte = augment.flip(list(portrait), rng)
    place = view(augment.flip([room], rng)[0], size, rng)
    matte = paste.feather(matte)
    spot = stand(Figure.of(matte), size, rng)
    person, matte = spot.place(person, size, cv2.BORDER_REPLICATE), spot.place(matte, size, cv2.BORDER_CONSTANT)
    person = paste.match_noise(paste.match_light(person, matte, place, rng), place, rng)
    return paste.lay_over(place, np.zeros(size, np.uint8), person, matte)


def view(room: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Cut a window of the wanted shape out of a room, at least seven tenths of what fits, and bring it to size."""
    height, width = room.shape[:2]
    fit = min(height / size[0], width / size[1]) * rng.uniform(0.7, 1.0)
    window_h, window_w = max(1, round(size[0] * fit)), max(1, round(size[1] * fit))
    top, left = int(rng.integers(height - window_h + 1)), int(rng.integers(width - window_w + 1))
    return augment.resize(room[top : top + window_h, left : left + window_w], size)


@dataclass(frozen=True, slots=True)
class Figure:
    """A person's box in their picture, and the picture's borders that cut them off."""

    left: int
    top: int
    right: int  # past the last column
    bottom: int
    cut_left: bool
    cut_top: bool
    cut_right: bool

    @classmethod
    def of(cls, matte: np.ndarray) -> Figure:
        """Measure a matte, uint8 (H, W); one without a person is a box of everything."""
        inside = matte > 127
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        height, width = matte.shape
        if not len(rows):
            return cls(0, 0, width, height, True, True, True)
        near = 2 + max(height, width) // 200  # a feathered mask ends a little before the border
        left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        return cls(left, top, right, bottom, left < near, top < near, right > width - near)


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a portrait goes: its scale, and where its upper left corner lands in the picture, in pixels."""

    scale: float
    x: float
    y: float

    def place(self, layer: np.ndarray, size: tuple[int, int], border: int) -> np.ndarray:
        """Bring a layer of the portrait to its place in a picture of size (height, width)."""
        height, width = (max(1, round(side * self.scale)) for side in layer.shape[:2])
        shift = np.array([[1, 0, self.x], [0, 1, self.y]], np.float32)
        return cv2.warpAffine(augment.resize(layer, (height, width)), shift, size[::-1], borderMode=border)


def stand(figure: Figure, size: tuple[int, int], rng: np.random.Generator) -> Stand:
    """Choose where a figure stands in a picture of size (height, width).

    Its lower edge is at the picture's or below it, so that nobody floats; a side that the portrait's own border cut off
    lies on the picture's border or beyond it, so that no straight edge stands in the room.
    """
    height, width = size
    tall, wide = height / (figure.bottom - figure.top), width / (figure.right - figure.left)  # the scales that fill
    side = SIDES[int(rng.integers(len(SIDES)))]
    scale = tall * (rng.uniform(0.8, 1.0) if side == "whole" else rng.uniform(0.5, 0.9))
    if figure.cut_top:
        scale = max(scale, tall)
    if figure.cut_left and figure.cut_right:
        scale = max(scale, wide)
    elif not figure.cut_top:
        scale = min(scale, 1.15 * wide)
    x = width * rng.uniform(*SIDES_AT[side]) - scale * (figure.left + figure.right) / 2
    flush_left, flush_right = -scale * figure.left, width - scale * figure.right
    if figure.cut_left and figure.cut_right:
        x = float(np.clip(x, flush_right, flush_left))
    elif figure.cut_left or figure.cut_right:
        x = flush_left if figure.cut_left else flush_right
    sink = height * rng.uniform(0.0, 0.03)
    y = -scale * figure.top if figure.cut_top else height - scale * figure.bottom + sink
    if not figure.cut_top:
        y = max(y, -scale * figure.top + height * rng.uniform(0.0, 0.1))  # who is too tall keeps their head
    return Stand(scale, x, y)
