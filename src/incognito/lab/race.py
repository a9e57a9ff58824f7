"""The race: networks timed against each other in one run, on every runtime that is installed.

They run in turn, a short burst each, round after round, so that what disturbs the machine disturbs all of them. A burst
begins with runs that are not counted: they warm the caches, and outlast the threads of the last one, which ONNX Runtime
lets spin on for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from incognito import runtime, zoo
from incognito.choice import WARM_UP
from incognito.timing import Stopwatch

BURST = 5  # timed runs in a turn


@dataclass(frozen=True, slots=True)
class Times:
    """A network's times on one runtime, in milliseconds."""

    runtime: str
    half: float
    most: float  # the 95th percentile
    runs: int


def race(cards: list[zoo.Card], threads: int, rounds: int) -> list[list[Times]]:
    """Time each card's network alone on each runtime that can run it; gives each card's times."""
    lanes = [(place, name) for place, card in enumerate(cards) for name in runtimes_for(card)]
    pictures = [_picture(card) for card in cards]
    runs = [partial(runtime.open_runtime(cards[place], threads, name).run, pictures[place]) for place, name in lanes]
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


def runtimes_for(card: zoo.Card) -> list[str]:
    """The installed runtimes that compute a network as its card says: bf16 is OpenVINO's alone."""
    return [name for name in runtime.installed() if card.precision != "bf16" or name == "openvino"]


def fastest(times: list[Times]) -> float:
    """Milliseconds on the fastest runtime; infinite where none can run it."""
    return min((time.half for time in times), default=float("inf"))


def _picture(card: zoo.Card) -> np.ndarray:
    rng = np.random.default_rng(0)
    shape = (1, *card.size, 3) if card.layout == "NHWC" else (1, 3, *card.size)
    return rng.integers(0, 256, shape).astype(card.dtype)
