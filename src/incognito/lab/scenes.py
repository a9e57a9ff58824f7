"""Training pictures without end: photos, people composited over empty places, portraits in rooms, empty places.

Picture k depends on the seed and on k alone, so that a resumed training sees what an unbroken one would have seen.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from incognito.errors import LabError
from incognito.lab import augment, mashup, paste
from incognito.lab.data import Sample
from incognito.lab.recipe import Data

KINDS = ("photo", "composite", "mashup", "empty")
HALF_TALL, WHOLE_TALL = (0.6, 1.3), (0.3, 1.1)  # how tall pasted people are, as shares of the picture's height
POSTER, HELD, RELIT = 0.08, 0.15, 0.25  # how often: a picture of a person on a wall, a thing before one, other light
COMPLETE = frozenset({"people/scenes", "people/pets"})  # photos in whose masks nobody is left out
TRIES = 12  # windows without a person are looked for in so many places
WHOLE = "people/street"  # whole bodies, from head to foot
FEATHERED = frozenset({"people/portraits", "people/heads", "people/rendered", WHOLE})  # photos whose masks cut cleanly


class Scenes:
    """Draw training picture k: RGB uint8 (h, w, 3), and alpha, valid and edge band, uint8 (h, w) each, 0 to 255."""

    def __init__(self, samples: list[Sample], mixture: Data, size: tuple[int, int], seed: int, count: int) -> None:
        self._photos = [s for s in samples if s.kind == "photo" and mixture.groups.get(s.group, 1.0) > 0]
        self._people = [
            s for s in samples if (s.kind == "cutout" or s.group in FEATHERED) and mixture.pasted.get(s.group, 1.0) > 0
        ]
        self._empties = [s for s in samples if s.kind == "empty" and mixture.groups.get(s.group, 1.0) > 0]
        self._complete = [s for s in self._photos if s.group in COMPLETE]
        self._portraits = [s for s in samples if s.group == mashup.PORTRAITS]
        self._rooms = [s for s in samples if s.group == mashup.ROOMS]
        self._groups = {s.group for s in samples}
        self._check(mixture)
        self._photo_odds = _odds([mixture.groups.get(s.group, 1.0) for s in self._photos])
        self._empty_odds = _odds([mixture.groups.get(s.group, 1.0) for s in self._empties])
        self._people_odds = _odds(
            [(1.0 if s.kind == "cutout" else 0.6) * mixture.pasted.get(s.group, 1.0) for s in self._people]
        )
        self._kind_odds = _odds([getattr(mixture, kind) for kind in KINDS])
        self._size, self._seed, self._count, self._mixture = size, seed, count, mixture

    def _check(self, mixture: Data) -> None:
        """Refuse a mixture whose pictures the samples cannot make."""
        everyday = f"photos in {' or '.join(sorted(COMPLETE))}"
        needs = {
            "photo": (self._photos, "photos"),
            "composite": (self._people and self._empties, "cutouts (or portraits) and empty places"),
            "mashup": (self._portraits and self._rooms, f"{mashup.PORTRAITS} and {mashup.ROOMS}"),
            "empty": (self._empties, "empty places"),
            "beside": (self._complete, everyday),
            "lent": (self._complete, everyday),
        }
        for kind, (there, what) in needs.items():
            if getattr(mixture, kind) and not there:
                raise LabError(f"{kind} > 0 in [data] needs {what}, of which the training split has none")
        for table in ("groups", "pasted"):
            if unknown := getattr(mixture, table).keys() - self._groups:
                known = ", ".join(sorted(self._groups))
                raise LabError(f"[data.{table}] names {', '.join(sorted(unknown))}; the training split has {known}")
        if not any(getattr(mixture, kind) for kind in KINDS):
            raise LabError(f"one of {', '.join(KINDS)} in [data] must be more than 0")

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng((self._seed, index))
        draw = (self._photo, self._composite, self._mashup, self._empty)[_pick(self._kind_odds, rng)]
        picture, alpha, valid = draw(rng)
        if rng.random() < RELIT * self._mixture.change:
            picture = augment.relight(picture, rng)
        change = self._mixture.change
        picture = augment.degrade(augment.recolour(picture, rng, change), rng, change)
        return picture, alpha, valid, edge_band(alpha, valid)

    def _photo(self, rng: np.random.Generator) -> augment.Layers:
        layers = augment.flip(list(_load(self._photos[_pick(self._photo_odds, rng)])), rng)
        if rng.random() < 0.3 * self._mixture.change:
            layers = augment.rotate(layers, rng)
        return augment.crop(layers, rng, self._size, self._mixture.window)

    def _empty(self, rng: np.random.Generator) -> augment.Layers:
        beside = self._beside(rng) if _by_chance(self._mixture.beside, rng) else None
        layers = augment.flip(beside or list(_load(self._empties[_pick(self._empty_odds, rng)])), rng)
        return augment.crop(layers, rng, self._size, self._mixture.window)

    def _beside(self, rng: np.random.Generator) -> augment.Layers | None:
        """Cut a place out of a photo in which there are people, beside them; None where they leave no room."""
        layers = _load(self._everyday(rng))
        _, alpha, valid = layers
        height, width = alpha.shape
        for _ in range(TRIES):
            high, wide = (int(side * rng.uniform(0.3, 0.8)) for side in (height, width))
            top, left = int(rng.integers(0, height - high)), int(rng.integers(0, width - wide))
            window = (slice(top, top + high), slice(left, left + wide))
            if not alpha[window].any() and valid[window].all():
                return [layer[window] for layer in layers]
        return None

    def _everyday(self, rng: np.random.Generator) -> Sample:
        return self._complete[int(rng.integers(len(self._complete)))]

    def _composite(self, rng: np.random.Generator) -> augment.Layers:
        place, alpha, valid = self._empty(rng)
        if rng.random() < POSTER:
            place = self._hang(place, rng)
        if rng.random() < 0.3:
            place = cv2.GaussianBlur(place, (0, 0), rng.uniform(0.5, 4.0))  # a shallow depth of field
        if _by_chance(self._mixture.dummy, rng):
            place = self._stand(place, rng)
        for _ in range(1 if rng.random() < 0.85 else 2):
            person, matte = self._person(rng)
            place, alpha = paste.lay_over(place, alpha, paste.match_light(person, matte, place, rng), matte)
        if rng.random() < HELD:
            place, alpha = self._hold(place, alpha, rng)
        return [place, alpha, valid]

    def _hang(self, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Hang a framed picture of somebody on the wall: nobody that is there."""
        sample = self._people[_pick(self._people_odds, rng)]
        height, width = place.shape[:2]
        size = (int(height * rng.uniform(0.15, 0.4)), int(width * rng.uniform(0.12, 0.3)))
        poster = augment.resize(_load(sample)[0], size)
        frame = max(1, size[1] // 12)
        cv2.rectangle(poster, (0, 0), (size[1] - 1, size[0] - 1), rng.integers(0, 256, 3).tolist(), frame)
        top = int(rng.integers(0, (height - size[0]) * 2 // 3))
        left = int(rng.integers(0, width - size[1]))
        place = place.copy()
        place[top : top + size[0], left : left + size[1]] = poster
        return place

    def _stand(self, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Paste a piece of another place in the shape of somebody upside down: an edge alone makes nobody a person."""
        shape = np.ascontiguousarray(self._person(rng)[1][::-1])
        return paste.lay_over(place, shape, self._empty(rng)[0], shape)[0]

    def _hold(self, picture: np.ndarray, alpha: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Put a thing before whoever is there, a turned ellipse or box of another picture: it is no person."""
        height, width = alpha.shape
        centre = (width * rng.uniform(0.1, 0.9), height * rng.uniform(0.5, 1.0))
        axes = (width * rng.uniform(0.06, 0.3), height * rng.uniform(0.06, 0.25))
        box = (centre, axes, rng.uniform(0, 180))
        thing = np.zeros((height, width), np.uint8)
        if rng.random() < 0.5:
            cv2.ellipse(thing, box, 255, -1, cv2.LINE_AA)
        else:
            cv2.fillConvexPoly(thing, cv2.boxPoints(box).astype(np.int32), 255, cv2.LINE_AA)
        texture = self._empty(rng)[0]
        return paste.lay_over(picture, alpha, texture, thing)[0], cv2.multiply(alpha, 255 - thing, scale=1 / 255)

    def _mashup(self, rng: np.random.Generator) -> augment.Layers:
        portrait = self._portraits[int(rng.integers(len(self._portraits)))]
        room = self._rooms[int(rng.integers(len(self._rooms)))]
        person, mask, _ = _load(portrait)
        picture, alpha = mashup.compose((person, mask), _load(room)[0], self._size, rng)
        return [picture, alpha, np.full(self._size, 255, np.uint8)]

    def _person(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Pick a person and set them into an empty canvas of the network's size: cut off below, or whole and far."""
        lent = _by_chance(self._mixture.lent, rng)
        sample = self._everyday(rng) if lent else self._people[_pick(self._people_odds, rng)]
        picture, matte, _ = augment.flip(list(_load(sample)), rng)
        if lent:
            picture, matte = paste.around(picture, matte)
        if sample.kind == "photo":
            matte = paste.feather(matte)
        height, width = self._size
        aspect = math.exp(rng.uniform(math.log(0.6), math.log(1.9)))
        whole = lent or sample.group == WHOLE
        scale_y = height * rng.uniform(*(WHOLE_TALL if whole else HALF_TALL)) / matte.shape[0]
        scale_x = scale_y * (width / height) / aspect
        left = width * rng.uniform(-0.15, 1.15) - scale_x * matte.shape[1] / 2
        lift = height * rng.uniform(-0.05, 0.35) if whole else 0.0
        top = height - lift - scale_y * matte.shape[0] * (1.0 if whole else rng.uniform(0.75, 1.0))
        place = np.array([[scale_x, 0, left], [0, scale_y, top]], np.float32)
        lean = math.tan(math.radians(rng.uniform(-8, 8)))
        place[0, 1], place[0, 2] = -lean * scale_x, place[0, 2] + lean * scale_x * matte.shape[0] / 2
        canvas = cv2.warpAffine(picture, place, (width, height), borderMode=cv2.BORDER_REPLICATE)
        return canvas, cv2.warpAffine(matte, place, (width, height))


@lru_cache(maxsize=4096)
def _load(sample: Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Decoding is most of a picture's cost; this many, 1.4 GB for pictures of 384 pixels, are kept in each worker."""
    return sample.load()


def edge_band(alpha: np.ndarray, valid: np.ndarray, reach: int = 3) -> np.ndarray:
    """255 within `reach` pixels of an edge of alpha, where alpha is valid; 0 elsewhere."""
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    spread = cv2.subtract(cv2.dilate(alpha, window), cv2.erode(alpha, window))
    return np.where(spread > 127, valid, 0).astype(np.uint8)


def _odds(weights: list[float]) -> np.ndarray:
    return np.cumsum(weights) / max(np.sum(weights), 1e-9)


def _pick(odds: np.ndarray, rng: np.random.Generator) -> int:
    return int(np.searchsorted(odds, rng.random(), side="right"))


def _by_chance(chance: float, rng: np.random.Generator) -> bool:
    """Whether it comes to pass; what never does draws nothing, so that a recipe without it has the pictures it had."""
    return chance > 0 and rng.random() < chance
