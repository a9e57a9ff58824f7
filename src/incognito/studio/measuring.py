"""The benchmark for the page: one at a time, in a thread of its own."""

from __future__ import annotations

import threading

from pydantic import BaseModel

from incognito import benchmark, page
from incognito.errors import IncognitoError, first_line

SECONDS = 20.0  # of timing one model: the page's user waits for it


class Measured(BaseModel):
    """How far a benchmark is."""

    running: bool
    turns: int
    of: int | None
    problem: str
    done: bool


class Bench:
    """A benchmark of one model: its progress, and in the end its page."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._turns: tuple[int, int | None] = (0, None)
        self._problem = ""
        self._over = threading.Event()
        self.html: str | None = None

    def begin(self) -> None:
        """Start one, unless one is under way."""
        with self._lock:
            if not self._running:
                self._turns, self._problem, self.html = (0, None), "", None
                self._thread = threading.Thread(target=self._run, name="benchmark")
                self._thread.start()

    def state(self) -> Measured:
        """How far it is."""
        done, count = self._turns
        return Measured(running=self._running, turns=done, of=count, problem=self._problem, done=self.html is not None)

    def close(self) -> None:
        """End what is under way."""
        self._over.set()
        if self._thread:
            self._thread.join()

    @property
    def _running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        def move(done: int, count: int | None) -> None:
            self._turns = done, count
            if self._over.is_set():
                raise IncognitoError("the server has ended; begin it again")

        try:
            self.html = page.to_html(benchmark.run([self._model], seconds=SECONDS, on_turn=move))
        except IncognitoError as error:
            self._problem = str(error)
        except Exception as error:
            self._problem = f"it could not be measured ({first_line(error)}); try again"
