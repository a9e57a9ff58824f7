"""What training minimises: cross-entropy, Dice and a boundary term, each defined on pictures without a person."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean binary cross-entropy over the valid pixels; all tensors are (N, 1, h, w), targets soft in [0, 1]."""
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (loss * valid).sum() / valid.sum().clamp(min=1)


def dice(logits: Tensor, target: Tensor, valid: Tensor, smooth: float = 0.01) -> Tensor:
    """1 - Dice per picture, averaged (Milletari et al. 2016).

    `smooth` is a share of the picture's area: on an empty mask the loss is falsely marked area / (area + smooth), which
    falls to 0 as the marks go, so empty rooms teach.
    """
    alpha = torch.sigmoid(logits) * valid
    overlap = (alpha * target).mean((1, 2, 3))
    total = (alpha + target * valid).mean((1, 2, 3))
    return (1 - (2 * overlap + smooth) / (total + smooth)).mean()


def boundary(logits: Tensor, target: Tensor, band: Tensor) -> Tensor:
    """Mean cross-entropy over the band around the masks' edges (1 inside it); 0 where no picture has an edge."""
    return cross_entropy(logits, target, band)


def total(
    logits: Tensor, target: Tensor, valid: Tensor, band: Tensor, dice_weight: float, band_weight: float
) -> Tensor:
    """The whole loss, a float32 scalar."""
    logits = logits.float()
    loss = cross_entropy(logits, target, valid) + dice_weight * dice(logits, target, valid)
    return loss + band_weight * boundary(logits, target, band)
