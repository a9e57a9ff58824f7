"""A batch: many files through the same work, each written at once or not at all, and begun again where it broke off.

The journal in the output's folder has a line of JSON for each file that was begun, and one for each that ended. What is
in it as done, and is still there and unchanged, is not done again; nor is what was begun, and is there since.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incognito import files, output, photo, still, video
from incognito.crew import Crew, Work
from incognito.errors import IncognitoError, OutputError, first_line
from incognito.gathering import Item, gather, patience_with, place, read_list
from incognito.runtime import cores
from incognito.segment import Segmenter
from incognito.wanted import Wanted

JOURNAL = ".incognito-batch.jsonl"
FIELDS = frozenset({"source", "target", "state", "stamp", "key"})  # of a line that is whole
AGAIN = 2.0  # seconds between two looks at watched folders
SETTLED = 1.0  # seconds that a new file must not have changed

OnFile = Callable[[dict[str, Any]], None]  # gets a file's line
OnCount = Callable[[int], None]  # gets how many files there are to do


@dataclass(slots=True)
class Outcome:
    """How many files were done, were done before, and failed."""

    done: int = 0
    before: int = 0
    failed: int = 0

    def count(self, state: str) -> None:
        """Count a file that came to its end."""
        self.done += state == "done"
        self.failed += state == "failed"

    def __str__(self) -> str:
        return f"{self.done} done, {self.before} done before, {self.failed} failed"


def run(
    inputs: list[str],
    wanted: Wanted,
    listed: str | None = None,
    workers: int | None = None,
    watch: bool = False,
    on_file: OnFile = lambda line: None,
    on_count: OnCount = lambda count: None,
) -> Outcome:
    """Take files through; `on_file` gets the journal's line of each. With `watch`, go on until interrupted.

    `workers` processes have as many threads each as leave no core idle; a worker for each core is the fastest. Raises
    IncognitoError for what concerns all files; what concerns one is in its line.
    """
    wanted.check()
    output.make(wanted.folder)
    outcome = Outcome()
    with _journal(wanted.folder) as (known, write):
        size = max(1, min(workers or cores(), cores()))
        crew = Crew(_worker, (wanted, max(1, cores() // size)), size, _patience, _own_cores(size))
        try:
            while True:
                for line in _pass(crew, inputs, listed, wanted, known, outcome, watch, write, on_count):
                    on_file(line)
                if not watch:
                    return outcome
                time.sleep(AGAIN)
        finally:
            crew.close()


def _patience(item: Item) -> float:
    return patience_with(item.source.name)


def _own_cores(size: int) -> list[int]:
    """A core for each of as many processes as there are: Linux may leave two on one, though another is idle."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return usable if len(usable) == size else []


def _pass(
    crew: Crew,
    inputs: list[str],
    listed: str | None,
    wanted: Wanted,
    known: dict[str, dict[str, Any]],
    outcome: Outcome,
    watch: bool,
    write: OnFile,
    on_count: OnCount,
) -> Iterator[dict[str, Any]]:
    """One look at the inputs: what is new is worked on and written down; gives the lines of what came to an end."""
    try:
        found = gather(inputs, read_list(listed) if listed else ())
    except IncognitoError:
        if not watch:
            raise
        return
    mine = _results(known, wanted.folder)
    found = [(source, inside) for source, inside in found if str(source) not in mine]
    given = {source: line["target"] for source, line in known.items()}
    targets = place(found, wanted.format, wanted.film, wanted.on_collision, given)
    items = [Item(source, target) for (source, _), target in zip(found, targets, strict=True)]
    todo = [item for item in items if not _is_done(item, known.get(str(item.source)), wanted)]
    if watch:
        todo = [item for item in todo if _is_settled(item, known.get(str(item.source)))]
    else:
        outcome.before += len(items) - len(todo)
        on_count(len(todo))
    for item, result, ended in crew.work(_begun(todo, wanted, write)):
        seconds, problem = result or (0.0, f"{item.source}: {ended}; look at the file")
        line = _line(item, wanted, seconds, problem)
        known[line["source"]] = line
        write(line)
        outcome.count(line["state"])
        yield line


def _results(known: dict[str, dict[str, Any]], output: Path) -> set[str]:
    """What the journal has as written, or begun: no inputs, though the output lies in a folder of those."""
    lines = (line for line in known.values() if line["state"] != "failed")
    return {os.path.abspath(output / line["target"]) for line in lines}  # noqa: PTH100 - as in gathering


