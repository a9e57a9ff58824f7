"""Clips like a webcam's, with exact alpha: a cut-out person moves over a room. In memory, or a folder with a manifest.

Clip k depends on the seed and on k alone. People and rooms are of one split.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from incognito.errors import LabError
from incognito.lab import augment, manifest, mashup, paste
from incognito.lab.data import Sample, read_manifest
from incognito.lab.motion import PLAYS, Motion, Pose
from incognito.lab.sensor import Sensor
from incognito.output import folder_beside
from incognito.runtime import cores

FOLDER, MADE = "clips", "made-"
FEATHERED = frozenset({mashup.PORTRAITS, "people/heads"})  # photos whose masks cut cleanly
WHOLE = 0.6  # of a figure's height that must be free of the picture's sides for it to stand in a room
TRIES = 200  # people drawn until one stands free
SLANT = 0.15  # how far the lean moves the head at most, in heights of the figure
OnFrame = Callable[[int, int | None], None]
Layers = tuple[np.ndarray, np.ndarray]  # a picture RGB uint8 (h, w, 3), its alpha uint8 (h, w)


def write(
    data: Path, out: Path, count: int, frames: int, seed: int, split: str, size: tuple[int, int], on_frame: OnFrame
) -> None:
    """Write clips of a split's people and rooms at once: out/clips/made-00/frame-000.webp, its .png mask, a manifest.

    `size` is (height, width). The frames are of the split "test", unless they are made of "train". The manifest's last
    columns say who is where. Raises LabError where `out` exists or the split lacks people or rooms.
    """
    if out.exists():
        raise LabError(f"{out} exists; choose another folder")
    clips = Clips(*cast(read_manifest(data, split)), size, frames, seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    with folder_beside(out) as part, ThreadPoolExecutor(cores()) as pool:
        rows: list[dict[str, str]] = []
        for written in pool.map(lambda k: _write_one(part, clips, k, split), range(count)):
            rows += written
            on_frame(len(rows), count * frames)
        manifest.write(part / manifest.NAME, rows)


def _write_one(root: Path, clips: Clips, k: int, split: str) -> list[dict[str, str]]:
    """Write clip k and its masks; gives the manifest's rows."""
    folder = f"{FOLDER}/{MADE}{k:02}"
    (root / folder).mkdir(parents=True)
    person, room = clips.actors(k)
    kept, source = "train" if split == "train" else "test", "; ".join(sorted({person.source, room.source}))
    rows = []
    for number, (picture, alpha) in enumerate(clips.clip(k)):
        image, mask = (f"{folder}/frame-{number:03}.{kind}" for kind in ("webp", "png"))
        for path, pixels in ((root / image, picture[..., ::-1]), (root / mask, alpha)):
            options = [cv2.IMWRITE_WEBP_QUALITY, 90] if path.suffix == ".webp" else []
            _, coded = cv2.imencode(path.suffix, pixels, options)
            path.write_bytes(np.asarray(coded).tobytes())
        height, width = alpha.shape
        values = [image, mask, "frame", kept, str(width), str(height), "0", source]
        names = {"person": person.image.stem, "room": room.image.stem}
        rows.append(dict(zip(manifest.COLUMNS, values, strict=True)) | names)
    return rows


def cast(samples: list[Sample]) -> tuple[list[Sample], list[Sample]]:
    """The people (cutouts, portraits, heads) and the rooms among samples."""
    people = [s for s in samples if s.kind == "cutout" or s.group in FEATHERED]
    return people, [s for s in samples if s.group == mashup.ROOMS]


class Clips:
    """Draw clip k of a person in a room, `frames` long, at `size` (height, width)."""

    def __init__(
        self, people: list[Sample], rooms: list[Sample], size: tuple[int, int], frames: int, seed: int
    ) -> None:
        if not (people and rooms):
            needed = f"cutouts or photos in {' or '.join(sorted(FEATHERED))}, and pictures in {mashup.ROOMS}"
            raise LabError(f"clips need {needed}, of the split train or val; check --split and the manifest")
        self.people, self.rooms = people, rooms
        self._size, self._frames, self._seed = size, frames, seed

    def actors(self, k: int) -> tuple[Sample, Sample]:
        """Who and where clip k shows: the first person drawn whose figure can stand in a room, and a room."""
        rng = np.random.default_rng((self._seed, 1, k))
        room = self.rooms[int(rng.integers(len(self.rooms)))]
        for number in rng.integers(len(self.people), size=TRIES):
            if Standing.of(_soft(self.people[number])[1]):
                return self.people[number], room
        raise LabError("nobody among the people is free of their picture's upper edge and sides; add cutouts that are")

    def clip(self, k: int) -> Iterator[Layers]:
        """Give clip k's frames in turn: the picture, RGB uint8 (H, W, 3), and its exact alpha, uint8 (H, W)."""
        rng = np.random.default_rng((self._seed, 2, k))
        person, room = self.actors(k)
        figure, matte = _soft(person)
        place = mashup.view(augment.flip([room.load()[0]], rng)[0], self._size, rng)
        figure = paste.match_light(figure, matte, place, rng)
        stage = Stage.set(figure, matte, place, rng)
        motion = Motion.draw(PLAYS[k % len(PLAYS)], self._frames, stage.away, rng)
        sensor = Sensor.draw(self._frames, rng)
        for number in range(self._frames):
            picture, alpha = stage.expose(motion, number, sensor.shutter)
            yield sensor.see(picture, number, rng), alpha


