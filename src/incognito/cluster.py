"""A batch on a Ray cluster: every machine reads, works and writes for itself; what one that dies had is done by others.

Files lie where all machines reach them: in a folder that they share, or at a URL. There is no journal: what is there is
done. A row of the data set is a file's address; an actor is a processor core, and has the file worked on in a process
of its own, so that a file that ends it costs neither the actor nor what else it had to do.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from incognito import extras, files, output, storage
from incognito.batch import OnCount, OnFile, Outcome
from incognito.crew import Crew, Work
from incognito.errors import IncognitoError, InputError, UsageError, first_line
from incognito.gathering import gather, patience_with, place, read_list
from incognito.segment import Segmenter
from incognito.storage import is_url
from incognito.wanted import Wanted

BLOCK = 32  # files that are handed to an actor together: what is done again when its machine dies
SHARE = 4  # blocks for each actor at the least, so that all end at about the same time
REACH = 5.0  # seconds that a cluster may take to answer
NOTE = ".incognito-cluster.json"  # in the output: what was made there

Row = dict[str, Any]


def run(
    inputs: list[str],
    wanted: Wanted,
    listed: str | None = None,
    workers: int | None = None,
    watch: bool = False,
    on_file: OnFile = lambda line: None,
    on_count: OnCount = lambda count: None,
) -> Outcome:
    """Take files through, to a folder or a URL; what is there is left, unless it is to be replaced by force.

    The cluster is that of RAY_ADDRESS, or one of this machine alone. `on_file` gets a line for each file, `on_count`
    how many there will be. Raises IncognitoError for what concerns all files; what concerns one is in its line.
    """
    extras.require("cluster", "ray", "pyarrow", "fsspec")
    if watch or wanted.delete or wanted.on_collision == "number":  # a cluster has no journal to know numbers by
        raise UsageError("--watch, --delete-originals and --on-collision number are for --engine local; leave them out")
    wanted.check()
    if wanted.background and Path(wanted.background).is_file():  # other machines know no folder to count from
        wanted = replace(wanted, background=os.path.abspath(wanted.background))  # noqa: PTH100
    where = _place_for_results(str(wanted.output))
    found = sorted(_without_results(_found(inputs, listed), where).items())
    targets = place(found, wanted.format, wanted.film, "refuse", {})
    _note(where, wanted)
    there = storage.inside(where)
    rows = [{"source": source, "target": str(target)} for (source, _), target in zip(found, targets, strict=True)]
    todo = [row for row in rows if wanted.force or row["target"] not in there]
    outcome = Outcome(before=len(rows) - len(todo))
    on_count(len(todo))
    with _cluster():
        for line in _lines(todo, where, wanted, workers) if todo else ():
            outcome.count(line["state"])
            on_file(line)
    if not is_url(where):
        output.sweep(Path(where))
    return outcome


def _lines(todo: list[Row], where: str, wanted: Wanted, workers: int | None) -> Iterator[Row]:
    """Work on files; gives the line of each as its block is done."""
    import ray

    cores = int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
    actors = max(1, min(workers or cores, cores, len(todo)))
    blocks = min(len(todo), max(-(-len(todo) // BLOCK), SHARE * actors))
    data = ray.data.from_items(todo, override_num_blocks=blocks).map(
        Worker,  # type: ignore[arg-type] # Ray makes one of it in each actor
        fn_constructor_args=(where, wanted),
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors, initial_size=actors),
        num_cpus=1,
    )
    yield from data.iter_rows()


class Worker:
    """An actor: takes a file's address and its place, gives its line."""

    def __init__(self, where: str, wanted: Wanted) -> None:
        self._where, self._force = where, wanted.force
        self._crew = Crew(_work, (where, wanted), 1, lambda job: patience_with(Path(job[0]).name))

    def __call__(self, row: Row) -> Row:
        """Work on a file, unless another machine was done with it before it died."""
        begun = time.monotonic()
        problem = ""
        if self._force or not storage.exists(_address(self._where, row["target"])):
            for _, result, ended in self._crew.work([(row["source"], row["target"])]):
                problem = f"{row['source']}: {ended}; look at the file" if ended else str(result)
        state = "failed" if problem else "done"
        return {**row, "state": state, "problem": problem, "seconds": round(time.monotonic() - begun, 3)}


