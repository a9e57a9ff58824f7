"""Frames and mattes are checked when made and read-only after."""

import numpy as np
import pytest

from incognito.errors import InputError
from incognito.frame import Frame, Matte


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 1), (7, 5, 3), (7, 5, 4), (1, 1, 3)])
def test_grey_rgb_and_rgba_become_frames(shape):
    """Every kind of 8-bit picture is taken, and keeps its size."""
    frame = Frame.of(np.full(shape, 200, np.uint8))
    assert frame.pixels.shape == (*shape[:2], 3)
    assert frame.size == shape[:2]
    assert (frame.opacity is None) == (shape[-1] != 4)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((4, 4, 3)),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        "a.jpg",
        None,
    ],
)
def test_anything_else_is_refused(picture):
    """Floats, odd channels, empty arrays and what is no array at all name the remedy."""
    with pytest.raises(InputError, match="uint8"):
        Frame.of(picture)


def test_what_transparency_hid_stays_hidden():
    """A pixel with alpha 0 is grey to the network and the compositor, whatever colour the file has there."""
    picture = np.zeros((2, 2, 4), np.uint8)
    picture[0] = (255, 0, 0, 0)
    picture[1] = (255, 0, 0, 255)
    assert Frame.of(picture).pixels.tolist() == [[[128] * 3] * 2, [[255, 0, 0]] * 2]


def test_a_frame_is_read_only_and_leaves_the_callers_array_alone():
    """Writing through a frame fails; the array that it was made of stays writeable."""
    picture = np.zeros((4, 4, 3), np.uint8)
    frame = Frame.of(picture)
    with pytest.raises(ValueError, match="read-only"):
        frame.pixels[0] = 1
    picture[0] = 1
    assert picture[0].all()


@pytest.mark.parametrize(
    "alpha",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 1), np.float32),
        np.full((4, 4), 1.5, np.float32),
        np.full((4, 4), -0.1, np.float32),
        np.full((4, 4), np.nan, np.float32),
        np.zeros((0, 4), np.float32),
    ],
)
def test_a_bad_matte_is_refused(alpha):
    """Bytes, NaN, values outside [0, 1] and other shapes never reach the compositor."""
    with pytest.raises(InputError):
        Matte(alpha)


def test_levels_are_the_mattes_bytes():
    """Alpha 0, one half and 1 are 0, 128 and 255."""
    assert Matte(np.float32([[0, 0.5, 1]])).levels.tolist() == [[0, 128, 255]]