@dataclass(frozen=True, slots=True)
class Standing:
    """The part of a figure that may be seen: its box, down to where its picture's sides begin to cut it off."""

    left: int
    top: int
    right: int  # past the last column
    bottom: int  # past the last row: this stays at the frame's lower edge, or below it

    @classmethod
    def of(cls, matte: np.ndarray) -> Standing | None:
        """Measure a matte, uint8 (H, W); None where the head is cut off, or most of the figure, or nobody is there."""
        inside, near = matte > 127, 2 + max(matte.shape) // 200  # a feathered mask ends a little before the border
        rows = np.flatnonzero(inside.any(1))
        if not len(rows) or rows[0] < near:
            return None
        cut = np.flatnonzero(inside[:, :near].any(1) | inside[:, -near:].any(1))
        top, end = int(rows[0]), int(rows[-1]) + 1
        bottom = int(cut[0]) if len(cut) else end
        if bottom - top < WHOLE * (end - top):
            return None
        columns = np.flatnonzero(inside[:bottom].any(0))
        return cls(int(columns[0]), top, int(columns[-1]) + 1, bottom)


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A person, scaled to their size at rest, and the room behind them."""

    person: np.ndarray
    matte: np.ndarray
    place: np.ndarray
    anchor: tuple[float, float]  # the pixel of the person's picture that stands on the frame's lower edge
    away: float  # widths of the frame from its middle at which nothing of the person is seen, even leaning

    @classmethod
    def set(cls, person: np.ndarray, matte: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> Stage:
        """Set a person into a place: 0.6 to 0.95 of its height, at most 0.9 of its width."""
        box = Standing.of(matte)
        assert box, "actors() chose a figure that stands"
        height, width = place.shape[:2]
        tall, wide = box.bottom - box.top, box.right - box.left
        scale = min(height * rng.uniform(0.6, 0.95) / tall, 0.9 * width / wide)
        size = tuple(max(1, round(side * scale)) for side in matte.shape)
        layers = [augment.resize(layer, (size[0], size[1])) for layer in (person, matte)]
        anchor = scale * (box.left + box.right) / 2, scale * (box.bottom - rng.uniform(0.01, 0.03) * tall)
        # the whole picture's half, for what its sides cut off below is seen when the figure leans out of the frame
        away = 0.5 + (1.5 * max(anchor[0], size[1] - anchor[0]) + SLANT * height) / width
        return cls(layers[0], layers[1], place, anchor, away)

    def expose(self, motion: Motion, frame: int, shutter: float) -> Layers:
        """A frame: the mean of what is before the open shutter, one instant for each pixel moved.

        The mean of mattes is the exact alpha of the mean picture: colours are weighed by each instant's own matte.
        """
        times = self._instants(motion, frame, shutter)
        colour, alpha = np.zeros(self.place.shape, np.float32), np.zeros(self.place.shape[:2], np.float32)
        for time in times:
            person, matte = self._placed(motion.at(time))
            weight = matte.astype(np.float32) / (255 * len(times))
            colour += person * weight[..., None]
            alpha += weight
        levels = cv2.convertScaleAbs(alpha, alpha=255)
        return cv2.convertScaleAbs(colour + self.place * (1 - alpha[..., None])), levels

    def _instants(self, motion: Motion, frame: int, shutter: float) -> np.ndarray:
        """The times that a frame is the mean of: one where less than a pixel is moved, at most 24."""
        first, last = (self._transform(motion.at(frame + side * shutter / 2)) for side in (-1, 1))
        corner = np.array([self.anchor[0], 0, 1])
        moved = float(np.abs(last @ corner - first @ corner).max())
        count = min(24, math.ceil(max(moved, 1)))
        return frame + shutter * ((np.arange(count) + 0.5) / count - 0.5)

    def _placed(self, pose: Pose) -> Layers:
        height, width = self.place.shape[:2]
        move = self._transform(pose)
        person = cv2.warpAffine(self.person, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
        return person, cv2.warpAffine(self.matte, move, (width, height))

    def _transform(self, pose: Pose) -> np.ndarray:
        """From the person's pixels to the frame's, (2, 3): the anchor's row stays on the lower edge."""
        height, width = self.place.shape[:2]
        x, y = self.anchor
        scale, slant = pose.nearer, pose.nearer * pose.lean
        return np.array([[scale, -slant, width * pose.x - scale * x + slant * y], [0, scale, height - scale * y]])


def _soft(person: Sample) -> Layers:
    """A person's picture and matte, softened where it was hard."""
    picture, matte, _ = person.load()
    return picture, matte if person.kind == "cutout" else paste.feather(matte)
