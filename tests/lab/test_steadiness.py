"""How steady mattes are, on clips whose answer is known."""

import numpy as np
import pytest

from incognito.lab import steadiness


def square(left: float, size: int = 64) -> np.ndarray:
    """A mask with a square of 20 pixels whose left edge may lie between pixels."""
    mask = np.zeros((size, size), np.float32)
    whole, share = int(left), left - int(left)
    mask[20:40, whole : whole + 20] = 255 * (1 - share)
    mask[20:40, whole + 1 : whole + 21] += 255 * share
    return mask.round().astype(np.uint8)


def moving(frames: int = 24, pace: float = 1.5) -> np.ndarray:
    return np.stack([square(2 + pace * k) for k in range(frames)])


def mattes(masks: np.ndarray) -> np.ndarray:
    return masks.astype(np.float32) / 255


def test_a_perfect_matte_is_steady_and_never_late():
    """Zeros in every figure."""
    masks = moving()
    found = mattes(masks)
    assert steadiness.dtssd(found, masks) == pytest.approx(0, abs=1e-6)
    assert steadiness.still_change(found, masks) == 0
    assert steadiness.lag(found, masks) == 0


@pytest.mark.parametrize("delay", [0.0, 0.5, 1.0, 2.0, 3.0, 4.6, 5.0])
def test_the_lag_is_the_delay(delay):
    """In fractions of a frame: the square was there so many frames before."""
    masks = moving()
    late = mattes(np.stack([square(max(0.0, 2 + 1.5 * (k - delay))) for k in range(len(masks))]))
    assert steadiness.lag(late, masks) == pytest.approx(delay, abs=0.1)


def test_a_memory_is_late_by_what_it_keeps():
    """A matte that keeps half of the last one lags by about a frame, whatever noise is on it."""
    masks = moving()
    kept = [mattes(masks)[0]]
    for alpha in mattes(masks)[1:]:
        kept.append(0.5 * kept[-1] + 0.5 * alpha)
    noise = np.random.default_rng(0).normal(0, 0.05, masks.shape).astype(np.float32)
    assert steadiness.lag(np.stack(kept) + noise, masks) == pytest.approx(0.7, abs=0.4)


def test_a_still_or_a_short_clip_has_no_lag():
    """There is nothing to be late for, or too little to tell."""
    still = np.repeat(square(10)[None], 12, 0)
    assert steadiness.lag(mattes(still), still) is None
    assert steadiness.lag(mattes(moving(7)), moving(7)) is None


def test_flicker_on_a_still_clip_is_counted_by_hand():
    """Half of the pixels between 0 and 0.2: a change of 0.1 on average, 0.2 / sqrt(2) as a root mean square."""
    masks = np.zeros((10, 32, 32), np.uint8)
    found = np.zeros(masks.shape, np.float32)
    found[1::2, :16] = 0.2
    assert steadiness.still_change(found, masks) == pytest.approx(0.1)
    assert steadiness.dtssd(found, masks) == pytest.approx(0.2 / np.sqrt(2))


def test_a_constant_error_is_steady():
    """However wrong a matte is, one that does not change as the truth does not is no flicker."""
    masks = np.repeat(square(10)[None], 5, 0)
    found = np.full(masks.shape, 0.7, np.float32)
    assert steadiness.dtssd(found, masks) == 0
    assert steadiness.still_change(found, masks) == 0


def test_what_moves_is_no_flicker():
    """Change within four pixels of a moving edge counts for nothing, beyond it for all that it is."""
    masks = moving(frames=2, pace=4)
    near, far = mattes(masks), mattes(masks)
    near[1, 30, 2 + 24 + 3] += 0.5
    far[1, 30, 2 + 24 + 10] += 0.5
    assert steadiness.still_change(near, masks) == 0
    assert steadiness.still_change(far, masks) > 0


def test_where_everything_moves_nothing_is_still():
    """And one frame alone has no pair."""
    masks = np.stack([np.full((16, 16), 255 * (k % 2), np.uint8) for k in range(4)])
    assert steadiness.still_change(mattes(masks), masks) is None
    assert steadiness.dtssd(mattes(masks)[:1], masks[:1]) is None
