"""Something that is loaded in a thread of its own, while the safe picture is shown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from incognito.errors import IncognitoError, first_line

T = TypeVar("T")


class Loading(Generic[T]):
    """The result of a function as soon as it is there: `value` is None before, and where `error` says why."""

    def __init__(self, load: Callable[[], T]) -> None:
        self.value: T | None = None
        self.error: IncognitoError | None = None
        self._load = load
        self._thread = threading.Thread(target=self._run, name="loading", daemon=True)
        self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            self.value = self._load()
        except IncognitoError as error:
            self.error = error
        except Exception as error:  # whatever a library raises ends the run with one line
            self.error = IncognitoError(f"a model or background cannot be loaded ({first_line(error)}); choose another")
