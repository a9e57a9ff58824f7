"""The training loop, read from top to bottom: batches -> network -> loss -> step, checkpoints that resume exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from incognito.errors import LabError
from incognito.lab import checkpoint, losses, memory, nets, weights
from incognito.lab.batches import Batch, draw
from incognito.lab.begin import Beginning
from incognito.lab.begin import begin as begin_with
from incognito.lab.data import Sample, read_manifest
from incognito.lab.guest import Guest
from incognito.lab.journal import Journal
from incognito.lab.ranks import Ranks, joined
from incognito.lab.recipe import Recipe
from incognito.lab.schedule import Progress, pace
from incognito.lab.teacher import Apprentice
from incognito.lab.terms import named
from incognito.lab.tutor import Tutor, engaged, nudge, unsteadiness
from incognito.lab.validate import Validation, unseen, validate
from incognito.timing import Stopwatch

LAST, BEST = "last.pt", "best.pt"
OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def train(
    recipe: Recipe,
    data: Path,
    backbones: Path,
    out: Path,
    resume: bool = False,
    begin: Path | None = None,
    tutor: Path | None = None,
    on_batch: Callable[[int, int | None], None] = lambda seen, total: None,
    environment: Path | None = None,
) -> Path:
    """Train a recipe on data/manifest.csv and return the best checkpoint by validation IoU.

    Writes out/last.pt, out/best.pt and the journal's files. With `resume` it goes on from out/last.pt to the result
    that an unbroken run would have had; with `begin` it starts from another training's averaged weights, or a model's.
    `tutor` is what gives mattes to learn from too, where the recipe has `distil`: a network's checkpoint, or a peer's
    name, which runs in `environment` or in one made here.
    Under torchrun every process takes its share of each batch, and the first one validates and writes.
    """
    if resume and begin is not None:
        raise LabError("--resume goes on from OUT/last.pt, --from begins anew; leave one of them out")
    samples = read_manifest(data, "train", ("photo", "cutout", "empty"))
    judges = unseen(data, recipe.training.validate_on)
    with joined() as ranks, memory.kept(), engaged(recipe.training, tutor, environment) as taught:
        run = Run(recipe, backbones, out, ranks, resume, begin, taught)
        run.prepare(samples)
        run.learn(draw(recipe, samples, run.seen, ranks), judges, on_batch)
    return out / BEST


class Run:
    """A training under way: the network, its moving average, the optimiser and how many pictures were seen."""

    def __init__(
        self,
        recipe: Recipe,
        backbones: Path,
        out: Path,
        ranks: Ranks,
        resume: bool,
        begin: Path | None,
        tutor: Tutor | Guest | None = None,
    ) -> None:
        self.recipe, self.out, self.ranks = recipe, out, ranks
        self.seen, self.progress, self._minutes_before = 0, Progress(), 0.0
        self._tutor = tutor
        torch.manual_seed(recipe.training.seed)
        self._start = Beginning(make_network(recipe)) if resume else begin_with(recipe, backbones, begin)
        self.net = self._start.net.to(memory_format=torch.channels_last)
        self._held = nets.freeze(self.net, recipe.network.frozen_stages)
        self._learner = with_teacher(self.net, recipe, backbones).to(ranks.device)
        self.averaged = make_network(recipe).to(ranks.device).requires_grad_(False).eval()
        self.averaged.load_state_dict(self.net.state_dict())
        self.optimiser = self._optimiser()
        self._shared: nn.Module = self._learner
        self._open(resume)
        self._watch = Stopwatch()
        self._journal = Journal(out, self.seen) if ranks.leads else None

    @property
    def finished(self) -> bool:
        """Whether every picture was seen, or no validation was better for as long as the recipe waits."""
        training = self.recipe.training
        given_up = 0 < training.stop_after <= self.progress.waited
        return given_up or self.seen >= training.pictures

    def prepare(self, samples: list[Sample]) -> None:
        """Note what is learnt from; give norms that pass through the statistics of the first batch; join the ranks."""
        if not self.seen:
            taught = self._tutor.sources if self._tutor else []
            self._start.sources = sorted({*self._start.sources, *taught, *named({sample.source for sample in samples})})
            self._start.lineage += [f"teacher: {line}" for line in self._tutor.lineage] if self._tutor else []
        if self._start.norms:
            first = next(draw(self.recipe, samples, 0, Ranks(0, 1, self.ranks.device)))
            weights.calibrate(self.net, self._start.norms, first[0])
            self.averaged.load_state_dict(self.net.state_dict())
        self._shared = self.ranks.share(self._learner)

    def learn(
        self, batches: Iterator[Batch], judges: list[Sample], on_batch: Callable[[int, int | None], None]
    ) -> None:
        """Step through the batches; validate and save as often as the recipe says, and in the end."""
        training = self.recipe.training
        for batch in () if self.finished else batches:
            loss = self.step(batch)
            on_batch(self.seen, training.pictures)
            over = self.seen % training.validate_every < training.batch or self.finished
            if over:
                self._validate(loss, judges)
            if over or self.seen % training.checkpoint_every < training.batch:
                self._save(LAST)
            if self.finished:
                return

    def step(self, batch: Batch) -> float:
        """Learn from one batch and return its loss, the mean over all processes."""
        try:
            loss = self._forward(batch)
            mean = self._finite(self.ranks.mean(loss.item()), "loss")
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norm = nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.training.clip)
            self._finite(norm.item(), "gradient")
            rate = self._set_rates()
            self.optimiser.step()
        except (RuntimeError, MemoryError) as error:
            raise _explained(error, batch) from error
        self.seen += len(batch[0]) * self.ranks.count
        self._average()
        if self._journal:
            self._journal.step(self.seen, mean, rate)
        return mean

    def _forward(self, batch: Batch) -> Tensor:
        picture, alpha, valid, band = batch
        self._shared.train()
        for part in self._held:
            part.eval()
        training = self.recipe.training
        nudged, shift = nudge(picture, self.seen) if training.steady else (picture[:0], (0, 0))
        with torch.autocast(self.ranks.device.type, torch.bfloat16, enabled=training.bf16):
            answer = self._shared(torch.cat([picture, nudged]) if training.steady else picture)
            both, distance = answer if isinstance(answer, tuple) else (answer, 0.0)
            logits = both[: len(picture)]
            loss = losses.total(logits, alpha, valid, band, training) + training.hint * distance
            if self._tutor:
                loss = loss + training.distil * self._tutor.distance(batch, logits)
            if training.steady:
                loss = loss + training.steady * unsteadiness(logits, both[len(picture) :], shift)
        return loss

    def _finite(self, value: float, name: str) -> float:
        if not math.isfinite(value):
            raise LabError(f"the {name} is {value} after {self.seen} pictures; lower the rates in the recipe")
        return value

    def _set_rates(self) -> float:
        share = pace(self.recipe.training, self.seen, self.progress)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * share
        return float(self.optimiser.param_groups[-1]["lr"])

    def _validate(self, loss: float, judges: list[Sample]) -> None:
        """Score the average; what the leading process finds decides the schedule in all of them."""
        found: Validation | None = None
        if self.ranks.leads:
            found = validate(self.averaged, judges, self.recipe.training.phases[-1], self.ranks.device)
        iou = self.ranks.tell(found.iou if found else 0.0)
        is_best = self.progress.judge(iou, self.recipe.training.patience)
        if self._journal and found:
            self._journal.validation(self.seen, loss, found)
        if is_best:
            self._save(BEST)

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
        decoder = [p for p in self._learner.parameters() if id(p) not in known]
        groups = [
            {"params": encoder, "peak": training.encoder_rate},
            {"params": decoder, "peak": training.decoder_rate},
        ]
        return OPTIMISERS[training.optimiser](groups, lr=0.0, weight_decay=training.weight_decay)

    def _open(self, resume: bool) -> None:
        """Take up the last checkpoint, or make sure that there is none to be overwritten."""
        path = self.out / LAST
        if not resume:
            if path.exists():
                raise LabError(f"{path} holds a training; go on with --resume or choose another --out")
            self.out.mkdir(parents=True, exist_ok=True)
            return
        state = checkpoint.read(path)
        if state["recipe"] != self.recipe.as_dict():
            raise LabError(f"{path} was made by another recipe; resume with that one or choose another --out")
        self.net.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self._learner.load_state_dict(state["learner"], strict=False)
        self.optimiser.load_state_dict(state["optimiser"])
        self.seen, self.progress = state["seen"], Progress(**state["progress"])
        self._start.lineage, self._start.sources = state["lineage"], state["sources"]
        self._minutes_before = state["minutes"]

    def _save(self, name: str) -> None:
        if self.ranks.leads:
            checkpoint.save(self.out / name, self._state())

    def _state(self) -> checkpoint.State:
        progress = self.progress
        return {
            "recipe": self.recipe.as_dict(),
            "network": self.net.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "learner": {name: value for name, value in self._learner.state_dict().items() if "projections" in name},
            "seen": self.seen,
            "minutes": self._minutes_before + self._watch.elapsed / 60,
            "device": self.ranks.describe(),
            "progress": {"best": progress.best, "waited": progress.waited, "cuts": progress.cuts},
            "lineage": self._start.lineage,
            "sources": self._start.sources,
            "after": [],  # what was done to the weights since
        }


def make_network(recipe: Recipe) -> Any:
    """Build a recipe's network, not filled yet."""
    network = recipe.network
    net = nets.build(network.architecture, network.encoder, network.decoder)
    return net.to(memory_format=torch.channels_last)


def with_teacher(net: Any, recipe: Recipe, backbones: Path) -> Any:
    """Put the recipe's teacher beside a network, where it has one."""
    teacher = recipe.training.teacher
    return Apprentice(net, weights.locate(teacher, backbones)) if teacher else net


def _explained(error: Exception, batch: Batch) -> Exception:
    """What to do about an error of a step, where it is one of memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "alloc" in str(error):
        count, _, height, width = batch[0].shape
        return LabError(f"no memory for {count} pictures of {height}x{width}; lower batch, or size, in the recipe")
    return error


def _tensors(net: nn.Module) -> list[Tensor]:
    return [t for t in net.state_dict().values() if t.is_floating_point()]
