"""What the models cost on this machine: the network alone, and the whole path by stage."""

from __future__ import annotations

import itertools
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from incognito import __version__, demo, output, page, record, zoo
from incognito.background import Blur
from incognito.errors import ModelError, UsageError
from incognito.frame import Frame, Picture, resize
from incognito.hands import pinned
from incognito.load import Watch
from incognito.machine import cpu
from incognito.network import to_tensor
from incognito.pipeline import Removal
from incognito.record import NETWORK, PATH, Record, Row
from incognito.runtime import Runtime, cores, installed, open_runtime
from incognito.segment import Segmenter
from incognito.timing import Stopwatch
from incognito.zoo import Card

SIZES = ((720, 1280), (1080, 1920))  # of frames: height, width
FRAMES = 8  # of the demonstration's film, shown to and fro; 50 MB of 1080p

SECONDS = 50.0  # of timing; 24 candidates took 73 on two shared cores, loading and the fewest runs included
ROUNDS = 4  # there and back, twice: what drifts meets all alike
LONGEST = 0.5  # seconds of one candidate's turn: a neighbour's noise is shared by all
FEWEST = 3  # runs in a turn, so that a p95 stands on 12, or on 6 where time runs out

WRITERS: dict[str, Callable[[Record], str]] = {
    "json": record.to_json,
    "csv": record.to_csv,
    "markdown": record.to_markdown,
    "html": page.to_html,
}

OnTurn = Callable[[int, int | None], None]  # how many turns are done, and of how many


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model loaded on a runtime, by its name, for so many threads."""

    card: Card
    runtime: str
    threads: int
    network: Runtime


@dataclass(frozen=True, slots=True)
class Work:
    """What is repeated: `once` runs a candidate's network, or its path at a size of frames; stages have their times."""

    candidate: Candidate
    frame: str
    stopwatch: Stopwatch
    once: Callable[[], object]


def run(
    models: Sequence[str | Path] = (),
    outputs: Mapping[str, Path] | None = None,
    force: bool = False,
    seconds: float = SECONDS,
    on_turn: OnTurn = lambda done, count: None,
) -> Record:
    """Time models (all that are shipped, if none is named) on every installed runtime, on one thread and on all cores.

    `outputs` maps "json", "csv", "markdown" and "html" to the files to write; they are checked before anything is
    timed. `seconds` is the time to spend, loading aside; each candidate runs some times however short it is. Raises
    UnknownModelError, ModelError where nothing can be run, and OutputError.
    """
    outputs = outputs or {}
    _check(outputs, force)
    watch = Watch()
    opened, failed = open_all([kind for model in models or _shipped() for kind in _kinds(model)])
    works = [network_alone(candidate) for candidate in opened]
    for size in SIZES:
        frames = film(size)
        works += [whole_path(candidate, frames) for candidate in opened]
    measure(works, seconds, watch, on_turn)
    rows = [row for work in works for row in rows_of(work)]
    found = Record(_machine(), watch.load(), _conditions(), rows + failed)
    for kind, target in outputs.items():
        with output.beside(target) as part:
            part.write_text(WRITERS[kind](found), encoding="utf-8")
    return found


def open_all(cards: Sequence[Card]) -> tuple[list[Candidate], list[Row]]:
    """Load each card on each runtime and number of threads; what cannot be run becomes a row that says why.

    Raises ModelError where nothing can be run.
    """
    opened, failed = [], []
    for card, runtime, threads in itertools.product(cards, installed(), sorted({1, cores()})):
        try:
            candidate = Candidate(card, runtime, threads, open_runtime(card, threads, runtime))
            candidate.network.run(picture(card))
            opened.append(candidate)
        except ModelError as error:
            failed.append((card, runtime, threads, str(error)))
    if not opened:
        raise ModelError(failed[0][-1])
    return opened, [_failure(*failure) for failure in failed]


def network_alone(candidate: Candidate, stopwatch: Stopwatch | None = None) -> Work:
    """Run a candidate's network on the portrait, as its tensor."""
    stopwatch, tensor = stopwatch or Stopwatch(), picture(candidate.card)

    def once() -> None:
        with stopwatch.stage(NETWORK):
            candidate.network.run(tensor)

    return Work(candidate, "", stopwatch, once)


def whole_path(candidate: Candidate, frames: Sequence[Picture], stopwatch: Stopwatch | None = None) -> Work:
    """Take a stream of frames, shown to and fro, through a candidate's path: segment, refine, composite over a blur."""
    stopwatch = stopwatch or Stopwatch()
    removal = Removal(Segmenter(candidate.card.path, runtime=candidate.network), Blur(), stopwatch)
    stream = itertools.cycle([*frames, *frames[-2:0:-1]])

    def once() -> None:
        with stopwatch.stage(PATH):
            removal(Frame(next(stream)), 0.0)

    height, width = frames[0].shape[:2]
    return Work(candidate, f"{width}x{height}", stopwatch, once)


