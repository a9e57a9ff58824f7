"""Files out: written beside their place and put there at once, so that nothing half-written ever has the name."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from incognito.errors import OutputError, UsageError, first_line

PART = re.compile(r"\..*\.[0-9a-f]{8}\.part")  # what `beside` leaves where a process was killed


def check(target: Path, force: bool = False, source: Path | None = None) -> None:
    """Refuse an output that exists (unless forced), is the input, or could not be written; before any work is done."""
    if target.is_dir():
        raise OutputError(f"{target} is a directory; name a file in it")
    if source is not None and target.exists() and source.exists() and target.samefile(source):
        raise OutputError(f"{target} is the input itself, which is never touched; choose another output")
    if target.exists() and not force:
        raise OutputError(f"{target} exists; choose another output or add --force to replace it")
    if not target.parent.is_dir():
        raise OutputError(f"{target.parent} is no directory; make it first or choose another output")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"{target.parent} cannot be written to; choose another output")


def check_space(folder: Path, wanted: int) -> None:
    """Refuse to begin what will hardly fit: `wanted` is in bytes, at the least."""
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise OutputError(
            f"{folder} has {free / 1e6:.0f} MB left, under {wanted / 1e6:.0f} MB; free some or choose another"
        )


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """Give a temporary path in the target's directory; it becomes the target if all ends well, and is gone if not."""
    part = target.parent / f".{target.stem[:100]}.{secrets.token_hex(4)}.part"
    try:
        part.touch(exist_ok=False)
    except OSError as error:
        raise unwritable(target, error) from None
    try:
        yield part
        part.replace(target)
    except OSError as error:
        raise unwritable(target, error) from None
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """Give a new folder beside the target; it becomes the target if all ends well, and is gone if not."""
    part = target.parent / f".{target.name[:100]}.{secrets.token_hex(4)}.part"
    try:
        part.mkdir()
        yield part
        part.replace(target)
    except OSError as error:
        raise unwritable(target, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def make(folder: Path) -> None:
    """Make a folder for results, where there is none; raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made ({first_line(error)}); choose another") from None


def sweep(folder: Path) -> None:
    """Remove what killed processes left half-written, anywhere below a folder that nobody writes to now."""
    for part in folder.rglob(".*.part"):
        if PART.fullmatch(part.name):
            part.unlink(missing_ok=True)


def lock(file: IO[Any], problem: str) -> None:
    """Keep a file for this process until it is closed; raises UsageError with the problem where another has it."""
    try:
        kept = locked(file)
    except OSError:
        kept = False
    if not kept:
        raise UsageError(f"{problem}; wait for it or choose another output")


def locked(file: IO[Any]) -> bool:
    """Keep a file for this process until it is closed, unless another has it; raises OSError where none can be kept."""
    try:
        import fcntl
    except ImportError:  # on Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unwritable(target: Path, error: OSError) -> OutputError:
    """What to say where a target cannot be written."""
    return OutputError(f"{target} cannot be written ({first_line(error)}); choose another output")
