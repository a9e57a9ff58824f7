"""The matte at the frame's size."""

import cv2
import numpy as np
import pytest

from incognito import refine
from incognito.frame import Frame


def circle(size: int, radius: float, softness: float = 1.0) -> np.ndarray:
    rows, columns = np.indices((size, size)) - size / 2 + 0.5
    return np.clip((radius - np.hypot(rows, columns)) / softness + 0.5, 0, 1).astype(np.float32)


def by_grey(alpha: np.ndarray, small: np.ndarray, frame: Frame) -> np.ndarray:
    return refine.upsample(alpha, refine.guide_of(small, alpha.shape), frame) / np.float32(255)


both_ways = pytest.mark.parametrize("upsample", [by_grey, refine.upsample_still])


@both_ways
def test_upsampling_follows_the_frames_edges(upsample):
    """A coarse matte of a bright disc is sharper after guided upsampling than after interpolation."""
    truth = circle(512, 150)
    frame = Frame.of(np.repeat((40 + 170 * truth[..., None]).astype(np.uint8), 3, axis=2))
    alpha = cv2.resize(truth, (64, 64), interpolation=cv2.INTER_AREA)
    small = cv2.resize(frame.pixels, (64, 64), interpolation=cv2.INTER_AREA)
    guided = upsample(alpha, small, frame)
    plain = cv2.resize(alpha, (512, 512))
    assert np.abs(guided - truth).mean() < 0.4 * np.abs(plain - truth).mean()


@pytest.mark.parametrize("place", [(0.5, 0.5), (0.1, 0.2), (0.9, 0.95), (3.0, 3.0)])
@pytest.mark.parametrize("size", [(360, 640), (301, 517), (40, 30)])
def test_lines_are_drawn_only_where_somebody_is_and_as_if_everywhere(size, place):
    """Not one level is another than by the whole filter; somebody may be at the edge, or nowhere."""
    pixels = np.random.default_rng(3).integers(0, 256, (*size, 3), np.uint8)
    rows, columns = np.mgrid[0:96, 0:112] / np.array([96, 112])[:, None, None]
    alpha = np.clip(6 * (0.25 - np.hypot(rows - place[0], columns - place[1])), 0, 1).astype(np.float32)
    guide = refine.guide_of(cv2.resize(pixels, (112, 96)), alpha.shape)
    slope, offset = (cv2.resize(plane, size[::-1]) for plane in refine._guided(alpha, guide))
    line = slope * cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) + 255 * offset
    whole = np.clip((line / 255 - refine.FLOOR) / (refine.CEILING - refine.FLOOR), 0, 1) * 255
    assert np.abs(refine.upsample(alpha, guide, Frame(pixels)) - whole).max() < 0.51


def test_a_still_follows_edges_that_grey_does_not_show():
    """A red disc on a green of the same grey is an edge for stills alone."""
    truth = circle(512, 150)
    red, green = np.float32([200, 50, 60]), np.float32([30, 137, 60])
    frame = Frame.of((red * truth[..., None] + green * (1 - truth[..., None])).round().astype(np.uint8))
    alpha = cv2.resize(truth, (64, 64), interpolation=cv2.INTER_AREA)
    small = cv2.resize(frame.pixels, (64, 64), interpolation=cv2.INTER_AREA)
    off_still, off_grey = (np.abs(way(alpha, small, frame) - truth).mean() for way in (refine.upsample_still, by_grey))
    assert off_still < 0.4 * off_grey


@both_ways
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_nothing_and_all_stay_so_over_any_texture(portrait, upsample, level):
    """A flat matte stays flat: no pattern of the frame leaks into it."""
    alpha = np.full((64, 64), level, np.float32)
    small = cv2.resize(portrait, (64, 64), interpolation=cv2.INTER_AREA)
    full = upsample(alpha, small, Frame.of(portrait))
    assert np.abs(full - level).max() < 1e-4


def test_a_still_picture_keeps_its_matte_and_a_moving_one_does_not():
    """Memory counts where nothing moves, and not at all where everything does."""
    guide, other = np.full((32, 32), 128, np.uint8), np.full((32, 32), 204, np.uint8)
    memory = refine.Memory(np.ones((32, 32), np.float32), guide)
    new = np.zeros((32, 32), np.float32)
    assert refine.steady(new, guide, memory).alpha == pytest.approx(np.full((32, 32), refine.KEEP), abs=1e-6)
    assert refine.steady(new, other, memory).alpha.max() == 0


def test_spread_gives_no_colour_to_what_weighs_nothing():
    """A blur by weight: the masked half lends nothing to the other."""
    colours = np.zeros((40, 40, 3), np.float32)
    colours[:, :20], colours[:, 20:] = (255, 0, 0), (0, 0, 255)
    weight = np.zeros((40, 40), np.float32)
    weight[:, 20:] = 1
    assert refine.spread(colours, weight, 5)[..., 0].max() < 1
    assert refine.spread(colours, weight, 5)[..., 2].min() > 250
