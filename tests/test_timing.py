"""What every stage costs."""

import pytest

from incognito.timing import FakeClock, Stopwatch


def test_stages_are_timed_and_kept_in_order():
    """Percentiles are times that were measured, in milliseconds."""
    clock = FakeClock()
    stopwatch = Stopwatch(clock)
    for seconds in (0.010, 0.030, 0.020):
        with stopwatch.stage("decode"):
            clock.advance(seconds)
        with stopwatch.stage("encode"):
            clock.advance(0.001)
    assert stopwatch.stages == ["decode", "encode"]
    assert stopwatch.count("decode") == 3
    assert [stopwatch.milliseconds("decode", p) for p in (0, 50, 100)] == pytest.approx([10, 20, 30])
    assert stopwatch.elapsed == pytest.approx(0.063)


def test_what_fails_is_not_timed():
    """A stage that raised did not do its work."""
    stopwatch = Stopwatch(FakeClock())
    with pytest.raises(ValueError, match="no"), stopwatch.stage("decode"):
        raise ValueError("no")
    assert stopwatch.count("decode") == 0


def test_a_pause_is_not_timed():
    """What warms up leaves no time behind, also when it fails."""
    clock = FakeClock()
    stopwatch = Stopwatch(clock)
    with pytest.raises(ValueError, match="no"), stopwatch.paused(), stopwatch.stage("decode"):
        raise ValueError("no")
    with stopwatch.paused(), stopwatch.stage("decode"):
        clock.advance(1)
    assert stopwatch.stages == []
    with stopwatch.stage("decode"):
        clock.advance(2)
    assert stopwatch.count("decode") == 1


def test_spread_is_the_interquartile_range_over_the_median():
    """Of 1 to 5 seconds: (4 - 2) / 3."""
    clock = FakeClock()
    stopwatch = Stopwatch(clock)
    for seconds in range(1, 6):
        with stopwatch.stage("decode"):
            clock.advance(seconds)
    assert stopwatch.spread("decode") == pytest.approx(2 / 3)
