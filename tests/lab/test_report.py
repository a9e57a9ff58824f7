"""Tables and the plot are made from rows, and every document is up to date."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from incognito.errors import LabError
from incognito.lab import labels, plot, report, rows, tables
from incognito.lab.bench import STAGES

ROOT = Path(__file__).parents[2]


def row(model: str, threads: int, milliseconds: float) -> dict[str, str]:
    times = {f"{stage}_p{p}_ms": str(milliseconds) for stage in STAGES for p in (50, 95)}
    return {"model": model, "threads": str(threads), "film_fps": "9.9", "iou": "0.9", "bytes": "1500000"} | times


def test_the_newest_row_of_each_model_and_threads_is_shown():
    """Older rows stay in the file, and out of the table."""
    table = tables.stages([row("fast", 2, 8.0), row("fast", 1, 7.0), row("fast", 2, 5.0)])
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
    table = tables.networks(
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


SEED = [
    {"step": "ResNet", "ms": "265", "megabytes": "98.2", "iou": "0.956", "ours": "heavy"},
    {"step": "+ quantisation", "ms": "219", "megabytes": "10.6", "iou": "0.926", "ours": "int8"},
    {"step": "+ 128x128", "ms": "56", "megabytes": "10.6", "iou": "", "ours": "small"},
]


def rung(title: str, status: str, times: tuple[str, str], iou: str = "", reason: str = "") -> dict[str, str]:
    """A made-up row of a climb, timed on both runtimes; the rungs before `small` begin at `heavy`."""
    names = {"ladder": "ladder", "rung": title, "model": f"{title}-a1", "sha256": f"{title}00", "status": status}
    made = {"parent": "" if status == "start" else "heavy", "passes": "shrink > fold", "reason": reason}
    kind = {"network": "256x256", "precision": "float32", "budget": "0.003", "commit": "abc"}
    size = {"parameters": "2500000", "multiply_adds": "1250000000", "bytes": "2600000"}
    test = {"set": "people/portraits", "n": "261"} if iou else {"set": "", "n": ""}
    test |= {"iou": iou, "mean_iou": iou, "boundary_f": iou, "falsely_marked": "0.0123" if iou else ""}
    speed = {"onnxruntime": "1.32.0", "openvino": "2025.4", "threads": "2", "cpu": "CPU", "runs": "60"}
    for runtime, time in zip(("onnxruntime", "openvino"), times, strict=True):
        speed |= {f"{runtime}_p50_ms": time, f"{runtime}_p95_ms": time and f"{2 * float(time):.2f}"}
    validation = {"val_n": "300", "val_iou": "0.95", "val_lost": "0.001", "faster": "" if status == "start" else "1.9"}
    return names | made | kind | size | test | speed | validation


CLIMB = [
    rung("heavy", "start", ("100", "80"), "0.9357"),
    rung("int8", "refused", ("40", ""), reason="lost 0.0132, 0.003 allowed | on validation"),
    rung("float16", "failed", ("", ""), reason="no kernel"),
    rung("mixed", "aside", ("50.25", "39.96"), "0.9301"),
    rung("small", "kept", ("4", "1.456"), "0.9312"),
]


def test_the_seeds_steps_stand_beside_ours():
    """Each with the rung it is compared with, refused or not; other rungs that were given up are left out."""
    lines = tables.ladder(SEED, CLIMB).splitlines()
    assert lines[0].startswith(
        "| seed's step | our rung | seed ms | seed FPS | seed MB | seed IoU | our ms | our FPS |"
    )
    assert lines[2:] == [
        "| ResNet | heavy | 265 | 3.77 | 98.2 | 0.956 | 80.0 | 12.5 | 2.6 | 0.9357 | 1.00 |",
        "| + quantisation | int8 (refused) | 219 | 4.57 | 10.6 | 0.926 | 40.0 | 25.0 | 2.6 | — | 2.00 |",
        "|  | mixed (aside) |  |  |  |  | 40.0 | 25.0 | 2.6 | 0.9301 | 2.00 |",
        "| + 128x128 | small | 56 | 17.9 | 10.6 | — | 1.46 | 687 | 2.6 | 0.9312 | 54.9 |",
    ]


def test_a_seeds_step_without_its_rung_is_an_error():
    """A rung that was renamed is not silently compared with nothing."""
    with pytest.raises(LabError, match=r"'small', which ladder.csv has not; write one of these .*: heavy, int8"):
        tables.ladder(SEED, CLIMB[:-1])


def test_every_rung_is_shown_with_its_reason():
    """Those that were refused or failed too, with what was measured of them and a dash for what was not."""
    assert tables.rungs(CLIMB).splitlines()[2:] == [
        "| heavy | — | start | — | 100 (200) | 80.0 (160) | — | 1.00 | 0.95 | 0.001 | 0.9357 | 0.9357 | 0.9357 | 1.2 |",
        "| int8 | heavy | refused | lost 0.0132, 0.003 allowed \\| on validation | 40.0 (80.0) | — | 1.9 | 2.00 "
        "| 0.95 | 0.001 | — | — | — | — |",
        "| float16 | heavy | failed | no kernel | — | — | 1.9 | — | 0.95 | 0.001 | — | — | — | — |",
        "| mixed | heavy | aside | — | 50.2 (100) | 40.0 (79.9) | 1.9 | 2.00 | 0.95 | 0.001 "
        "| 0.9301 | 0.9301 | 0.9301 | 1.2 |",
        "| small | heavy | kept | — | 4.00 (8.00) | 1.46 (2.91) | 1.9 | 54.9 | 0.95 | 0.001 "
        "| 0.9312 | 0.9312 | 0.9312 | 1.2 |",
    ]


def test_the_other_tables_of_a_climb():
    """What was given up and why, what file each rung gave, under what it was measured, and all of it in a line."""
    assert tables.refused(CLIMB).splitlines()[2:] == [
        "| int8 | heavy | refused | lost 0.0132, 0.003 allowed \\| on validation |",
        "| float16 | heavy | failed | no kernel |",
    ]
    assert tables.refused(CLIMB[:1]) == "None was refused, and none failed."
    artefact = "| small | small-a1 | shrink > fold | 256x256 | float32 | small00 | 2.50 | 1.25 | 2.6 |"
    assert tables.artefacts(CLIMB).splitlines()[-1] == artefact
    assert tables.conditions(CLIMB).splitlines()[2:] == [
        "| ladder | CPU | 2 | 1.32.0 | 2025.4 | 60 | 0.003 | 300 | people/portraits | 261 | abc |"
    ]
    assert tables.summary(CLIMB) == (
        "**heavy → small**: 54.9 times faster; ms 80.0 → 1.46, FPS 12.5 → 687, MB 2.6 → 2.6, IoU 0.9357 → 0.9312."
    )


def test_only_the_newest_climb_is_shown():
    """A ladder that is begun again forgets its old rungs, a rung that is climbed again its old figures."""
    again = rung("small", "kept", ("9", "8"), "0.94")
    lines = tables.refused([*CLIMB, CLIMB[0], again]), tables.artefacts([*CLIMB, CLIMB[0], again]).splitlines()
    assert lines[0] == "None was refused, and none failed."
    assert [line.split(" | ")[0] for line in lines[1][2:]] == ["| heavy", "| small"]
    assert "8.00" in tables.rungs([*CLIMB, again]) and "1.46" not in tables.rungs([*CLIMB, again])


@pytest.mark.parametrize("name", ["ladder", "summary", "rungs", "artefacts", "refused", "conditions"])
def test_what_was_not_climbed_yet_says_so(tmp_path, name):
    """Without rows of a climb a block is a plain sentence."""
    rows.keep(tmp_path / "seed.csv", SEED)
    document = f"<!-- {name} -->\n<!-- /{name} -->"
    assert report.report(tmp_path, document) == document.replace("\n", f"\n{tables.NOT_YET}\n")


def watched(path: str, clip: str, iou: str, lag: str) -> dict[str, str]:
    """A made-up row of a clip."""
    figures = {"dtssd": "0.05", "still_change": "0.01", "boundary_f": iou, "marked": "" if iou else "0.25"}
    return {"model": "fast", "path": path, "clip": clip, "iou": iou, "lag": lag} | figures


def test_steadiness_is_a_mean_of_natural_and_of_made_clips():
    """For each model and path, of the newest rows, over those that have a figure."""
    table = tables.steadiness(
        [
            watched("network", "clips/swing", "0.1", "3"),
            watched("network", "clips/swing", "0.8", "0"),
            watched("network", "clips/bear", "", ""),
            watched("network", "clips/made-00", "0.9", "1"),
            watched("live", "clips/made-00", "0.8", "1"),
            watched("live", "clips/made-01", "0.9", "2"),
        ]
    )
    assert table.splitlines()[2:] == [
        "| fast | network | 2 | 0.8000 | 0.8000 | 0.0500 | 0.0100 | 0.00 | 25.0 "
        "| 1 | 0.9000 | 0.9000 | 0.0500 | 0.0100 | 1.00 | — |",
        "| fast | live | — | — | — | — | — | — | — | 2 | 0.8500 | 0.8500 | 0.0500 | 0.0100 | 1.50 | — |",
    ]


@pytest.mark.parametrize("rows_there", ["", "model,path,clip,iou\n"], ids=["no file", "no rows"])
def test_where_no_clip_was_watched_the_table_says_so(tmp_path, rows_there):
    """Without the file, and with one that has a head alone."""
    if rows_there:
        (tmp_path / "clips.csv").write_text(rows_there, encoding="utf-8")
    document = "<!-- steadiness -->\n<!-- /steadiness -->"
    assert report.report(tmp_path, document) == document.replace("\n", f"\n{tables.NOT_YET}\n")


def test_the_plot_is_the_same_for_the_same_rows():
    """Byte for byte, well-formed, and with a mark for each time of a rung that has a test IoU."""
    drawn = plot.draw(CLIMB)
    assert drawn == plot.draw(CLIMB)
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert len(set(marks_of(drawn))) == len(marks_of(plot.draw(CLIMB[:1]))) + 4
    assert marks_of(plot.draw([])) == []


def marks_of(drawn: bytes) -> list[str]:
    """The markers of an SVG of matplotlib's, ticks left out."""
    return re.findall(r'<use xlink:href="#\w+" x="[^"]+" y="[^"]+" style="fill: (?:#(?!222222)|white)', drawn.decode())


