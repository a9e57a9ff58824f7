"""What a webcam does to what it sees: exposure and white balance that drift, noise fresh in each frame, JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from incognito.lab.motion import RATE


@dataclass(frozen=True, slots=True, eq=False)
class Sensor:
    """A camera in one clip's light."""

    gains: np.ndarray  # float32 (T, 3), for red, green and blue of each frame
    read_noise: float  # standard deviation in grey levels
    shot_noise: float  # variance for each grey level of the signal
    shutter: float  # the share of a frame's time that it is open
    quality: int  # of the JPEG

    @classmethod
    def draw(cls, frames: int, rng: np.random.Generator) -> Sensor:
        """Draw a camera; every fourth sees a dark room: less light, and twice the noise."""
        is_dark = rng.random() < 0.25
        light = rng.uniform(0.3, 0.5) if is_dark else rng.uniform(0.85, 1.1)
        gains = light * _drift(frames, rng)[:, None] * _balance(frames, rng)
        noise = 2 if is_dark else 1
        return cls(
            gains.astype(np.float32),
            noise * rng.uniform(1.0, 3.0),
            noise * rng.uniform(0.01, 0.06),
            rng.uniform(0.6, 1.0) if is_dark else rng.uniform(0.2, 0.6),
            int(rng.integers(65, 93)),
        )

    def see(self, picture: np.ndarray, frame: int, rng: np.random.Generator) -> np.ndarray:
        """Frame number `frame` of a picture, RGB uint8 (H, W, 3) as the result is."""
        signal = picture * self.gains[frame]
        noisy = signal + _grain(picture.shape[:2], rng) * np.sqrt(self.read_noise**2 + self.shot_noise * signal)
        coded = cv2.convertScaleAbs(np.clip(noisy, 0, 255)[..., ::-1])
        _, data = cv2.imencode(".jpg", coded, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB))


def _drift(frames: int, rng: np.random.Generator) -> np.ndarray:
    """Exposure around 1: a slow swing of up to 6 %, and at times the automatic's correction within a third second."""
    seconds = np.arange(frames) / RATE
    swing = rng.uniform(0.01, 0.06) * np.sin(2 * np.pi * seconds / rng.uniform(2, 8) + rng.uniform(0, 2 * np.pi))
    begin = rng.uniform(0, frames)
    step = rng.uniform(-0.15, 0.15) * (rng.random() < 0.5) * np.clip((np.arange(frames) - begin) / 10, 0, 1)
    return 1 + swing + step


def _balance(frames: int, rng: np.random.Generator) -> np.ndarray:
    """White balance, (T, 3): red and blue swing by up to 3 % against green."""
    seconds = np.arange(frames)[:, None] / RATE
    swing = np.sin(2 * np.pi * seconds / rng.uniform(3, 10, 3) + rng.uniform(0, 2 * np.pi, 3))
    return 1 + rng.uniform(0, 0.03, 3) * np.array([1, 0, 1]) * swing


def _grain(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Noise float32 (H, W, 3) of about unit variance: fine in luma, coarser and weaker in colour, as is usual."""
    height, width = size
    luma = rng.standard_normal((height, width, 1), np.float32)
    colour = rng.standard_normal((-(-height // 2), -(-width // 2), 3), np.float32)
    return luma + 0.5 * cv2.resize(colour, (width, height), interpolation=cv2.INTER_LINEAR)
