"""From rows to tables: rewrites the marked blocks of a document, so that no figure in it was typed by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from incognito.errors import LabError
from incognito.lab import rows
from incognito.lab.bench import STAGES
from incognito.lab.rows import Row

SETS = {"people/mashup": "mash-up", "people/portraits": "EG1800"}


def report(results: Path, document: str) -> str:
    """Rewrite every marked block of a document for which there are rows; raises LabError where no block is marked."""
    marked = [name for name in TABLES if f"<!-- {name} -->" in document]
    if not marked:
        marks = " or ".join(f"<!-- {name} --> ... <!-- /{name} -->" for name in TABLES)
        raise LabError(f"the document has no {marks}; add such lines where a table belongs")
    for name in marked:
        path = results / f"{name}.csv"
        if not path.is_file():
            raise LabError(f"{path} does not exist; measure it with incognito lab bench or lab evaluate")
        document = rewrite(document, name, TABLES[name](rows.read(path)))
    return document


def stage_table(measured: list[Row]) -> str:
    """The newest row of each model and number of threads: p50 (p95) of each stage in milliseconds, in Markdown."""
    newest = {(row["model"], row["threads"]): row for row in measured}
    head = ["model", "threads", *STAGES, "film, frames/s", "person IoU", "MB"]
    lines = []
    for row in newest.values():
        times = [f"{float(row[f'{s}_p50_ms']):.1f} ({float(row[f'{s}_p95_ms']):.1f})" for s in STAGES]
        lines.append([row["model"], row["threads"], *times, row["film_fps"], row["iou"], _megabytes(row)])
    return _markdown(head, lines, words=2)


def network_table(measured: list[Row]) -> str:
    """The newest row of each network on each test set: its size, its figures, and the training it had, in Markdown."""
    measured = [row for row in measured if row["split"] == "test"]
    newest = {(row["model"], row["set"]): row for row in measured}
    figures = [f"{name} {what}" for name in SETS.values() for what in ("IoU", "mIoU", "boundary F")]
    head = ["network", "M parameters", "G multiply-adds", "MB", *figures, "false person, %", "pictures", "minutes"]
    lines = []
    for model in dict.fromkeys(row["model"] for row in measured):
        here = {name: newest.get((model, name)) for name in SETS}
        one = next(row for row in here.values() if row)
        sizes = [f"{int(one['parameters']) / 1e6:.2f}", f"{int(one['multiply_adds']) / 1e9:.2f}", _megabytes(one)]
        scores = [row[f] if row else "" for row in here.values() for f in ("iou", "mean_iou", "boundary_f")]
        marked = [f"{100 * float(row['falsely_marked']):.1f}" for row in here.values() if row and row["falsely_marked"]]
        lines.append([model, *sizes, *scores, (marked or [""])[0], *_training(one)])
    return _markdown(head, lines, words=1)


def rewrite(document: str, name: str, table: str) -> str:
    """Put a table between a document's marks; raises LabError where the second is missing."""
    first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, begin, rest = document.partition(first)
    _, end, after = rest.partition(last)
    if not (begin and end):
        raise LabError(f"the document has no {first} ... {last}; add these lines where the table belongs")
    return f"{before}{first}\n{table}\n{last}{after}"


def _training(row: Row) -> list[str]:
    """All trainings' pictures and minutes together, from a card's lineage."""
    pictures, minutes = (
        sum(map(int, re.findall(pattern, row["training"]))) for pattern in (r"(\d+) pictures", r"(\d+) minutes")
    )
    return [f"{pictures:,}", str(minutes)]


def _megabytes(row: Row) -> str:
    return f"{int(row['bytes']) / 1e6:.1f}"


def _markdown(head: list[str], lines: list[list[str]], words: int) -> str:
    """A table whose first columns are words, the others figures."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *lines])


TABLES: dict[str, Callable[[list[Row]], str]] = {"stages": stage_table, "networks": network_table}
