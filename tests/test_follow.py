"""When the network is asked, and when its last answer is held."""

from __future__ import annotations

import numpy as np
import pytest

from incognito import Segmenter, zoo
from incognito.follow import LONGEST, Follower
from incognito.frame import Frame
from incognito.tally import Tally

OLDEST = 0.2
SIZE = (72, 128)


class Counting:
    """A network that finds nobody, and counts how often it was asked."""

    def __init__(self) -> None:
        card = zoo.find("fast")
        self._alpha, self.asked = np.zeros((card.height, card.width), np.float32), 0

    def run(self, tensor: np.ndarray) -> np.ndarray:
        self.asked += 1
        return self._alpha


def frame(*colour: int) -> Frame:
    return Frame(np.full((*SIZE, 3), colour, np.uint8))


class Stream:
    """A follower with its network, which every n-th frame is meant for."""

    def __init__(self, every: int) -> None:
        self.network, self.every = Counting(), every
        self._segmenter, self._follower = Segmenter("fast", runtime=self.network), Follower(OLDEST)

    def show(self, picture: Frame, seconds: float) -> float:
        """Gives the time of the frame that the matte is right for."""
        return self._follower.matte(picture, seconds, self._segmenter, self.every, Tally())[1]


def test_every_nth_of_moving_frames_is_segmented():
    """The mattes of those between are as old as their own frames."""
    stream = Stream(3)
    times = [stream.show(frame(50 * n, 0, 0), 0.03 * n) for n in range(5)]
    assert times == pytest.approx([0, 0, 0, 0.09, 0.09]) and stream.network.asked == 2


def test_a_held_matte_is_never_too_old():
    """A slow camera's frames are segmented more often than the cadence says."""
    stream = Stream(4)
    times = [stream.show(frame(50 * n, 0, 0), 0.15 * n) for n in range(4)]
    assert all(0.15 * n - held <= OLDEST for n, held in enumerate(times)) and stream.network.asked == 2


def test_a_frame_like_the_last_keeps_its_matte_for_a_while():
    """And its matte is right for it; not for ever, for light creeps."""
    stream = Stream(1)
    assert [stream.show(frame(90, 90, 90), n / 10) for n in range(5)] == [n / 10 for n in range(5)]
    assert stream.network.asked == 1
    stream.show(frame(90, 90, 90), LONGEST + 0.1)
    assert stream.network.asked == 2


def test_a_change_of_colour_alone_is_a_change():
    """Red and green of the same grey are not the same frame."""
    stream = Stream(1)
    stream.show(frame(200, 50, 60), 0.0)
    stream.show(frame(30, 137, 60), 0.03)
    assert stream.network.asked == 2
