"""Image and mask transforms for training. The random generator is an argument, so a picture can be drawn again."""

from __future__ import annotations

import math

import cv2
import numpy as np

Layers = list[np.ndarray]  # pictures and planes of one height and width, transformed together


def crop(layers: Layers, rng: np.random.Generator, size: tuple[int, int], smallest: float) -> Layers:
    """Cut one random window out of all layers and bring it to size (height, width).

    The window's area is between `smallest` and all of the picture, its shape between 0.55 and 1.9 times as wide as
    high: networks see frames of every shape squeezed into their own.
    """
    height, width = layers[0].shape[:2]
    area = height * width * rng.uniform(smallest, 1.0)
    aspect = math.exp(rng.uniform(math.log(0.55), math.log(1.9)))
    window_w = min(width, max(8, round(math.sqrt(area * aspect))))
    window_h = min(height, max(8, round(math.sqrt(area / aspect))))
    left = int(rng.integers(0, width - window_w + 1))
    top = int(rng.integers(0, height - window_h + 1))
    window = (slice(top, top + window_h), slice(left, left + window_w))
    return [resize(layer[window], size) for layer in layers]


def resize(layer: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring a layer to size (height, width): area averaging when it shrinks, bilinear when it grows."""
    shrinks = layer.shape[0] * layer.shape[1] > size[0] * size[1]
    return cv2.resize(layer, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def flip(layers: Layers, rng: np.random.Generator) -> Layers:
    """Mirror all layers, every other time."""
    if rng.random() < 0.5:
        return layers
    return [np.ascontiguousarray(layer[:, ::-1]) for layer in layers]


def rotate(layers: Layers, rng: np.random.Generator, degrees: float = 20.0) -> Layers:
    """Turn all layers by a random angle; what comes in from outside is the picture mirrored at its border."""
    height, width = layers[0].shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-degrees, degrees), 1.0)
    return [cv2.warpAffine(layer, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101) for layer in layers]


def recolour(picture: np.ndarray, rng: np.random.Generator, strength: float = 1.0) -> np.ndarray:
    """Change exposure, contrast, gamma, white balance and saturation of an RGB uint8 picture."""
    contrast = 1 + strength * rng.uniform(-0.35, 0.35)
    brightness = strength * rng.uniform(-0.2, 0.2)
    gamma = math.exp(strength * rng.uniform(-0.4, 0.4))
    balance = 1 + strength * rng.uniform(-0.12, 0.12, 3)
    ramp = np.linspace(0, 1, 256)[:, None] ** gamma
    table = ((ramp - 0.5) * contrast + 0.5 + brightness) * balance
    picture = cv2.LUT(picture, np.clip(table * 255, 0, 255).astype(np.uint8)[None])
    saturation = max(0.0, 1 + strength * rng.uniform(-0.6, 0.4)) if rng.random() > 0.05 else 0.0
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(picture, saturation, grey, 1 - saturation, 0)


def relight(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light a picture from one side, from behind or hardly at all: a window, a lamp, a dark room."""
    height, width = picture.shape[:2]
    turn, shade = rng.uniform(0, 2 * math.pi), rng.uniform(0.25, 0.8)
    across = np.linspace(-1, 1, width, dtype=np.float32) * math.cos(turn)
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * math.sin(turn)
    ramp = 1 / (1 + np.exp(np.float32(rng.uniform(1, 5)) * (across + down)))
    light = (shade + (1.3 - shade) * ramp) * rng.uniform(0.3, 1.0) ** rng.uniform(0, 1)
    return cv2.multiply(picture, cv2.merge([light] * 3).astype(np.float32), dtype=cv2.CV_8U)


def soften(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur a picture: out of focus, or moved in one direction."""
    if rng.random() < 0.5:
        return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 2.0))
    length = int(rng.integers(3, 10))
    kernel: np.ndarray = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), rng.uniform(0, 180), 1.0)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    return cv2.filter2D(picture, -1, kernel / max(kernel.sum(), 1e-6))


def add_noise(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add a dark room's sensor noise, coarse or fine."""
    height, width = picture.shape[:2]
    grain = int(rng.integers(1, 3))
    noise = rng.standard_normal((height // grain, width // grain, 3), np.float32) * rng.uniform(2, 14)
    return cv2.add(picture, cv2.resize(noise, (width, height)), dtype=cv2.CV_8U)


def compress(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Send a picture through JPEG and back."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
    _, data = cv2.imencode(".jpg", picture, quality)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def degrade(picture: np.ndarray, rng: np.random.Generator, strength: float = 1.0) -> np.ndarray:
    """Do to a picture what cameras and networks do: blur, noise and JPEG, each now and then."""
    for step, chance in ((soften, 0.2), (add_noise, 0.25), (compress, 0.25)):
        if rng.random() < chance * strength:
            picture = step(picture, rng)
    return picture
