"""Work with two sides in threads of their own: what comes before runs ahead, what comes after follows behind."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")

AHEAD = 3  # items that wait between two sides: a stage's hiccup is bridged, and memory stays small
POLL = 0.1  # seconds between two looks at whether the other side is still there


class _End:
    """After the last item; with what went wrong, where something did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterable[T], most: int = AHEAD) -> Generator[T, None, None]:
    """Give items that are made in a thread, up to `most` before they are asked for; errors come where they came up."""
    made: queue.Queue[T | _End] = queue.Queue(most)
    over = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, made, over), name="ahead")
    thread.start()
    try:
        while not isinstance(item := made.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        over.set()
        thread.join()


class Behind(Generic[T]):
    """Does something with items in a thread, in their order; what goes wrong there is raised by `put` or `close`."""

    def __init__(self, action: Callable[[T], None], most: int = AHEAD) -> None:
        self._action = action
        self._waiting: queue.Queue[T | _End] = queue.Queue(most)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="behind")
        self._thread.start()

    def put(self, item: T) -> None:
        """Hand an item over; waits while too many wait."""
        while self._error is None:
            with suppress(queue.Full):
                self._waiting.put(item, timeout=POLL)
                return
        self.close()

    def close(self) -> None:
        """Wait until all is done; raises what went wrong."""
        self.stop(drop=False)
        if self._error is not None:
            raise self._error

    def stop(self, drop: bool = True) -> None:
        """End the thread, having dropped what waits."""
        while drop and not self._waiting.empty():
            self._waiting.get_nowait()
        if self._thread.is_alive():
            self._waiting.put(_End())
        self._thread.join()

    def _run(self) -> None:
        while not isinstance(item := self._waiting.get(), _End):
            if self._error is None:
                try:
                    self._action(item)
                except BaseException as error:
                    self._error = error


def _fill(items: Iterable[T], made: queue.Queue[T | _End], over: threading.Event) -> None:
    error: BaseException | None = None
    try:
        for item in items:
            if not _put(made, item, over):
                return
    except BaseException as raised:
        error = raised
    _put(made, _End(error), over)


def _put(made: queue.Queue[T | _End], item: T | _End, over: threading.Event) -> bool:
    """Leave an item, unless nobody wants it any more."""
    while not over.is_set():
        with suppress(queue.Full):
            made.put(item, timeout=POLL)
            return True
    return False
