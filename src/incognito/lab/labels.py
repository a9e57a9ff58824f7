"""Labels beside points, each where it hides the least."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, cos, dist, pi, sin

from matplotlib.textpath import TextPath

Spot = tuple[float, float]  # points of 1/72 inch, from the left and from below
Box = tuple[float, float, float, float]  # left, low, right, high

SIZE = 8.5  # points
RADII = (7, 11, 16, 23, 32, 43, 56)  # how far from its point a label may stand; the nearest free place is taken
TURNS = 16
GAP = 3  # to the left and right of a text
MARK, STROKE = 5, 2  # half the side of the squares that a marker and a piece of a line take


def place(names: list[tuple[str, Spot]], marks: list[Spot], lines: list[list[Spot]], frame: Box) -> list[Box]:
    """Find for each name at its spot a box near by, clear of marks, lines, the frame and the names before it."""
    taken = [_square(spot, MARK) for spot in marks]
    taken += [_square(spot, STROKE) for line in lines for pair in pairwise(line) for spot in _between(*pair)]
    found: list[Box] = []
    for name, anchor in names:
        boxes = _around(anchor, TextPath((0, 0), name, size=SIZE).get_extents().width + 2 * GAP)
        best = min(
            boxes, key=lambda box: sum(_meet(box, other) for other in taken + found) + 100 * (not _inside(box, frame))
        )
        found.append(best)
    return found


def hair(anchor: Spot, box: Box) -> list[Spot]:
    """The line from a point to the nearest spot of its label; none where it stands close by."""
    near = min(max(anchor[0], box[0]), box[2]), min(max(anchor[1], box[1]), box[3])
    return [anchor, near] if dist(anchor, near) > RADII[1] else []


def beginning(box: Box) -> Spot:
    """Where the line that a box's text stands on begins."""
    return box[0] + GAP, box[1] + 0.25 * SIZE


def _around(anchor: Spot, width: float) -> list[Box]:
    """The boxes that a text could fill, nearest first, each beside a circle around the anchor."""
    height, boxes = 1.25 * SIZE, []
    for radius in RADII:
        for turn in range(TURNS):
            across, up = cos(2 * pi * turn / TURNS), sin(2 * pi * turn / TURNS)
            left = anchor[0] + radius * across + (across - 1) / 2 * width
            low = anchor[1] + radius * up + (up - 1) / 2 * height
            boxes.append((left, low, left + width, low + height))
    return boxes


def _between(first: Spot, last: Spot) -> list[Spot]:
    """Spots along a straight line, 4 points apart at the most."""
    count = ceil(dist(first, last) / 4) + 1
    shares = [step / count for step in range(count + 1)]
    return [(first[0] + t * (last[0] - first[0]), first[1] + t * (last[1] - first[1])) for t in shares]


def _square(spot: Spot, half: float) -> Box:
    return spot[0] - half, spot[1] - half, spot[0] + half, spot[1] + half


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _inside(box: Box, frame: Box) -> bool:
    return frame[0] <= box[0] and frame[1] <= box[1] and box[2] <= frame[2] and box[3] <= frame[3]
