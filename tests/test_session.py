"""A live session, from what is typed to what comes out."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from incognito import session
from incognito.errors import CameraError, OutputError, UsageError

SHORT = {"camera": "scripted:ok*40 end", "to": "null", "size": "160x96", "background": "#00b140"}


def test_a_session_says_what_it_did(tmp_path):
    """Every frame of the script was captured; each that was not overtaken went out; the file has the figures."""
    lines = []
    tally = session.run(SHORT, stats=tmp_path / "stats.json", tell=lines.append)
    found = json.loads((tmp_path / "stats.json").read_text())
    assert found["frames"]["captured"] == 40 == tally.captured
    assert found["frames"]["processed"] + found["frames"]["dropped"] >= 39
    assert set(found["stages"]) == {"capture", "segment", "refine", "composite", "sink", "loop", "capture to sink"}
    assert lines == ["camera ok*40 end: scripted 160x96, 30 fps"]


def test_the_pages_address_is_told():
    """Nobody could guess it."""
    lines = []
    session.run(SHORT | {"to": ["page", "null"]}, tell=lines.append)
    assert lines[1].startswith("page: http://127.0.0.1:")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": "1280"}, "--size '1280' cannot be"),
        ({"size": "161x96"}, "even numbers"),
        ({"size": "99999x96"}, "cannot be"),
        ({"fps": -1}, "--fps -1 cannot be"),
        ({"budget": "25"}, "such as 25%"),
        ({"budget": "0%"}, "cannot be"),
        ({"to": ["null", "mirror"]}, "nothing can be shown to 'mirror'"),
    ],
)
def test_what_cannot_be_is_refused(options, words):
    """In one line, with what can."""
    with pytest.raises(UsageError, match=words):
        session.run(SHORT | options)


def test_a_camera_that_is_not_there_is_named():
    """So is what there is."""
    with pytest.raises(CameraError, match="there is no camera 77"):
        session.run(SHORT | {"camera": "77"})


def test_figures_replace_no_file(tmp_path):
    """Unless that is asked for."""
    (tmp_path / "stats.json").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        session.run(SHORT, stats=tmp_path / "stats.json")
    assert (tmp_path / "stats.json").read_text() == "mine"


def incognito(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "incognito", "live", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_runs_and_prints_its_figures():
    """From the script to the summary."""
    done = incognito("--camera", SHORT["camera"], "--to", "null", "--size", "160x96", "--background", "#00b140")
    assert done.returncode == 0
    assert done.stdout.startswith("captured 40, processed") and "capture to sink" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--camera", "77", "--to", "null"], "there is no camera 77"),
        (["--camera", "none.mp4", "--to", "null"], "there is no camera 'none.mp4'"),
        (["--camera", SHORT["camera"], "--to", "mirror"], "nothing can be shown to 'mirror'"),
        (["--camera", SHORT["camera"], "--to", "null", "--background", "nowhere"], "there is no background 'nowhere'"),
        (["--camera", SHORT["camera"], "--to", "null", "--model", "huge"], "huge"),
    ],
)
def test_what_is_missing_is_one_line(arguments, words):
    """On standard error, with another exit code than 0."""
    done = incognito(*arguments)
    errors = [line for line in done.stderr.splitlines() if line.startswith("incognito: ")]
    assert done.returncode and len(errors) == 1 and words in errors[0] and "Traceback" not in done.stderr