def _work(where: str, wanted: Wanted) -> Work:
    """What the process of an actor does: it loads the model once, and takes one file after the other through."""
    import cv2

    cv2.setNumThreads(1)
    segmenter = Segmenter(wanted.model, 1)

    def work(job: tuple[str, str]) -> str:
        source, target = job
        try:
            _take(source, _address(where, target), wanted, segmenter)
        except IncognitoError as error:
            return str(error)
        except Exception as error:  # whatever a codec raises concerns this file alone
            return f"{source} could not be worked on ({first_line(error)})"
        return ""

    return work


def _take(source: str, target: str, wanted: Wanted, segmenter: Segmenter) -> None:
    """Take one file through, by copies here of what is elsewhere."""
    with tempfile.TemporaryDirectory(prefix="incognito-") as folder:
        near_in, near_out = Path(source), Path(target)
        if is_url(source):
            near_in = Path(folder, "in" + Path(source.split("?", maxsplit=1)[0]).suffix)
            storage.fetch(source, near_in)
        if is_url(target):
            near_out = Path(folder, "out" + Path(target).suffix)
        near_out.parent.mkdir(parents=True, exist_ok=True)
        try:
            files.remove(str(near_in), str(near_out), wanted.background, segmenter, wanted.force)
        except IncognitoError as error:
            raise type(error)(str(error).replace(str(near_in), source)) from None
        if is_url(target):
            storage.put(near_out, target)


def _address(where: str, target: str) -> str:
    return f"{where}/{Path(target).as_posix()}"


def _place_for_results(where: str) -> str:
    """The output's address, as every machine will call it; raises IncognitoError where it is none."""
    if is_url(where):
        storage.check(where)
        return where.rstrip("/")
    folder = Path(os.path.abspath(where))  # noqa: PTH100 - resolve() would follow links
    output.make(folder)
    return str(folder)


def _found(inputs: list[str], listed: str | None) -> dict[str, Path]:
    """All files, by their addresses, each with its path in the tree that is kept."""
    named = read_list(listed) if listed else []
    found = {url: inside for text in [*inputs, *named] if is_url(text) for url, inside in storage.find(text)}
    here, named_here = ([text for text in texts if not is_url(text)] for texts in (inputs, named))
    if here or named_here:
        found |= {str(path): inside for path, inside in gather(here, named_here)}
    if not found:
        raise InputError("there is no photo or film in what was given; name files, folders, patterns or URLs")
    return found


def _without_results(found: dict[str, Path], where: str) -> dict[str, Path]:
    """What does not lie in the output; raises UsageError where nothing else is there."""
    outside = {address: inside for address, inside in found.items() if not address.startswith(f"{where}/")}
    if not outside:
        raise UsageError(f"all that was given lies in {where}, where the results go; choose another output")
    return outside


def _note(where: str, wanted: Wanted) -> None:
    """Write down what is made in an output; raises UsageError where that was something else."""
    address, content = _address(where, NOTE), json.dumps({"key": wanted.key}).encode()
    if not wanted.force and storage.read(address) not in (None, content):
        raise UsageError(
            f"{where} has results of another background, model or format; choose another output or add --force"
        )
    storage.write(address, content)


@contextmanager
def _cluster() -> Iterator[None]:
    """Be a cluster's client, of RAY_ADDRESS or of this machine alone; nothing is told to Ray's makers."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what goes wrong with a file is in its line
    import ray

    known = ray.is_initialized()
    if not known:
        try:
            _reach(os.environ.get("RAY_ADDRESS", ""))
            ray.init(logging_level=logging.ERROR, log_to_driver=False)
        except Exception as error:  # whatever Ray raises
            raise UsageError(f"there is no Ray cluster ({first_line(error)}); check RAY_ADDRESS") from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        if not known:
            ray.shutdown()


def _reach(address: str) -> None:
    """Try a cluster's address, if it is a host's and a port's: Ray itself goes on trying for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), REACH).close()
