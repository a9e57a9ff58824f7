"""What else a machine does while something is timed on it, and whether its clock can be trusted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incognito.timing import Stopwatch

OTHERS = 0.05  # share of the cores that other processes may take: an idle desktop's take 0.01 to 0.03
JITTER = 1.5  # slowest over median of the same work: 1.01 to 1.2 on two quiet virtual cores, 2 where one is shared
WAITING = 0.5  # processes a core before the start; judged only where the share is unknown, as a last run counts too

PIECES, PRODUCTS = 5, 6000  # of the same work at a time: 5 pieces of about 20 ms; a daemon's slice of 4 ms is no alarm
SIDE = 64  # of the matrices: BLAS computes such small ones on one thread
WORK = "the same work"

BUSY = (0, 1, 2, 5, 6, 7)  # columns of /proc/stat: user, nice, system, irq, softirq, and what the host stole


@dataclass(frozen=True, slots=True)
class Load:
    """What a machine did beside the measurement.

    `average` is the load average of the minute before, in processes; `others` the share of the cores (0 to 1) that
    other processes took meanwhile; both are None where the platform does not tell. `jitter` is the slowest run of
    always the same work over the median.
    """

    average: float | None
    others: float | None
    jitter: float

    @property
    def verdict(self) -> str:
        """Either "quiet", or "disturbed: " with the reasons and what to do."""
        reasons = []
        if self.others is not None and self.others > OTHERS:
            reasons.append(f"other processes took {self.others:.0%} of the cores (quiet is up to {OTHERS:.0%})")
        if self.others is None and self.average is not None and self.average > WAITING * (os.cpu_count() or 1):
            reasons.append(f"{self.average:.1f} processes were at work in the minute before")
        if self.jitter > JITTER:
            reasons.append(f"the same work took up to {self.jitter:.1f} times its median (quiet is up to {JITTER})")
        if not reasons:
            return "quiet"
        return f"disturbed: {'; '.join(reasons)}. Close other programs and measure again"


class Watch:
    """Watch the machine from now on. `busy` tells the seconds that all processes spent on the cores, or None."""

    def __init__(self, stopwatch: Stopwatch | None = None, busy: Callable[[], float | None] | None = None) -> None:
        self._stopwatch = stopwatch or Stopwatch()
        self._busy = busy or (lambda: read_busy(Path("/proc/stat")))
        self._average = _average()
        self._matrix = np.full((SIDE, SIDE), 1 / SIDE, np.float32)  # its powers stay what they are
        self._begun = self._stopwatch.elapsed
        self._before, self._own = self._busy(), time.process_time()

    def calibrate(self) -> None:
        """Time the same work once more, for about 0.1 seconds."""
        for _ in range(PIECES):
            with self._stopwatch.stage(WORK):
                for _ in range(PRODUCTS):
                    np.matmul(self._matrix, self._matrix)

    def load(self) -> Load:
        """What was seen so far."""
        median, slowest = (self._stopwatch.milliseconds(WORK, percentile) for percentile in (50, 100))
        return Load(self._average, self._others(), slowest / median)

    def _others(self) -> float | None:
        before, after = self._before, self._busy()
        seconds = (self._stopwatch.elapsed - self._begun) * len(allowed())
        if before is None or after is None or not seconds:
            return None
        return min(1.0, max(0.0, after - before - (time.process_time() - self._own)) / seconds)


def allowed() -> set[int]:
    """The numbers of the cores that this process may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def read_busy(stat: Path) -> float | None:
    """Seconds since boot that the allowed cores were busy; None where the platform has no such file."""
    try:
        return busy_seconds(stat.read_text(encoding="ascii"), allowed(), os.sysconf("SC_CLK_TCK"))
    except OSError:
        return None


def busy_seconds(stat: str, cores: Collection[int], ticks: int) -> float | None:
    """Seconds that some cores were busy, from the text of /proc/stat in ticks a second; None where it holds none."""
    lines = (line.split() for line in stat.splitlines())
    times = {name: values for name, *values in lines if name.startswith("cpu")}
    busy = sum(int(times[f"cpu{core}"][column]) for core in cores if f"cpu{core}" in times for column in BUSY)
    return busy / ticks if busy else None  # a sandbox may show zeros


def _average() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows has none
        return None
