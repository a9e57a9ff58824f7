"""The judge: how accurate a network in the making is, on validation pictures that are decoded once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto

from incognito.errors import LabError
from incognito.frame import resize as shrink
from incognito.lab import graph, metrics, race
from incognito.lab.augment import resize
from incognito.lab.data import read_manifest
from incognito.lab.export import write_model
from incognito.zoo import Card

Run = Callable[[np.ndarray], np.ndarray]  # uint8 (1, h, w, 3) -> alpha (h, w)


@dataclass(frozen=True, slots=True)
class Judge:
    """Validation pictures with their masks, RGB uint8 (H, W, 3), and uint8 (H, W) twice; each at its own size."""

    samples: list[tuple[np.ndarray, np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, data: Path, count: int) -> Judge:
        """Load at most so many photos of data's validation split, evenly drawn; raises LabError where it has none."""
        photos = read_manifest(data, "val", ("photo",))
        if not photos:
            raise LabError(f"{data} has no photos in the validation split; check the manifest's kinds and splits")
        places = np.linspace(0, len(photos) - 1, min(count, len(photos))).round()
        return cls([photos[int(place)].load() for place in places])

    def iou(self, run: Run, size: tuple[int, int]) -> float:
        """The person's mean IoU of what a network of an input size (height, width) gives, at each mask's size."""
        scores = []
        for picture, mask, valid in self.samples:
            alpha = resize(run(shrink(picture, size)[None]), mask.shape)
            scores.append(metrics.score(alpha, mask, valid).iou)
        return float(np.mean(scores))

    def iou_of(self, model: ModelProto) -> float:
        """The same of a model, uint8 NHWC in and alpha out."""
        _, height, width, _ = graph.shape_of(graph.input_of(model))
        assert height and width
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "judged.onnx"
            return self.iou_on(write_model(path, model.SerializeToString(), (height, width), [], []))

    def iou_on(self, card: Card) -> float:
        """The same of a model's file on each runtime that can run it; the lowest counts, for int8 differs there."""
        return min(self.iou(runner.run, card.size) for runner in race.open_all(card))
