"""A thread that does one thing at a time for another, which does not wait for it for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Late(Exception):  # noqa: N818 - nothing failed yet
    """It was not done in time, and is still being done: its result will be thrown away."""


class Aside:
    """Where work is done that may hang."""

    def __init__(self) -> None:
        self._work: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._last: Future[Any] | None = None
        self._thread = threading.Thread(target=self._run, name="aside", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether something that was late is still being done."""
        return self._last is not None and not self._last.done()

    def run(self, do: Callable[[], T], patience: float) -> T:
        """Give what a function gives, or raise what it raises; Late after so many seconds. Never while busy."""
        self._last = future = Future[T]()
        self._work.put((do, future))
        try:
            return future.result(patience)
        except TimeoutError:
            if future.done():
                raise
            raise Late from None

    def wait(self, seconds: float) -> None:
        """Wait for the end of what was late, so many seconds at the most."""
        if self._last is not None:
            try:
                self._last.exception(seconds)
            except TimeoutError:
                return

    def close(self, patience: float) -> None:
        """End the thread; one that hangs is left after so many seconds, and ends with the program."""
        self._work.put(None)
        self._thread.join(patience)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            do, future = work
            try:
                future.set_result(do())
            except BaseException as error:
                future.set_exception(error)
            del work, do, future  # or the last picture would be held until the next
