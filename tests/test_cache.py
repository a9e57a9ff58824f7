"""The cache: what is kept, what is missed, and that it never stands in the way."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from incognito import cache

KEY = {"cpu": "abacus", "threads": 2}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, not made yet."""
    folder = tmp_path / "some" / "cache"
    monkeypatch.setenv("INCOGNITO_CACHE", str(folder))
    return folder


def test_what_is_written_is_read_under_its_name_and_key_only(folder):
    """Another name or key is another record; nothing half-written is left."""
    cache.write("fast", KEY, [1, None, "x"])
    assert cache.read("fast", KEY) == [1, None, "x"]
    assert cache.read("slow", KEY) is None
    assert cache.read("fast", KEY | {"threads": 1}) is None
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"key": {}, "value": 1}', b"\xff\xfe", b"null"])
def test_a_damaged_record_is_missed_and_written_anew(folder, content):
    """Nothing that lies there can be an error."""
    cache.write("fast", KEY, 1)
    (path,) = folder.iterdir()
    path.write_bytes(content)
    assert cache.read("fast", KEY) is None
    cache.write("fast", KEY, 2)
    assert cache.read("fast", KEY) == 2


def test_a_place_that_cannot_be_written_to_is_no_error(folder):
    """A file stands where the directory should be."""
    folder.parent.write_bytes(b"")
    cache.write("fast", KEY, 1)
    assert cache.read("fast", KEY) is None


def test_one_at_a_time_finds_something_out(monkeypatch):
    """Another waits for it, and for no longer than its patience."""
    inside, most, together = [], 0.0, threading.Barrier(3)

    def find_out() -> None:
        nonlocal most
        together.wait()
        with cache.alone("fast", KEY):
            inside.append(1)
            most = max(most, len(inside))
            time.sleep(0.1)
            inside.pop()

    threads = [threading.Thread(target=find_out) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    monkeypatch.setattr(cache, "PATIENCE", 0.2)
    with cache.alone("fast", KEY), cache.alone("fast", KEY | {"threads": 1}), cache.alone("fast", KEY):
        pass


def test_without_a_cache_all_find_out_at_once(folder):
    """A file stands where the directory should be."""
    folder.parent.write_bytes(b"")
    with cache.alone("fast", KEY), cache.alone("fast", KEY):
        assert folder.parent.read_bytes() == b""


@pytest.mark.parametrize(
    ("platform", "variable", "place"),
    [
        ("linux", "XDG_CACHE_HOME", "incognito"),
        ("linux", None, ".cache/incognito"),
        ("darwin", None, "Library/Caches/incognito"),
        ("win32", "LOCALAPPDATA", "incognito"),
        ("win32", None, "AppData/Local/incognito"),
    ],
)
def test_without_an_override_it_lies_where_the_system_keeps_caches(tmp_path, monkeypatch, platform, variable, place):
    """By the habits of Linux, macOS and Windows."""
    for name in ("INCOGNITO_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path))
    assert cache.folder() == tmp_path / place


def test_a_user_without_a_home_goes_without_a_cache(monkeypatch):
    """As in a container whose user has no name."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("INCOGNITO_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(Path, "home", homeless)
    cache.write("fast", KEY, 1)
    assert cache.read("fast", KEY) is None
