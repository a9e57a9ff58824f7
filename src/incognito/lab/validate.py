"""How good a network under training is, on pictures that it does not learn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from incognito.errors import LabError
from incognito.frame import resize as shrink
from incognito.lab import metrics
from incognito.lab.augment import resize
from incognito.lab.data import Sample, read_manifest
from incognito.lab.recipe import Phase


@dataclass(frozen=True, slots=True)
class Validation:
    """Mean figures over the validation pictures."""

    iou: float
    mean_iou: float
    boundary_f: float
    falsely_marked: float  # share of the pixels of empty places that are marked as a person


def unseen(data: Path, count: int) -> list[Sample]:
    """At most `count` pictures of data's validation split, evenly drawn, so that every group has its share."""
    samples = read_manifest(data, "val", ("photo", "empty"))
    if len(samples) > count:
        samples = [samples[round(place)] for place in np.linspace(0, len(samples) - 1, count)]
    if all(sample.kind == "empty" for sample in samples):
        raise LabError(f"{data} has no photos in the validation split; check the manifest's kinds and splits")
    return samples


@torch.inference_mode()
def validate(net: nn.Module, samples: list[Sample], phase: Phase, device: torch.device) -> Validation:
    """Score a network on photos, at each mask's own size, and on empty places."""
    size = (phase.size[0], phase.size[1])
    scores, marked = [], []
    for sample in samples:
        picture, mask, valid = sample.load()
        x = torch.from_numpy(shrink(picture, size)).permute(2, 0, 1)[None].to(device, torch.float32) / 127.5 - 1
        alpha = torch.sigmoid(net(x.to(memory_format=torch.channels_last)))[0, 0].cpu().numpy()
        if sample.kind == "empty":
            marked.append(float(np.mean(alpha >= 0.5)))
        else:
            scores.append(metrics.score(resize(alpha, mask.shape), mask, valid))
    means = {name: float(np.mean([getattr(s, name) for s in scores])) for name in ("iou", "mean_iou", "boundary_f")}
    return Validation(**means, falsely_marked=float(np.mean(marked)) if marked else 0.0)
