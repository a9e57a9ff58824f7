"""Tables of results as CSV files that only grow."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from incognito import output
from incognito.errors import LabError

Row = dict[str, str]


def read(path: Path) -> list[Row]:
    """Read a table, oldest row first."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def append(path: Path, row: Mapping[str, object]) -> None:
    """Add a row to a CSV, which is begun if need be; a file with other columns is refused."""
    is_new = not path.exists()
    if not is_new:
        with path.open(newline="", encoding="utf-8") as file:
            if next(csv.reader(file), None) != list(row):
                raise LabError(f"{path} has other columns; name a new file with -o")
    _write(path, [row], "w" if is_new else "a")


def keep(path: Path, rows: list[Row]) -> None:
    """Rewrite a table with some of its rows only, at once."""
    with output.beside(path) as part:
        _write(part, rows, "w")


def _write(path: Path, rows: list, mode: str) -> None:
    with path.open(mode, newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        if mode == "w":
            writer.writeheader()
        writer.writerows(rows)
