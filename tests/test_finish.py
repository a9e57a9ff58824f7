"""How a photo is finished."""

from __future__ import annotations

import numpy as np
import pytest

from incognito import cutout
from incognito.background import Blur, Colour, Transparent
from incognito.errors import InputError, UsageError
from incognito.finish import Finish, Layers, finished, parse, shadow_of
from incognito.frame import Frame, Matte
from incognito.still import Still

GREEN = Colour(0, 177, 64)


@pytest.fixture
def square() -> tuple[Still, Matte]:
    """A white square, 20 x 10 (high and wide) at (30, 40), in a blue picture of 100 x 120."""
    pixels = np.full((100, 120, 3), (20, 30, 200), np.uint8)
    alpha = np.zeros((100, 120), np.float32)
    pixels[30:50, 40:50], alpha[30:50, 40:50] = 255, 1
    return Still(Frame(pixels)), Matte(alpha)


def test_a_crop_is_the_persons_own_box(square):
    """And the margin goes around it, as pixels or as a share of the longer side."""
    assert cutout.make(*square, Transparent(), Finish(crop=True)).shape == (20, 10, 4)
    assert cutout.make(*square, Transparent(), Finish(crop=True, margin=5)).shape == (30, 20, 4)
    assert cutout.make(*square, Transparent(), Finish(crop=True, margin=0.25)).shape == (30, 20, 4)


def test_a_margin_beyond_the_picture_is_empty_or_cut_short(square):
    """Over nothing there is nothing; what is behind ends where the picture ends."""
    picture = cutout.make(*square, Transparent(), Finish(crop=True, margin=60))
    assert picture.shape == (140, 130, 4) and picture[0, 0].tolist() == [0, 0, 0, 0]
    assert picture[60 + 10, 60 + 5].tolist() == [255, 255, 255, 255]
    assert cutout.make(*square, Blur(), Finish(crop=True, margin=60)).shape == (100, 110, 3)


@pytest.mark.parametrize("background", [Transparent(), GREEN, Blur()], ids=["nothing", "colour", "blur"])
@pytest.mark.parametrize("size", [(50, 60), (64, 200), (300, 90)])
def test_a_size_is_what_comes_out(square, background, size):
    """Whatever the shape; what is behind covers all of it."""
    picture = cutout.make(*square, background, Finish(size=size))
    assert picture.shape == (*size, 4 if isinstance(background, Transparent) else 3)
    if background is GREEN:
        assert picture[0, 0].tolist() == picture[-1, -1].tolist() == [0, 177, 64]


def test_a_person_is_as_large_as_fits(square):
    """In the middle."""
    picture = cutout.make(*square, Transparent(), Finish(crop=True, size=(200, 200)))
    rows, columns = np.nonzero(picture[..., 3] > 128)
    assert (rows.min(), rows.max()) == (0, 199)
    assert (columns.min(), columns.max()) == (50, 149)


def test_a_shadow_lies_below(square):
    """Darker there than elsewhere; over nothing it is black that shines through, and the person is as before."""
    plain = cutout.make(*square, GREEN, Finish())
    soft = cutout.make(*square, GREEN, Finish(shadow="soft"))
    assert soft[52, 45, 1] < plain[52, 45, 1] - 15 and abs(int(soft[5, 5, 1]) - 177) <= 1
    assert np.array_equal(soft[32:48, 42:48], plain[32:48, 42:48])
    nothing = cutout.make(*square, Transparent(), Finish(shadow="soft"))
    assert 15 < nothing[52, 45, 3] < 140 and nothing[52, 45, :3].max() <= 2
    assert nothing[40, 45].tolist() == [255, 255, 255, 255]


def test_nobody_cannot_be_cropped_to():
    """One line."""
    nobody = Layers(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32), None)
    with pytest.raises(InputError, match="nobody to crop"):
        finished(nobody, Finish(crop=True))


def test_a_shadow_is_no_darker_than_it_may_be(square):
    """Whatever the person's size."""
    assert 0 < shadow_of(square[1].alpha).max() <= 0.45


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((True, "24px", None, "none", False, True), Finish(crop=True, margin=24)),
        ((True, "5%", "1200x1600", "soft", True, False), Finish(True, 0.05, (1600, 1200), "soft", True, False)),
        ((False, "0", None, "none", False, True), Finish()),
    ],
)
def test_words_are_understood(words, expected):
    """As they are typed."""
    assert parse(*words) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((True, "much", None, "none", False, True), "--margin 'much' cannot be"),
        ((True, "101%", None, "none", False, True), "--margin '101%' cannot be"),
        ((False, "5%", None, "none", False, True), "add --crop"),
        ((False, "0", "12", "none", False, True), "--size '12' cannot be"),
        ((False, "0", "0x9", "none", False, True), "--size '0x9' cannot be"),
        ((False, "0", None, "long", False, True), "--shadow 'long' cannot be"),
    ],
)
def test_words_that_mean_nothing_are_refused(words, message):
    """In one line that says what can be given."""
    with pytest.raises(UsageError, match=message):
        parse(*words)
