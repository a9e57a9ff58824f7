"""How the learning rate moves: a rise, then a cosine's fall, or cuts where validation no longer improves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from incognito.lab.recipe import Training

CUT = 0.3  # what a plateau leaves of the rate


@dataclass(slots=True)
class Progress:
    """What the validations said so far: the best IoU, and how many came since without a better one."""

    best: float = -1.0
    waited: int = 0
    cuts: int = 0

    def judge(self, iou: float, patience: int) -> bool:
        """Take in a validation; whether it is the best so far."""
        if iou > self.best:
            self.best, self.waited = iou, 0
            return True
        self.waited += 1
        if patience and self.waited % patience == 0:
            self.cuts += 1
        return False


def pace(training: Training, seen: int, progress: Progress) -> float:
    """The share of the peak rate after `seen` pictures.

    "cosine" rises over the warm-up, then falls to 1 %; "plateau" rises, then keeps CUT of itself at each cut.
    """
    if seen < training.warmup:
        return (seen + 1) / training.warmup
    if training.schedule == "plateau":
        return CUT**progress.cuts
    done = (seen - training.warmup) / max(1, training.pictures - training.warmup)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2
