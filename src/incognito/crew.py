"""A crew: processes that work on one thing each at a time; one that dies or hangs costs its own thing and no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn

DIED = "it ended the program that worked on it"
HUNG = "it took too long"
POLL = 0.5  # seconds between two looks at the clock

Job = Any  # what is worked on: anything that can be pickled
Result = Any
Work = Callable[[Job], Result]


@dataclass(slots=True)
class _Member:
    """A process, the pipe to it, and what it works on since when."""

    process: Any
    pipe: Connection
    job: Job = None
    since: float = 0.0


class Crew:
    """So many processes. `make` is called once in each, and gives the function that does a job there.

    Both must be known by an import, for they are handed over by name. `patience` is in seconds, for one job.
    """

    def __init__(self, make: Callable[..., Work], arguments: tuple[Any, ...], size: int, patience: float) -> None:
        self._start, self._patience = (make, arguments), patience
        self._context = multiprocessing.get_context("spawn")
        self._members = [self._hire() for _ in range(size)]

    def work(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Result | None, str]]:
        """Give each job with its result, or with why there is none, as they are done; they are asked for one by one."""
        waiting = iter(jobs)
        while True:
            for member in self._members:
                if member.job is None and (job := next(waiting, None)) is not None:
                    self._hand(member, job)
            if all(member.job is None for member in self._members):
                return
            yield from self._finished()

    def close(self) -> None:
        """Let all go; what one was working on is left, and nothing of it stays."""
        for member in self._members:
            with suppress(OSError):
                member.pipe.close()
            member.process.terminate()
        for member in self._members:
            member.process.join()

    def _hire(self) -> _Member:
        here, there = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(there, *self._start), daemon=True)
        process.start()
        there.close()
        return _Member(process, here)

    def _hand(self, member: _Member, job: Job) -> None:
        member.job, member.since = job, time.monotonic()
        with suppress(OSError):  # it died meanwhile, which is seen when its answer is waited for
            member.pipe.send(job)

    def _finished(self) -> Iterator[tuple[Job, Result | None, str]]:
        """What has come to an end by now, well or not."""
        at_work = {member.pipe: member for member in self._members if member.job is not None}
        for pipe in wait(list(at_work), POLL):
            member = at_work.pop(pipe)  # type: ignore[call-overload]
            try:
                result, problem = member.pipe.recv(), ""
            except (EOFError, OSError):
                result, problem = None, DIED
            yield self._end(member, result, problem)
        for member in at_work.values():
            if time.monotonic() - member.since > self._patience:
                yield self._end(member, None, HUNG)

    def _end(self, member: _Member, result: Result | None, problem: str) -> tuple[Job, Result | None, str]:
        job, member.job = member.job, None
        if problem:
            self._replace(member)
        return job, result, problem

    def _replace(self, member: _Member) -> None:
        member.process.kill()
        member.process.join()
        member.pipe.close()
        self._members[self._members.index(member)] = self._hire()


def _serve(pipe: Connection, make: Callable[..., Work], arguments: tuple[Any, ...]) -> None:
    """A member's life: jobs in, results out, until nobody is at the other end."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that hired it decides
    with suppress(EOFError, OSError):
        work = make(*arguments)
        while True:
            pipe.send(work(pipe.recv()))


def _leave(*_: object) -> NoReturn:
    """End by unwinding, so that what is half-written goes."""
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - nobody wants to read how it ended
    sys.exit(0)
