"""Environments that peers need: a Python and its packages, made once, in the user's cache directory."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from incognito import cache, output
from incognito.errors import LabError

PYTHON = Path("Scripts", "python.exe") if os.name == "nt" else Path("bin", "python")


def find_or_make(name: str, requirements: Sequence[str]) -> Path:
    """The Python of an environment that holds the requirements: the one made before, or a new one.

    It is made beside its place, so that what is there is whole. Raises LabError where it cannot be made.
    """
    key = "\n".join([platform.python_version(), *requirements])
    target = cache.folder() / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if not target.exists():
        _make(target, name, requirements)
    return python_of(target)


def python_of(folder: Path) -> Path:
    """The Python of an environment; raises LabError where there is none."""
    python = folder / PYTHON
    if not python.exists():
        raise LabError(f"{folder} is no environment, for it has no {PYTHON}; name another, or take it away")
    return python


def _make(target: Path, name: str, requirements: Sequence[str]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with output.folder_beside(target) as part:
        _run(name, [sys.executable, "-m", "venv", str(part)])
        pip = [str(part / PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run(name, [*pip, *requirements])


def _run(name: str, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["without a word"]
        reason = next((line for line in lines if line.startswith("ERROR:")), lines[-1])
        raise LabError(
            f"the environment of {name} cannot be made ({reason.removeprefix('ERROR: ')[:200]}); "
            "connect to a package index, or name one that exists with --environment"
        )
