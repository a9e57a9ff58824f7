"""What else a machine does while something is timed on it."""

import pytest

from incognito import load
from incognito.load import Load, Watch, busy_seconds, read_busy
from incognito.timing import FakeClock, Stopwatch

STAT = """cpu  999 9 9 9 9 9 9 9 0 0
cpu0 100 10 50 7000 30 5 5 20 0 0
cpu1 300 0 0 7000 0 0 0 0 50 0
cpu2 5000 0 0 0 0 0 0 0 0 0
intr 1 2 3
"""


@pytest.mark.parametrize(
    "quiet", [Load(0.3, 0.02, 1.1), Load(None, None, 1.0), Load(0.1, None, 1.2), Load(99.0, 0.0, 1.0)]
)
def test_a_quiet_machine_is_called_quiet(quiet):
    """A load average is not held against a machine whose cores are seen to be free: a last run is in it."""
    assert quiet.verdict == "quiet"


@pytest.mark.parametrize(
    ("disturbed", "reason"),
    [
        (Load(0.0, 0.31, 1.0), "other processes took 31% of the cores"),
        (Load(0.0, 0.01, 2.25), "the same work took up to 2.2 times its median"),
        (Load(99.0, None, 1.0), "99.0 processes were at work"),
    ],
)
def test_a_disturbed_machine_is_called_so(disturbed, reason):
    """The verdict says why, and what to do."""
    assert disturbed.verdict.startswith(f"disturbed: {reason}")
    assert disturbed.verdict.endswith("Close other programs and measure again")


def test_busy_are_the_allowed_cores_alone():
    """Idle and waiting do not count; what the host stole does; guests are in user already."""
    assert busy_seconds(STAT, {0, 1}, 100) == pytest.approx(4.9)
    assert busy_seconds(STAT, {2}, 100) == 50


def test_zeros_are_no_answer(tmp_path):
    """A sandbox's empty counters, and a platform without any, are unknown, not quiet."""
    assert busy_seconds("cpu0 0 0 0 0 0 0 0 0 0 0\n", {0}, 100) is None
    assert read_busy(tmp_path / "stat") is None


def test_others_are_what_this_process_did_not_take(monkeypatch):
    """Of 10 seconds on two cores, 9 were busy, 3 with this process: others took 0.3."""
    clock, busy, own = FakeClock(), iter([100.0, 109.0]), iter([1.0, 4.0])
    monkeypatch.setattr(load, "allowed", lambda: {0, 1})
    monkeypatch.setattr(load.time, "process_time", lambda: next(own))
    watch = Watch(Stopwatch(clock), lambda: next(busy))
    clock.advance(10)
    assert watch._others() == pytest.approx(0.3)


def test_the_same_work_shows_an_uneven_clock(monkeypatch):
    """One piece in ten takes three times as long: a disturbed machine, though no process is seen."""
    clock, pieces = FakeClock(), iter([0.02] * 9 + [0.06])
    monkeypatch.setattr(load, "PRODUCTS", 1)
    monkeypatch.setattr(load.np, "matmul", lambda a, b: clock.advance(next(pieces)))
    watch = Watch(Stopwatch(clock), lambda: None)
    watch.calibrate()
    watch.calibrate()
    seen = watch.load()
    assert seen.jitter == pytest.approx(3)
    assert seen.others is None
    assert "the same work took up to 3.0 times its median" in seen.verdict


def test_this_machine_can_be_watched():
    """Real counters give a share between 0 and 1, and a ratio of 1 or more."""
    watch = Watch()
    watch.calibrate()
    seen = watch.load()
    assert seen.jitter >= 1
    assert seen.others is None or 0 <= seen.others <= 1
