"""The way of a stream's frame, whole: segment, refine, composite; one stream at a time."""

from __future__ import annotations

import numpy as np

from incognito.background import Background
from incognito.composite import exchange, visible
from incognito.frame import Frame, Picture
from incognito.segment import Segmenter, StreamState
from incognito.timing import Stages, Unkept


class Removal:
    """Frames of one stream in, pictures without their background out. Takes the place of a video's Transform."""

    def __init__(self, segmenter: Segmenter, background: Background, stopwatch: Stages | None = None) -> None:
        self._segmenter, self._background = segmenter, background
        self._stopwatch: Stages = stopwatch or Unkept()
        self._state: StreamState | None = None

    def __call__(self, frame: Frame, seconds: float) -> Picture:
        """Take a stream's next frame, shown at `seconds`, to uint8 RGB or RGBA; stages go to the stopwatch."""
        matte, self._state = self._segmenter.step(frame, self._state, self._stopwatch)
        with self._stopwatch.stage("composite"):
            return exchange(frame, matte, self._background, seconds)


class Matting:
    """Frames of one stream in, their mattes out: uint8 grey (H, W)."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._state: StreamState | None = None

    def __call__(self, frame: Frame, seconds: float) -> np.ndarray:
        """Take a stream's next frame to its matte."""
        matte, self._state = self._segmenter.step(frame, self._state)
        return visible(frame, matte).levels
