"""A bar for long work, where somebody looks."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from making import write_film

pty = pytest.importorskip("pty", reason="needs a terminal of its own")


def test_a_terminal_sees_frames_rate_and_time_left(tmp_path):
    """On a terminal, a film shows how many frames are done, how fast, and how long it will take."""
    write_film(tmp_path / "in.mp4", [np.full((96, 128, 3), i, np.uint8) for i in range(90)], list(range(0, 3600, 40)))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "incognito", "remove", str(tmp_path / "in.mp4"), "-o", str(tmp_path / "out.mp4")]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"}
    with subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL, env=environment) as process:
        os.close(theirs)
        shown = read_all(ours)
    assert process.returncode == 0
    for word in ("removing", "/90", "frames", "/s", "left"):
        assert word in shown


def read_all(terminal: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode(errors="replace")
