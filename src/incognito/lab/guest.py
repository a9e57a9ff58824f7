"""A guest tutor: a peer's network in a process of its own, whose mattes are learnt from where they agree with the mask.

Trained elsewhere on far more people than there are here, it knows of poses and clothes that no mask here shows; where
it is wrong about who is there, its mattes would teach that too. So it is heard picture by picture.
"""

from __future__ import annotations

from types import TracebackType

import torch
import torch.nn.functional as F
from torch import Tensor

from incognito.lab import losses
from incognito.lab.batches import Batch
from incognito.lab.contestants import Contestant
from incognito.lab.terms import named

AGREES = 0.75  # IoU with a picture's mask from which a guest is heard on it
NOBODY = 0.001  # share of a picture; where mask and matte both have less, they agree


class Guest:
    """A peer's running network. Its worker ends with the block that it is used in."""

    def __init__(self, contestant: Contestant) -> None:
        """Start a peer's worker on one core; raises LabError where it cannot be started."""
        told, self._child = contestant.open(1)
        self.lineage, self.sources = [f"{told.name}, {told.versions}"], named({told.name})

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._child.close()

    def distance(self, batch: Batch, logits: Tensor) -> Tensor:
        """Mean cross-entropy of logits (N, 1, h, w) against its mattes of the pictures that it is heard on.

        0 where it is heard on none of a batch.
        """
        picture, alpha, valid, _ = batch
        wanted = self._mattes(picture)
        heard = agreement(wanted, alpha, valid) >= AGREES
        return losses.cross_entropy(logits.float(), wanted, heard.float().expand_as(wanted))

    def _mattes(self, picture: Tensor) -> Tensor:
        """Its alpha (N, 1, h, w) of pictures (N, 3, h, w) in [-1, 1]."""
        shown = ((picture + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        planes = [torch.tensor(self._child.ask("matte", each)[1])[None, None] for each in shown]
        size = (picture.shape[2], picture.shape[3])
        fitted = [F.interpolate(plane, size, mode="bilinear", antialias=True) for plane in planes]
        return torch.cat(fitted).to(picture).clamp(0, 1)


def agreement(found: Tensor, alpha: Tensor, valid: Tensor) -> Tensor:
    """IoU of mattes (N, 1, h, w) and masks over the valid pixels, (N, 1, 1, 1); 1 where neither has anybody."""
    one, other = (found > 0.5) * valid, (alpha > 0.5) * valid
    both, either = (one * other).mean((1, 2, 3), True), torch.maximum(one, other).mean((1, 2, 3), True)
    return torch.where(either < NOBODY, 1.0, both / either.clamp(min=NOBODY))
