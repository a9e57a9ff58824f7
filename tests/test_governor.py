"""How often the network is asked."""

import pytest

from incognito.governor import CALM, Governor, Step, steps_of
from incognito.timing import FakeClock


class Machine:
    """A machine on which a frame costs so much, by cadence, and its governor."""

    def __init__(self, milliseconds, budget=None) -> None:
        self.clock, self.cpu = FakeClock(), FakeClock()
        self.governor = Governor(budget, 30.0, "tiny", clock=self.clock, cpu=self.cpu)
        self.milliseconds, self.seen = milliseconds, []

    def run(self, seconds: float) -> list[int]:
        """Let frames come for so long; gives the cadences in their order, each once."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            cost = self.milliseconds(self.governor.step.every) / 1000
            self.clock.advance(max(1 / 30, cost))
            self.cpu.advance(cost)
            self.governor.note(cost)
            if not self.seen or self.seen[-1] != self.governor.step.every:
                self.seen.append(self.governor.step.every)
        return self.seen


def test_with_time_to_spare_every_frame_is_segmented():
    """Nothing changes on a machine that keeps up."""
    assert Machine(lambda every: 10).run(120) == [1]


def test_too_slow_a_machine_steps_down_and_stays():
    """40 ms a frame at 30 a second: every second frame costs 24, which is no room to go up again."""
    assert Machine(lambda every: 8 + 32 / every).run(600) == [1, 2]


def test_it_goes_up_again_after_a_calm():
    """What made it slow has gone."""
    machine = Machine(lambda every: 45 / every)
    assert machine.run(10) == [1, 2]
    machine.milliseconds = lambda every: 10
    assert machine.run(CALM - 3) == [1, 2]
    assert machine.run(CALM + 5) == [1, 2, 1]


def test_it_does_not_oscillate():
    """Where going up is always a mistake, it is made ever more seldom."""
    machine = Machine(lambda every: 36 if every == 1 else 10)
    assert len(machine.run(600)) <= 13
    first = len(machine.seen)
    assert len(machine.run(600)) - first <= 2


def test_a_budget_counts_cpu_time(monkeypatch):
    """15 ms at 30 a second is 45 % of a core: over a tenth of four, within a quarter of two."""
    monkeypatch.setattr("incognito.governor.cores", lambda: 4)
    assert Machine(lambda every: 15 / every, budget=0.1).run(60)[-1] > 1
    monkeypatch.setattr("incognito.governor.cores", lambda: 2)
    assert Machine(lambda every: 15 / every, budget=0.5).run(60) == [1]


@pytest.mark.parametrize("milliseconds", [200, 1000])
def test_there_is_a_last_step(milliseconds):
    """A machine that is far too slow ends at the last cadence."""
    assert Machine(lambda every: milliseconds).run(120) == [1, 2, 3, 4]


def test_a_smaller_network_comes_before_fewer_frames():
    """For the shipped ones; a network of one's own is only asked less often."""
    smaller = [Step("fast", 1), Step("fast", 1, share=7 / 8), Step("tiny", 1), Step("tiny", 2)]
    assert steps_of("best")[:5] == [Step("best", 1), *smaller]
    assert steps_of("fast")[:4] == smaller
    assert steps_of("mine.onnx") == [Step("mine.onnx", every) for every in (1, 2, 3, 4)]


def test_to_spare_cpu_time_a_single_thread_comes_first(monkeypatch):
    """The same network, which loses nothing but time; all that comes after has one thread too."""
    steps = [Step("fast", 1), Step("fast", 1, 1), Step("fast", 1, 1, 7 / 8), Step("tiny", 1, 1), Step("tiny", 2, 1)]
    monkeypatch.setattr("incognito.governor.cores", lambda: 2)
    assert steps_of("fast", sparing=True)[:5] == steps
    assert Governor(0.25, 30.0, "fast")._steps[:5] == steps and Governor(None, 30.0, "fast").step == Step("fast", 1)
    monkeypatch.setattr("incognito.governor.cores", lambda: 1)
    assert steps_of("fast", sparing=True) == steps_of("fast")
