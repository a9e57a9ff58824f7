"""Portraits in rooms: what the splits hold, where people stand, and what is written."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from incognito.errors import LabError
from incognito.lab import mashup, paste
from incognito.lab.data import read_manifest
from incognito.lab.mashup import Figure, Mashup, split, stand

SIZE = (96, 128)
COUNTS = {"train": 9, "val": 5, "test": 4}


@pytest.fixture(scope="module")
def written(tmp_path_factory, toy_data):
    out = tmp_path_factory.mktemp("sets") / "mashup"
    mashup.write(toy_data, out, 1, COUNTS, (64, 64), lambda done, total: None)
    return out


def rows_of(root):
    import csv

    with (root / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_no_portrait_and_no_room_is_in_two_splits(written):
    """The original drew its rooms with replacement; these never leak."""
    rows = rows_of(written)
    for part in ("portrait", "room"):
        seen = {name: {row[part] for row in rows if row["split"] == name} for name in COUNTS}
        assert all(seen.values())
        assert not seen["train"] & seen["val"] | seen["train"] & seen["test"] | seen["val"] & seen["test"]


def test_the_real_splits_are_disjoint_too(data):
    """On the labelled pictures: the official test list stays test, rooms of validation and test come apart."""
    samples = read_manifest(data, kinds=("photo", "empty"))
    parts = {name: split(samples, name) for name in COUNTS}
    assert [len(parts[name][0]) for name in COUNTS] == [1183, 104, 261]
    assert {s.split for s in parts["test"][0]} == {"test"}
    for kind in (0, 1):
        names = [{s.image for s in parts[name][kind]} for name in COUNTS]
        assert len(set.union(*names)) == sum(map(len, names))


def test_the_set_is_a_manifest_that_can_be_trained_and_scored_on(written):
    """Pictures and masks of the size that was asked for, with people in them."""
    for name, count in COUNTS.items():
        samples = read_manifest(written, name, ("photo",))
        assert len(samples) == count
        for sample in samples:
            picture, alpha, valid = sample.load()
            assert picture.shape == (64, 64, 3)
            assert valid.all()
            assert 0.02 < (alpha > 127).mean() < 0.98
    assert sample.group == mashup.GROUP
    assert (written / mashup.SHEET).stat().st_size > 1000


def test_the_same_seed_makes_the_same_set(written, toy_data, tmp_path):
    """Byte for byte; another seed makes another."""
    for seed, same in ((1, True), (2, False)):
        out = tmp_path / str(seed)
        mashup.write(toy_data, out, seed, COUNTS, (64, 64), lambda done, total: None)
        pairs = [(out / row["image"], written / row["image"]) for row in rows_of(written)]
        assert all(one.read_bytes() == two.read_bytes() for one, two in pairs) == same


def test_every_portrait_comes_once_before_any_comes_again(toy_data):
    """So that a set of as many pictures shows all of them."""
    made = Mashup(*split(read_manifest(toy_data), "train"), SIZE, 3)
    first, second = ({made.cast(k + start)[0].image for k in range(4)} for start in (0, 4))
    assert len(first) == 4
    assert first == second


def test_what_is_there_is_not_overwritten_and_what_fails_leaves_nothing(written, toy_data, tmp_path):
    """One line, and no half set."""
    with pytest.raises(LabError, match="exists"):
        mashup.write(toy_data, written, 1, COUNTS, (64, 64), lambda done, total: None)

    def fail(done: int, total: int | None) -> None:
        raise LabError("stop")

    with pytest.raises(LabError, match="stop"):
        mashup.write(toy_data, tmp_path / "half", 1, COUNTS, (64, 64), fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("cut", ["", "left", "right", "top", "left right", "left top"])
def test_nobody_floats_and_no_cut_edge_shows(seed, cut):
    """The lower edge is at the picture's or below; a side that a border had cut off is on a border, or beyond it."""
    mask = np.zeros((120, 90), np.uint8)
    sides = {"left": 0 if "left" in cut else 20, "right": 90 if "right" in cut else 70}
    mask[0 if "top" in cut else 10 :, sides["left"] : sides["right"]] = 255
    spot = stand(Figure.of(mask), SIZE, np.random.default_rng(seed))
    placed = spot.place(mask, SIZE, cv2.BORDER_CONSTANT) > 127
    assert placed[-1].any()
    columns = np.flatnonzero(placed.any(0))
    if "left" in cut:
        assert columns[0] == 0
    if "right" in cut:
        assert columns[-1] == SIZE[1] - 1
    if "top" in cut:
        assert placed[0].any()
    else:
        assert not placed[0].any(), "the head is in the picture"


def test_sides_and_scales_vary():
    """Whole, left and right: the middles of a hundred figures are all over the picture, their sizes differ by half."""
    mask = np.zeros((120, 90), np.uint8)
    mask[30:, 25:65] = 255
    spots = [stand(Figure.of(mask), SIZE, np.random.default_rng(seed)) for seed in range(100)]
    middles = [(spot.x + spot.scale * 45) / SIZE[1] for spot in spots]
    assert min(middles) < 0.3
    assert max(middles) > 0.7
    assert max(s.scale for s in spots) > 1.5 * min(s.scale for s in spots)


def test_edges_are_soft():
    """A hard mask comes out with values between, drawn in a little."""
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 255
    soft = paste.feather(mask)
    assert ((soft > 20) & (soft < 235)).sum() > 60
    assert soft.sum() < mask.sum()


def test_a_person_gets_the_places_grain(portrait):
    """Where the place is noisier, the person becomes as noisy; a clean place changes nothing."""
    rng = np.random.default_rng(0)
    clean = cv2.GaussianBlur(portrait, (0, 0), 2)
    grainy = cv2.add(clean, rng.standard_normal(clean.shape, np.float32) * np.float32(6), dtype=cv2.CV_8U)
    assert paste.noise_of(grainy) == pytest.approx(6 * np.sqrt(0.299**2 + 0.587**2 + 0.114**2), rel=0.3)
    matched = paste.match_noise(clean, grainy, rng)
    assert paste.noise_of(matched) > 3 * paste.noise_of(clean)
    assert np.array_equal(paste.match_noise(clean, clean, rng), clean)


def test_light_moves_towards_the_place():
    """A dark person in a bright room becomes brighter, and never brighter than the room."""
    person, place = np.full((20, 20, 3), 60, np.uint8), np.full((20, 20, 3), 200, np.uint8)
    matte = np.full((20, 20), 255, np.uint8)
    lit = [paste.match_light(person, matte, place, np.random.default_rng(seed)).mean() for seed in range(20)]
    assert max(lit) > 80
    assert max(lit) < 200


def test_without_portraits_or_rooms_there_is_no_mashup(toy_data, tmp_path):
    """The error names both folders."""
    with pytest.raises(LabError, match="people/portraits and pictures in empty/rooms"):
        Mashup([], [], SIZE, 1)


def test_the_command_writes_the_set(run, toy_data, tmp_path):
    """And prints where the contact sheet is."""
    out = tmp_path / "set"
    few = ("--train", 3, "--val", 2, "--test", 2, "--size", 64)
    code, stdout, stderr = run("lab", "mashup", "--data", toy_data, "--out", out, *few)
    assert (code, stdout, stderr) == (0, f"{out / mashup.SHEET}\n", "")
    assert len(rows_of(out)) == 7
