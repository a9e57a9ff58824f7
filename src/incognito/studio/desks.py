"""Desks: where pictures are worked on, no more at once than there are cores."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from incognito import choice, zoo
from incognito.errors import UnknownModelError
from incognito.segment import Segmenter
from incognito.studio.problem import Refusal


class Models:
    """The shipped models: at once as their base on ONNX Runtime, and as the fastest variant once that is known."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._chosen: dict[str, choice.Choice] = {}
        self.cards = {card.name: card for card in zoo.models()}

    def learn(self, over: threading.Event) -> None:
        """Find the fastest variant of each, unless it is over; three seconds for one that was never timed here."""
        for name, card in self.cards.items():
            if over.is_set():
                return
            self._chosen[name] = choice.choose(card, self._threads)

    def find(self, name: str) -> zoo.Card:
        """A model's card, by its name and never by a path; raises UnknownModelError."""
        if name not in self.cards:
            raise UnknownModelError(f"there is no model {name[:40]!r}; choose one of {', '.join(self.cards)}")
        return self.cards[name]

    def key(self, name: str) -> tuple[str, bool]:
        """What changes when another variant is to be run."""
        return self.find(name).name, name in self._chosen

    def open(self, name: str) -> Segmenter:
        """Load what is to be run of a model by now."""
        card = self.find(name)
        if name not in self._chosen:
            return Segmenter(card.path, self._threads)
        best = self._chosen[name].best
        return Segmenter(best.card.path, self._threads, best.runtime)

    def milliseconds(self, name: str) -> float | None:
        """A run of the network here, on one thread; None where it was not timed."""
        return self._chosen[name].best.milliseconds if name in self._chosen else None


class Desk:
    """One of the places: it keeps its own networks, for not every runtime can be asked by two at once."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._open: dict[tuple[str, bool], Segmenter] = {}

    def segmenter(self, model: str) -> Segmenter:
        """A model ready to run; the first time it is loaded."""
        key = self._models.key(model)
        if key not in self._open:
            self._open[key] = self._models.open(model)
        return self._open[key]


class Desks:
    """All desks, and the queue before them."""

    def __init__(self, models: Models, count: int, waiting: int, patience: float) -> None:
        self._free = [Desk(models) for _ in range(count)]
        self._most, self._patience = waiting, patience
        self._changed = threading.Condition()
        self.waiting = 0

    @contextmanager
    def take(self) -> Iterator[Desk]:
        """Wait for a desk and work at it; refused with 429 where the queue is full or does not move."""
        desk = self._wait()
        try:
            yield desk
        finally:
            self._give_back(desk)

    @contextmanager
    def keep(self) -> Iterator[Desk]:
        """Wait for a desk however long it takes: for work that waits in a queue of its own."""
        with self._changed:
            self._changed.wait_for(lambda: self._free)
            desk = self._free.pop()
        try:
            yield desk
        finally:
            self._give_back(desk)

    def _wait(self) -> Desk:
        with self._changed:
            if not self._free and self.waiting >= self._most:
                raise busy("every worker is busy and the queue is full")
            self.waiting += 1
            try:
                if not self._changed.wait_for(lambda: self._free, self._patience):
                    raise busy("no worker was free in time")
            finally:
                self.waiting -= 1
            return self._free.pop()

    def _give_back(self, desk: Desk) -> None:
        with self._changed:
            self._free.append(desk)
            self._changed.notify()


def busy(detail: str) -> Refusal:
    """The answer to one too many."""
    return Refusal(429, detail, "try again in a moment", {"Retry-After": "1"})
