"""docs/live.md and the service beside it: what they tell to type can be typed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import typer

from incognito import doctor, profile
from incognito.cli import app

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "live.md").read_text(encoding="utf-8")
SERVICE = (DOCS / "incognito-live.service").read_text(encoding="utf-8")
COMMANDS = sorted({*re.findall(r"^ *(incognito .+)$", PAGE, re.M), *re.findall(r"`(incognito [^`]+)`", PAGE)})
STARTED = re.search(r"^ExecStart=\S*/(incognito .+)$", SERVICE, re.M)[1]


def command(name: str):
    """A command's parser."""
    return typer.main.get_command(app).commands[name]


@pytest.mark.parametrize("line", [*COMMANDS, STARTED])
def test_what_the_page_tells_to_type_is_taken(line):
    """Every command is there, with every option and a value that it can parse."""
    _, name, *arguments = shlex.split(line, comments=True)
    context = command(name).make_context(name, arguments)
    typed = {argument.partition("=")[0] for argument in arguments if argument.startswith("--")}
    assert typed <= {option for parameter in context.command.params for option in parameter.opts}


def test_the_page_was_found_to_have_commands():
    """The test above looks at something: the doctor, and live in many ways."""
    assert "incognito doctor" in COMMANDS
    assert sum(line.startswith("incognito live") for line in COMMANDS) > 10


def test_the_page_tells_of_every_option_of_live():
    """None is left for the help alone."""
    options = {option for parameter in command("live").params for option in parameter.opts}
    assert [option for option in options - {"--help", "-h"} if option not in PAGE] == []


def test_the_pages_profile_has_every_key(tmp_path, monkeypatch):
    """It is one that can be loaded."""
    monkeypatch.setattr(profile, "folder", lambda: tmp_path)
    text = re.search(r"```toml\n(.*?)```", PAGE, re.S)[1]
    (tmp_path / "call.toml").write_text(text, encoding="utf-8")
    assert profile.load("call") == tomllib.loads(text)
    assert set(profile.load("call")) == set(profile.KEYS)


def test_the_page_explains_each_of_the_doctors_lines():
    """A row for each title, in the doctor's order."""
    table = PAGE.partition("## What the doctor's lines mean")[2]
    rows = re.findall(r"^\| ([a-z ]+) \|", table.partition("\n\n```")[0], re.M)
    assert rows == ["line", *doctor.CHECKS]


def test_the_pages_links_lead_somewhere():
    """To a heading of its own, or a file beside it."""
    headings = {
        re.sub(r"[^\w\- ]", "", line).lower().replace(" ", "-") for line in re.findall(r"^#+ (.+)$", PAGE, re.M)
    }
    links = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert links
    for link in links:
        assert link[1:] in headings if link.startswith("#") else (DOCS / link).is_file(), link


def test_what_was_not_run_is_said():
    """Wherever it stands."""
    for heading in re.findall(r"^#+ (.+(?:v4l2loopback|OBS|browsers).*)$", PAGE, re.M):
        assert "(not run here" in heading


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="skipped: no systemd here")
def test_systemd_takes_the_service(tmp_path, monkeypatch):
    """Without a word on it, but for the program, which need not be installed where the tests run."""
    program = tmp_path / "incognito"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    unit = tmp_path / "incognito-live.service"
    unit.write_text(SERVICE.replace("%h/.local/bin/incognito", str(program)), encoding="utf-8")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", unit], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert unit.name not in done.stdout + done.stderr


@pytest.mark.parametrize("setting", ["PrivateDevices", "DevicePolicy", "ProtectClock", "ProtectHome", "PrivateUsers"])
def test_the_service_keeps_what_the_program_needs(setting):
    """The cameras, and the sight of who reads the virtual one."""
    assert not re.search(f"^{setting}=", SERVICE, re.M)
    assert setting in SERVICE
