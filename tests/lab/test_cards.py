"""Model cards for readers: what they say is in the JSON cards and the rows, and what is not is said to be missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from making import add_variant
from PIL import Image

from incognito import zoo
from incognito.demo import portrait
from incognito.errors import LabError
from incognito.lab import cards, evidence, failures, report, rows, sheet

ROOT = Path(__file__).parents[2]
BLANK: evidence.Results = {name: [] for name in evidence.FILES}
SHIPPED = [card.name for card in zoo.models()]
RUN = "2026-01-01T00:00:00Z abc"


@pytest.fixture
def purposes(tmp_path, monkeypatch) -> Path:
    """The toy model has a purpose."""
    path = tmp_path / "purposes.toml"
    path.write_text(
        '[family]\nlimits = ["Of all."]\n[toy]\npurpose = "To test."\nusers = "Nobody."\nlimits = ["Red only."]\n'
    )
    monkeypatch.setattr(cards, "PURPOSES", path)
    return path


def section(page: str, title: str) -> str:
    """What stands under a heading."""
    return page.partition(f"# {title}\n")[2].partition("\n#")[0].strip()


def compared(sha256: str, name: str, **figures: str) -> rows.Row:
    about = {"run": RUN, "contestant": "toy", "model": "toy", "sha256": sha256, "runtime": "onnxruntime", "cpu": "CPU"}
    blank = dict.fromkeys(("iou", "mean_iou", "boundary_f", "mad", "falsely_marked"), "")
    return about | {"set": name, "n": "7"} | blank | figures


def pair(name: str, figure: str, *numbers: str) -> rows.Row:
    about = {"run": RUN, "contestant": "toy", "peer": "other", "set": name, "figure": figure, "n": "7"}
    return about | dict(zip(("difference", "low", "high"), numbers, strict=True))


@pytest.mark.parametrize("name", SHIPPED)
def test_the_committed_pages_are_those_of_the_cards_and_rows(name):
    """No page was typed into, nor forgotten: incognito lab cards, or lab report, writes them again."""
    text = cards.page(zoo.find(name), evidence.read(ROOT / "results"))
    assert (ROOT / cards.FOLDER / f"{name}.md").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", SHIPPED)
def test_the_committed_pictures_are_of_the_shipped_networks(name):
    """By checksum, not by bytes, for runtimes round differently: incognito lab cards draws them again."""
    path = ROOT / cards.FOLDER / f"{name}.webp"
    assert failures.shown(path) == zoo.find(name).sha256
    assert path.stat().st_size < 120_000


def test_every_page_is_of_a_shipped_model():
    """One that is shipped no longer leaves no page behind."""
    assert sorted(path.stem for path in (ROOT / cards.FOLDER).glob("*.md")) == SHIPPED


def test_the_three_models_have_a_purpose_and_limits():
    """Each its own, before those of all."""
    told = [cards.purpose(name) for name in ("tiny", "fast", "best")]
    assert len({each["purpose"] for each in told}) == 3
    assert all(each["limits"][1:] == told[0]["limits"][1:] and each["users"] for each in told)


def test_a_model_without_a_purpose_has_no_page(toys):
    """The error says where to write it."""
    with pytest.raises(LabError, match=r"add a table \[toy\] to purposes.toml"):
        cards.page(zoo.find("toy"), BLANK)


def test_what_was_not_measured_is_said_to_be(toys, purposes):
    """Of a new model with a variant there is what its card says, and no figure else."""
    add_variant(toys)
    page = cards.page(zoo.find("toy"), BLANK)
    assert section(page, "Limits") == "- Red only.\n- Of all."
    own = section(page, "In the JSON card").splitlines()[2:]
    assert own[0] == "| toy | not measured | 0.9500 | not measured | not measured | not measured |"
    assert own[1].count("not measured") == 5
    for title in ("On each set", "Beside other projects' networks", "Steadiness", "Speed"):
        assert section(page, title).endswith("Not measured: toy, toy.int8.")
    assert section(page, "Training") == "Not recorded."
    assert "`uint8` (1, 32, 48, 3), NHWC, RGB, 0 to 255, normalised in the graph" in page
    assert "`float32` (1, 32, 48)" in page


def test_terms_trainings_and_lineages_are_read_from_the_card(toys, purposes):
    """Minutes and machine where they were recorded; a variant's lineage begins where its base's ends."""
    add_variant(toys)
    base, variant = zoo.variants(zoo.find("toy"))
    lineage = ["trained on 12000 pictures, light tiny, seed 1, 7 minutes on a CPU, 2 threads", "exported"]
    change(base, lineage=lineage, training_data=["A (research)", "B (non-commercial research)", "C (CC0)"])
    change(variant, lineage=[*lineage, "int8"])
    page = cards.page(zoo.find("toy"), BLANK)
    assert section(page, "Training").splitlines()[2] == "| light tiny, seed 1 | a CPU, 2 threads | 12,000 | 7 |"
    terms = section(page, "Training data and its terms")
    assert [terms.index(f"{title}:\n\n- {name} (") for title, name in zip(cards.TERMS.values(), "BAC", strict=True)]
    assert section(page, "Lineage").endswith("`toy.int8`:\n\n1. as `toy`\n2. int8")


def change(card: zoo.Card, **fields: object) -> None:
    changed = {name: getattr(card, name) for name in card.__slots__} | fields
    zoo.Card(**changed).write(card.path.with_suffix(".json"))


def test_rows_of_another_file_of_the_same_name_are_left_out(toys, purposes):
    """Of the file's own the newest counts; an old row without an interval says so."""
    card = zoo.find("toy")
    row = {"model": "toy", "sha256": card.sha256[:12], "set": "people/portraits", "split": "test", "n": "9"}
    row |= {"iou": "0.9", "mean_iou": "0.8", "boundary_f": "0.7", "mad": "0.1", "falsely_marked": "0.0123"}
    newer = row | {"iou": "0.91", "iou_low": "0.8800", "iou_high": "0.9300"}
    other = row | {"sha256": "0123456789ab", "iou": "0.99"}
    assert evidence.accuracy([card], BLANK | {"networks": [row, newer, other]}).splitlines()[2:] == [
        "| toy | EG1800 portraits | test | 9 | 0.91 | 0.8800 to 0.9300 | 0.8 | 0.7 | 0.1 | 1.2 |"
    ]
    assert "| 0.9 | not measured |" in evidence.accuracy([card], BLANK | {"networks": [row]})


