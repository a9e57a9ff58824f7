"""Files by their addresses: paths that all machines share, or URLs of what fsspec knows: S3, Google Cloud, HTTP."""

from __future__ import annotations

import glob
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from incognito.errors import IncognitoError, InputError, OutputError, UsageError, first_line
from incognito.gathering import is_named

T = TypeVar("T")

SINGLE = frozenset({"http", "https"})  # addresses that list no others
WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"})  # what is put there is there whole or not at all
TRIES = 3
PAUSE = 1.0  # seconds before a second try, twice that before a third


def is_url(text: str) -> bool:
    """Whether a text is a URL and no path."""
    return "://" in text


def find(url: str) -> Iterator[tuple[str, Path]]:
    """Photos and films at a URL, in a folder there or of a pattern, each with its path in the tree that is kept.

    Raises InputError and UsageError.
    """
    system, root = _opened(url)
    if url.split("://", maxsplit=1)[0] in SINGLE:
        yield url, Path(PurePosixPath(root.split("?")[0]).name)
        return
    try:
        base, names = _names(system, root)
    except Exception as error:  # whatever a driver raises
        raise InputError(f"{url} cannot be listed ({first_line(error)}); check the address and its key") from None
    if not names:
        raise InputError(f"{url} does not exist or is empty; check the address")
    for name in names:
        inside = PurePosixPath(name).relative_to(base)
        if ".." in inside.parts:  # a key may be any text
            raise InputError(f"{url} has {inside}, whose result would lie outside of the output; rename it")
        if is_named(inside.name) or name == root:
            yield system.unstrip_protocol(name), Path(inside)


def _names(system: Any, root: str) -> tuple[PurePosixPath, list[str]]:
    """The files below a folder or of a pattern, and what their places in the tree are counted from."""
    if glob.has_magic(root):
        parts = PurePosixPath(root).parts
        plain = next(number for number, part in enumerate(parts) if glob.has_magic(part))
        return PurePosixPath(*parts[:plain]), sorted(system.glob(root))
    if system.isfile(root):
        return PurePosixPath(root).parent, [root]
    return PurePosixPath(root), sorted(system.find(root))


def check(url: str) -> None:
    """Refuse a place for results where they would not be whole at once; raises UsageError."""
    kind = url.split("://", maxsplit=1)[0]
    if kind not in WHOLE:
        raise UsageError(f"results are not written to {kind}://; use a folder, s3:// or gs://")
    _opened(url)


def inside(url: str) -> set[str]:
    """The files that a place for results has, as paths below it. Raises OutputError."""
    system, root = _opened(url)
    try:
        return {str(PurePosixPath(name).relative_to(root)) for name in system.find(root)}
    except FileNotFoundError:
        return set()
    except Exception as error:
        raise OutputError(f"{url} cannot be listed ({first_line(error)}); check the address and its key") from None


def exists(url: str) -> bool:
    """Whether a file is there."""
    system, path = _opened(url)
    return bool(_tried(lambda: system.exists(path), url, OutputError))


def fetch(url: str, path: Path) -> None:
    """Copy what is at a URL to a file here. Raises InputError."""
    system, name = _opened(url)
    _tried(lambda: system.get_file(name, str(path)), url, InputError)


def put(path: Path, url: str) -> None:
    """Copy a file from here to a URL. Raises OutputError."""
    system, name = _opened(url)
    _tried(lambda: system.put_file(str(path), name), url, OutputError)


def read(url: str) -> bytes | None:
    """What a small file holds; None where there is none."""
    system, name = _opened(url)
    return _tried(lambda: system.cat_file(name), url, InputError) if exists(url) else None


def write(url: str, content: bytes) -> None:
    """Write a small file. Raises OutputError."""
    system, name = _opened(url)
    _tried(lambda: system.pipe_file(name, content), url, OutputError)


def _opened(url: str) -> tuple[Any, str]:
    """What holds the files of a URL, and its name there."""
    from fsspec.core import url_to_fs

    try:
        system, name = url_to_fs(url, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{url} cannot be opened: {first_line(error)}") from None
    return system, str(name)


def _tried(action: Callable[[], T], url: str, kind: type[IncognitoError]) -> T:
    """Do what may fail once, as networks do, and well the next time."""
    for number in range(1, TRIES):
        try:
            return action()
        except FileNotFoundError:
            raise kind(f"{url} is not there; check the address") from None
        except Exception:  # whatever a driver raises, it is tried again
            time.sleep(PAUSE * number)
    try:
        return action()
    except Exception as error:
        raise kind(f"{url} cannot be reached ({first_line(error)}); check the network and the key") from None
