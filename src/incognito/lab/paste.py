"""A person set into a place: edge softened, light and noise brought nearer to the place's, one laid over the other."""

from __future__ import annotations

import cv2
import numpy as np


def feather(matte: np.ndarray) -> np.ndarray:
    """Draw a hard mask in by a pixel and soften its edge, so that it brings no rim of its old background."""
    return cv2.GaussianBlur(cv2.erode(matte, np.ones((3, 3), np.uint8)), (0, 0), 1.0)


def around(picture: np.ndarray, matte: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut picture and matte to the box of whoever is there; all of both where nobody is."""
    left, top, wide, high = cv2.boundingRect((matte >= 128).astype(np.uint8))
    window = (slice(top, top + high), slice(left, left + wide))
    return (picture[window], matte[window]) if wide and high else (picture, matte)


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


def match_noise(person: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give a person the grain that the place has more of."""
    missing = noise_of(place) ** 2 - noise_of(person) ** 2
    if missing <= 0.25:
        return person
    grain = rng.standard_normal(person.shape, np.float32) * np.float32(min(12.0, missing**0.5))
    return cv2.add(person, grain, dtype=cv2.CV_8U)


def noise_of(picture: np.ndarray) -> float:
    """A picture's noise, as a standard deviation in grey levels.

    The difference of two Laplacians cancels edges (Immerkaer 1996); the median leaves out what texture remains.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    return float(np.median(np.abs(cv2.filter2D(grey, -1, kernel)))) / (6 * 0.6745)


def lay_over(
    place: np.ndarray, alpha: np.ndarray, person: np.ndarray, matte: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Blend a person over a place by their matte; gives the picture and the union of both mattes."""
    weight = matte.astype(np.float32) / 255
    picture = cv2.blendLinear(person, place, weight, 1 - weight)
    return picture, np.maximum(alpha, matte)
