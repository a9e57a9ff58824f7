"""The governor: which network is asked, on what and how often, for a call to stay within its budget and pace.

It never oscillates: it steps down soon where there is too much work, up only after a long calm with room to spare, and
waits twice as long each time that going up was a mistake.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from incognito.runtime import cores
from incognito.timing import Clock

CADENCES = (1, 2, 3, 4)  # every n-th frame is segmented; at 30 a second the oldest matte is then 100 ms old
# What may stand in for a shipped model, and the share of its height and width that it sees. At 7/8 `fast` takes four
# fifths of its time (both on OpenVINO, which that takes) and loses 0.02 of IoU on scenes, 0.003 on streets, nothing on
# portraits; `tiny` loses more.
SMALLER = {
    "best": (("best", 1.0), ("fast", 1.0), ("fast", 7 / 8), ("tiny", 1.0)),
    "fast": (("fast", 1.0), ("fast", 7 / 8), ("tiny", 1.0)),
}
HOLD = 2.0  # seconds between two steps down
CALM = 10.0  # seconds of calm before the first step up
LONGEST = 600.0  # seconds of calm that may be asked for
ROOM = 0.6  # of the limit, below which there is room for a step up
WEIGHT = 0.1  # of a new figure, in the running mean


@dataclass(frozen=True, slots=True)
class Step:
    """A model, which frames it segments (every n-th), and the threads that a frame has.

    None is one a core for the network, and as many as the frame is worth for its pixels (`hands.worth`). `share` of its
    height and width is what the model sees.
    """

    model: str
    every: int
    threads: int | None = None
    share: float = 1.0


def steps_of(model: str, sparing: bool = False) -> list[Step]:
    """What may be done with less and less: a shipped model on fewer pixels and smaller ones first, then fewer frames.

    Where CPU time is to be spared, a single thread comes first: the same picture, somewhat later, for a sixth less.
    """
    models, threads = SMALLER.get(model, ((model, 1.0),)), 1 if sparing and cores() > 1 else None
    first = [Step(model, CADENCES[0])] if threads else []
    smaller = [Step(each, CADENCES[0], threads, share) for each, share in models]
    return [*first, *smaller, *(replace(smaller[-1], every=every) for every in CADENCES[1:])]


class Governor:
    """Goes through steps. `budget` is a share of this machine (0 to 1); without one, `fps` alone rules."""

    def __init__(
        self,
        budget: float | None,
        fps: float,
        model: str,
        clock: Clock = time.monotonic,
        cpu: Clock = time.process_time,
    ) -> None:
        self._budget, self._fps = budget, fps
        self._clock, self._cpu = clock, cpu
        self._patience = CALM
        self.begin(model)
        self._stepped = self._uneasy = self._noted = clock()
        self._rose: float | None = None
        self._spent = cpu()
        self._load = 0.0

    @property
    def step(self) -> Step:
        """What is to be done now."""
        return self._steps[self._place]

    def begin(self, model: str) -> None:
        """Go through a model's steps, from the first one on."""
        self._steps, self._place = steps_of(model, sparing=self._budget is not None), 0

    def note(self, loop_seconds: float) -> None:
        """Learn what a frame took, and decide."""
        now = self._clock()
        self._load += WEIGHT * (self._demand(loop_seconds, now) - self._load)
        if self._load >= ROOM:
            self._uneasy = now
        if self._load > 1 and now - self._stepped >= HOLD:
            self._step_down(now)
        elif self._place and now - max(self._uneasy, self._stepped) >= self._patience:
            self._place -= 1
            self._stepped = self._rose = now

    def _demand(self, loop_seconds: float, now: float) -> float:
        """The larger of two shares: of the time that there is for a frame, and of the budget of CPU time."""
        spent, elapsed = self._cpu(), now - self._noted
        shares = [loop_seconds * self._fps]
        if self._budget and elapsed > 0:
            shares.append((spent - self._spent) / elapsed / cores() / self._budget)
        self._spent, self._noted = spent, now
        return max(shares)

    def _step_down(self, now: float) -> None:
        if self._rose is not None and now - self._rose < self._patience:
            self._patience = min(2 * self._patience, LONGEST)
        self._place = min(self._place + 1, len(self._steps) - 1)
        self._stepped, self._rose, self._load = now, None, ROOM
