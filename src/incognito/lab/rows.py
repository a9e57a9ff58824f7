"""Tables of results as CSV files that only grow."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from incognito import output
from incognito.errors import LabError

Row = dict[str, str]


def read(path: Path) -> list[Row]:
    """Read a table, oldest row first."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def append(path: Path, row: Mapping[str, object]) -> None:
    """Add a row to a CSV, which is begun if need be.

    Columns that are new with the row stay empty in older ones; a file with columns that the row lacks is refused.
    """
    if not path.exists():
        return _write(path, [row], "w")
    with path.open(newline="", encoding="utf-8") as file:
        columns = next(csv.reader(file), [])
    if columns == list(row):
        return _write(path, [row], "a")
    if not set(columns) <= row.keys():
        raise LabError(f"{path} has other columns; name a new file with -o")
    return keep(path, [*(dict.fromkeys(row, "") | old for old in read(path)), row])


def keep(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Rewrite a table with some of its rows only, at once."""
    with output.beside(path) as part:
        _write(part, rows, "w")


def text(rows: Sequence[Row]) -> str:
    """A table for a terminal: a line of titles, then the rows, in columns as wide as they need."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)] if rows else []
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (zip(line, widths, strict=True) for line in lines)
    return "\n".join("  ".join(cell.ljust(width) for cell, width in line).rstrip() for line in padded)


def _write(path: Path, rows: Sequence[Mapping[str, object]], mode: str) -> None:
    with path.open(mode, newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        if mode == "w":
            writer.writeheader()
        writer.writerows(rows)
