"""Which kinds of picture a picture is of."""

import numpy as np
import pytest

from incognito.lab.slices import slices

BRIGHT = np.full((100, 100, 3), 120, np.uint8)


def mask(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Rectangles of people: top, bottom, left, right."""
    plane = np.zeros((100, 100), np.uint8)
    for top, bottom, left, right in boxes:
        plane[top:bottom, left:right] = 255
    return plane


@pytest.mark.parametrize(
    ("boxes", "names"),
    [
        ([(40, 100, 20, 70)], {"portrait"}),
        ([(50, 100, 20, 60)], {"half body"}),
        ([(20, 100, 40, 60)], {"full body"}),
        ([(30, 80, 30, 70)], {"full body"}),
        ([(20, 95, 10, 70)], {"full body"}),
        ([(50, 100, 10, 30), (50, 100, 50, 90)], {"several people"}),
        ([(50, 100, 20, 60), (5, 10, 80, 90)], {"half body"}),
        ([(5, 10, 80, 90)], {"full body"}),
        ([], set()),
    ],
)
def test_people_are_told_by_the_mask(boxes, names):
    """By its share, its lower end, its shape and its parts; a part of half a per cent is nobody of their own."""
    assert slices(BRIGHT, mask(*boxes)) == names


def test_dark_is_told_by_the_picture_and_adds_to_the_rest():
    """A mean luma below 60, with somebody or without; green weighs more than blue."""
    assert slices(BRIGHT // 3, mask((40, 100, 20, 70))) == {"portrait", "dark"}
    assert slices(BRIGHT // 3, mask()) == {"dark"}
    green, blue = np.zeros_like(BRIGHT), np.zeros_like(BRIGHT)
    green[..., 1], blue[..., 2] = 180, 180
    assert (slices(green, mask()), slices(blue, mask())) == (set(), {"dark"})
