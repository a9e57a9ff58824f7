"""How good a matte is."""

import numpy as np
import pytest

from incognito.lab import metrics


def half(columns: int) -> np.ndarray:
    mask = np.zeros((40, 40), np.uint8)
    mask[:, :columns] = 255
    return mask


def test_a_perfect_matte_scores_one():
    """In every figure."""
    score = metrics.score(half(20) / 255, half(20))
    assert (score.iou, score.background_iou, score.mean_iou, score.f_score, score.boundary_f) == (1, 1, 1, 1, 1)
    assert (score.mad, score.boundary_f_full, score.gradient) == (0, 1, 0)


def test_iou_is_counted_by_hand():
    """Ten columns of thirty wrong: IoU 20/30 for the person, 10/20 for the place."""
    score = metrics.score(half(30) / 255, half(20))
    assert score.iou == pytest.approx(20 / 30)
    assert score.background_iou == pytest.approx(10 / 20)
    assert score.mean_iou == pytest.approx((20 / 30 + 10 / 20) / 2)
    assert score.f_score == pytest.approx(2 * 20 / (30 + 20))
    assert score.mad == pytest.approx(10 / 40)


def test_nobody_found_where_nobody_is_scores_one():
    """Empty masks have a defined value."""
    assert metrics.score(np.zeros((40, 40)), half(0)).iou == 1
    assert metrics.score(np.ones((40, 40)), half(0)).iou == 0


def test_the_boundary_must_be_near():
    """Off by the tolerance is right, by more is wrong: 2 pixels of 256."""
    truth = np.zeros((256, 256), np.uint8)
    truth[:, :100] = 255
    for off, right in ((0, 1), (2, 1), (3, 0)):
        found = np.roll(truth, off, 1) | truth
        assert metrics.score(found / 255, truth).boundary_f == right


def test_ignored_pixels_are_not_scored():
    """An error where nothing is known is none."""
    valid = np.full((40, 40), 255, np.uint8)
    valid[:, 20:30] = 0
    assert metrics.score(half(30) / 255, half(20), valid).iou == 1


def test_at_full_size_the_boundary_is_judged_in_its_own_pixels():
    """Three pixels off at 512 are right within 2 of 256, and wrong within 2 of 512."""
    truth = np.zeros((512, 512), np.uint8)
    truth[:, :200] = 255
    found = metrics.score((np.roll(truth, 3, 1) | truth) / 255, truth)
    assert (found.boundary_f, found.boundary_f_full) == (1, 0)
    assert metrics.score((np.roll(truth, 2, 1) | truth) / 255, truth).boundary_f_full == 1


def test_the_gradient_of_a_ramp_is_the_same_everywhere():
    """Along either axis, and twice as much for a ramp twice as steep."""
    ramp = np.tile(np.arange(40, dtype=np.float32) / 40, (40, 1))
    steep = metrics.steepness(ramp)[10:-10, 10:-10]
    assert steep.min() == pytest.approx(steep.max(), rel=1e-4)
    assert metrics.steepness(ramp.T.copy())[20, 20] == pytest.approx(steep[0, 0], rel=1e-4)
    assert metrics.steepness(ramp * 2)[20, 20] == pytest.approx(2 * steep[0, 0], rel=1e-4)


def test_the_gradients_error_sees_soft_edges_and_ignores_what_is_not_known():
    """A blurred edge costs, one that was shifted costs more, one of which nothing is known costs nothing."""
    mask = half(20)
    soft = np.clip((30 - np.arange(40)) / 20, 0, 1) * np.ones((40, 1))
    blurred, shifted = metrics.gradient_error(soft, mask), metrics.gradient_error(half(30) / 255, mask)
    assert 0 < blurred < shifted
    known = np.ones((40, 40), bool)
    known[:, 5:] = False
    assert metrics.gradient_error(soft, mask, known) == 0
    assert metrics.gradient_error(soft, mask, np.zeros_like(known)) == 0
