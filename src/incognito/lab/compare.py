"""A comparison: this project's models and their peers on the same pictures and frames, in one run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, product
from pathlib import Path

import numpy as np

from incognito.lab import contest, exhibits, rows
from incognito.lab.contest import Heat
from incognito.lab.contestants import Contestant, enter, open_all
from incognito.lab.exhibits import Exhibit, Fared
from incognito.lab.paired import bootstrap
from incognito.lab.peers.wire import WORKS
from incognito.lab.rows import Row
from incognito.lab.source import commit
from incognito.lab.standings import FILES
from incognito.machine import cpu

NEGLIGIBLE = 0.01  # share of an empty picture's pixels; more is a person that nobody is

Scores = list[list[Fared]]  # of each contestant, of each exhibit


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found: rows of each contestant on each set, on each number of threads, and of each pair on each set."""

    accuracy: list[Row]
    speed: list[Row]
    pairs: list[Row]

    def append(self, folder: Path) -> list[Path]:
        """Add the rows to the tables in a folder; gives the files. Raises LabError where one has other columns."""
        paths = [folder / f"{name}.csv" for name in FILES]
        for path, table in zip(paths, (self.accuracy, self.speed, self.pairs), strict=True):
            for row in table:
                rows.append(path, row)
        return paths


def compare(
    models: Sequence[str],
    peers: Sequence[str],
    data: Path,
    clips: Path | None = None,
    environment: Path | None = None,
    on_step: Callable[[int, int | None], None] = lambda done, total: None,
    rounds: int = contest.ROUNDS,
    seconds: float = contest.TURN,
) -> Comparison:
    """Compare models (all that are shipped, if none is named) with peers: first on pictures, then in time.

    `data` and `clips` hold a manifest.csv; `environment` is that of the peers, made here if left out; a turn of timing
    takes `seconds`. Raises UnknownModelError, and LabError where data, an environment or a worker cannot be used.
    """
    run = " ".join([datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), commit()]).strip()
    shown = exhibits.read(data, clips)
    contestants = enter(models, peers, environment)
    heats, done = contest.threads_here(), count(1)
    total = len(shown) + len(heats) * contest.turns(len(contestants), rounds)

    def step() -> None:
        on_step(next(done), total)

    contestants, scores = show(contestants, shown, heats[-1], step)
    timed = [contest.heat(contestants, threads, rounds, seconds, step) for threads in heats]
    found = exhibits.sets(shown, scores[0])
    return Comparison(
        accuracy_rows(run, contestants, found, scores),
        [row for heat in timed for row in speed_rows(run, heat)],
        pair_rows(run, contestants, found, scores),
    )


def show(
    contestants: Sequence[Contestant], shown: Sequence[Exhibit], threads: int, on_picture: Callable[[], None]
) -> tuple[list[Contestant], Scores]:
    """Show every picture to all contestants; gives these as their workers told of them, and how each fared."""
    with ExitStack() as stack:
        opened = open_all(contestants, threads, stack)
        scores: Scores = [[] for _ in opened]
        for exhibit in shown:
            picture, mask, valid = exhibit.sample.load()
            for (_, child), fared in zip(opened, scores, strict=True):
                alpha, photo = (np.asarray(child.ask(what, picture)[1]) for what in ("matte", "photo"))
                fared.append(exhibits.score(alpha, photo, mask, valid))
            on_picture()
    return [told for told, _ in opened], scores


def accuracy_rows(
    run: str, contestants: Sequence[Contestant], found: Sequence[exhibits.Set], scores: Scores
) -> list[Row]:
    """A row for each contestant and set: means over the pictures; of empty places, also how many are marked at all."""
    return [
        _about(run, contestant)
        | {"cpu": cpu(), "set": each.name, "n": str(each.count)}
        | _means(each, fared)
        | {"over_one_percent": _share_marked(each, fared)}
        for (contestant, fared), each in product(zip(contestants, scores, strict=True), found)
    ]


def speed_rows(run: str, heat: Heat) -> list[Row]:
    """A row for each contestant: milliseconds of each work, wall and CPU; and what a stream's frames were shown to."""
    return [
        _about(run, contestant)
        | {"cpu": cpu(), "threads": str(heat.threads), "load": heat.load, "runs": str(len(times[WORKS[0]].wall))}
        | {f"{work}_{name}": f"{ms:.3f}" for work in WORKS for name, ms in times[work].figures().items()}
        | {"streamed": contestant.streamed}
        for contestant, times in zip(heat.contestants, heat.times, strict=True)
    ]


def pair_rows(run: str, contestants: Sequence[Contestant], found: Sequence[exhibits.Set], scores: Scores) -> list[Row]:
    """A row for each model of ours beside each peer, on each set, of each figure: ours less the peer's."""
    entries = list(zip(contestants, scores, strict=True))
    ours, theirs = ([entry for entry in entries if entry[0].is_peer == peer] for peer in (False, True))
    return [
        {"run": run, "contestant": mine[0].name, "peer": other[0].name, "set": each.name, "figure": figure}
        | {"n": str(each.count)}
        | _difference(each, figure, mine[1], other[1])
        for mine, other, each in product(ours, theirs, found)
        for figure in each.figures
    ]


def _about(run: str, contestant: Contestant) -> Row:
    names = ("model", "runtime", "network", "bytes", "sha256", "versions")
    return {"run": run, "contestant": contestant.name} | {name: str(getattr(contestant, name)) for name in names}


def _means(each: exhibits.Set, fared: list[Fared]) -> Row:
    blank = dict.fromkeys((*exhibits.FIGURES, exhibits.MARKED), "")
    return blank | {name: f"{np.concatenate(each.values(fared, name)).mean():.5f}" for name in each.figures}


def _share_marked(each: exhibits.Set, fared: list[Fared]) -> str:
    if not each.is_empty:
        return ""
    return f"{np.mean(np.concatenate(each.values(fared, exhibits.MARKED)) > NEGLIGIBLE):.4f}"


def _difference(each: exhibits.Set, figure: str, ours: list[Fared], theirs: list[Fared]) -> Row:
    pairs = zip(each.values(ours, figure), each.values(theirs, figure), strict=True)
    found = bootstrap([mine - other for mine, other in pairs])
    ends = {name: "" if math.isnan(end) else f"{end:.5f}" for name, end in (("low", found.low), ("high", found.high))}
    return {"difference": f"{found.mean:.5f}"} | ends
