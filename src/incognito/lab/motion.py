"""How a person moves before a webcam: pose by pose, at 30 frames a second."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

RATE = 30  # frames a second
PLAYS = (("still", "nearer"), ("fast", "still"), ("still", "leave"), ("nearer", "fast"))  # what clip k shows, in turn


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a person is: their middle at the lower edge, in widths of the frame, size and lean."""

    x: float
    nearer: float  # times as large as at rest
    lean: float  # widths that the figure moves aside for each of its own height: a tangent


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """A clip's poses, float64 (T, 3): sway, lean and breath without end, and a play's events, each in its own part."""

    poses: np.ndarray

    @classmethod
    def draw(cls, play: tuple[str, ...], frames: int, away: float, rng: np.random.Generator) -> Motion:
        """Draw a motion; `away` is how far from the frame's middle, in widths, nothing of the person is seen."""
        parts = dict(zip(rng.permutation(play), np.array_split(np.arange(frames), len(play)), strict=True))
        times = _times(frames, parts.get("still"))
        x = rng.uniform(0.35, 0.65) + _sway(times, 0.03, rng)
        nearer = 1 + _sway(times, 0.03, rng)
        if "fast" in parts:
            x += np.sign(0.5 - x[0]) * rng.uniform(0.12, 0.25) * _dash(frames, parts["fast"], rng)
        if "nearer" in parts:
            nearer *= 1 + rng.uniform(0.15, 0.4) * rng.choice([-0.6, 1.0]) * _there_and_back(frames, parts["nearer"])
        if "leave" in parts:
            gone = _there_and_back(frames, parts["leave"])
            x += gone * (0.5 + rng.choice([-1, 1]) * away - x)
        return cls(np.stack([x, nearer, _sway(times, 0.08, rng)], 1))

    def at(self, time: float) -> Pose:
        """The pose at a time in frames, between two of them too; before the first and after the last it stays."""
        before = np.clip(math.floor(time), 0, len(self.poses) - 1)
        after = min(before + 1, len(self.poses) - 1)
        share = float(np.clip(time - before, 0, 1))
        return Pose(*((1 - share) * self.poses[before] + share * self.poses[after]))


def _times(frames: int, still: np.ndarray | None) -> np.ndarray:
    """The person's own time at each frame in seconds: it slows down and stands in the middle of the still part."""
    pace = np.ones(frames)
    if still is not None:
        pace[still] = 0
        edge = max(1, len(still) // 6)
        pace = np.convolve(np.pad(pace, edge, "edge"), np.ones(2 * edge + 1) / (2 * edge + 1), "valid")
    return np.cumsum(pace) / RATE


def _sway(times: np.ndarray, most: float, rng: np.random.Generator) -> np.ndarray:
    """Three slow swings of periods between 1.5 and 7 seconds, at most so far together."""
    swings = zip(rng.dirichlet(np.ones(3)), rng.uniform(1.5, 7, 3), rng.uniform(0, 2 * np.pi, 3), strict=True)
    return most * sum(share * np.sin(2 * np.pi * times / period + phase) for share, period, phase in swings)


def _ease(frames: int, start: float, end: float) -> np.ndarray:
    """From 0 at one frame to 1 at another, smoothly."""
    share = np.clip((np.arange(frames) - start) / max(end - start, 1), 0, 1)
    return share * share * (3 - 2 * share)


def _dash(frames: int, part: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A fast move within 4 to 8 frames."""
    start = part[0] + rng.uniform(0, max(1, len(part) - 8))
    return _ease(frames, start, start + rng.uniform(4, 8))


def _there_and_back(frames: int, part: np.ndarray) -> np.ndarray:
    """A third of a part to go, a third to stay, a third to come back."""
    first, last = int(part[0]), int(part[-1])
    third = (last - first) / 3
    return _ease(frames, first, first + third) - _ease(frames, last - third, last)
