"""The cache: what was found out once, as JSON in the user's own cache directory. To lose it is never an error."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from incognito import output
from incognito.errors import OutputError

PATIENCE = 10.0  # seconds that one process waits for what another is finding out
POLL = 0.05  # seconds between two looks at whether it is done


def folder() -> Path:
    """Where it lies: INCOGNITO_CACHE, or "incognito" in the system's place for caches."""
    if os.environ.get("INCOGNITO_CACHE"):
        return Path(os.environ["INCOGNITO_CACHE"])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "incognito"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "incognito"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "incognito"


def read(name: str, key: dict[str, Any]) -> Any:
    """What was written under a name and key of JSON values; None where there is nothing that can be read."""
    try:
        record = json.loads(_file(name, key).read_text(encoding="utf-8"))
        return record["value"] if record["key"] == key else None
    except (OSError, RuntimeError, ValueError, TypeError, KeyError):  # RuntimeError: there is no home
        return None


def write(name: str, key: dict[str, Any], value: Any) -> None:
    """Keep a JSON value under a name and key; where that cannot be, it is not kept."""
    with contextlib.suppress(OSError, RuntimeError, OutputError):
        target = _file(name, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        with output.beside(target) as part:
            part.write_text(json.dumps({"key": key, "value": value}, indent=2) + "\n", encoding="utf-8")


@contextlib.contextmanager
def alone(name: str, key: dict[str, Any]) -> Iterator[None]:
    """Find out what comes under a name and key while no other process does; all do at once where that cannot be had."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, RuntimeError):
            folder().mkdir(parents=True, exist_ok=True)
            path = _file(name, key).with_suffix(".lock")
            lock = stack.enter_context(path.open("w"))
            stack.callback(_forget, path)
            until = time.monotonic() + PATIENCE
            while not output.locked(lock) and time.monotonic() < until:
                time.sleep(POLL)
        yield


def _forget(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _file(name: str, key: dict[str, Any]) -> Path:
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return folder() / f"{name}-{digest[:16]}.json"
