"""The race: networks timed against each other in one run, on every runtime that is installed.

They run in turn, a short burst each, round after round, so that what disturbs the machine disturbs all of them. A burst
begins with runs that are not counted: they warm the caches, and outlast the threads of the last one, which may spin on
for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

import numpy as np

from incognito import runtime, zoo
from incognito.choice import WARM_UP
from incognito.errors import ModelError
from incognito.runtime import OnnxRuntime, Runtime
from incognito.timing import Stopwatch

BURST = 5  # timed runs in a turn


class Runner(Runtime, Protocol):
    """A runtime that has a name."""

    name: str


@dataclass(frozen=True, slots=True)
class Times:
    """A network's times on one runtime, in milliseconds."""

    runtime: str
    half: float
    most: float  # the 95th percentile
    runs: int


def race(cards: list[zoo.Card], threads: int, rounds: int) -> list[list[Times]]:
    """Time each card's network alone on each runtime that can run it; gives each card's times."""
    lanes, runs = [], []
    for place, card in enumerate(cards):
        picture = _picture(card)
        for runner in open_all(card, threads):
            lanes.append((place, runner.name))
            runs.append(partial(runner.run, picture))
    stopwatch = Stopwatch()
    for number in range(rounds):
        order = range(len(lanes)) if number % 2 == 0 else reversed(range(len(lanes)))
        for lane in order:
            _burst(stopwatch, str(lane), runs[lane])
    times: list[list[Times]] = [[] for _ in cards]
    for lane, (place, name) in enumerate(lanes):
        half, most = (stopwatch.milliseconds(str(lane), percentile) for percentile in (50, 95))
        times[place].append(Times(name, half, most, rounds * BURST))
    return times


def _burst(stopwatch: Stopwatch, name: str, run: Callable[[], object]) -> None:
    warm = stopwatch.elapsed + WARM_UP
    while stopwatch.elapsed < warm:
        run()
    for _ in range(BURST):
        with stopwatch.stage(name):
            run()


def open_all(card: zoo.Card, threads: int | None = None) -> list[Runner]:
    """Load a network on every installed runtime that computes it as its card says: bf16 is OpenVINO's alone.

    A runtime beside ONNX Runtime that cannot run it is left out. Raises ModelError where none can.
    """
    runners, problems = [], list[ModelError]()
    for name in runtime.installed():
        if card.precision == "bf16" and name == OnnxRuntime.name:
            continue
        try:
            runners.append(cast(Runner, runtime.open_runtime(card, threads, name)))
        except ModelError as error:
            if name == OnnxRuntime.name:
                raise
            problems.append(error)
    if not runners:
        raise problems[0] if problems else ModelError("bf16 needs OpenVINO; pip install openvino")
    return runners


def fastest(times: list[Times]) -> Times:
    """The times on the fastest runtime."""
    return min(times, key=lambda time: time.half)


def _picture(card: zoo.Card) -> np.ndarray:
    rng = np.random.default_rng(0)
    shape = (1, *card.size, 3) if card.layout == "NHWC" else (1, 3, *card.size)
    return rng.integers(0, 256, shape).astype(card.dtype)
