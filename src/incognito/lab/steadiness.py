"""How steady a clip's mattes are: their change against the truth's, their flicker where nothing moves, their delay.

Everywhere `found` are the mattes of a clip's frames, float32 (T, H, W) in [0, 1], and `masks` the truth, uint8 of the
same shape; arrays or lists of frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Frames = Sequence[np.ndarray]
LEVELS = 2  # grey levels that a soft mask may change by without anything having moved: rounding
AWAY = 4  # pixels that still parts keep from moving ones, whose blurred rim would count as flicker
LONGEST = 5  # frames of delay that are looked for
MOVES = 25  # grey levels that a pixel of the truth changes by, within the frames compared, where something moves


def dtssd(found: Frames, masks: Frames) -> float | None:
    """Root mean squared difference of both changes from frame to frame, averaged over pairs; None without a pair.

    Erofeev et al. 2015, "Perceptually Motivated Benchmark for Video Matting". 0 is best, also for a constant error.
    """
    pairs = []
    for k in range(1, len(found)):
        true_change = cv2.subtract(masks[k], masks[k - 1], dtype=cv2.CV_32F) / 255
        pairs.append(float(np.sqrt(np.mean(np.square(found[k] - found[k - 1] - true_change)))))
    return float(np.mean(pairs)) if pairs else None


def still_change(found: Frames, masks: Frames) -> float | None:
    """Mean absolute change of alpha from frame to frame where the truth stands still; None where it never does.

    Pixels within 4 of one that moved are left out.
    """
    total, count = 0.0, 0
    window = np.ones((2 * AWAY + 1, 2 * AWAY + 1), np.uint8)
    for k in range(1, len(found)):
        moved = (cv2.absdiff(masks[k], masks[k - 1]) > LEVELS).astype(np.uint8)
        still = cv2.dilate(moved, window) == 0
        total += float(np.abs(found[k] - found[k - 1])[still].sum(dtype=np.float64))
        count += int(np.count_nonzero(still))
    return total / count if count else None


def lag(found: Frames, masks: Frames) -> float | None:
    """The delay in frames, 0 to 5, at which the mattes fit the truth best; None in 8 frames or where nothing moves.

    The least mean squared difference on pixels where the truth moves, with a parabola through it and its neighbours.
    """
    shifts = range(-1, LONGEST + 2)  # one more on both sides, for the parabola
    errors = np.zeros(len(shifts))
    for k in range(LONGEST + 1, len(found) - 1):
        near = np.stack([masks[k - shift] for shift in shifts])
        moving = np.ptp(near, axis=0) > MOVES
        errors += np.square(found[k][moving] - near[:, moving] / np.float32(255)).sum(1, dtype=np.float64)
    if not errors.any():
        return None
    best = 1 + int(np.argmin(errors[1:-1]))
    return float(np.clip(_lowest(errors, best) - 1, 0, LONGEST))


def _lowest(errors: np.ndarray, best: int) -> float:
    """Where a parabola through the least error and its neighbours is lowest; a perfect fit stays where it is."""
    before, least, after = errors[best - 1 : best + 2]
    bend = before - 2 * least + after
    return best + (0.5 * (before - after) / bend if least and bend > 0 else 0.0)