def test_the_last_comparison_stands_beside_its_peers(toys):
    """IoU where there are people, the share that is marked where nobody is, each with the difference's interval."""
    card = zoo.find("toy")
    older = compared(card.sha256, "people/portraits", iou="0.5") | {"run": "before"}
    found = [
        compared(card.sha256, "people/portraits", iou="0.95"),
        compared(card.sha256, "empty", falsely_marked="0.012"),
    ]
    pairs = [
        pair("people/portraits", "iou", "0.01", "0.005", "0.015"),
        pair("people/portraits", "mad", "0.2", "", ""),
        pair("empty", "falsely_marked", "-0.02", "", ""),
    ]
    table = evidence.beside([card], BLANK | {"compare_accuracy": [older, *found], "compare_pairs": pairs})
    assert table.splitlines()[0].endswith("| less other (95 %) |")
    assert table.splitlines()[2:] == [
        "| toy, onnxruntime | EG1800 portraits | 7 | IoU 0.9500 | +0.0100 (+0.0050 to +0.0150) |",
        "| toy, onnxruntime | empty places | 7 | 1.2 % marked | -2.0 |",
    ]


def test_clips_are_averaged_natural_and_made_apart(toys):
    """On both paths; a figure that no clip can tell is not measured, and of each clip the newest row counts."""
    card = zoo.find("toy")
    blank = dict.fromkeys(evidence.STEADY, "") | {"model": "toy", "sha256": card.sha256[:12], "path": "network"}
    table = [
        blank | {"clip": "clips/swing", "iou": "0.1"},
        blank | {"clip": "clips/swing", "iou": "0.9", "dtssd": "0.02", "lag": "0.5"},
        blank | {"clip": "clips/walk", "iou": "0.8", "dtssd": "0.04"},
        blank | {"clip": "clips/made-00", "marked": "0.25"},
        blank | {"clip": "clips/made-00", "path": "live", "still_change": "0.001"},
    ]
    no = "not measured"
    assert evidence.steadiness([card], BLANK | {"clips": table}).splitlines()[2:] == [
        f"| toy | each frame by itself | natural | 2 | 0.8500 | {no} | 0.0300 | {no} | 0.5000 | {no} |",
        f"| toy | each frame by itself | made | 1 | {no} | {no} | {no} | {no} | {no} | 25.0 |",
        f"| toy | smoothed, as live | made | 1 | {no} | {no} | {no} | 0.0010 | {no} | {no} |",
    ]