def _begun(items: list[Item], wanted: Wanted, write: OnFile) -> Iterator[Item]:
    """Write down that a file is begun before it is handed over, and what stood in its result's place."""
    for item in items:
        line = _line(item, wanted, 0.0, "")
        write(line | {"state": "begun", "there": _stamp(wanted.folder / item.target)})
        yield item


def _worker(wanted: Wanted, threads: int) -> Work:
    """What a process of the crew does: it loads the model once, and takes one file after the other through."""
    import cv2

    cv2.setNumThreads(threads)
    segmenter = Segmenter(wanted.model, threads)

    def work(item: Item) -> tuple[float, str]:
        begun = time.monotonic()
        try:
            _do(item, wanted, segmenter)
        except IncognitoError as error:
            return time.monotonic() - begun, str(error)
        except Exception as error:  # whatever a codec raises concerns this file alone
            return time.monotonic() - begun, f"{item.source} could not be worked on ({first_line(error)})"
        return time.monotonic() - begun, ""

    return work


def _do(item: Item, wanted: Wanted, segmenter: Segmenter) -> None:
    target, stamp = wanted.folder / item.target, _stamp(item.source)
    target.parent.mkdir(parents=True, exist_ok=True)
    files.remove(str(item.source), str(target), wanted.background, segmenter, wanted.force)
    if wanted.delete:
        verify(item.source, target)
        _settle(target)
        if _stamp(item.source) != stamp:
            raise OutputError(f"{item.source} was changed while it was worked on, and left where it is; begin again")
        item.source.unlink()


def _settle(target: Path) -> None:
    """Have a file and its name on the disk for good, before what it was made of goes."""
    with target.open("rb+") as file:
        os.fsync(file.fileno())
    with suppress(OSError):  # Windows opens no folders
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def verify(source: Path, target: Path) -> None:
    """Read a written file back, whole; raises OutputError where it does not show as much as its source."""
    if photo.is_photo(source):
        whole = still.read(target.read_bytes(), str(target)).frame.size == _size(source)
    else:
        whole = sum(1 for _ in video.pictures(target)) == sum(1 for _ in video.pictures(source))
    if not whole:
        raise OutputError(f"{target} does not hold all of {source}, which was left where it is; look at both")


def _size(source: Path) -> tuple[int, int]:
    return still.read(source.read_bytes(), str(source)).frame.size


def _is_done(item: Item, line: dict[str, Any] | None, wanted: Wanted) -> bool:
    """Whether the journal has it as done or begun, its result is there since, and its source has not changed."""
    if line is None or line["key"] != wanted.key or line["stamp"] != _stamp(item.source):
        return False
    there = _stamp(wanted.folder / item.target)
    return bool(there) and (line["state"] == "done" or (line["state"] == "begun" and there != line["there"]))


def _is_settled(item: Item, line: dict[str, Any] | None) -> bool:
    """Whether a watched file is whole by now, and has not failed as it is."""
    try:
        fresh = time.time() - item.source.stat().st_mtime < SETTLED
    except OSError:
        return False
    return not fresh and (line is None or line["stamp"] != _stamp(item.source))


def _stamp(source: Path) -> list[int]:
    """A file's size and when it was last changed; nothing of one that is gone."""
    try:
        found = source.stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


def _line(item: Item, wanted: Wanted, seconds: float, problem: str) -> dict[str, Any]:
    return {
        "source": str(item.source),
        "target": str(item.target),
        "state": "failed" if problem else "done",
        "problem": problem,
        "seconds": round(seconds, 3),
        "stamp": _stamp(item.source),
        "key": wanted.key,
    }


@contextmanager
def _journal(folder: Path) -> Iterator[tuple[dict[str, dict[str, Any]], Callable[[dict[str, Any]], None]]]:
    """Open an output's journal, for one batch at a time; gives what it has, by source, and how a line is added."""
    with (folder / JOURNAL).open("a+", encoding="utf-8", errors="replace") as file:
        output.lock(file, f"another batch writes into {folder}")
        output.sweep(folder)
        file.seek(0)
        text = file.read()
        known = {line["source"]: line for line in _lines(text)}
        if text and not text.endswith("\n"):  # the last line is torn
            file.write("\n")

        def write(line: dict[str, Any]) -> None:
            file.write(json.dumps(line) + "\n")  # in ASCII: a path may hold what is no text
            file.flush()

        yield known, write


def _lines(journal: str) -> Iterator[dict[str, Any]]:
    for text in journal.splitlines():
        try:
            line = json.loads(text)
        except ValueError:  # the last one, where the power went
            continue
        if isinstance(line, dict) and line.keys() >= FIELDS:
            yield line
