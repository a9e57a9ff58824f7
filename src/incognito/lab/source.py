"""The commit that a row of results was measured at."""

from __future__ import annotations

import subprocess
from pathlib import Path


def commit() -> str:
    """The commit that this package's source is at, with + where it differs from that; empty outside a clone."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=12", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
