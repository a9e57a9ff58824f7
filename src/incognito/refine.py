"""From the network's matte to the frame's: steady over time, sharp at the frame's edges, free of the old background."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from incognito import buffers
from incognito.frame import Box, Frame, Matte, Picture, Plane, resize, strips
from incognito.hands import shared

RADIUS = 3  # of the guided filter's window, in the network's pixels: 2 lost 0.007 boundary F on validation portraits
WINDOW = np.full(2 * RADIUS + 1, 1 / (2 * RADIUS + 1), np.float32)
EPSILON = 1e-3  # contrast, squared, below which the guide is taken for flat
# A network's alpha is a belief: below and above these it is sure, and a room must not shimmer through. Mean error on
# validation portraits and heads: 0.032, and 0.040 with 0.04 and 0.96.
FLOOR, CEILING = 0.2, 0.8
STRETCH = np.float32(1 / (CEILING - FLOOR))
FAINT = 0.1  # alpha below which nobody is: half of FLOOR
MARGIN = 3 * RADIUS  # pixels beyond somebody: as far as two windows reach, and one in which there is nothing

# By all colours a wider window pays: over grey's, windows of 3, 4, 6 and 10 pixels brought 0.001, 0.002, 0.003, 0.002
# of IoU on 160 validation photos, and 0.004, 0.009, 0.012 and 0.007 of boundary F.
STILL_RADIUS, STILL_EPSILON = 6, 1e-4

PLACE_SIDE = 8  # of the squares of pixels for which the place behind a stream's person is estimated: 4 was no better

STILL, MOVED = np.float32(0.015 * 255), np.float32(0.06 * 255)  # levels that grey changes near a pixel: noise, motion
CUT = 0.6  # share of the picture that moved, above which it is another one, and nothing is remembered
KEEP = 0.7  # how much of the remembered alpha stays where nothing moves


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """The last matte, float32 (h, w), and the guide it was found with, uint8 (h, w), of the network's size."""

    alpha: Plane
    guide: np.ndarray


