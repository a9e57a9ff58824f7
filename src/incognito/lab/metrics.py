"""How good a matte is, against a mask: overlap, the boundary's F measure, differences of alpha and of its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

REACH = 2  # pixels that a boundary may be off, for F at the mask's own size
SIGMA, TAPS = 1.4, 4  # of the Gaussian whose derivative is the gradient's filter, and its taps on either side


@dataclass(frozen=True, slots=True)
class Score:
    """One picture's figures, each in [0, 1] but the gradient's error, which is 0 or more."""

    iou: float  # of the person
    background_iou: float
    boundary_f: float  # within 2 pixels of 256
    mad: float  # mean absolute difference of alpha
    boundary_f_full: float  # within 2 pixels at the mask's own size
    gradient: float  # mean squared difference of the gradients' magnitudes, times 1000

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
        boundary_f(found & known, truth & known, REACH / float(np.sqrt(truth.size))),
        gradient_error(alpha, mask, known),
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


def gradient_error(alpha: np.ndarray, mask: np.ndarray, known: np.ndarray | None = None) -> float:
    """Mean over the known pixels, times 1000, of the squared difference of both gradients' magnitudes.

    Rhemann et al. 2009, with derivatives of a Gaussian of sigma 1.4 whose filters have the norm 1. They sum it over a
    trimap's unknown region; this mean is over the whole picture, so compare it between pictures of one size only.
    """
    truth = mask.astype(np.float32) / 255
    known = np.ones(truth.shape, bool) if known is None else known
    if not known.any():
        return 0.0
    seen = np.where(known, alpha, truth).astype(np.float32)
    return 1000 * float(np.square(steepness(seen) - steepness(truth))[known].mean())


def steepness(plane: np.ndarray) -> np.ndarray:
    """The gradient's magnitude of float32 (H, W): first derivatives of a Gaussian of sigma 1.4."""
    places = np.arange(-TAPS, TAPS + 1, dtype=np.float32)
    bell = np.exp(-(places**2) / (2 * SIGMA**2))
    slope = places * bell
    bell, slope = bell / np.linalg.norm(bell), slope / np.linalg.norm(slope)
    across, down = (
        cv2.sepFilter2D(plane, cv2.CV_32F, x, y, borderType=cv2.BORDER_REPLICATE)
        for x, y in ((slope, bell), (bell, slope))
    )
    return cv2.magnitude(across, down)


def outline(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask that touch something else, the picture's own border not counted."""
    plane = mask.astype(np.uint8)
    return plane - cv2.erode(plane, np.ones((3, 3), np.uint8))


def _share(edge: np.ndarray, near: np.ndarray) -> float:
    count = np.count_nonzero(edge)
    return np.count_nonzero(edge & near) / count if count else 0.0
