"""The person's own colours at the edges, found again from a picture and its alpha."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from incognito import foreground
from incognito.frame import Frame

SIZE = (225, 300)


def mixed(alpha: np.ndarray, portrait: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A person's colours, and what a camera sees of them before a wall, green on one side and blue on the other."""
    person = cv2.GaussianBlur(cv2.resize(portrait, SIZE[::-1], interpolation=cv2.INTER_AREA), (0, 0), 12)
    wall = np.linspace((20, 220, 40), (40, 60, 230), SIZE[1], dtype=np.float32)[None]
    weight = alpha[..., None]
    return person, np.rint(person * weight + wall * (1 - weight)).astype(np.uint8)


@pytest.fixture
def disc() -> np.ndarray:
    """A disc with an edge that is soft for some 16 pixels."""
    hard = np.zeros(SIZE, np.float32)
    cv2.circle(hard, (160, 120), 70, 1.0, -1)
    return cv2.GaussianBlur(hard, (0, 0), 4).clip(0.01, 0.99) * np.float32(1 / 0.98) - np.float32(0.01 / 0.98)


def test_the_old_background_is_taken_out_of_the_edge(disc, portrait):
    """What is left of it is a fifth of what was there; sure pixels stay as they are to the bit."""
    person, seen = mixed(disc, portrait)
    clean = foreground.decontaminate(Frame.of(seen), disc)
    edge = (disc > 0.05) & (disc < 0.95)
    before, after = (np.abs(each[edge].astype(int) - person[edge]).mean() for each in (seen, clean))
    assert before > 20 and after < before / 5
    sure = (disc <= 0) | (disc >= 1)
    assert sure.any() and np.array_equal(clean[sure], seen[sure])


def test_strips_leave_no_seam(disc, portrait, monkeypatch):
    """A large photo is worked on in strips, and comes out as at once."""
    _, seen = mixed(disc, portrait)
    whole = foreground.decontaminate(Frame.of(seen), disc)
    monkeypatch.setattr(foreground, "ROWS", 32)
    assert np.array_equal(foreground.decontaminate(Frame.of(seen), disc), whole)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (33, 65)])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_any_size_and_any_alpha(size, alpha):
    """Without an edge, or with nothing else, a plain picture stays what it is."""
    plain = np.full((*size, 3), (200, 100, 50), np.uint8)
    clean = foreground.decontaminate(Frame.of(plain), np.full(size, alpha, np.float32))
    assert np.abs(clean.astype(int) - plain).max() <= 1


def test_hair_on_a_coloured_wall(portrait):
    """Thin strands keep their colour and lose the wall's."""
    alpha = np.zeros(SIZE, np.float32)
    alpha[:, 100:] = 1
    for row in range(10, 230, 6):
        cv2.line(alpha, (100, row), (40, row + 9), 0.7, 1, cv2.LINE_AA)
    wall, hair = np.float32([30, 200, 60]), np.float32([90, 60, 40])
    seen = (hair * alpha[..., None] + wall * (1 - alpha[..., None])).round().astype(np.uint8)
    clean = foreground.decontaminate(Frame.of(seen), alpha)
    strands = (alpha > 0.2) & (alpha < 1)
    assert np.abs(seen[strands] - hair).mean() > 20 and np.abs(clean[strands] - hair).mean() < 8
