"""The choice: which variant of a model, on which runtime, is the fastest here within the accuracy rule.

A variant may be chosen where its measured IoU is at most LOSS below its base's. A card's figures were measured on ONNX
Runtime; another runtime's arithmetic may differ, most of all in int8. So each candidate must also find nearly the same
alpha as the base on ONNX Runtime, on the portrait that comes with the package. What remains is timed, for two seconds,
and the outcome kept for this processor, these threads, runtimes and files. For a stream they rest between their runs,
as its network does: who is the fastest run after run need not be so once threads sleep.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Any

import cv2
import numpy as np

from incognito import cache, machine, photo, runtime, zoo
from incognito.errors import ModelError
from incognito.frame import Picture, Plane
from incognito.network import Network
from incognito.timing import Stopwatch
from incognito.zoo import Card

LOSS = 0.003  # of IoU, at most, from the base to a variant
TOLERANCE = 0.02  # of alpha, on average over the portrait, from the base on ONNX Runtime to a candidate
BUDGET = 2.0  # seconds, for the runs of all candidates together
ROUNDS = 3  # turns of each candidate, so that a busy moment does not hit one alone
WARM_UP = 0.05  # seconds: another's threads may spin on after its last run, 20 ms of ONNX Runtime's before 1.26
REST = 0.02  # seconds, at the least, from one question of a stream's to the next at 30 frames a second


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variant on a runtime. `milliseconds` is a run's median, None where it was not timed.

    `refused` says why it may not be chosen; empty where it may.
    """

    card: Card
    runtime: str
    milliseconds: float | None = None
    refused: str = ""

    @property
    def name(self) -> str:
        """Variant and runtime, as "fast.int8 openvino"."""
        return f"{self.card.label} {self.runtime}"


@dataclass(frozen=True, slots=True)
class Choice:
    """All candidates, the base on the first runtime first, and the place of the one to run."""

    candidates: list[Candidate]

    @property
    def best(self) -> Candidate:
        """The fastest that was not refused; the base, which was asked for at least, where all were."""
        admitted = [candidate for candidate in self.candidates if not candidate.refused]
        return min(admitted, key=lambda c: c.milliseconds or math.inf, default=self.candidates[0])

    def verdict(self, candidate: Candidate) -> str:
        """One word or two on a candidate: chosen, slower, or why it was refused."""
        return "chosen" if candidate is self.best else candidate.refused or "slower"


def choose(base: Card, threads: int | None = None, name: str | None = None, rest: float = 0.0) -> Choice:
    """Choose among a base's variants on every installed runtime, or on the named one only.

    The first time this loads all candidates and takes two seconds; a single one is not timed. They `rest` for so many
    seconds before each run: REST is a stream's. Raises UsageError where the runtime is not known or not installed, and
    ModelError where a card or the base cannot be used.
    """
    if name:
        runtime.require(name)
    names = [name] if name else runtime.installed()
    candidates = _candidates(base, names)
    if sum(not candidate.refused for candidate in candidates) < 2:
        return Choice(candidates)
    key = _key(candidates, threads, rest)
    known = _recall(candidates, cache.read(base.name, key))
    return Choice(_found_out(base, candidates, threads, key) if known is None else known)


def akin(base: Card, threads: int | None, like: Card, name: str) -> Candidate:
    """Choose for a stream in which another model's variant `like` runs, on the named runtime.

    That is what is known of streams; or else the base's variant of the same kind on the same runtime. It must find the
    base's alpha, but is not timed, which would take two seconds of the stream; so nothing is kept. The base on ONNX
    Runtime where there is no such variant. Raises ModelError where a card or the base cannot be used.
    """
    candidates = _candidates(base, runtime.installed())
    known = _recall(candidates, cache.read(base.name, _key(candidates, threads, REST)))
    if known is not None:
        return Choice(known).best
    label = base.label + like.label.removeprefix(like.name)
    fitting = [each for each in candidates if (each.card.label, each.runtime) == (label, name)]
    tried = _tried(base, fitting, threads, _portrait(base))
    return next((each for each, network in tried if network), candidates[0])


def check_alike(card: Card, threads: int | None, name: str, one: Callable[[Picture], Plane]) -> None:
    """Raise ModelError where a variant on the named runtime finds another alpha on the portrait than `one` does.

    Raises UsageError where that runtime is not installed.
    """
    picture = _portrait(card)
    tried, _ = _try(Candidate(card, name), threads, picture, one(picture))
    if tried.refused:
        raise ModelError(f"{tried.name} {tried.refused}; stay on the runtime that runs")


def _candidates(base: Card, names: Sequence[str]) -> list[Candidate]:
    """All variants on the named runtimes; those that lose too much are refused."""
    return [Candidate(card, each, refused=_loss(base, card)) for card in zoo.variants(base) for each in names]


