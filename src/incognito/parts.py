"""A film in parts: each is finished beside its place, so that a run that was cut off can be gone on with.

The journal in their folder says whose parts they are, then names each that is finished, with what the work remembered
after it. Each has an encoder of its own, so that nothing but the number of a frame says what it becomes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Protocol

import av
import numpy as np

from incognito import joining, output
from incognito.containers import Container
from incognito.errors import InputError, UsageError
from incognito.film import Source, guard, seconds_of, to_frame
from incognito.frame import Frame
from incognito.overlap import Behind, ahead
from incognito.span import WHOLE, Span
from incognito.video import OnFrame, Silent, Target

LENGTH = 300  # frames of a part: what is lost when a run is cut off, some ten seconds of work
JOURNAL, JOINED = "journal.jsonl", "joined"

Memory = dict[str, np.ndarray]


class Work(Protocol):
    """What is done with every frame, and can be told what it knew."""

    def __call__(self, frame: Frame, seconds: float) -> np.ndarray:
        """Take a frame, shown so many seconds after the first, to grey, RGB or RGBA uint8."""
        ...

    def remember(self) -> Memory:
        """What it knows of the frames so far."""
        ...

    def recall(self, memory: Memory, frame: Frame) -> None:
        """Know that of the frames up to this one, and nothing else."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """A finished part: its frames' number and size, when its last is shown and for how long, and the film's first."""

    name: str
    frames: int
    height: int
    width: int
    last: int  # in the film's own ticks
    pause: float  # seconds
    first: float  # seconds
    bytes: int


class Parts:
    """The finished parts of one film and their journal."""

    def __init__(self, folder: Path, journal: IO[bytes], key: dict[str, Any], resume: bool) -> None:
        self._folder, self._journal = folder, journal
        key = json.loads(json.dumps(key))  # as it will be read
        self.done: list[Part] = []
        if resume:
            self._read(key)
        else:
            self._empty(0)
        if not journal.tell():
            self._note(key)

    def _read(self, key: dict[str, Any]) -> None:
        """Take up what an earlier run left, as far as it is whole."""
        self._journal.seek(0)
        head = self._journal.readline()
        if not head.endswith(b"\n"):
            return self._empty(0)
        if json.loads(head) != key:
            raise UsageError(f"{self._folder} holds parts of another run, with other options; leave out --resume")
        whole = len(head)
        for line in self._journal:
            part = self._whole(line)
            if part is None:
                break
            self.done.append(part)
            whole += len(line)
        return self._empty(whole)

    def _whole(self, line: bytes) -> Part | None:
        try:
            part = Part(**json.loads(line))
            whole = self.path(part.name).stat().st_size == part.bytes and self._memory(part.name).exists()
        except (OSError, TypeError, ValueError):  # the line or the file that was being written
            return None
        return part if whole else None

    def _empty(self, length: int) -> None:
        """Leave so much of the journal, and the files it then names."""
        self._journal.truncate(length)
        self._journal.seek(length)
        named = {JOURNAL} | {name for part in self.done for name in (part.name, self._memory(part.name).name)}
        for path in self._folder.iterdir():
            if path.name not in named:
                path.unlink()

    def path(self, name: str) -> Path:
        """Where a part is."""
        return self._folder / name

    def next(self) -> Path:
        """Where the next part goes."""
        return self.path(f"{len(self.done):06d}")

    def recall(self) -> Memory:
        """What the work remembered after the last part."""
        with np.load(self._memory(self.done[-1].name), allow_pickle=False) as arrays:
            return dict(arrays)

    def add(self, part: Part, memory: Memory) -> None:
        """Name a part that is finished; it is on the disk before its line in the journal is."""
        np.savez(self._memory(part.name), **memory)  # type: ignore[arg-type]
        for path in (self.path(part.name), self._memory(part.name)):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        self._note(asdict(part))
        self.done.append(part)

    def _memory(self, name: str) -> Path:
        return self._folder / f"{name}.npz"

    def _note(self, line: dict[str, Any]) -> None:
        self._journal.write(json.dumps(line, sort_keys=True).encode() + b"\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())


@contextmanager
def opened(target: Path, key: dict[str, Any], resume: bool) -> Iterator[Parts]:
    """Give the parts of a target, which are gone afterwards; with `resume` only if all ends well.

    `key` is JSON that says what they are of. With `resume` those that a run of the same key left are taken up. Raises
    UsageError where there are others, or another run writes them.
    """
    folder = target.parent / f".{target.name[:100]}.parts"
    try:
        folder.mkdir(exist_ok=True)
        journal = (folder / JOURNAL).open("r+b" if (folder / JOURNAL).exists() else "w+b")
    except OSError as error:
        raise output.unwritable(target, error) from None
    with journal:
        output.lock(journal, f"another run writes {target}")
        try:
            parts = Parts(folder, journal, key, resume)
            yield parts
        except BaseException:
            if not resume:
                shutil.rmtree(folder, ignore_errors=True)
            raise
    shutil.rmtree(folder, ignore_errors=True)


def convert(
    source: Path,
    target: Path,
    kind: Container,
    work: Work,
    alpha: bool,
    parts: Parts,
    on_frame: OnFrame = lambda done, count: None,
    span: Span = WHOLE,
) -> None:
    """Take a film through its work as `video.convert` does, part by part, from where the parts end; then join them.

    `target` is put there when it is whole. Raises InputError and OutputError.
    """
    with closing(Source(source)) as film:
        _write(film, kind, work, alpha, parts, on_frame, span)
    with closing(Source(source)) as film:
        files = [parts.path(part.name) for part in parts.done]
        joining.join(film, files, parts.path(JOINED), kind, span, Fraction(parts.done[-1].pause))
    try:
        parts.path(JOINED).replace(target)
    except OSError as error:
        raise output.unwritable(target, error) from None


def _write(film: Source, kind: Container, work: Work, alpha: bool, parts: Parts, on_frame: OnFrame, span: Span) -> None:
    """Write the parts that are not there yet: decoding runs ahead, encoding behind."""
    done, last, first = sum(part.frames for part in parts.done), None, None
    if parts.done:
        last, first = parts.done[-1].last, parts.done[-1].first
    count = film.count if span == WHOLE else None
    with ExitStack() as stack:
        writer = stack.enter_context(closing(_Writer(film, kind, alpha, parts)))
        behind = Behind(writer.take)
        stack.callback(behind.stop)
        frames = ((like, to_frame(like)) for like in film.frames(span=span, since=last))
        for like, frame in stack.enter_context(closing(ahead(frames))):
            if last is not None:  # the first is the last that was done
                work.recall(parts.recall(), frame)
                last = None
                continue
            first = seconds_of(like) if first is None else first
            picture = work(frame, seconds_of(like) - first)
            done += 1
            behind.put(_Item(picture, like, first, work.remember() if done % LENGTH == 0 else None))
            on_frame(done, count)
        behind.close()
        writer.finish()


@dataclass(frozen=True, slots=True)
class _Item:
    picture: np.ndarray
    like: av.VideoFrame
    first: float
    memory: Memory | None  # after the last frame of a part


class _Writer:
    """Writes pictures, part after part."""

    def __init__(self, film: Source, kind: Container, alpha: bool, parts: Parts) -> None:
        self._film, self._alpha, self._parts = film, alpha, parts
        ticks = (film.stream.time_base or 1 / film.rate).denominator  # else a part's times would be moved
        muxer = {"movie_timescale": str(ticks)} if kind.part == "mov" else {"avoid_negative_ts": "disabled"}
        self._kind = replace(kind, format=kind.part or kind.format, muxer=muxer, sound=None, caption=None, tag=None)
        self._target: Target | None = None
        self._frames = 0

    def take(self, item: _Item) -> None:
        """Write a picture; with what is to be remembered, the part ends."""
        target = self._target or self._begin(item)
        guard(target.write, item.picture, item.like)
        self._frames, self._last = self._frames + 1, item
        if item.memory is not None:
            self._end(item.memory)

    def _begin(self, item: _Item) -> Target:
        size = item.picture.shape[:2]
        if self._parts.done and (self._parts.done[-1].height, self._parts.done[-1].width) != size:
            raise InputError(f"{self._film.path} changes its size on the way; convert it to one size first")
        silent = Silent(self._film.path, self._film.rate, self._film.stream)
        self._target = Target(self._parts.next(), self._kind, silent, self._alpha)
        guard(self._target.begin, *size, item.like)
        self._frames = 0
        return self._target

    def _end(self, memory: Memory) -> None:
        if self._target is None:
            return
        guard(self._target.finish)
        guard(self._target.close)
        self._target = None
        path, (height, width) = self._parts.next(), self._last.picture.shape[:2]
        like = self._last.like
        pause = float((like.duration or 0) * Fraction(like.time_base or 0))
        part = Part(path.name, self._frames, height, width, like.pts or 0, pause, self._last.first, path.stat().st_size)
        self._parts.add(part, memory)

    def finish(self) -> None:
        """End the last part."""
        self._end({})

    def close(self) -> None:
        """Close what is open."""
        if self._target is not None:
            self._target.close()
