"""The training loop, read from top to bottom: scenes -> network -> loss -> step, checkpoints that resume exactly."""

from __future__ import annotations

import csv
import math
import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from incognito.errors import LabError
from incognito.lab import losses, metrics
from incognito.lab.augment import resize
from incognito.lab.data import Sample, read_manifest
from incognito.lab.nets import UNet, build, load_arrays
from incognito.lab.recipe import Phase, Recipe
from incognito.lab.scenes import Scenes
from incognito.segment import resize as shrink

Batch = tuple[Tensor, Tensor, Tensor, Tensor]  # pictures float (N, 3, h, w) in [-1, 1]; alpha, valid, band (N, 1, h, w)


@dataclass(frozen=True, slots=True)
class Validation:
    """Mean figures over the validation pictures."""

    iou: float
    mean_iou: float
    boundary_f: float
    falsely_marked: float  # share of the pixels of empty places that are marked as a person


def train(
    recipe: Recipe,
    data: Path,
    backbones: Path,
    out: Path,
    resume: bool = False,
    begin: Path | None = None,
    on_batch: Callable[[int, int | None], None] = lambda seen, total: None,
) -> Path:
    """Train a recipe on data/manifest.csv and return the best checkpoint by validation IoU.

    Writes out/last.pt, out/best.pt and out/log.csv. With `resume` it goes on from out/last.pt to the result that an
    unbroken run would have had; with `begin` it starts from another training's averaged weights.
    """
    run = Run(recipe, backbones, out, resume, begin)
    samples = read_manifest(data, "train", ("photo", "cutout", "empty"))
    unseen = read_manifest(data, "val", ("photo", "empty"))
    for batch in draw(recipe, samples, run.seen, run.device):
        loss = run.step(batch)
        on_batch(run.seen, recipe.training.pictures)
        if run.seen % recipe.training.validate_every < recipe.training.batch or run.finished:
            run.report(loss, validate(run.averaged, unseen, recipe.training.phases[-1], run.device))
    return out / "best.pt"


class Run:
    """A training under way: the network, its moving average, the optimiser and how many pictures were seen."""

    def __init__(self, recipe: Recipe, backbones: Path, out: Path, resume: bool, begin: Path | None = None) -> None:
        self.recipe, self.out = recipe, out
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.seen, self.best = 0, -1.0
        self.lineage: list[str] = []  # of the training that this one began from
        torch.manual_seed(recipe.training.seed)
        self.net = make_network(recipe, backbones if not resume else None).to(self.device)
        if begin is not None:
            earlier = read_checkpoint(begin)
            self.net.load_state_dict(earlier["averaged"])
            self.lineage = lineage_of(earlier)
        self.averaged = make_network(recipe, None).to(self.device).requires_grad_(False).eval()
        self.averaged.load_state_dict(self.net.state_dict())
        self.optimiser = self._optimiser()
        self._open(resume)

    @property
    def finished(self) -> bool:
        """Whether every picture of the recipe was seen."""
        return self.seen >= self.recipe.training.pictures

    def step(self, batch: Batch) -> float:
        """Learn from one batch and return its loss."""
        training = self.recipe.training
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * pace(self.seen, training.warmup, training.pictures)
        picture, alpha, valid, band = batch
        with torch.autocast(self.device.type, torch.bfloat16):
            logits = self.net.train()(picture)
        loss = losses.total(logits, alpha, valid, band, training.dice, training.boundary)
        if not math.isfinite(loss.item()):
            raise LabError(f"the loss is {loss.item()} after {self.seen} pictures; lower the rates in the recipe")
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), training.clip)
        self.optimiser.step()
        self.seen += len(picture)
        self._average()
        return loss.item()

    def report(self, loss: float, validation: Validation) -> None:
        """Write a line of the log and the checkpoints."""
        is_best = validation.iou > self.best
        self.best = max(self.best, validation.iou)
        row = {"pictures": self.seen, "loss": loss} | asdict(validation)
        path = self.out / "log.csv"
        is_new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if is_new:
                writer.writeheader()
            writer.writerow({key: f"{value:.5g}" for key, value in row.items()})
        for name in ("last.pt", "best.pt") if is_best else ("last.pt",):
            save(self.out / name, self._state())

    @torch.no_grad()
    def _average(self) -> None:
        """Move the average towards the network; at first quickly, so that it does not remember the beginning."""
        steps = self.seen / self.recipe.training.batch
        keep = min(self.recipe.training.ema, (1 + steps) / (10 + steps))
        for mean, value in zip(_tensors(self.averaged), _tensors(self.net), strict=True):
            mean.lerp_(value, 1 - keep)

    def _optimiser(self) -> torch.optim.Optimizer:
        training = self.recipe.training
        encoder = [p for p in self.net.encoder.parameters() if p.requires_grad]
        known = {id(p) for p in self.net.encoder.parameters()}
        decoder = [p for p in self.net.parameters() if id(p) not in known]
        groups = [
            {"params": encoder, "peak": training.encoder_rate},
            {"params": decoder, "peak": training.decoder_rate},
        ]
        return torch.optim.AdamW(groups, lr=0.0, weight_decay=training.weight_decay)

    def _open(self, resume: bool) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / "last.pt"
        if not resume and path.exists():
            raise LabError(f"{path} holds a training; go on with --resume or choose another --out")
        if not resume:
            return
        state = read_checkpoint(path)
        if state["recipe"] != self.recipe.as_dict():
            raise LabError(f"{path} was made by another recipe; resume with that one or choose another --out")
        self.net.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.seen, self.best, self.lineage = state["seen"], state["best"], state["lineage"]

    def _state(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe.as_dict(),
            "network": self.net.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "seen": self.seen,
            "best": self.best,
            "lineage": self.lineage,
            "after": [],  # what was done to the weights since
        }


