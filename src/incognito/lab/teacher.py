"""A teacher beside a network under training: its features at every stride are hints of what to look for.

After FitNets (Romero et al. 2015). A mask says one bit a pixel; a trained encoder's features say hundreds of numbers,
which is what an encoder without pretrained weights lacks most. The teacher is a MobileNetV2 encoder from a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from incognito.lab import light, weights

DEEPEST = 4  # the strides that hint: 4, 8, 16 and 32; at 2 there is little to tell


class Apprentice(nn.Module):
    """A network with a teacher: gives its logits, and how far its features are from the teacher's."""

    def __init__(self, net: Any, teacher: Path) -> None:
        """Put a network beside the encoder in a file (.npz or .onnx) of MobileNetV2's convolutions."""
        super().__init__()
        self.net = net
        self._teacher = [read_teacher(teacher)]  # in a list: no part of what is trained, saved or shared
        self._features: list[Tensor] = []
        net.encoder.register_forward_hook(lambda _, __, features: self._features.extend(features[-DEEPEST:]))
        with torch.no_grad():
            net.eval()(torch.zeros(1, 3, 64, 64))
        own, wanted = [len(f[0]) for f in self._take()], self._teacher[0].widths[-DEEPEST:]
        self.projections = nn.ModuleList(nn.Conv2d(i, o, 1) for i, o in zip(own, wanted, strict=True))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, h, w) in [-1, 1] -> logits (N, 1, h, w), and the features' mean squared distance, a scalar."""
        self._features.clear()
        logits = self.net(picture)
        teacher = self._teacher[0].to(picture.device)
        with torch.no_grad():
            wanted = teacher(picture)[-DEEPEST:]
        distances = [
            distance(project(own), want)
            for project, own, want in zip(self.projections, self._take(), wanted, strict=True)
        ]
        return logits, torch.stack(distances).mean()

    def _take(self) -> list[Tensor]:
        features = self._features.copy()
        self._features.clear()
        return features


def read_teacher(path: Path) -> light.Encoder:
    """A MobileNetV2 encoder from a file, at rest."""
    encoder = light.mobilenet_v2()
    weights.fill(encoder, weights.read_folded(path), path)
    return encoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def distance(own: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared difference of features (N, C, h, w), in units of each of the wanted channels' spread."""
    variance, mean = torch.var_mean(wanted.float(), (0, 2, 3), keepdim=True)
    scale = (variance + 1e-4).rsqrt()
    return F.mse_loss((own.float() - mean) * scale, (wanted.float() - mean) * scale)
