"""What every stage costs. The only caller of perf_counter."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol, TypeVar

T = TypeVar("T")
Clock = Callable[[], float]  # seconds, from any beginning, never backwards


class FakeClock:
    """A clock that tests move by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time that was set."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.now += seconds


class Stages(Protocol):
    """Whatever times named stages: a Stopwatch, or a live run's Tally, which forgets single times."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Time what happens inside."""
        ...


class Unkept:
    """Times nothing: for films of hours, of whose stages nobody asks."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Let it happen."""
        return nullcontext()


class Stopwatch:
    """Collect the times of named stages, in the order in which they were first seen."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self._clock = clock
        self._times: dict[str, list[float]] = defaultdict(list)
        self._start = clock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside, if it ends well."""
        start = self._clock()
        yield
        self._times[name].append(self._clock() - start)

    def each(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Give the items of an iterable, timing how long each took to come."""
        iterator = iter(items)
        while True:
            start = self._clock()
            try:
                item = next(iterator)
            except StopIteration:
                return
            self._times[name].append(self._clock() - start)
            yield item

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep no time of what happens inside: it warms up."""
        kept, self._times = self._times, defaultdict(list)
        try:
            yield
        finally:
            self._times = kept

    @property
    def elapsed(self) -> float:
        """Seconds since the stopwatch was made."""
        return self._clock() - self._start

    @property
    def stages(self) -> list[str]:
        """The names seen so far."""
        return list(self._times)

    def count(self, name: str) -> int:
        """How often a stage was timed."""
        return len(self._times.get(name, ()))

    def milliseconds(self, name: str, percentile: float) -> float:
        """A percentile (0 to 100) of a stage's times in milliseconds: one of those measured; NaN for no stage."""
        times = sorted(self._times.get(name, ())) or [float("nan")]
        rank = round(percentile / 100 * (len(times) - 1))
        return times[rank] * 1000

    def spread(self, name: str) -> float:
        """How far a stage's times lie apart: their interquartile range over their median; NaN for no stage."""
        low, half, high = (self.milliseconds(name, percentile) for percentile in (25, 50, 75))
        return (high - low) / half if half else 0.0
