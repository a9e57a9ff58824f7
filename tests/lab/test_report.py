"""Tables are made from rows, and the README's is up to date."""

from pathlib import Path

import pytest

from incognito.errors import LabError
from incognito.lab import report, rows
from incognito.lab.bench import STAGES

ROOT = Path(__file__).parents[2]


def row(model: str, threads: int, milliseconds: float) -> dict[str, str]:
    times = {f"{stage}_p{p}_ms": str(milliseconds) for stage in STAGES for p in (50, 95)}
    return {"model": model, "threads": str(threads), "film_fps": "9.9", "iou": "0.9", "bytes": "1500000"} | times


def test_the_newest_row_of_each_model_and_threads_is_shown():
    """Older rows stay in the file, and out of the table."""
    table = report.stage_table([row("fast", 2, 8.0), row("fast", 1, 7.0), row("fast", 2, 5.0)])
    lines = table.splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| fast | 2 | 5.0 (5.0) |")
    assert lines[3].endswith("| 9.9 | 0.9 | 1.5 |")


def test_only_the_marked_block_is_rewritten():
    """What stands around it is untouched; without marks it is an error."""
    document = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    assert report.rewrite(document, "new") == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"
    with pytest.raises(LabError, match="add these lines"):
        report.rewrite("nothing", "new")


def test_the_readmes_table_is_that_of_the_committed_rows():
    """No figure of it was typed by hand, nor forgotten."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = report.stage_table(rows.read(ROOT / "results" / "stages.csv"))
    assert report.rewrite(readme, table) == readme
