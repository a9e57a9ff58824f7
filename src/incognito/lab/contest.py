"""The contest: who takes how long, each in its own process on the same cores, in turns, while all others wait."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incognito import benchmark
from incognito.lab.child import Child
from incognito.lab.contestants import Contestant, open_all
from incognito.lab.peers.wire import LARGE, WORKS
from incognito.load import Watch, read_busy
from incognito.runtime import cores

THREADS = (1, 2)
ROUNDS = 8  # there and back, four times: what drifts meets all alike
TURN = 0.5  # seconds of a turn: a neighbour's noise is shared by all
FILMS = {"": (720, 1280), LARGE: (1080, 1920)}  # the frames' height and width; "" stands for all other works


@dataclass(frozen=True, slots=True)
class Times:
    """What a work cost: wall time of each run, CPU time of a run in each turn, both in milliseconds."""

    wall: list[float]
    cpu: list[float]

    def figures(self) -> dict[str, float]:
        """Medians and 95th percentiles, each a time that was measured."""
        return {
            f"{kind}_p{percentile}_ms": float(np.percentile(getattr(self, kind), percentile, method="nearest"))
            for kind in ("wall", "cpu")
            for percentile in (50, 95)
        }


@dataclass(frozen=True, slots=True)
class Heat:
    """All contestants, as their workers told of them on so many threads, their times, and what else the machine did."""

    threads: int
    contestants: list[Contestant]
    times: list[dict[str, Times]]
    load: str


def threads_here() -> list[int]:
    """Those of THREADS that there are cores for."""
    return [count for count in THREADS if count <= cores()]


def turns(contestants: int, rounds: int) -> int:
    """How many turns a heat has."""
    return contestants * len(WORKS) * rounds


def heat(
    contestants: Sequence[Contestant],
    threads: int,
    rounds: int = ROUNDS,
    seconds: float = TURN,
    on_turn: Callable[[], None] = lambda: None,
) -> Heat:
    """Time all contestants on so many threads and cores: the network, a frame's matte, frames whole."""
    with ExitStack() as stack:
        opened = open_all(contestants, threads, stack)
        children = [child for _, child in opened]
        for work, size in FILMS.items():
            film = np.stack(benchmark.film(size))
            for child in children:
                child.ask("show", film, work=work)
        watch = Watch(busy=lambda: _busy_beside(children))
        times = _take_turns(children, rounds, seconds, watch, on_turn)
        return Heat(threads, [told for told, _ in opened], times, watch.load().verdict)


def _take_turns(
    children: Sequence[Child], rounds: int, seconds: float, watch: Watch, on_turn: Callable[[], None]
) -> list[dict[str, Times]]:
    lanes = [(place, work) for work in WORKS for place in range(len(children))]
    times: list[dict[str, Times]] = [defaultdict(lambda: Times([], [])) for _ in children]
    for number in range(rounds):
        watch.calibrate()
        for place, work in lanes if number % 2 == 0 else lanes[::-1]:
            took, _ = children[place].ask("time", work=work, seconds=seconds)
            times[place][work].wall.extend(took["wall"])
            times[place][work].cpu.append(took["cpu"])
            on_turn()
    watch.calibrate()
    return times


def _busy_beside(children: Sequence[Child]) -> float | None:
    """Seconds that the cores were busy with anything but the children."""
    busy = read_busy(Path("/proc/stat"))
    return None if busy is None else busy - sum(child.spent() for child in children)
