"""A live run's figures."""

import json
import math

import numpy as np
import pytest

from incognito.tally import LOOP, Histogram, Tally
from incognito.timing import FakeClock


def test_percentiles_are_within_two_per_cent():
    """Of ten thousand times, in bins that do not grow with them."""
    times = np.random.default_rng(0).lognormal(-5, 1, 10_000)
    histogram = Histogram()
    for seconds in times:
        histogram.add(seconds)
    for percentile in (5, 50, 95):
        assert histogram.milliseconds(percentile) == pytest.approx(1000 * np.percentile(times, percentile), rel=0.025)
    assert len(histogram._bins) < 1000
    assert math.isnan(Histogram().milliseconds(50))


def test_a_run_is_written_as_json(tmp_path):
    """Counts, stages and CPU, of a run of two seconds."""
    clock, cpu = FakeClock(), FakeClock()
    tally = Tally(clock, cpu)
    tally.captured, tally.processed, tally.dropped = 60, 58, 2
    for _ in range(58):
        with tally.stage("segment"):
            clock.advance(0.004)
        tally.add(LOOP, 0.01)
    clock.now, cpu.now = 2.0, 0.5
    tally.write(tmp_path / "stats.json")
    found = json.loads((tmp_path / "stats.json").read_text())
    assert found["frames"] == {"captured": 60, "processed": 58, "dropped": 2}
    assert found["stages"]["segment"]["p50_ms"] == pytest.approx(4, rel=0.02)
    assert (found["seconds"], found["cpu_percent"]) == (2.0, 25.0)
    assert "29.0 frames/s" in tally.line() and "dropped 2" in tally.line()
    assert [path.name for path in tmp_path.iterdir()] == ["stats.json"]


def test_a_stage_that_fails_is_not_counted():
    """Only what ended well has a time."""
    tally = Tally(FakeClock(), FakeClock())
    with pytest.raises(ValueError, match="no"), tally.stage("segment"):
        raise ValueError("no")
    assert math.isnan(tally.milliseconds("segment", 50))
