"""A live stream's mattes: the network is asked where it pays, and its last answer held where that is right."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from incognito.frame import Frame, Matte
from incognito.segment import Segmenter, StreamState
from incognito.timing import Stages

GLANCE = (36, 64)  # pixels, high and wide, that two frames are compared by
SAME = 2  # levels of any colour that no such pixel may change by, for two frames to be the same
LONGEST = 1.0  # seconds that a matte of a still picture is held: light may creep


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """The last matte that was found, and its frame's glance and time."""

    matte: Matte
    state: StreamState
    glance: np.ndarray
    seconds: float


class Follower:
    """The mattes of one stream: found for every n-th frame, held for those between and where nothing changed."""

    def __init__(self, oldest: float) -> None:
        """Hold no matte for a frame that moved for more than `oldest` seconds."""
        self._oldest = oldest
        self._held: Held | None = None
        self._served = 0

    def forget(self) -> None:
        """Begin anew: after an error, a pause or another camera."""
        self._held = None

    def matte(
        self, frame: Frame, seconds: float, segmenter: Segmenter, every: int, stages: Stages
    ) -> tuple[Matte, float]:
        """Give a frame's matte, and the time of the frame that it is right for.

        A matte that is held for a moving frame is as old as its own frame; for a frame that did not change it is new.
        """
        glance = _glance(frame)
        held = self._held
        if held and held.matte.size == frame.size and 0 <= seconds - held.seconds <= LONGEST:
            if np.max(cv2.absdiff(glance, held.glance)) <= SAME:
                return held.matte, seconds
            if self._served < every and seconds - held.seconds <= self._oldest:
                self._served += 1
                return held.matte, held.seconds
        matte, state = segmenter.step(frame, held.state if held else None, stages)
        self._held, self._served = Held(matte, state, glance, seconds), 1
        return matte, seconds


def _glance(frame: Frame) -> np.ndarray:
    return frame.shrunk(GLANCE)
