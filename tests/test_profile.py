"""Profiles: what is kept under a name comes back as it was, and nothing else gets in."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from incognito import profile
from incognito.errors import OutputError, UsageError

ALL = {
    "camera": "rtsp://me:secret@cam/1",
    "to": ["virtual", "file:OUT.mp4"],
    "background": 'C:\\Büro\\"nice"\n\x7f\t\x01 room.jpg',
    "model": "fast",
    "size": "1280x720",
    "fps": 29.97,
    "side-by-side": True,
    "fullscreen": False,
    "budget": "25%",
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder of the test's own, not yet made."""
    monkeypatch.setattr(profile.platformdirs, "user_config_path", lambda *_, **__: tmp_path / "config" / "incognito")
    return tmp_path / "config" / "incognito" / "profiles"


def test_what_is_saved_comes_back(place):
    """Every key, every type, and every character of a text; the file is TOML that others can read."""
    assert set(ALL) == set(profile.KEYS)
    path = profile.save("all", ALL)
    assert path == place / "all.toml"
    assert profile.load("all") == tomllib.loads(path.read_text(encoding="utf-8")) == ALL


@pytest.mark.parametrize("fps", [30, 30.0, 1e-07, 1e22, 0])
def test_numbers_come_back(fps):
    """Whole or not, small or large."""
    profile.save("rate", {"fps": fps})
    assert repr(profile.load("rate")["fps"]) == repr(fps)


def test_what_was_not_typed_is_not_kept():
    """None and an empty list are no options; false is one."""
    profile.save("few", {"camera": None, "to": [], "fullscreen": False})
    assert profile.load("few") == {"fullscreen": False}


def test_saving_again_replaces_the_whole(place):
    """Nothing of the older profile stays, and no other file either."""
    profile.save("call", ALL)
    profile.save("call", {"model": "tiny"})
    assert profile.load("call") == {"model": "tiny"}
    assert [path.name for path in place.iterdir()] == ["call.toml"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_others_may_not_read_a_profile():
    """A stream's address may hold a password."""
    assert profile.save("all", ALL).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", ".", "ä", "x.toml", "a\n", "a" * 65])
def test_a_name_is_letters_digits_and_two_signs(place, name):
    """No path can be made of it, neither to read nor to write."""
    for action in (lambda: profile.save(name, {}), lambda: profile.load(name)):
        with pytest.raises(UsageError, match="no name for a profile"):
            action()
    assert not place.exists()


def test_an_unknown_key_is_refused_with_the_known_ones(place):
    """Saved or written by hand."""
    with pytest.raises(UsageError, match=r"'colour', which is not known; a profile has camera, to, .*budget$"):
        profile.save("new", {"colour": "red"})
    assert not place.exists()
    write(place, "hand", "model = 'fast'\nside_by_side = true\n")
    with pytest.raises(UsageError, match="profile hand has 'side_by_side'"):
        profile.load("hand")


@pytest.mark.parametrize(
    "line",
    [
        "camera = 0",
        "to = []",
        "to = [1]",
        "model = ['fast']",
        "fps = '30'",
        "fps = true",
        "fullscreen = 1",
        "budget = 25",
        "size = { width = 1280 }",
    ],
)
def test_a_value_of_another_type_is_refused(place, line):
    """In one line that says what the key takes."""
    write(place, "hand", line)
    with pytest.raises(UsageError, match=f"^{line.split(' ')[0]} in profile hand takes ") as error:
        profile.load("hand")
    assert "\n" not in str(error.value)


def test_a_text_that_no_file_can_hold_is_refused(place):
    """A path's broken bytes cannot be written as UTF-8."""
    with pytest.raises(UsageError, match="background in profile new takes"):
        profile.save("new", {"background": "\udcff.jpg"})


@pytest.mark.parametrize("content", [b"model = ", b"\xff\xfe", b"model = 'a'\nmodel = 'b'\n"])
def test_a_damaged_profile_is_refused(place, content):
    """In one line with its path."""
    write(place, "bad", "").write_bytes(content)
    with pytest.raises(UsageError, match=r"bad\.toml cannot be read") as error:
        profile.load("bad")
    assert "\n" not in str(error.value)


def test_a_profile_that_is_not_there_is_refused_with_those_that_are():
    """Or with how to make one."""
    with pytest.raises(UsageError, match=r"no profile 'call'; --save-profile NAME"):
        profile.load("call")
    profile.save("b", {})
    profile.save("a", {})
    with pytest.raises(UsageError, match=r"no profile 'call'; there are a, b$"):
        profile.load("call")


def test_a_folder_that_cannot_be_made_is_an_error(place):
    """In one line."""
    place.parent.parent.write_bytes(b"in the way")
    with pytest.raises(OutputError, match="profiles cannot be made"):
        profile.save("call", {})


def test_what_was_typed_wins():
    """Switches may be turned off again; what was not typed comes from the profile."""
    kept = {"camera": "1", "to": "virtual", "fullscreen": True}
    given = {"camera": None, "to": [], "fullscreen": False, "fps": 15.0}
    assert profile.merged(kept, given) == {"camera": "1", "to": "virtual", "fullscreen": False, "fps": 15.0}
    assert profile.merged({}, {"camera": None}) == {}


def write(place: Path, name: str, text: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path