def measure(works: Sequence[Work], seconds: float, watch: Watch, on_turn: OnTurn = lambda done, count: None) -> None:
    """Run works in turns, there and back, for about so many seconds; at least there and back once."""
    whole, turns = Stopwatch(), ROUNDS * len(works)
    for number in range(ROUNDS):
        if number and number % 2 == 0 and whole.elapsed > 0.75 * seconds:
            break
        watch.calibrate()
        for place, work in enumerate(works if number % 2 == 0 else works[::-1]):
            done = number * len(works) + place
            turn(work, min(LONGEST, (seconds - whole.elapsed) / (turns - done)))
            on_turn(done + 1, turns)
    watch.calibrate()


def turn(work: Work, seconds: float) -> None:
    """Run a work for so many seconds and at least FEWEST times, after one run that is not counted.

    That run warms caches, and waits until the threads of the work before, which spin on for a while, are at rest.
    """
    stopwatch = work.stopwatch
    end = stopwatch.elapsed + seconds
    with pinned(work.candidate.threads):
        with stopwatch.paused():
            work.once()
        for number in itertools.count():
            if number >= FEWEST and stopwatch.elapsed >= end:
                break
            work.once()


def film(size: tuple[int, int]) -> list[Picture]:
    """The first frames of the demonstration's film at a size, height and width."""
    still = demo.portrait().pixels
    return [demo.camera_view(still, number / demo.RATE, size) for number in range(FRAMES)]


def picture(card: Card) -> np.ndarray:
    """The portrait as a card's network takes it."""
    return to_tensor(resize(demo.portrait().pixels, card.size), card)


def rows_of(work: Work) -> list[Row]:
    """A row for each stage of a work."""
    candidate, times = work.candidate, work.stopwatch
    about = _about(candidate.card, candidate.runtime, candidate.threads)
    return [
        Row(**about, frame=work.frame, stage=stage, n=times.count(stage), **_figures(times, stage), status="ok")
        for stage in times.stages
    ]


def _figures(times: Stopwatch, stage: str) -> dict[str, Any]:
    half, most = (times.milliseconds(stage, percentile) for percentile in (50, 95))
    rate = 1000 / half if half and stage in (NETWORK, PATH) else None
    return {"p50_ms": half, "p95_ms": most, "spread": times.spread(stage), "fps": rate}


def _failure(card: Card, runtime: str, threads: int, reason: str) -> Row:
    blank: dict[str, Any] = dict.fromkeys(("p50_ms", "p95_ms", "spread", "fps"))
    return Row(**_about(card, runtime, threads), frame="", stage="", n=0, **blank, status=reason)


def _about(card: Card, runtime: str, threads: int) -> dict[str, Any]:
    """What all rows of a candidate say alike."""
    return {
        "model": card.label,
        "precision": card.precision,
        "network": f"{card.width}x{card.height}",
        "runtime": runtime,
        "threads": threads,
        "bytes": card.bytes,
        "iou": card.measured.get("iou"),
        "cpu": cpu(),
        "versions": "; ".join(f"{name} {number}" for name, number in _versions([runtime]).items()),
    }


def _machine() -> dict[str, Any]:
    return {
        "cpu": cpu(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": _versions(installed()),
    }


def _versions(runtimes: Sequence[str]) -> dict[str, str]:
    ours = {"incognito": __version__, "Python": platform.python_version()}
    theirs = {name: import_module(name).__version__.partition("-")[0] for name in runtimes}  # then comes the build
    return ours | theirs | {"OpenCV": cv2.__version__, "NumPy": np.__version__}


def _conditions() -> dict[str, str]:
    return {
        "Network alone": "one picture as a tensor, from bytes in memory to alpha",
        "Whole path": "segment (shrinking and network), refine, composite over a blur, on the demonstration's moving "
        "portrait, as one stream; without camera, decoding and encoding",
        "Runs": f"warm and interleaved, in {ROUNDS} rounds at most, there and back; each turn is a run that is not "
        f"counted, then {FEWEST} or more that are",
        "Threads": "pinned in number, the network's and OpenCV's; not to cores, so that the system may move them out "
        "of another program's way",
        "Spread": "interquartile range over median",
    }


def _kinds(model: str | Path) -> list[Card]:
    """A shipped model in all its variants; what was named more closely as it is."""
    card = zoo.find(model)
    return zoo.variants(card) if zoo.is_name(model) else [card]


def _shipped() -> list[str]:
    return [card.name for card in zoo.models()]


def _check(outputs: Mapping[str, Path], force: bool) -> None:
    for target in outputs.values():
        output.check(target, force)
    if len({target.resolve() for target in outputs.values()}) < len(outputs):
        raise UsageError("two of the outputs are one file; name a file for each")
