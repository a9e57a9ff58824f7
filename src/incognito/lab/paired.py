"""Paired differences: how much better one is than another on the same pictures, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
SEED = 0
LEVEL = 95.0  # per cent of the resamples' means lie in the interval
AT_ONCE = 1_000  # resamples, so that thousands of blocks stay within megabytes


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference and its interval, which is NaN where there is only one block."""

    mean: float
    low: float
    high: float


def bootstrap(blocks: Sequence[np.ndarray], seed: int = SEED) -> Difference:
    """The mean over all values, with a 95 % interval from resampling whole blocks; at least one value.

    A block holds what is alike: neighbouring frames of a clip, or a single picture. After Efron 1979 (the percentile
    interval) and Künsch 1989 (blocks).
    """
    if len(blocks) == 1:
        return Difference(float(blocks[0].mean()), math.nan, math.nan)
    sums = np.array([block.sum() for block in blocks], np.float64)
    sizes = np.array([len(block) for block in blocks])
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(0, RESAMPLES, AT_ONCE):
        drawn = rng.integers(0, len(sums), (AT_ONCE, len(sums)))
        means.append(sums[drawn].sum(1) / sizes[drawn].sum(1))
    low, high = np.percentile(np.concatenate(means), [50 - LEVEL / 2, 50 + LEVEL / 2])
    return Difference(float(sums.sum() / sizes.sum()), float(low), float(high))
