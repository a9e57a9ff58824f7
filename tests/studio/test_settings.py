"""What a server is told."""

from __future__ import annotations

import pytest

from incognito.errors import UsageError
from incognito.studio.settings import Limits, Settings, read_limits, read_token


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_needs_no_token(host):
    """Only programs of this computer can ask."""
    assert Settings(host).on_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_other_addresses_need_a_token(host):
    """Without one the server does not even begin."""
    with pytest.raises(UsageError, match="is not loopback, so a token is needed"):
        Settings(host)
    assert not Settings(host, token="x" * 16).on_loopback


def test_the_page_stays_on_loopback():
    """It may name files of this computer."""
    with pytest.raises(UsageError, match="stays on this computer"):
        Settings("0.0.0.0", token="x" * 16, page=True)


def test_a_token_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    """The file wins; white space around it is none of it."""
    monkeypatch.delenv("INCOGNITO_TOKEN", raising=False)
    assert read_token(None) is None
    monkeypatch.setenv("INCOGNITO_TOKEN", "environment-token-0")
    assert read_token(None) == "environment-token-0"
    file = tmp_path / "token"
    file.write_text(" token-of-a-file-00 \nmore\n")
    assert read_token(file) == "token-of-a-file-00"


@pytest.mark.parametrize("text", ["", "short", "with a bell \a in it 00", "ümlaute-sind-kein-ascii"])
def test_a_weak_token_is_refused(tmp_path, text):
    """One that can be guessed is none; the error offers a better one."""
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"16 characters of ASCII at least; try .{32}"):
        read_token(file)


def test_limits_come_from_a_file(tmp_path):
    """Those left out are as usual."""
    file = tmp_path / "limits.toml"
    file.write_text("photo_megabytes = 1.5\nphotos_waiting = 3\n")
    assert read_limits(file) == Limits(photo_megabytes=1.5, photos_waiting=3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("photo_gigabytes = 1", "there is no limit 'photo_gigabytes'; known are photo_megabytes"),
        ("photos_waiting = 1.5", "give a whole number over 0"),
        ("photo_megabytes = 0", "give a number over 0"),
        ("photo_megabytes = true", "give a number over 0"),
        ("photo_megabytes = inf\nphoto_megapixels = '2'", "photo_megapixels is '2'"),
        ("no toml", "cannot be read"),
    ],
)
def test_limits_that_cannot_be_are_refused(tmp_path, text, words):
    """In one line that names the file and the limit."""
    file = tmp_path / "limits.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=words):
        read_limits(file)