def _found_out(base: Card, candidates: list[Candidate], threads: int | None, key: dict[str, Any]) -> list[Candidate]:
    """Race, and keep the outcome; a batch's processes, which all ask at once, wait for the first one's."""
    with cache.alone(base.name, key):
        known = _recall(candidates, cache.read(base.name, key))
        if known is None:
            known = _calibrate(base, candidates, threads, key["rest"])
            cache.write(base.name, key, [[each.name, each.milliseconds, each.refused] for each in known])
        return known


def version(name: str) -> str:
    """The version of a runtime's package, which is not loaded; empty where it was not installed as one."""
    try:
        return version_of(name)
    except PackageNotFoundError:
        return ""


def race(
    runs: Mapping[str, Callable[[], object]], stopwatch: Stopwatch, pause: Callable[[], object] = lambda: None
) -> dict[str, float]:
    """Let each run in turns, after a pause each time, until BUDGET seconds are spent; give medians in milliseconds.

    None begins a turn when its time is over, unless it was never timed: one run of each there must be.
    """
    turns = [*runs] * ROUNDS
    for number, name in enumerate(turns, 1):
        _turn(name, runs[name], stopwatch, BUDGET * number / len(turns), pause)
    return {name: stopwatch.milliseconds(name, 50) for name in runs}


def _turn(
    name: str, run: Callable[[], object], stopwatch: Stopwatch, until: float, pause: Callable[[], object]
) -> None:
    """Run untimed for WARM_UP seconds, then timed until the turn is over."""
    if stopwatch.count(name) and stopwatch.elapsed >= until:
        return
    warm = stopwatch.elapsed + WARM_UP
    run()
    while stopwatch.elapsed < warm:
        pause()
        run()
    while not stopwatch.count(name) or stopwatch.elapsed < until:
        pause()
        with stopwatch.stage(name):
            run()


def _loss(base: Card, card: Card) -> str:
    """Why the accuracy rule refuses a variant; empty where it does not."""
    lost = round(base.iou - card.iou, 4)
    if card is base or lost <= LOSS:
        return ""
    return "IoU not measured" if math.isnan(lost) else f"loses {lost:.4f} IoU"


def _key(candidates: list[Candidate], threads: int | None, rest: float) -> dict[str, Any]:
    """What the outcome depends on."""
    return {
        "cpu": machine.cpu(),
        "threads": threads or runtime.cores(),
        "cores": runtime.cores(),
        "rest": rest,
        "runtimes": {each.runtime: version(each.runtime) for each in candidates},
        "variants": {each.card.file: [each.card.sha256, each.card.measured.get("iou")] for each in candidates},
    }


def _recall(candidates: list[Candidate], rows: Any) -> list[Candidate] | None:
    """The candidates with what the cache knows of them; None where it knows nothing that fits."""
    try:
        known = [
            dataclasses.replace(each, milliseconds=None if time is None else float(time), refused=str(refused))
            for each, (name, time, refused) in zip(candidates, rows, strict=True)
            if each.name == name
        ]
    except (TypeError, ValueError):
        return None
    return known if len(known) == len(candidates) else None


def _calibrate(base: Card, candidates: list[Candidate], threads: int | None, rest: float) -> list[Candidate]:
    """Load what was not refused, compare it with the base on ONNX Runtime, and time what agrees."""
    picture = _portrait(base)
    tried = _tried(base, candidates, threads, picture)
    runs = {each.name: partial(network, picture) for each, network in tried if network}
    times = race(runs, Stopwatch(), partial(time.sleep, rest))
    return [dataclasses.replace(each, milliseconds=times.get(each.name)) for each, _ in tried]


def _tried(
    base: Card, candidates: list[Candidate], threads: int | None, picture: Picture
) -> list[tuple[Candidate, Network | None]]:
    """Each candidate, with its network where that can be run and finds what the base does on ONNX Runtime."""
    expected = Network(base, runtime.open_runtime(base, threads))(picture)
    return [_try(each, threads, picture, expected) for each in candidates]


def _try(
    candidate: Candidate, threads: int | None, picture: Picture, expected: Plane
) -> tuple[Candidate, Network | None]:
    """Load a candidate and compare its alpha; without a network where it is refused."""
    if candidate.refused:
        return candidate, None
    try:
        network = Network(candidate.card, runtime.open_runtime(candidate.card, threads, candidate.runtime))
        moved = float(np.abs(network(picture) - expected).mean())
    except ModelError:
        return dataclasses.replace(candidate, refused="cannot be run here"), None
    if moved > TOLERANCE:
        return dataclasses.replace(candidate, refused=f"moves alpha by {moved:.3f}"), None
    return candidate, network


def _portrait(card: Card) -> Picture:
    """The portrait at a card's size, uint8 RGB."""
    pixels = photo.read(photo.PORTRAIT.read_bytes(), str(photo.PORTRAIT)).pixels
    return cv2.resize(pixels, (card.width, card.height), interpolation=cv2.INTER_AREA)
