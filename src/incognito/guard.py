"""The guard: what may be shown. Unless the network has just answered for a frame, that is the safe picture.

HOLD (nothing was ever shown) --permit--> LIVE --trip--> SAFE --permit--> LIVE. There is no way to LIVE but a matte.
"""

from __future__ import annotations

from enum import Enum

import cv2
import numpy as np

from incognito.frame import Picture

OLDEST = 0.2  # seconds that a matte may be older than the frame that it is laid over
GROUND, MARK = (38, 42, 48), (150, 156, 166)  # RGB of the safe picture


class State(Enum):
    """What goes out: nothing yet but the safe picture, the safe picture again, or composited frames."""

    HOLD = "hold"
    SAFE = "safe"
    LIVE = "live"


class Guard:
    """Where a stream stands, and why."""

    def __init__(self) -> None:
        self.state, self.reason = State.HOLD, "no frame yet"

    def permits(self, frame_seconds: float, matte_seconds: float) -> bool:
        """Whether a frame may be shown with a matte, by when each was captured; never where a clock jumped."""
        if not 0 <= frame_seconds - matte_seconds <= OLDEST:
            self.trip("the matte is too old")
            return False
        self.state, self.reason = State.LIVE, ""
        return True

    def trip(self, reason: str) -> None:
        """Show the safe picture from now on; before the first frame went out, go on holding."""
        self.state = State.HOLD if self.state is State.HOLD else State.SAFE
        self.reason = reason


def safe_picture(size: tuple[int, int]) -> Picture:
    """A picture of size (height, width) that no pixel of a room went into, uint8 RGB: a crossed-out camera."""
    height, width = size
    picture = np.full((height, width, 3), GROUND, np.uint8)
    unit, line = min(height, width) / 12, max(1, min(height, width) // 90)
    x, y = width / 2, height / 2

    def at(right: float, down: float) -> tuple[int, int]:
        return round(x + right * unit), round(y + down * unit)

    cv2.rectangle(picture, at(-1.6, -1), at(0.7, 1), MARK, line, cv2.LINE_AA)
    lens = np.array([at(0.7, -0.3), at(1.6, -0.9), at(1.6, 0.9), at(0.7, 0.3)])
    cv2.polylines(picture, [lens], True, MARK, line, cv2.LINE_AA)
    cv2.line(picture, at(-1.9, -1.7), at(1.9, 1.7), GROUND, 3 * line, cv2.LINE_AA)
    cv2.line(picture, at(-1.9, -1.7), at(1.9, 1.7), MARK, line, cv2.LINE_AA)
    return picture
