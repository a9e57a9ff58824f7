"""A crew: processes that work on one thing each at a time; one that dies or hangs costs its own thing and no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn

DIED = "it ended the program that worked on it"
HUNG = "it took too long"
POLL = 0.5  # seconds between two looks at the clock
DEEP = 2  # jobs that a process has at once

Job = Any  # what is worked on: anything that can be pickled
Result = Any
Work = Callable[[Job], Result]


@dataclass(slots=True)
class _Member:
    """A process, the pipe to it, its core where it has one, its jobs, of which it does the first, and since when."""

    process: Any
    pipe: Connection
    core: int | None
    jobs: deque[Job] = field(default_factory=deque)
    since: float = 0.0


class Crew:
    """So many processes. `make` is called once in each, and gives the function that does a job there.

    Both must be known by an import, for they are handed over by name. `patience` gives the seconds that a job may take.
    Each has its next job before it is done with one, and need not wait for it. With `cores`, each keeps to its own.
    """

    def __init__(
        self,
        make: Callable[..., Work],
        arguments: tuple[Any, ...],
        size: int,
        patience: Callable[[Job], float],
        cores: Sequence[int | None] = (),
    ) -> None:
        self._start, self._patience = (make, arguments), patience
        self._context = multiprocessing.get_context("spawn")
        self._members = [self._hire(core) for core in cores or [None] * size]
        self._left: deque[Job] = deque()  # by those that came to an end before they had begun them

    def work(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Result | None, str]]:
        """Give each job with its result, or with why there is none, as they are done; they are asked for one by one."""
        more = iter(jobs)
        while True:
            for depth in range(DEEP):
                for member in self._members:
                    if len(member.jobs) == depth and (job := self._next(more)) is not None:
                        self._hand(member, job)
            if not any(member.jobs for member in self._members):
                return
            yield from self._finished()

    def _next(self, more: Iterator[Job]) -> Job:
        return self._left.popleft() if self._left else next(more, None)

    def close(self) -> None:
        """Let all go; what one was working on is left, and nothing of it stays."""
        for member in self._members:
            with suppress(OSError):
                member.pipe.close()
            member.process.terminate()
        for member in self._members:
            member.process.join()

    def _hire(self, core: int | None) -> _Member:
        here, there = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(there, core, *self._start), daemon=True)
        process.start()
        there.close()
        return _Member(process, here, core)

    def _hand(self, member: _Member, job: Job) -> None:
        if not member.jobs:
            member.since = time.monotonic()
        member.jobs.append(job)
        with suppress(OSError):  # it died meanwhile, which is seen when its answer is waited for
            member.pipe.send(job)

    def _finished(self) -> Iterator[tuple[Job, Result | None, str]]:
        """What has come to an end by now, well or not."""
        at_work = {member.pipe: member for member in self._members if member.jobs}
        for pipe in wait(list(at_work), POLL):
            member = at_work.pop(pipe)  # type: ignore[call-overload]
            try:
                result, problem = member.pipe.recv(), ""
            except (EOFError, OSError):
                result, problem = None, DIED
            yield self._end(member, result, problem)
        for member in at_work.values():
            if time.monotonic() - member.since > self._patience(member.jobs[0]):
                yield self._end(member, None, HUNG)

    def _end(self, member: _Member, result: Result | None, problem: str) -> tuple[Job, Result | None, str]:
        job, member.since = member.jobs.popleft(), time.monotonic()
        if problem:
            self._replace(member)
        return job, result, problem

    def _replace(self, member: _Member) -> None:
        """Hire another process; what the one before had not begun is for whoever is free."""
        self._left.extend(member.jobs)
        member.process.kill()
        member.process.join()
        member.pipe.close()
        self._members[self._members.index(member)] = self._hire(member.core)


def _serve(pipe: Connection, core: int | None, make: Callable[..., Work], arguments: tuple[Any, ...]) -> None:
    """A member's life: jobs in, results out, until nobody is at the other end."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that hired it decides
    if core is not None:
        os.sched_setaffinity(0, {core})
    with suppress(EOFError, OSError):
        work = make(*arguments)
        while True:
            pipe.send(work(pipe.recv()))


def _leave(*_: object) -> NoReturn:
    """End by unwinding, so that what is half-written goes."""
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - nobody wants to read how it ended
    sys.exit(0)
