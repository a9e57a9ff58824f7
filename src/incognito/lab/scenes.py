"""Training pictures without end: photos as they are, people composited over empty places, and empty places.

Picture k depends on the seed and on k alone, so that a resumed training sees what an unbroken one would have seen.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from incognito.errors import LabError
from incognito.lab import augment
from incognito.lab.data import Sample
from incognito.lab.recipe import Data

FEATHERED = frozenset({"people/portraits", "people/heads", "people/rendered"})  # photos whose masks cut cleanly


class Scenes:
    """Draw training picture k: RGB uint8 (h, w, 3), and alpha, valid and edge band, uint8 (h, w) each, 0 to 255."""

    def __init__(self, samples: list[Sample], mixture: Data, size: tuple[int, int], seed: int, count: int) -> None:
        self._photos = [s for s in samples if s.kind == "photo" and mixture.groups.get(s.group, 1.0) > 0]
        self._people = [s for s in samples if s.kind == "cutout" or s.group in FEATHERED]
        self._empties = [s for s in samples if s.kind == "empty"]
        if not (self._photos and self._people and self._empties):
            raise LabError("training needs photos, cutouts and empty places; check the manifest's kinds and splits")
        self._photo_odds = _odds([mixture.groups.get(s.group, 1.0) for s in self._photos])
        self._people_odds = _odds([1.0 if s.kind == "cutout" else 0.6 for s in self._people])
        self._kind_odds = _odds([mixture.photo, mixture.composite, mixture.empty])
        self._size, self._seed, self._count = size, seed, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng((self._seed, index))
        draw = (self._photo, self._composite, self._empty)[_pick(self._kind_odds, rng)]
        picture, alpha, valid = draw(rng)
        return augment.degrade(augment.recolour(picture, rng), rng), alpha, valid, edge_band(alpha, valid)

    def _photo(self, rng: np.random.Generator) -> augment.Layers:
        layers = augment.flip(list(_load(self._photos[_pick(self._photo_odds, rng)])), rng)
        if rng.random() < 0.3:
            layers = augment.rotate(layers, rng)
        return augment.crop(layers, rng, self._size, smallest=0.3)

    def _empty(self, rng: np.random.Generator) -> augment.Layers:
        layers = augment.flip(list(_load(self._empties[int(rng.integers(len(self._empties)))])), rng)
        return augment.crop(layers, rng, self._size, smallest=0.3)

    def _composite(self, rng: np.random.Generator) -> augment.Layers:
        place, alpha, valid = self._empty(rng)
        if rng.random() < 0.3:
            place = cv2.GaussianBlur(place, (0, 0), rng.uniform(0.5, 4.0))  # a shallow depth of field
        for _ in range(1 if rng.random() < 0.85 else 2):
            person, matte = self._person(rng)
            place, alpha = _lay_over(place, alpha, match_light(person, matte, place, rng), matte)
        return [place, alpha, valid]

    def _person(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Pick a person and set them into an empty canvas of the network's size, cut off by its lower edge."""
        sample = self._people[_pick(self._people_odds, rng)]
        picture, matte, _ = augment.flip(list(_load(sample)), rng)
        if sample.kind == "photo":
            matte = _feather(matte)
        height, width = self._size
        aspect = math.exp(rng.uniform(math.log(0.6), math.log(1.9)))
        scale_y = height * rng.uniform(0.6, 1.3) / matte.shape[0]
        scale_x = scale_y * (width / height) / aspect
        left = width * rng.uniform(-0.15, 1.15) - scale_x * matte.shape[1] / 2
        top = height - scale_y * matte.shape[0] * rng.uniform(0.75, 1.0)
        place = np.array([[scale_x, 0, left], [0, scale_y, top]], np.float32)
        lean = math.tan(math.radians(rng.uniform(-8, 8)))
        place[0, 1], place[0, 2] = -lean * scale_x, place[0, 2] + lean * scale_x * matte.shape[0] / 2
        canvas = cv2.warpAffine(picture, place, (width, height), borderMode=cv2.BORDER_REPLICATE)
        return canvas, cv2.warpAffine(matte, place, (width, height))


def match_light(person: np.ndarray, matte: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move a person's mean colour and contrast part of the way to the place's, as if they stood there."""
    inside = matte > 127
    if not inside.any():
        return person
    amount = rng.uniform(0.0, 0.6)
    (person_mean, person_dev), (place_mean, place_dev) = cv2.meanStdDev(person, mask=matte), cv2.meanStdDev(place)
    gain = (1 - amount) + amount * np.clip(place_dev / np.maximum(person_dev, 8.0), 0.6, 1.5)
    offset = (1 - amount) * person_mean + amount * (0.5 * person_mean + 0.5 * place_mean) - gain * person_mean
    table = np.clip(np.arange(256)[:, None] * gain.ravel() + offset.ravel(), 0, 255).astype(np.uint8)
    return cv2.LUT(person, table[None])


@lru_cache(maxsize=4096)
def _load(sample: Sample) -> tuple[np.ndarray, ...]:
    """Decoding is most of a picture's cost; this many, 1.4 GB for pictures of 384 pixels, are kept in each worker."""
    return sample.load()


def edge_band(alpha: np.ndarray, valid: np.ndarray, reach: int = 3) -> np.ndarray:
    """255 within `reach` pixels of an edge of alpha, where alpha is valid; 0 elsewhere."""
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    spread = cv2.subtract(cv2.dilate(alpha, window), cv2.erode(alpha, window))
    return np.where(spread > 127, valid, 0).astype(np.uint8)


def _lay_over(
    place: np.ndarray, alpha: np.ndarray, person: np.ndarray, matte: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    weight = matte.astype(np.float32) / 255
    picture = cv2.blendLinear(person, place, weight, 1 - weight)
    return picture, np.maximum(alpha, matte)


def _feather(matte: np.ndarray) -> np.ndarray:
    """Draw a hard mask in by a pixel and soften its edge, so that it brings no rim of its old background."""
    return cv2.GaussianBlur(cv2.erode(matte, np.ones((3, 3), np.uint8)), (0, 0), 1.0)


def _odds(weights: list[float]) -> np.ndarray:
    return np.cumsum(weights) / np.sum(weights)


def _pick(odds: np.ndarray, rng: np.random.Generator) -> int:
    return int(np.searchsorted(odds, rng.random(), side="right"))
