"""What a live run does and costs, in memory that does not grow: counts, and percentiles to within two per cent."""

from __future__ import annotations

import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from incognito import output
from incognito.runtime import cores
from incognito.timing import Clock

STEP = math.log(1.02)  # between a histogram's bins
LEAST = 1e-6  # seconds, of the first bin

LOOP, LATENCY = "loop", "capture to sink"


class Histogram:
    """Times in logarithmic bins: under a thousand of them, however long it runs."""

    def __init__(self) -> None:
        self._bins: Counter[int] = Counter()
        self.count = 0

    def add(self, seconds: float) -> None:
        """Count a time."""
        self._bins[round(math.log(max(seconds, LEAST) / LEAST) / STEP)] += 1
        self.count += 1

    def milliseconds(self, percentile: float) -> float:
        """A percentile (0 to 100), to within a bin; NaN where nothing was counted."""
        left = max(1, math.ceil(percentile / 100 * self.count))
        for place in sorted(self._bins):
            left -= self._bins[place]
            if left <= 0:
                return 1000 * LEAST * math.exp(place * STEP)
        return math.nan


class Tally:
    """A live run's figures. Its stages are timed as a Stopwatch's are."""

    def __init__(self, clock: Clock = time.perf_counter, cpu: Clock = time.process_time) -> None:
        self._clock, self._cpu = clock, cpu
        self._stages: dict[str, Histogram] = defaultdict(Histogram)
        self._begun, self._spent = clock(), cpu()
        self.captured = self.processed = self.dropped = self.safe = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside, if it ends well."""
        start = self._clock()
        yield
        self.add(name, self._clock() - start)

    def add(self, name: str, seconds: float) -> None:
        """Count a time that was measured elsewhere."""
        self._stages[name].add(seconds)

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self._begun

    @property
    def cpu_percent(self) -> float:
        """CPU time of this process over wall time; 100 is one core."""
        return 100 * (self._cpu() - self._spent) / max(self.elapsed, LEAST)

    def milliseconds(self, name: str, percentile: float) -> float:
        """A percentile of a stage's times; NaN for no stage."""
        return self._stages[name].milliseconds(percentile) if name in self._stages else math.nan

    def line(self) -> str:
        """The status in one line."""
        rate = self.processed / max(self.elapsed, LEAST)
        return (
            f"{rate:.1f} frames/s, loop {self.milliseconds(LOOP, 50):.1f} ms, "
            f"latency {self.milliseconds(LATENCY, 50):.0f} ms, dropped {self.dropped}, "
            f"CPU {self.cpu_percent / cores():.0f} % of the machine"
        )

    def table(self) -> str:
        """The figures for reading: counts, and a line for each stage."""
        lines = [
            f"captured {self.captured}, processed {self.processed}, dropped {self.dropped}, in {self.elapsed:.1f} s"
        ]
        lines += [f"{'stage':<16} {'p50 ms':>7} {'p95 ms':>7}"]
        for name in self._stages:
            half, most = (self.milliseconds(name, percentile) for percentile in (50, 95))
            lines.append(f"{name:<16} {half:>7.1f} {most:>7.1f}")
        lines.append(f"CPU {self.cpu_percent:.0f} % of a core, {self.cpu_percent / cores():.0f} % of the machine")
        return "\n".join(lines)

    def summary(self) -> dict[str, Any]:
        """All figures, as JSON takes them: counts, milliseconds by stage, CPU per cent of one core and of all."""
        times = {
            name: {f"p{percentile}_ms": round(self.milliseconds(name, percentile), 3) for percentile in (50, 95)}
            for name in self._stages
        }
        return {
            "seconds": round(self.elapsed, 3),
            "frames": {"captured": self.captured, "processed": self.processed, "dropped": self.dropped},
            "safe_pictures": self.safe,
            "stages": times,
            "cpu_percent": round(self.cpu_percent, 1),
            "cpu_percent_of_machine": round(self.cpu_percent / cores(), 1),
        }

    def write(self, path: Path) -> None:
        """Write the figures as JSON; raises OutputError."""
        with output.beside(path) as part:
            part.write_text(json.dumps(self.summary(), indent=2) + "\n", encoding="utf-8")