def test_labels_keep_clear_of_marks_lines_and_one_another():
    """Even where points stand close."""
    spots = [(100.0 + 9 * k, 100.0 + k % 2) for k in range(6)]
    boxes = labels.place([(f"rung {k}", spot) for k, spot in enumerate(spots)], spots, [spots], (0, 0, 300, 200))
    for box in boxes:
        assert all(not (box[0] < x < box[2] and box[1] < y < box[3]) for x, y in spots)
        others = (other for other in boxes if other is not box)
        assert not any(box[0] < o[2] and o[0] < box[2] and box[1] < o[3] and o[1] < box[3] for o in others)


@pytest.mark.parametrize("path", report.documents(ROOT), ids=lambda path: path.name)
def test_the_documents_are_those_of_the_committed_rows(path):
    """No figure of them was typed by hand, nor forgotten."""
    document = path.read_text(encoding="utf-8")
    assert report.report(ROOT / "results", document) == document


def test_the_committed_plot_is_that_of_the_committed_rows():
    """It was drawn anew when they changed."""
    assert (ROOT / report.PLOT).read_bytes() == report.plot(ROOT / "results")


def test_the_documents_that_hold_results_are_found():
    """The README, the story, the guide and the slides; what has no marks is left alone."""
    names = {path.relative_to(ROOT).as_posix() for path in report.documents(ROOT)}
    assert names >= {"README.md", "docs/results.md", "docs/training.md", "docs/slides/ladder.md"}
    assert "docs/architecture.md" not in names


def test_report_without_a_document_rewrites_them_all(run, tmp_path, monkeypatch):
    """And draws the plot; where there is no marked document, or not the one that was named, it is an error."""
    monkeypatch.chdir(tmp_path)
    assert "go to the repository's root" in run("lab", "report", "--results", ROOT / "results")[2]
    assert "none.md does not exist" in run("lab", "report", "none.md")[2]
    (tmp_path / "docs" / "images").mkdir(parents=True)
    (tmp_path / "results").mkdir()
    for name, table in {"seed": SEED, "ladder": CLIMB, "networks": [network("b0", "people/mashup", "0.9")]}.items():
        rows.keep(tmp_path / "results" / f"{name}.csv", table)
    for name in ("README.md", "docs/story.md"):
        (tmp_path / name).write_text("before\n<!-- refused -->\n<!-- /refused -->\n", encoding="utf-8")
    code, printed, _ = run("lab", "report")
    assert (code, printed.split()) == (0, ["README.md", "docs/story.md", "docs/images/ladder.svg"])
    assert "| float16 | heavy | failed | no kernel |" in (tmp_path / "docs/story.md").read_text(encoding="utf-8")
    assert (tmp_path / report.PLOT).read_bytes() == report.plot(tmp_path / "results")