def make_network(recipe: Recipe, backbones: Path | None) -> UNet:
    """Build a recipe's network; with `backbones`, fill its encoder from the recipe's arrays in that folder."""
    network = recipe.network
    net = build(network.encoder, network.decoder)
    if backbones is not None and network.weights:
        load_arrays(net.encoder, backbones / network.weights)
    net.encoder.freeze(network.frozen_stages)
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def draw(recipe: Recipe, samples: list[Sample], seen: int, device: torch.device) -> Iterator[Batch]:
    """Give the batches of all phases from picture `seen` on."""
    training, start = recipe.training, 0
    for phase in training.phases:
        end = start + phase.pictures
        scenes = Scenes(samples, recipe.data, (phase.size[0], phase.size[1]), training.seed, training.pictures)
        left: Subset[Any] = Subset(scenes, range(max(start, seen), end))  # type: ignore[arg-type]
        workers = 2 if device.type == "cpu" else min(16, os.cpu_count() or 1)
        context = worker_processes()
        loader = DataLoader(
            left, training.batch, num_workers=workers, multiprocessing_context=context, worker_init_fn=_init_worker
        )
        for batch in loader:
            yield to_tensors(batch, device)
        start = end


def worker_processes() -> BaseContext:
    """How the processes that draw pictures start: never by forking this one, whose threads they would wait for."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "incognito.lab.scenes"])
    return context


def to_tensors(batch: list[Tensor], device: torch.device) -> Batch:
    """Bring pictures uint8 (N, h, w, 3) and three planes uint8 (N, h, w) to what the network and losses take."""
    picture, *planes = (part.to(device, non_blocking=True) for part in batch)
    picture = picture.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1  # NHWC in memory: channels_last
    alpha, valid, band = (plane.unsqueeze(1).to(torch.float32) / 255 for plane in planes)
    return picture, alpha, valid, band


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
    if not scores:
        raise LabError("the validation split has no photos; check the manifest's kinds and splits")
    means = {name: float(np.mean([getattr(s, name) for s in scores])) for name in ("iou", "mean_iou", "boundary_f")}
    return Validation(**means, falsely_marked=float(np.mean(marked)) if marked else 0.0)


def pace(seen: int, warmup: int, total: int) -> float:
    """The share of the peak rate after `seen` pictures: a linear rise, then a cosine's fall to 1 %."""
    if seen < warmup:
        return (seen + 1) / warmup
    done = (seen - warmup) / max(1, total - warmup)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint beside its place, then put it there at once."""
    beside = path.with_suffix(".part")
    torch.save(state, beside)
    beside.replace(path)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint that this trainer wrote."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise LabError(
            f"{path} does not exist; name a checkpoint that lab train wrote, or train without --resume"
        ) from None
    except Exception as error:
        raise LabError(f"{path} is no checkpoint of this trainer ({type(error).__name__})") from error


def lineage_of(state: dict[str, Any]) -> list[str]:
    """What a checkpoint's weights went through, one line a training."""
    recipe = Recipe.from_dict(state["recipe"])
    own = f"trained on {state['seen']} pictures, {recipe.network.encoder}, seed {recipe.training.seed}"
    return [*state["lineage"], own, *state["after"]]


def _tensors(net: nn.Module) -> list[Tensor]:
    return [t for t in net.state_dict().values() if t.is_floating_point()]


def _init_worker(_: int) -> None:
    cv2.setNumThreads(1)
