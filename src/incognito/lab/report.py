"""From rows to tables: rewrites the marked blocks of a document, so that no figure in it was typed by hand."""

from __future__ import annotations

from incognito.errors import LabError
from incognito.lab.bench import STAGES
from incognito.lab.rows import Row

BEGIN, END = "<!-- stages -->", "<!-- /stages -->"


def stage_table(rows: list[Row]) -> str:
    """The newest row of each model and number of threads: p50 (p95) of each stage in milliseconds, in Markdown."""
    newest = {(row["model"], row["threads"]): row for row in rows}
    head = ["model", "threads", *STAGES, "film, frames/s", "person IoU", "MB"]
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2)]
    for row in newest.values():
        times = [f"{float(row[f'{s}_p50_ms']):.1f} ({float(row[f'{s}_p95_ms']):.1f})" for s in STAGES]
        size = f"{int(row['bytes']) / 1e6:.1f}"
        lines.append([row["model"], row["threads"], *times, row["film_fps"], row["iou"], size])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rewrite(document: str, table: str) -> str:
    """Put a table between a document's marks; raises LabError where they are missing."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise LabError(f"the document has no {BEGIN} ... {END}; add these lines where the table belongs")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"
