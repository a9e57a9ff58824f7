"""Tuning: a network that a pass changed learns again, from masks and from the mattes of the network it replaces.

The teacher's mattes say more than masks do (Hinton et al. 2015): how sure it is, and where hair is half there. Works on
any model that `Trainable` can run; a quantised one learns with its rounding in place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from onnx import ModelProto
from torch import Tensor, nn
from torch.utils.data import Subset

from incognito.errors import LabError, OutputError
from incognito.lab import graph, losses
from incognito.lab.batches import Batch, from_workers
from incognito.lab.data import Sample
from incognito.lab.ranks import Ranks
from incognito.lab.recipe import Data
from incognito.lab.scenes import Scenes
from incognito.lab.trainable import Trainable

CHECKPOINT = 1600  # pictures between two
ROUNDED = 0.1  # of the rate, where the rounding is trained for: the weights are right already, to half a step


@dataclass(frozen=True, slots=True)
class Tuning:
    """How is tuned. The rate is the peak of a cosine schedule; the last five are the weights of the losses."""

    seed: int
    batch: int
    rate: float
    warmup: int  # pictures
    ema: float
    cross_entropy: float
    focal: float
    dice: float
    boundary: float
    distil: float


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learnt from: samples, their mixture, so many pictures, and where the tuning may go on after a stop."""

    samples: list[Sample]
    mixture: Data
    tuning: Tuning
    pictures: int
    checkpoint: Path
    on_batch: Callable[[int, int | None], None]


def tune(model: ModelProto, teacher: ModelProto, lesson: Lesson, masters: graph.Arrays | None = None) -> ModelProto:
    """Tune a model towards masks and the teacher's mattes; pictures are drawn at the teacher's size.

    `masters` are the float32 weights of a quantised model. Goes on from the lesson's checkpoint where there is one.
    """
    if lesson.pictures % lesson.tuning.batch:
        raise LabError(f"a rung's pictures must be a multiple of the batch, {lesson.tuning.batch}")
    pupil = Pupil(model, teacher, lesson, masters)
    height, width = graph.shape_of(graph.input_of(teacher))[1:3]
    assert height and width
    scenes = Scenes(lesson.samples, lesson.mixture, (height, width), lesson.tuning.seed, lesson.pictures)
    rest: Subset[Any] = Subset(scenes, range(pupil.seen, lesson.pictures))  # type: ignore[arg-type]
    for batch in from_workers(rest, lesson.tuning.batch, Ranks(0, 1, torch.device("cpu"))):
        pupil.step(batch)
        lesson.on_batch(pupil.seen, lesson.pictures)
        if pupil.seen % CHECKPOINT < lesson.tuning.batch:
            pupil.save()
    return pupil.averaged()


class Pupil:
    """A model under tuning: the network, its moving average, the optimiser and how many pictures were seen."""

    def __init__(self, model: ModelProto, teacher: ModelProto, lesson: Lesson, masters: graph.Arrays | None) -> None:
        self._lesson, self.seen = lesson, 0
        self._peak = lesson.tuning.rate * (1.0 if masters is None else ROUNDED)
        self._net = Trainable(model, masters)
        self._teacher = Trainable(teacher).eval().requires_grad_(False)
        self._size = [side or 0 for side in graph.shape_of(graph.input_of(model))[1:3]]
        self._mean = [weight.detach().clone() for weight in self._net.weights.values()]
        self._optimiser = torch.optim.AdamW(self._net.parameters(), lr=0.0, weight_decay=0.0)
        if lesson.checkpoint.is_file():
            state = torch.load(lesson.checkpoint, weights_only=True)
            self._net.load_state_dict(state["network"])
            self._optimiser.load_state_dict(state["optimiser"])
            self._mean, self.seen = state["mean"], state["seen"]

    def step(self, batch: Batch) -> float:
        """Learn from one batch and return its loss."""
        loss = self._loss(batch)
        if not math.isfinite(loss.item()):
            raise LabError(f"the loss is {loss.item()} after {self.seen} pictures; lower the rate in the recipe")
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._net.parameters(), 1.0)
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate()
        self._optimiser.step()
        self.seen += len(batch[0])
        steps = self.seen / self._lesson.tuning.batch
        keep = min(self._lesson.tuning.ema, (1 + steps) / (10 + steps))
        for mean, weight in zip(self._mean, self._net.weights.values(), strict=True):
            mean.lerp_(weight.detach(), 1 - keep)
        return loss.item()

    def save(self) -> None:
        """Write the checkpoint beside its place, then put it there at once."""
        state = {
            "network": self._net.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "mean": self._mean,
            "seen": self.seen,
        }
        part = self._lesson.checkpoint.with_suffix(".part")
        try:
            torch.save(state, part)
        except RuntimeError as error:  # PyTorch's name for a full disk
            part.unlink(missing_ok=True)
            raise OutputError(f"{part} cannot be written; make room and go on") from error
        part.replace(self._lesson.checkpoint)

    def averaged(self) -> ModelProto:
        """The model with the moving average of what was learnt."""
        for mean, weight in zip(self._mean, self._net.weights.values(), strict=True):
            weight.data.copy_(mean)
        return self._net.model()

    def _loss(self, batch: Batch) -> Tensor:
        picture, alpha, valid, band = batch
        size = picture.shape[2:]
        small = picture
        if list(size) != self._size:
            small = F.interpolate(picture, self._size, mode="bilinear", antialias=True)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                wanted = torch.sigmoid(self._teacher(_as_bytes(picture)))
            logits = F.interpolate(self._net(_as_bytes(small)), size, mode="bilinear")
        own = losses.total(logits, alpha, valid, band, self._lesson.tuning)
        everywhere = torch.ones_like(wanted)
        return own + self._lesson.tuning.distil * losses.cross_entropy(logits.float(), wanted, everywhere)

    def _rate(self) -> float:
        """A short rise, then half a cosine down to 2 % of the peak."""
        tuning, share = self._lesson.tuning, self.seen / self._lesson.pictures
        rise = min(1.0, (self.seen + tuning.batch) / max(tuning.warmup, 1))
        return self._peak * rise * (0.02 + 0.98 * (1 + math.cos(math.pi * share)) / 2)


def _as_bytes(picture: Tensor) -> Tensor:
    """(N, 3, h, w) in [-1, 1] -> (N, h, w, 3) in 0 to 255."""
    return picture.permute(0, 2, 3, 1) * 127.5 + 127.5
