"""How accurate a model is, measured on what the user's Segmenter gives, before any refinement."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incognito.errors import LabError
from incognito.lab import metrics
from incognito.lab.augment import resize
from incognito.lab.data import Sample, read_manifest
from incognito.segment import Segmenter


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Means over n pictures, each scored at its mask's own size."""

    model: str
    n: int
    iou: float
    mean_iou: float
    boundary_f: float


def evaluate(model: str | Path, data: Path, split: str = "test", group: str = "people/portraits") -> Evaluation:
    """Measure a model on the photos of one group and split of data/manifest.csv."""
    samples = [s for s in read_manifest(data, split, ("photo",)) if s.group == group]
    if not samples:
        raise LabError(f"{data} has no photos in {group}, split {split}; check --group and --split")
    segmenter = Segmenter(model)
    scores = [_score(segmenter, sample) for sample in samples]
    means = [float(np.mean([getattr(s, name) for s in scores])) for name in ("iou", "mean_iou", "boundary_f")]
    return Evaluation(segmenter.card.name, len(scores), *means)


def _score(segmenter: Segmenter, sample: Sample) -> metrics.Score:
    picture, mask, valid = sample.load()
    return metrics.score(resize(segmenter.raw(picture), mask.shape), mask, valid)