def test_the_pages_are_read_from_committed_tables(tmp_path, toys, purposes):
    """Stages, the ladder's times of the very file, and a comparison's; a table that is not there has no rows."""
    card = zoo.find("toy")
    about = {"model": "toy", "sha256": card.sha256[:12], "cpu": "CPU", "threads": "2"}
    stages = about | {"runtime": "onnxruntime 1", "frame": "1280x720"}
    stages |= {f"{stage}_p{p}_ms": "5" for stage in ("segment", "refine") for p in (50, 95)}
    rung = about | {"ladder": "l", "rung": "r", "status": "kept", "model": "07-toy", "precision": "float32"}
    rung |= {"onnxruntime": "1", "onnxruntime_p50_ms": "3", "onnxruntime_p95_ms": "4"}
    rung |= {"openvino": "", "openvino_p50_ms": "", "openvino_p95_ms": ""}
    raced = compared(card.sha256, "") | {"threads": "1"}
    raced |= {f"{work}_wall_p{p}_ms": "2" for work in evidence.WORKS for p in (50, 95)} | {"streamed": "toy openvino"}
    results = tmp_path / "rows"
    results.mkdir()
    for name, row in {"stages": stages, "ladder": rung, "compare_speed": raced}.items():
        rows.append(results / f"{name}.csv", row)
    assert evidence.speed([card], evidence.read(results)).splitlines()[2:] == [
        "| toy | shrinking and network, 1280x720 | onnxruntime 1 | 2 | CPU | 5.00 (5.00) |",
        "| toy | refinement, 1280x720 | onnxruntime 1 | 2 | CPU | 5.00 (5.00) |",
        "| toy | network | onnxruntime 1 | 2 | CPU | 3.00 (4.00) |",
        "| toy | network | onnxruntime | 1 | CPU | 2.00 (2.00) |",
        "| toy | matte of 1280x720 | openvino | 1 | CPU | 2.00 (2.00) |",
        "| toy | whole frame, 1280x720 | openvino | 1 | CPU | 2.00 (2.00) |",
        "| toy | whole frame, 1920x1080 | openvino | 1 | CPU | 2.00 (2.00) |",
    ]


@pytest.mark.parametrize("name", failures.CASES)
def test_every_case_is_a_change_of_the_portrait(name):
    """The same again, of a frame's type, and the portrait itself is untouched."""
    still = portrait().pixels
    before = still.copy()
    made = failures.CASES[name](still)
    assert (made.dtype, made.ndim, made.shape[2]) == (np.uint8, 3, 3)
    np.testing.assert_array_equal(made, failures.CASES[name](still))
    np.testing.assert_array_equal(still, before)
    assert (name == "as it is") == np.array_equal(made, still)


def test_a_strip_has_every_case_over_its_cut_out(toys):
    """Two rows; it says by a checksum whose it is, and is the same bytes again."""
    card = zoo.find("toy")
    height, width = failures.TILE
    assert failures.strip(card).shape == (2 * height, len(failures.CASES) * width, 3)
    failures.write(card, toys / "toy.webp")
    assert failures.shown(toys / "toy.webp") == card.sha256
    assert failures.draw(card) == (toys / "toy.webp").read_bytes()


def test_a_cut_out_lies_on_one_colour(toys):
    """The toy model calls red a person: nothing of a black corner is left."""
    below = failures.strip(zoo.find("toy"))[failures.TILE[0] :]
    dark = below[:, failures.TILE[1] : 2 * failures.TILE[1]]
    assert np.abs(dark.astype(int) - failures.BEHIND.rgb).max() < 40


def test_the_command_writes_a_page_and_a_picture(run, toys, purposes):
    """Into a folder that is made; report writes the page again, without the picture, where there is one already."""
    out = toys / cards.FOLDER
    code, printed, _ = run("lab", "cards", "--out", out, "--results", toys)
    assert (code, printed.split()) == (0, [str(out / "toy.md"), str(out / "toy.webp")])
    with Image.open(out / "toy.webp") as picture:
        assert picture.format == "WEBP"
    text = (out / "toy.md").read_text(encoding="utf-8")
    (out / "toy.md").write_text("typed into", encoding="utf-8")
    (toys / "README.md").write_text("<!-- refused -->\n<!-- /refused -->\n", encoding="utf-8")
    (toys / "docs/images").mkdir()
    written = report.report_all(toys, toys)
    assert (out / "toy.md") in written and (out / "toy.webp") not in written
    assert (out / "toy.md").read_text(encoding="utf-8") == text
    (toys / "file").write_text("")
    assert "cannot be made" in run("lab", "cards", "--out", toys / "file" / "in")[2]


def test_captions_fit_their_tiles():
    """A line for each case, none cut off by its neighbour."""
    blank = np.full((*failures.TILE, 3), 255, np.uint8)
    for name in failures.CASES:
        assert not (sheet.caption(blank, name)[-18:, -4:] > 100).any()
