"""How accurate a model is, measured on what the user's Segmenter gives, before any refinement."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from incognito import zoo
from incognito.errors import LabError
from incognito.lab import metrics
from incognito.lab.augment import resize
from incognito.lab.data import Sample, read_manifest
from incognito.lab.paired import Difference, bootstrap
from incognito.lab.rows import Row
from incognito.lab.slices import NAMES, slices
from incognito.lab.source import commit
from incognito.segment import Segmenter

FIGURES = ("iou", "mean_iou", "f_score", "boundary_f", "mad", "boundary_f_full", "gradient")
TITLES = {
    "iou": "person IoU",
    "mean_iou": "mean IoU",
    "f_score": "F-score",
    "boundary_f": "boundary F, 2 px at 256",
    "mad": "MAD",
    "boundary_f_full": "boundary F, 2 px at full size",
    "gradient": "gradient error, x 1000",
    "falsely_marked": "false person in empty",
}
Scored = list[tuple[Sample, metrics.Score]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of a model on one group and split: a score for each picture, each at its mask's own size."""

    card: zoo.Card
    group: str
    split: str
    scored: Scored
    marked: list[float]  # the share of each empty picture's pixels that is over one half
    slices: list[frozenset[str]]  # of each scored picture

    def mean(self, figure: str) -> float:
        """The mean of a figure over the pictures."""
        return float(np.mean([getattr(score, figure) for _, score in self.scored]))

    def interval(self, figure: str) -> Difference:
        """The mean of a figure with its 95 % interval, from resampling whole pictures."""
        return bootstrap([np.array([getattr(score, figure)]) for _, score in self.scored])

    def sure(self) -> dict[str, float]:
        """The ends of the IoU's interval by name, iou_low and iou_high; nothing where there is a single picture."""
        found = self.interval("iou")
        ends = {"iou_low": found.low, "iou_high": found.high}
        return {} if math.isnan(found.low) else {name: round(end, 4) for name, end in ends.items()}

    def of_slice(self, name: str) -> Evaluation:
        """The same of the pictures of one slice only; there may be none."""
        kept = [k for k, names in enumerate(self.slices) if name in names]
        return replace(self, scored=[self.scored[k] for k in kept], slices=[self.slices[k] for k in kept])

    @property
    def falsely_marked(self) -> float | None:
        """The mean share of false person in empty places; None where the data has none."""
        return float(np.mean(self.marked)) if self.marked else None

    def figures(self) -> dict[str, str]:
        """All means as text, four digits behind the point."""
        means = {name: f"{self.mean(name):.4f}" for name in FIGURES}
        share = self.falsely_marked
        return means | {"falsely_marked": "" if share is None else f"{share:.4f}"}


def evaluate(
    model: str | Path,
    data: Path,
    split: str = "test",
    group: str = "people/portraits",
    on_picture: Callable[[int, int | None], None] = lambda done, total: None,
    runtime: str = "onnxruntime",
) -> Evaluation:
    """Measure a model on the photos of one group and split of data/manifest.csv: the very file, on one runtime.

    False person is measured on all empty pictures that are not in the training split.
    """
    photos = [s for s in read_manifest(data, split, ("photo",)) if s.group == group]
    empties = [s for s in read_manifest(data, kinds=("empty",)) if s.split != "train"]
    if not photos:
        raise LabError(f"{data} has no photos in {group}, split {split}; check --group and --split")
    segmenter = Segmenter(zoo.find(model).path, runtime=runtime)
    scored: Scored = []
    marked: list[float] = []
    kinds: list[frozenset[str]] = []
    for done, sample in enumerate([*photos, *empties], 1):
        picture, mask, valid = sample.load()
        alpha = segmenter.raw(picture)
        if sample.kind == "empty":
            marked.append(float(np.mean(alpha > 0.5)))
        else:
            scored.append((sample, metrics.score(resize(alpha, mask.shape), mask, valid)))
            kinds.append(slices(picture, mask))
        on_picture(done, len(photos) + len(empties))
    return Evaluation(segmenter.card, group, split, scored, marked, kinds)


def measure(card: zoo.Card, data: Path, group: str) -> dict[str, float]:
    """What a card says of its model's accuracy: figures on a group's test split, on ONNX Runtime."""
    found = evaluate(card.path, data, group=group)
    figures = {name: round(found.mean(name), 4) for name in ("iou", "mean_iou", "boundary_f")}
    return figures | found.sure() | {"n": len(found.scored)}


def picture_rows(evaluation: Evaluation) -> list[Row]:
    """A row for each picture, worst IoU first."""
    worst_first = sorted(evaluation.scored, key=lambda pair: pair[1].iou)
    return [
        {"image": sample.image.name, "split": sample.split, "group": sample.group}
        | {name: f"{getattr(score, name):.4f}" for name in FIGURES}
        for sample, score in worst_first
    ]


def slice_rows(evaluation: Evaluation) -> list[Row]:
    """A row for each slice that has pictures: its name, their number, the means of IoU and boundary F."""
    parts = {name: evaluation.of_slice(name) for name in NAMES}
    return [
        {"slice": name, "n": str(len(part.scored))} | {f: f"{part.mean(f):.4f}" for f in ("iou", "boundary_f")}
        for name, part in parts.items()
        if part.scored
    ]


def summary_row(evaluation: Evaluation) -> Row:
    """A row of results: the model, what it costs, its figures, and the training that it got."""
    from incognito.lab.cost import cost

    card = evaluation.card
    spent, ends = cost(card.path), evaluation.sure()
    return {
        "model": card.label,
        "sha256": card.sha256[:12],
        "network": f"{card.width}x{card.height}",
        "set": evaluation.group,
        "split": evaluation.split,
        "n": str(len(evaluation.scored)),
        **evaluation.figures(),
        **{name: f"{ends[name]:.4f}" if ends else "" for name in ("iou_low", "iou_high")},
        "n_empty": str(len(evaluation.marked)),
        "parameters": str(spent.parameters),
        "multiply_adds": str(spent.multiply_adds),
        "bytes": str(card.bytes),
        "commit": commit(),
        "training": "; ".join(card.lineage),
    }
