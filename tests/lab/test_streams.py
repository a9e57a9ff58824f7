"""Models watched on clips."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from incognito.errors import LabError
from incognito.lab import clips, manifest, rows, streams
from incognito.lab.data import read_manifest
from incognito.runtime import ConstantRuntime
from incognito.segment import Segmenter

FRAMES = 12


@pytest.fixture(scope="module")
def filmed(tmp_path_factory, toy_data):
    """A clip with somebody, and the same room with nobody in it."""
    out = tmp_path_factory.mktemp("filmed") / "set"
    clips.write(toy_data, out, 1, FRAMES, 1, "val", (48, 64), lambda done, total: None)
    (out / "clips" / "empty").mkdir()
    table = rows.read(out / "manifest.csv")
    for row in table[:3]:
        image = row["image"].replace("made-00", "empty")
        shutil.copy(out / row["image"], out / image)
        table.append(row | {"image": image, "mask": ""})
    manifest.write(out / "manifest.csv", table[::-1])
    return out


def test_clips_are_told_apart_and_in_the_order_of_their_names(filmed):
    """Whatever the manifest's order is."""
    found = streams.clips(filmed)
    assert {name: len(frames) for name, frames in found.items()} == {"clips/empty": 3, "clips/made-00": FRAMES}
    names = [sample.image.name for sample in found["clips/made-00"]]
    assert names == sorted(names)


def test_without_clips_it_says_how_to_make_some(toy_data):
    """The error names the command."""
    with pytest.raises(LabError, match="incognito lab clips"):
        streams.clips(toy_data)


def test_a_row_for_each_model_clip_and_path(filmed):
    """Figures where the clip can tell, empty where it cannot."""
    moved = []
    found = streams.measure(["fast"], filmed, lambda done, total: moved.append((done, total)))
    assert [(row["clip"], row["path"]) for row in found] == [
        (clip, path) for clip in ("clips/empty", "clips/made-00") for path in ("network", "live")
    ]
    assert moved == [(3, 15), (15, 15)]
    empty, made = found[0], found[-1]
    assert (empty["model"], empty["network"], empty["n"]) == ("fast", "256x224", "3")
    assert (empty["iou"], empty["boundary_f"], empty["lag"]) == ("", "", "")
    assert 0 <= float(empty["marked"]) <= 1
    assert made["marked"] == "" or float(made["marked"]) >= 0
    assert all(float(made[name]) >= 0 for name in ("iou", "mad", "dtssd", "still_change", "boundary_f"))


def test_a_model_that_always_says_the_same_is_steady(filmed, toy_model):
    """On both paths: no change where nothing moves, the person's share as MAD."""
    segmenter = Segmenter(toy_model, runtime=ConstantRuntime(1.0, (32, 48)))
    frames = streams.clips(filmed)["clips/made-00"]
    shares = [sample.load()[1].mean() / 255 for sample in frames]
    for figures in streams.watch(segmenter, frames).values():
        assert figures.still_change == pytest.approx(0, abs=1e-6)
        assert figures.mad == pytest.approx(1 - np.mean(shares), abs=1e-4)


def test_the_masks_themselves_score_perfectly(filmed):
    """As mattes of their own clip."""
    masks = [sample.load()[1] for sample in read_manifest(filmed) if sample.mask]
    found = streams.figures([mask / np.float32(255) for mask in masks], masks)
    assert (found.n, found.iou, found.boundary_f) == (FRAMES, 1, 1)
    assert (found.mad, found.still_change) == pytest.approx((0, 0), abs=1e-4)  # still is within 2 grey levels
    assert found.dtssd == pytest.approx(0, abs=1e-6)


def test_the_command_prints_a_table_and_adds_rows(run, filmed, tmp_path):
    """As often as it is run."""
    out = tmp_path / "clips.csv"
    for times in (1, 2):
        code, stdout, _ = run("lab", "steadiness", "fast", "--data", filmed, "-o", out)
        assert code == 0
        assert len(stdout.splitlines()) == 5
        assert len(rows.read(out)) == 4 * times
    assert list(rows.read(out)[0]) == [
        "model", "sha256", "network", "runtime", "clip", "path", "n", "iou", "mad", "dtssd", "still_change", "lag",
        "boundary_f", "marked", "commit",
    ]  # fmt: skip
