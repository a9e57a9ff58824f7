"""The judge: how accurate a network in the making is, on validation pictures that are decoded once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto

from incognito.lab import graph, metrics
from incognito.lab.augment import resize
from incognito.lab.validate import unseen
from incognito.segment import resize as shrink

Run = Callable[[np.ndarray], np.ndarray]  # uint8 (1, h, w, 3) -> alpha (h, w)


@dataclass(frozen=True, slots=True)
class Judge:
    """Validation pictures with their masks, RGB uint8 (H, W, 3), and uint8 (H, W) twice; each at its own size."""

    samples: list[tuple[np.ndarray, np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, data: Path, count: int) -> Judge:
        """Load at most so many pictures with people of data's validation split, evenly drawn."""
        people = [sample for sample in unseen(data, count) if sample.kind == "photo"]
        return cls([sample.load() for sample in people])

    def iou(self, run: Run, size: tuple[int, int]) -> float:
        """The person's mean IoU of what a network of an input size (height, width) gives, at each mask's size."""
        scores = []
        for picture, mask, valid in self.samples:
            alpha = resize(run(shrink(picture, size)[None]), mask.shape)
            scores.append(metrics.score(alpha, mask, valid).iou)
        return float(np.mean(scores))

    def iou_of(self, model: ModelProto) -> float:
        """The same of a model, uint8 NHWC in and alpha out, on ONNX Runtime."""
        loaded, given = graph.session(model), graph.input_of(model)
        height, width = graph.shape_of(given)[1:3]
        assert height and width
        return self.iou(lambda tensor: loaded.run(None, {given.name: tensor})[0].squeeze(), (height, width))
