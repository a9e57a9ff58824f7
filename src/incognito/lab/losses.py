"""What training minimises: cross-entropy, focal, Dice and boundary, each defined where nobody is."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Weights(Protocol):
    """What each loss weighs; a recipe's [training] is one."""

    @property
    def cross_entropy(self) -> float: ...  # noqa: D102
    @property
    def focal(self) -> float: ...  # noqa: D102
    @property
    def dice(self) -> float: ...  # noqa: D102
    @property
    def boundary(self) -> float: ...  # noqa: D102


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


def focal(logits: Tensor, target: Tensor, valid: Tensor, gamma: float = 2.0) -> Tensor:
    """Mean focal cross-entropy over the valid pixels (Lin et al. 2017): what is already right weighs little."""
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    miss = (torch.sigmoid(logits) - target).abs()
    return (loss * miss**gamma * valid).sum() / valid.sum().clamp(min=1)


def total(logits: Tensor, target: Tensor, valid: Tensor, band: Tensor, weights: Weights) -> Tensor:
    """The sum of a recipe's losses by their weights, a float32 scalar; a loss that weighs 0 is not computed."""
    logits = logits.float()
    parts = (
        (weights.cross_entropy, cross_entropy, valid),
        (weights.focal, focal, valid),
        (weights.dice, dice, valid),
        (weights.boundary, boundary, band),
    )
    return torch.stack([weight * loss(logits, target, where) for weight, loss, where in parts if weight]).sum()
