"""What a batch works on: files found in folders, by patterns and in lists, each with its own place in the output."""

from __future__ import annotations

import csv
import glob
import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from incognito.errors import InputError, UsageError, first_line

PATIENCE, FILM_PATIENCE = 600.0, 86400.0  # seconds that a photo and a film may take before they are given up
PHOTOS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff", ".heic", ".heif"})
FILMS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".3gp"})
COLUMN = "path"  # of a list that is a CSV

Collision = Literal["refuse", "number"]


@dataclass(frozen=True, slots=True)
class Item:
    """A file, and where its picture goes, below the output's folder."""

    source: Path
    target: Path


def gather(inputs: Iterable[str], listed: Iterable[str]) -> list[tuple[Path, Path]]:
    """Find files, each with its path in the tree that is kept. A folder gives all photos and films below it.

    `inputs` and `listed` are files, folders and patterns (`**` is any depth). What a list names and is not there is
    given too, to fail alone. Raises InputError.
    """
    found: dict[Path, Path] = {}
    for text in inputs:
        _add(found, _found(text))
    for text in listed:
        there = Path(text).exists() or glob.has_magic(text)
        _add(found, _found(text) if there else [(Path(text), Path(Path(text).name))])
    if not found:
        raise InputError("there is no photo or film in what was given; name files, folders or patterns")
    return sorted(found.items())


def place(
    found: Iterable[tuple[Path | str, Path]], ending: str, film: str, on_collision: Collision, known: Mapping[str, str]
) -> list[Path]:
    """Give each file, in its order, its place in the output; `known` has those that were given before, by source.

    Raises UsageError where two would have the same, unless they are to be numbered.
    """
    targets: list[Path] = []
    taken = {target.casefold(): source for source, target in known.items()}
    for source, inside in found:
        target = inside.with_suffix(film if is_film(inside.name) else ending)
        if str(source) in known:
            target = Path(known[str(source)])
        elif taken.get(str(target).casefold(), str(source)) != str(source):
            if on_collision == "refuse":
                other = taken[str(target).casefold()]
                raise UsageError(f"{other} and {source} would both become {target}; add --on-collision number")
            target = _numbered(target, taken)
        taken[str(target).casefold()] = str(source)
        targets.append(target)
    return targets


def _numbered(target: Path, taken: Mapping[str, str]) -> Path:
    number = 2
    while str(new := target.with_stem(f"{target.stem}-{number}")).casefold() in taken:
        number += 1
    return new


def _add(found: dict[Path, Path], more: Iterable[tuple[Path, Path]]) -> None:
    """Add files that are not there yet, however their paths are spelt."""
    for source, inside in more:
        found.setdefault(Path(os.path.abspath(source)), inside)  # noqa: PTH100 - resolve() would follow links


def _found(text: str) -> Iterator[tuple[Path, Path]]:
    path = Path(text)
    if path.is_dir():
        for each in sorted(_below(path)):
            if is_wanted(each):
                yield each, each.relative_to(path)
    elif path.exists():
        yield path, Path(path.name)
    elif glob.has_magic(text):
        root = _root(text)
        for each in sorted(root.glob(str(path.relative_to(root)))):
            if is_wanted(each):
                yield each, each.relative_to(root)
    else:
        raise InputError(f"{text} does not exist; check the path")


def _below(folder: Path) -> Iterator[Path]:
    """All files in a tree, but for hidden folders'; what goes meanwhile is passed over, unlike in rglob."""
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root, name) for name in names)


def is_wanted(path: Path) -> bool:
    """Whether a path in a folder is a photo or a film."""
    return is_named(path.name) and path.is_file()


def is_named(name: str) -> bool:
    """Whether a file is a photo or a film by its name; hidden ones are not."""
    return Path(name).suffix.lower() in PHOTOS | FILMS and not name.startswith(".")


def is_film(name: str) -> bool:
    """Whether a file is a film by its name."""
    return Path(name).suffix.lower() in FILMS


def patience_with(name: str) -> float:
    """The seconds that work on a file may take."""
    return FILM_PATIENCE if is_film(name) else PATIENCE


def _root(pattern: str) -> Path:
    """The folder that a pattern begins in."""
    parts: list[str] = []
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


def read_list(listed: str) -> list[str]:
    """The paths in a file, one a line or a CSV's column `path`; "-" is standard input. Raises InputError."""
    try:
        text = sys.stdin.read() if listed == "-" else Path(listed).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{listed} cannot be read ({first_line(error)}); give a list of paths") from None
    rows = csv.DictReader(io.StringIO(text))
    if COLUMN in (rows.fieldnames or []):
        return [row[COLUMN] for row in rows if row[COLUMN]]
    return [line for line in text.splitlines() if line.strip()]
