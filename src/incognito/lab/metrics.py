"""How good a matte is, against a mask: overlap, the boundary's F measure and the mean difference."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, slots=True)
class Score:
    """One picture's figures, each in [0, 1]."""

    iou: float  # of the person
    background_iou: float
    boundary_f: float
    mad: float  # mean absolute difference of alpha

    @property
    def mean_iou(self) -> float:
        """The mean over the two classes, person and background."""
        return (self.iou + self.background_iou) / 2

    @property
    def f_score(self) -> float:
        """The harmonic mean of the person's precision and recall, which is Dice."""
        return 2 * self.iou / (1 + self.iou)


def score(alpha: np.ndarray, mask: np.ndarray, valid: np.ndarray | None = None) -> Score:
    """Score alpha, float (H, W) in [0, 1], against mask, uint8 (H, W); all but MAD with both cut at one half."""
    found, truth = alpha >= 0.5, mask >= 128
    known = np.ones_like(truth) if valid is None else valid > 0
    return Score(
        intersection_over_union(found & known, truth & known),
        intersection_over_union(~found & known, ~truth & known),
        boundary_f(found & known, truth & known),
        float(np.abs(alpha - mask / 255)[known].mean()) if known.any() else 0.0,
    )


def intersection_over_union(found: np.ndarray, truth: np.ndarray) -> float:
    """IoU of two bool (H, W) masks; 1 where both are empty."""
    union = np.count_nonzero(found | truth)
    return np.count_nonzero(found & truth) / union if union else 1.0


def boundary_f(found: np.ndarray, truth: np.ndarray, tolerance: float = 2 / 256) -> float:
    """F measure of the boundaries, matched within tolerance x the mean side (2 pixels at 256); 1 if both are empty.

    After Perazzi et al. 2016 (DAVIS).
    """
    reach = max(1, round(tolerance * float(np.sqrt(truth.size))))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    edge_found, edge_truth = outline(found), outline(truth)
    if not edge_found.any() and not edge_truth.any():
        return 1.0
    precision = _share(edge_found, cv2.dilate(edge_truth, kernel))
    recall = _share(edge_truth, cv2.dilate(edge_found, kernel))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def outline(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask that touch something else, the picture's own border not counted."""
    plane = mask.astype(np.uint8)
    return plane - cv2.erode(plane, np.ones((3, 3), np.uint8))


def _share(edge: np.ndarray, near: np.ndarray) -> float:
    count = np.count_nonzero(edge)
    return np.count_nonzero(edge & near) / count if count else 0.0
