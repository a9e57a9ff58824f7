"""The way of a stream's frame, whole: segment, refine, composite; one stream at a time."""

from __future__ import annotations

import numpy as np

from incognito.background import Background
from incognito.composite import exchange, visible
from incognito.frame import Frame, Picture
from incognito.segment import Segmenter, StreamState
from incognito.timing import Stages, Unkept


class Streaming:
    """What is done with one stream's frames, in their order; it can be told elsewhere what it knew of those so far."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._state: StreamState | None = None

    def remember(self) -> dict[str, np.ndarray]:
        """What it knows of the stream beside its last frame: the last matte, or nothing. No picture is in it."""
        return {} if self._state is None else {"alpha": self._state.memory.alpha}

    def recall(self, memory: dict[str, np.ndarray], frame: Frame) -> None:
        """Know that of a stream whose last frame was this one, and nothing else."""
        self._state = self._segmenter.state_after(frame, memory["alpha"]) if memory else None


class Removal(Streaming):
    """Frames of one stream in, pictures without their background out. Takes the place of a video's Transform.

    A `patient` one is for films, and asks about each frame twice.
    """

    def __init__(
        self, segmenter: Segmenter, background: Background, stopwatch: Stages | None = None, patient: bool = False
    ) -> None:
        super().__init__(segmenter)
        self._background, self._patient = background, patient
        self._stopwatch: Stages = stopwatch or Unkept()

    def __call__(self, frame: Frame, seconds: float) -> Picture:
        """Take a stream's next frame, shown at `seconds`, to uint8 RGB or RGBA; stages go to the stopwatch."""
        matte, self._state = self._segmenter.step(frame, self._state, self._stopwatch, self._patient)
        with self._stopwatch.stage("composite"):
            return exchange(frame, matte, self._background, seconds)


class Matting(Streaming):
    """Frames of one film in, their mattes out: uint8 grey (H, W)."""

    def __call__(self, frame: Frame, seconds: float) -> np.ndarray:
        """Take a stream's next frame to its matte."""
        matte, self._state = self._segmenter.step(frame, self._state, patient=True)
        return visible(frame, matte).levels