def guide_of(small: Picture, size: tuple[int, ...]) -> np.ndarray:
    """The grey of the network's input, uint8, at the size (h, w) of its output."""
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return grey if grey.shape == size else cv2.resize(grey, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def steady(alpha: Plane, guide: np.ndarray, last: Memory | None) -> Memory:
    """Mix a new alpha with the remembered one: the old where the picture stands still, the new where it moves."""
    if last is None:
        return Memory(alpha, guide)
    change = cv2.boxFilter(cv2.absdiff(guide, last.guide), cv2.CV_32F, (9, 9))
    if np.count_nonzero(change > MOVED) > CUT * change.size:
        return Memory(alpha, guide)
    keep = np.clip((MOVED - change) * np.float32(KEEP / (MOVED - STILL)), 0, np.float32(KEEP))
    return Memory(alpha + keep * (last.alpha - alpha), guide)


def upsample(alpha: Plane, guide: np.ndarray, frame: Frame) -> np.ndarray:
    """Bring alpha (h, w) to the frame's size along the frame's own edges: levels, uint8 (H, W).

    The fast guided filter (He and Sun 2015): alpha = a x grey + b, with a and b found at the network's size and only
    interpolated at the frame's; and only around whoever is there.
    """
    slope, offset, reached = _lines_around(alpha, guide)
    cells, columns = _seams(reached, frame.size[1])
    wide = frame.size[0], columns.stop - columns.start
    slopes, offsets = (_part_of(buffers.empty(frame.size, np.float32), wide) for _ in range(2))
    lines = (slope[:, cells], slopes), (offset[:, cells], offsets)
    shared(lambda line: cv2.resize(line[0], wide[::-1], dst=line[1]), lines)
    levels = buffers.empty(frame.size)
    levels.fill(0)

    def follow(box: Box) -> None:
        within = box[0], slice(box[1].start - columns.start, box[1].stop - columns.start)
        grey = cv2.cvtColor(frame.pixels[box], cv2.COLOR_RGB2GRAY)
        lift = cv2.multiply(slopes[within], grey, dtype=cv2.CV_32F)
        cv2.add(lift, offsets[within], dst=levels[box], dtype=cv2.CV_8U)

    shared(follow, _reached(reached, frame.size))
    return levels


def _seams(where: np.ndarray, width: int) -> Box:
    """The columns of a uint8 (h, w) that are not all 0, and those that they become where w is stretched to width.

    Both begin and end at a seam, where a column of the one and of the other begin together, and so far beyond that
    nothing of what is left out is missed.
    """
    seams = math.gcd(where.shape[1], width)
    few, many = where.shape[1] // seams, width // seams  # columns between two seams
    left, _, wide, _ = cv2.boundingRect(where)
    first, last = max(0, (left - 1) // few - 1), min(seams, -(-(left + wide + 1) // few) + 1)
    return slice(first * few, last * few), slice(first * many, last * many)


def _part_of(plane: Plane, size: tuple[int, int]) -> Plane:
    """A smaller plane in the memory of another, without gaps between its rows."""
    return plane.reshape(-1)[: size[0] * size[1]].reshape(size)


def _lines_around(alpha: Plane, guide: np.ndarray) -> tuple[Plane, Plane, np.ndarray]:
    """The lines level = slope x grey + offset, and where one of them reaches a level over 0, uint8 of 0 and 1.

    They are those of `_guided` from FLOOR to CEILING, found where somebody is and as far beyond as the filter looks;
    elsewhere alpha = 0.
    """
    left, top, width, height = cv2.boundingRect((alpha > FAINT).view(np.uint8))
    box = slice(max(0, top - MARGIN), top + height + MARGIN), slice(max(0, left - MARGIN), left + width + MARGIN)
    steep, begin = _guided(alpha[box], guide[box])
    steep, begin = steep * STRETCH, (begin - np.float32(FLOOR)) * (255 * STRETCH)
    slope, offset = np.zeros_like(alpha), np.full_like(alpha, -FLOOR * 255 * STRETCH)
    reached = np.zeros(alpha.shape, np.uint8)
    slope[box], offset[box], reached[box] = steep, begin, begin + 255 * np.maximum(steep, 0) > 0
    return slope, offset, reached


def _reached(where: np.ndarray, size: tuple[int, int]) -> Iterator[Box]:
    """Strips of a picture of size (H, W), as wide as interpolation brings the pixels of a uint8 (h, w) over 0."""
    down, right = size[0] / where.shape[0], size[1] / where.shape[1]
    for rows, _ in strips((slice(0, size[0]), slice(0, size[1]))):
        near = slice(max(0, int(rows.start / down) - 1), math.ceil(rows.stop / down) + 1)
        left, _, width, _ = cv2.boundingRect(where[near])
        if width:
            yield rows, slice(max(0, int((left - 1) * right)), min(size[1], math.ceil((left + width + 1) * right)))


def upsample_still(alpha: Plane, small: Picture, frame: Frame) -> Plane:
    """Bring a still's alpha (h, w) to its size as `upsample` does, but along the edges of all its colours.

    `small` is the network's input, uint8 RGB. It costs about four times as much, so films have grey (He et al. 2013).
    """
    if small.shape[:2] != alpha.shape:
        small = cv2.resize(small, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    colours = [plane.astype(np.float32) * np.float32(1 / 255) for plane in cv2.split(small)]
    slopes, offset = _guided_by_colours(alpha, colours)
    return _on_line(slopes, offset, (cv2.extractChannel(frame.pixels, channel) for channel in range(3)), frame.size)


def _on_line(slopes: Sequence[Plane], offset: Plane, guides: Iterable[np.ndarray], size: tuple[int, int]) -> Plane:
    """The sum of slopes x guides + offset, from FLOOR to CEILING; guides are uint8 (H, W) of size (height, width)."""
    wide = size[::-1]
    full = cv2.resize((offset - np.float32(FLOOR)) * STRETCH, wide, interpolation=cv2.INTER_LINEAR)
    for slope, guide in zip(slopes, guides, strict=True):
        a = cv2.resize(slope * (STRETCH / np.float32(255)), wide, interpolation=cv2.INTER_LINEAR)
        full = cv2.add(full, cv2.multiply(a, guide, dst=a, dtype=cv2.CV_32F), dst=full)
    return np.clip(full, 0, 1, out=full)


def _guided(alpha: Plane, guide: np.ndarray) -> tuple[Plane, Plane]:
    """The line alpha = a x guide / 255 + b around each pixel, averaged over the windows that hold it."""
    guide = guide * np.float32(1 / 255)
    mean_guide, mean_alpha = _mean(guide), _mean(alpha)
    covariance = _mean(guide * alpha) - mean_guide * mean_alpha
    variance = _mean(guide * guide) - mean_guide * mean_guide
    slope = covariance / (variance + np.float32(EPSILON))
    return _mean(slope), _mean(mean_alpha - slope * mean_guide)


def _mean(plane: Plane) -> Plane:
    """The mean of each pixel's window; for so small a one in two thirds of cv2.blur's time, which sums in float64."""
    return cv2.sepFilter2D(plane, -1, WINDOW, WINDOW)


def _guided_by_colours(alpha: Plane, colours: Sequence[Plane]) -> tuple[list[Plane], Plane]:
    """The plane alpha = a x colours + b around each pixel, averaged over the windows that hold it."""

    def mean(plane: Plane) -> Plane:
        return cv2.blur(plane, (2 * STILL_RADIUS + 1,) * 2)

    centres, level = [mean(colour) for colour in colours], mean(alpha)
    pulls = [mean(colour * alpha) - centre * level for colour, centre in zip(colours, centres, strict=True)]
    spreads = {
        (i, j): mean(colours[i] * colours[j]) - centres[i] * centres[j] + np.float32(STILL_EPSILON if i == j else 0)
        for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    }
    slopes = _solve(spreads, pulls)
    offset = level - sum(slope * centre for slope, centre in zip(slopes, centres, strict=True))
    return [mean(slope) for slope in slopes], mean(offset)


def _solve(matrix: dict[tuple[int, int], Plane], right: list[Plane]) -> list[Plane]:
    """Solve a symmetric 3x3 system for each pixel by its adjugate, from the planes of its upper triangle."""
    a, b, c, d, e, f = (matrix[place] for place in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))
    first, second, third = d * f - e * e, c * e - b * f, b * e - c * d
    over = 1 / (a * first + b * second + c * third)
    x, y, z = right
    return [
        (first * x + second * y + third * z) * over,
        (second * x + (a * f - c * c) * y + (b * c - a * e) * z) * over,
        (third * x + (b * c - a * e) * y + (a * d - b * b) * z) * over,
    ]


def place_behind(frame: Frame, matte: Matte) -> Picture:
    """The colours of the place around and behind a person, uint8 RGB (H, W, 3), as the pixels beside them have them.

    One is found for PLACE_SIDE x PLACE_SIDE pixels of the frame, from those that are surely place.
    """
    size = max(1, frame.size[0] // PLACE_SIDE), max(1, frame.size[1] // PLACE_SIDE)
    person = cv2.dilate(resize(matte.levels, size), np.ones((3, 3), np.uint8))
    colours = spread(frame.shrunk(size), 1 - person * np.float32(1 / 255), 1.0)
    return cv2.resize(colours, frame.size[::-1], dst=buffers.empty(frame.pixels.shape))


def spread(colours: Picture, weight: Plane, sigma: float) -> Picture:
    """Blur colours uint8 (h, w, 3) by weight float32 (h, w), so that what weighs nothing lends no colour.

    Plane by plane, which takes half the time of all together.
    """
    few = 1e-3  # where no weight is near, the mean of all of it stands in
    share = 1 / (cv2.GaussianBlur(weight, (0, 0), sigma) + np.float32(few * max(cv2.mean(weight)[0], 1e-6)))
    return cv2.merge([_spread(plane, weight, share, sigma, few) for plane in cv2.split(colours)])


def _spread(plane: np.ndarray, weight: Plane, share: Plane, sigma: float, few: float) -> np.ndarray:
    weighed = plane * weight
    blurred = cv2.GaussianBlur(weighed, (0, 0), sigma) + np.float32(few * cv2.mean(weighed)[0])
    return cv2.convertScaleAbs(blurred * share)
