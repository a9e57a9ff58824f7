"""Tables are made from rows, and the README's is up to date."""

from pathlib import Path

import pytest

from incognito.errors import LabError
from incognito.lab import report
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


def network(model: str, group: str, iou: str) -> dict[str, str]:
    figures = {"iou": iou, "mean_iou": iou, "boundary_f": iou, "falsely_marked": "0.0123" if "port" in group else ""}
    training = (
        "trained on 1000 pictures, unet x, seed 1, 7 minutes on a CPU; trained on 500 pictures, 3 minutes on a CPU"
    )
    size = {"parameters": "2500000", "multiply_adds": "1250000000", "bytes": "2600000"}
    return {"model": model, "set": group, "split": "test", "training": training} | figures | size


def test_a_network_has_one_line_for_both_test_sets():
    """The newest figures on each, what it weighs, and all its trainings together."""
    table = report.network_table(
        [
            network("b0", "people/mashup", "0.1"),
            network("b0", "people/mashup", "0.9"),
            network("b0", "people/portraits", "0.8"),
            network("b0", "people/portraits", "0.5") | {"split": "val"},
            network("r18", "people/portraits", "0.7"),
        ]
    )
    assert table.splitlines()[2:] == [
        "| b0 | 2.50 | 1.25 | 2.6 | 0.9 | 0.9 | 0.9 | 0.8 | 0.8 | 0.8 | 1.2 | 1,500 | 10 |",
        "| r18 | 2.50 | 1.25 | 2.6 |  |  |  | 0.7 | 0.7 | 0.7 | 1.2 | 1,500 | 10 |",
    ]


def test_only_the_marked_block_is_rewritten(tmp_path):
    """What stands around it is untouched; without marks, or without rows, it is an error."""
    document = "before\n<!-- stages -->\nold\n<!-- /stages -->\nafter\n"
    assert report.rewrite(document, "stages", "new") == document.replace("old", "new")
    with pytest.raises(LabError, match="add these lines"):
        report.rewrite("<!-- stages -->", "stages", "new")
    with pytest.raises(LabError, match="add such lines"):
        report.report(tmp_path, "nothing")
    with pytest.raises(LabError, match="does not exist; measure it"):
        report.report(tmp_path, document)


@pytest.mark.parametrize("name", ["README.md", "docs/training.md"])
def test_the_documents_tables_are_those_of_the_committed_rows(name):
    """No figure of them was typed by hand, nor forgotten."""
    document = (ROOT / name).read_text(encoding="utf-8")
    assert report.report(ROOT / "results", document) == document
