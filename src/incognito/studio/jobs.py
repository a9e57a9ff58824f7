"""Videos as jobs: a bounded queue, one folder, progress, an end to everything that nobody asks about."""

from __future__ import annotations

import queue
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from incognito import containers, output, video
from incognito.background import Background, Transparent
from incognito.errors import IncognitoError, InputError, first_line
from incognito.pipeline import Removal
from incognito.segment import Segmenter
from incognito.studio.desks import Desks, busy
from incognito.studio.problem import Refusal
from incognito.studio.settings import Limits

State = Literal["queued", "running", "done", "failed", "cancelled"]
OVER: frozenset[State] = frozenset({"done", "failed", "cancelled"})
TICK = 1.0  # seconds between two looks at what has had its time
NAME = "the video"  # as errors call it


class Cancelled(Exception):  # noqa: N818 - somebody wanted it
    """A job is to end."""


@dataclass(slots=True, eq=False)
class Job:
    """A video on its way; `frames` is None where its file does not say how many there are."""

    id: str
    source: Path
    result: Path
    behind: Callable[[], Background]
    model: str
    own: bool  # whether the source is the server's, to be deleted
    state: State = "queued"
    done: int = 0
    frames: int | None = None
    problem: str = ""
    begun: float | None = None
    asked: float = field(default_factory=time.monotonic)
    ended: float | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def seconds_left(self) -> float | None:
        """How long it will take from now on, by how long it took so far; None where that cannot be told."""
        if self.state != "running" or not self.done or not self.frames or self.begun is None:
            return None
        return (time.monotonic() - self.begun) / self.done * max(self.frames - self.done, 0)


class Jobs:
    """All jobs. Nothing of them is left on the disk once it is closed."""

    def __init__(self, desks: Desks, limits: Limits, at_once: int) -> None:
        self._desks, self._limits = desks, limits
        self.folder = Path(tempfile.mkdtemp(prefix="incognito-"))
        self._jobs: dict[str, Job] = {}
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock, self._over = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._work, name="videos") for _ in range(at_once)]
        self._threads.append(threading.Thread(target=self._sweep, name="sweeper"))
        for thread in self._threads:
            thread.start()

    def new_path(self) -> Path:
        """A place in the folder that nobody knows."""
        return self.folder / secrets.token_urlsafe(16)

    def refuse_if_full(self) -> None:
        """Raise Refusal (429) where one more job would have to wait behind too many."""
        if sum(job.state == "queued" for job in self._jobs.values()) >= self._limits.videos_waiting:
            raise busy("too many videos are waiting")

    def add(self, source: Path, ending: str, behind: Callable[[], Background], model: str, own: bool = True) -> Job:
        """Queue a video, which becomes a file of that ending; raises Refusal where it is too large or too many wait."""
        alpha = isinstance(behind(), Transparent)
        if alpha and not containers.CONTAINERS[ending].holds_alpha:
            raise Refusal(422, "MP4 cannot be transparent", "ask for format=webm, or give a background")
        frames = check(source, self._limits)
        with self._lock:
            self.refuse_if_full()
            name = secrets.token_urlsafe(16)
            job = Job(name, source, self.folder / f"{name}{ending}", behind, model, own, frames=frames)
            self._jobs[job.id] = job
        self._queue.put(job)
        return job

    def find(self, id: str) -> Job:
        """A job by its number, which thereby has been asked about; raises Refusal (404)."""
        job = self._jobs.get(id)
        if job is None:
            raise Refusal(404, "there is no such video", "post it again: results are kept for a while only")
        job.asked = time.monotonic()
        return job

    def cancel(self, job: Job) -> None:
        """End a job and forget it; what there is of it goes."""
        job.stop.set()
        with self._lock:
            self._jobs.pop(job.id, None)
        if job.state != "running":  # else its thread does so
            _end(job, "cancelled")

    def count(self, state: State) -> int:
        """How many jobs are in a state."""
        return sum(job.state == state for job in list(self._jobs.values()))

    def close(self) -> None:
        """Cancel everything, wait for the threads, delete the folder."""
        self._over.set()
        for job in list(self._jobs.values()):
            self.cancel(job)
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _work(self) -> None:
        while job := self._queue.get():
            if not job.stop.is_set() and not self._over.is_set():
                with self._desks.keep() as desk:
                    _run(job, desk.segmenter, self._limits)

    def _sweep(self) -> None:
        while not self._over.wait(TICK):
            for job in list(self._jobs.values()):
                silent = time.monotonic() - job.asked
                if silent > (self._limits.result_seconds if job.state in OVER else self._limits.lease_seconds):
                    self.cancel(job)


def check(source: Path, limits: Limits) -> int | None:
    """Refuse a video that is damaged at its beginning or too large; gives how many frames it says it has."""
    try:
        film = video.Source(source)
    except InputError as error:
        raise Refusal(422, *_in_words(error, source)) from None
    try:
        pixels, count = film.stream.width * film.stream.height, film.count
        seconds = count / film.rate if count else 0
    finally:
        film.close()
    if pixels > limits.video_megapixels * 1e6:
        raise Refusal(413, f"{NAME}'s frames are over {limits.video_megapixels:g} megapixels", "scale it down first")
    if (count or 0) > limits.video_frames or seconds > limits.video_seconds:
        most = f"{limits.video_seconds:g} seconds or {limits.video_frames} frames"
        raise Refusal(413, f"{NAME} is longer than {most}", "cut it first")
    return count


def _run(job: Job, open_model: Callable[[str], Segmenter], limits: Limits) -> None:
    """Take a video all the way; whatever happens is told by its state."""
    job.begun, job.state = time.monotonic(), "running"

    def on_frame(done: int, count: int | None) -> None:
        job.done = done
        if job.stop.is_set():
            raise Cancelled
        if done > limits.video_frames:
            raise InputError(f"{NAME} has more than {limits.video_frames} frames; cut it first")

    try:
        behind = job.behind()
        alpha = isinstance(behind, Transparent)
        removal = Removal(open_model(job.model), behind, patient=True)
        with output.beside(job.result) as part:
            video.convert(job.source, part, containers.CONTAINERS[job.result.suffix], removal, alpha, on_frame=on_frame)
        _end(job, "done")
    except Cancelled:
        _end(job, "cancelled")
    except IncognitoError as error:
        job.problem = "; ".join(_in_words(error, job.source))
        _end(job, "failed")
    except Exception as error:  # whatever a codec raises ends this job and no other
        job.problem = f"{NAME} could not be worked on ({first_line(error)}); try another file"
        _end(job, "failed")


def _end(job: Job, state: State) -> None:
    job.ended, job.state = time.monotonic(), state
    if job.own:
        job.source.unlink(missing_ok=True)
    if job.stop.is_set():
        job.result.unlink(missing_ok=True)


def _in_words(error: IncognitoError, source: Path) -> tuple[str, str]:
    """An error's two parts, without the server's own path."""
    what, _, remedy = str(error).replace(str(source), NAME).rpartition("; ")
    return what, remedy
