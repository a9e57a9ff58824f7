"""Backgrounds that are made by code: nobody's photographs, the same wherever they are made."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from incognito.frame import Picture

SIZE = (720, 1280)  # height, width: they are blurs and slopes, which bear to be enlarged

LAMPS = np.array([(255, 190, 110), (255, 120, 80), (150, 190, 255)], np.float32)

Ramp = list[tuple[float, tuple[int, int, int]]]  # places from 0 to 1, and their colours


def make(name: str) -> Picture:
    """One of SCENES, uint8 RGB (720, 1280, 3)."""
    return SCENES[name]()


def checker(size: tuple[int, int] = SIZE, side: int = 24) -> Picture:
    """Light squares: how pictures of nothing are shown."""
    rows, columns = np.indices(size) // side
    return _rgb(np.where((rows + columns) % 2, 214, 238))


def dusk() -> Picture:
    """A clear evening sky, the sun just gone."""
    sky = _slope([(0, (38, 44, 92)), (0.45, (128, 84, 132)), (0.75, (232, 140, 104)), (1, (252, 208, 146))])
    return _finish(sky + _glow((0.62, 0.92), 0.42)[..., None] * _light(70, 44, 10))


def hills() -> Picture:
    """Ranges of hills, paler the farther they are."""
    picture = _slope([(0, (156, 190, 214)), (0.6, (226, 232, 226))])
    near, far = _light(44, 74, 70), _light(168, 190, 192)
    across = np.linspace(0, 1, SIZE[1], dtype=np.float32)
    down = np.linspace(0, 1, SIZE[0], dtype=np.float32)[:, None]
    for k in range(5):
        waves = np.sin(across * (5 + 2 * k) + 1.7 * k) + 0.5 * np.sin(across * (13 + 3 * k) + k)
        edge = 0.46 + 0.11 * k + 0.045 * waves
        weight = np.clip((down - edge) * SIZE[0] / 1.5, 0, 1)[..., None]
        picture += weight * (far + (near - far) * k / 4 - picture)
    return _finish(picture)


def lights() -> Picture:
    """A city at night, far out of focus."""
    random = np.random.default_rng(7)
    picture = _slope([(0, (14, 16, 30)), (1, (34, 28, 40))])
    for _ in range(70):
        layer = np.zeros((*SIZE, 3), np.float32)
        x, y = int(random.uniform(0, SIZE[1])), int(random.normal(0.6, 0.16) * SIZE[0])
        colour = random.uniform(0.25, 0.7) * LAMPS[random.integers(len(LAMPS))]
        cv2.circle(layer, (x, y), int(random.uniform(12, 46)), colour.tolist(), -1, cv2.LINE_AA)
        picture += 0.5 * layer
    return _finish(cv2.GaussianBlur(picture, (0, 0), 2.5))


def paper() -> Picture:
    """A warm white wall, lit from the left."""
    light = _glow((0.18, 0.2), 1.15)[..., None]
    return _finish(_light(206, 200, 190) + light * _light(44, 44, 46))


def studio() -> Picture:
    """A photographer's grey backdrop."""
    light = _glow((0.5, 0.42), 0.62)[..., None]
    return _finish(_light(52, 56, 62) + light * _light(96, 98, 102))


def window() -> Picture:
    """Daylight through a window, on a wall."""
    picture = _slope([(0, (198, 192, 180)), (1, (176, 168, 156))])
    light = np.zeros(SIZE, np.float32)
    for column in range(2):
        for row in range(2):
            left, top = 330 + 210 * column + 40 * row, 110 + 230 * row
            corners = np.array([(left, top), (left + 185, top + 26), (left + 225, top + 236), (left + 40, top + 210)])
            cv2.fillPoly(light, [corners], 1.0, cv2.LINE_AA)
    return _finish(picture + cv2.GaussianBlur(light, (0, 0), 7)[..., None] * _light(58, 54, 40))


SCENES: dict[str, Callable[[], Picture]] = {
    "studio": studio,
    "paper": paper,
    "window": window,
    "hills": hills,
    "dusk": dusk,
    "lights": lights,
    "checker": checker,
}


def _light(red: float, green: float, blue: float) -> np.ndarray:
    return np.array([red, green, blue], np.float32)


def _slope(ramp: Ramp) -> np.ndarray:
    """Colours from top to bottom, float32 (H, W, 3)."""
    places, colours = [place for place, _ in ramp], np.array([colour for _, colour in ramp], np.float32)
    down = np.linspace(0, 1, SIZE[0], dtype=np.float32)
    column = np.stack([np.interp(down, places, colours[:, channel]) for channel in range(3)], axis=-1)
    return np.repeat(column[:, None].astype(np.float32), SIZE[1], axis=1)


def _glow(middle: tuple[float, float], reach: float) -> np.ndarray:
    """Light around a place (x, y from 0 to 1), float32 (H, W) up to 1."""
    down, across = np.indices(SIZE, dtype=np.float32)
    x, y = (across / SIZE[1] - middle[0]) * SIZE[1] / SIZE[0], down / SIZE[0] - middle[1]
    return np.exp(-(x * x + y * y) / (2 * reach * reach)).astype(np.float32)


def _finish(picture: np.ndarray) -> Picture:
    """To bytes, with noise of one level, so that slopes show no bands."""
    noise = np.random.default_rng(0).normal(0, 0.8, SIZE).astype(np.float32)
    return np.clip(picture + noise[..., None], 0, 255).astype(np.uint8)


def _rgb(grey: np.ndarray) -> Picture:
    return cv2.cvtColor(grey.astype(np.uint8), cv2.COLOR_GRAY2RGB)
