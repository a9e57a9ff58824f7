"""What a network under training learns from beside masks: another network's mattes, and its own of a nudged picture.

Masks are cut by hand and hard; a larger network's mattes are soft where it is unsure (Hinton et al. 2015). A frame
differs from the one before by a small motion and by noise, and its matte should differ by the motion alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from incognito.errors import LabError
from incognito.lab import checkpoint, losses, nets
from incognito.lab.batches import Batch
from incognito.lab.contestants import is_peers, one_of_peers
from incognito.lab.guest import Guest
from incognito.lab.recipe import Recipe, Training

REACH = 4  # pixels that a nudged picture is shifted by at most
SHARE = 8  # one in so many of a batch's pictures is nudged


class Tutor:
    """A trained network at rest, whose mattes are targets."""

    def __init__(self, path: Path) -> None:
        """Take the averaged weights of a checkpoint."""
        state = checkpoint.read(path)
        network = Recipe.from_dict(state["recipe"]).network
        self._net = nets.build(network.architecture, network.encoder, network.decoder)
        self._net.load_state_dict(state["averaged"])
        self._net.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.lineage, self.sources = checkpoint.lineage_of(state), list(state["sources"])

    def distance(self, batch: Batch, logits: Tensor) -> Tensor:
        """Mean cross-entropy of logits (N, 1, h, w) against the tutor's mattes of a batch's pictures."""
        picture = batch[0]
        with torch.no_grad():
            wanted = torch.sigmoid(self._net.to(picture.device)(picture))
        return losses.cross_entropy(logits.float(), wanted.float(), torch.ones_like(wanted, dtype=torch.float32))


@contextmanager
def engaged(training: Training, name: Path | None, environment: Path | None) -> Iterator[Tutor | Guest | None]:
    """The tutor that a recipe asks for: a checkpoint, or a peer's network, which runs in its environment.

    Raises LabError where there is one without the other.
    """
    if bool(training.distil) != bool(name):
        raise LabError("distil in the recipe and --distil-from go together: name a checkpoint or peer, or set it to 0")
    if is_peers(str(name)):
        with Guest(one_of_peers(str(name), environment)) as guest:
            yield guest
    else:
        yield Tutor(name) if name else None


def nudge(picture: Tensor, seed: int) -> tuple[Tensor, tuple[int, int]]:
    """The first of a batch's pictures (N, 3, h, w) shifted, relit and with new noise; and by how much (down, right)."""
    draw = torch.Generator().manual_seed(seed)
    first = picture[: -(-len(picture) // SHARE)]
    down, right = torch.randint(-REACH, REACH + 1, (2,), generator=draw).tolist()
    light, noise = torch.rand(2, len(first), 1, 1, 1, generator=draw)
    grain = 0.08 * noise * torch.randn(first.shape, generator=draw)
    return torch.roll(first * (0.95 + 0.1 * light).to(first) + grain.to(first), (down, right), (2, 3)), (down, right)


def unsteadiness(logits: Tensor, nudged: Tensor, shift: tuple[int, int]) -> Tensor:
    """Mean squared difference of mattes, between nudged pictures' and the first ones' shifted as they were."""
    alpha = torch.roll(torch.sigmoid(logits[: len(nudged)].float()), shift, (2, 3))
    inside = (..., slice(REACH, -REACH), slice(REACH, -REACH))
    return F.mse_loss(torch.sigmoid(nudged.float())[inside], alpha[inside])
