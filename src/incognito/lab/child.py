"""A worker of a comparison, from its parent's side: a process on its own cores that answers one request at a time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from incognito.errors import LabError
from incognito.lab.peers import wire
from incognito.load import allowed

PATIENCE = 10.0  # seconds that a worker may take to end


class Child:
    """A running worker. It works only while a request of it is open, and ends with the block that it is used in."""

    def __init__(self, name: str, command: Sequence[str], cores: int) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed where the block ends
        with on_cores(cores):
            self._process = _start(name, command, self._errors)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let the worker end, or end it."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._process.communicate(timeout=PATIENCE)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def ask(self, do: str, array: Any = None, **fields: Any) -> wire.Message:
        """Send a request and wait for its answer; raises LabError where it fails, or the worker ends."""
        assert self._process.stdin and self._process.stdout
        try:
            wire.send(self._process.stdin, {"do": do, **fields}, array)
            header, answer = wire.receive(self._process.stdout)
        except (OSError, EOFError):
            raise LabError(f"{self.name} ended ({self._last_words()}); mend its environment or leave it out") from None
        if "error" in header:
            raise LabError(f"{self.name} cannot be measured: {header['error']}")
        return header, answer

    def spent(self) -> float:
        """Seconds of CPU time that the worker took since it began, on all threads."""
        return float(self.ask("spent")[0]["seconds"])

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:160] if lines else "without a word"


@contextlib.contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Have what is started inside run on the last `count` cores only, where the platform can tell it to.

    Threads inherit this too, so it holds for libraries that take no number of threads. Raises LabError where there are
    fewer.
    """
    before = allowed()
    if count > len(before):
        raise LabError(f"{count} threads were asked for, and there are {len(before)} cores; ask for fewer")
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    os.sched_setaffinity(0, sorted(before)[-count:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _start(name: str, command: Sequence[str], errors: Any) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
    except OSError as error:
        raise LabError(f"{name} cannot be started ({error.strerror}: {command[0]}); name an environment") from None
