"""Clips that are made: who plays, how they move, what the camera does, and what is written."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from incognito.errors import LabError
from incognito.lab import clips, rows
from incognito.lab.clips import Clips, Stage, Standing
from incognito.lab.data import read_manifest
from incognito.lab.motion import PLAYS, Motion
from incognito.lab.sensor import Sensor

SIZE = (48, 64)
FRAMES = 24


def make(toy_data, seed=1, frames=FRAMES, split="train"):
    return Clips(*clips.cast(read_manifest(toy_data, split)), SIZE, frames, seed)


@pytest.fixture(scope="module")
def written(tmp_path_factory, toy_data):
    out = tmp_path_factory.mktemp("made") / "clips"
    clips.write(toy_data, out, 2, FRAMES, 1, "val", SIZE, lambda done, total: None)
    return out


@pytest.fixture
def stage():
    """A red disc before a blue room."""
    matte = np.zeros((60, 50), np.uint8)
    cv2.circle(matte, (25, 35), 18, 255, -1)
    person, place = np.zeros((60, 50, 3), np.uint8), np.zeros((*SIZE, 3), np.uint8)
    person[..., 0], place[..., 2] = 255, 255
    return Stage.set(person, cv2.GaussianBlur(matte, (0, 0), 1), place, np.random.default_rng(0))


@pytest.mark.parametrize("play", PLAYS, ids="-".join)
def test_alpha_is_exact_in_every_frame(stage, play):
    """Red over blue by alpha and nothing else, to a grey level of rounding; in blurred frames too."""
    motion = Motion.draw(play, FRAMES, stage.away, np.random.default_rng(3))
    for frame in range(FRAMES):
        picture, alpha = stage.expose(motion, frame, 0.5)
        assert np.abs(picture[..., 0].astype(int) - alpha).max() <= 1
        assert np.abs(picture[..., 2].astype(int) - (255 - alpha.astype(int))).max() <= 1


def test_a_clip_depends_on_seed_and_number_alone(toy_data):
    """Drawn twice, in any order, it is the same; another seed or number is another."""
    first = [frame for k in (1, 0) for frame in make(toy_data).clip(k)]
    second = [frame for k in (1, 0) for frame in make(toy_data).clip(k)]
    assert all(
        np.array_equal(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True)
    )
    one, other, third = (
        next(made.clip(k)) for made, k in ((make(toy_data), 0), (make(toy_data, 2), 0), (make(toy_data), 1))
    )
    assert not np.array_equal(one[0], other[0])
    assert not np.array_equal(one[0], third[0])
    assert (one[0].shape, one[0].dtype, one[1].shape, one[1].dtype) == ((*SIZE, 3), np.uint8, SIZE, np.uint8)


@pytest.mark.parametrize("seed", range(6))
def test_a_still_passage_stands_still_under_fresh_noise(toy_data, seed):
    """Alpha is the same from frame to frame, the picture never."""
    frames = list(make(toy_data, seed, frames=40).clip(0))
    pairs = list(pairwise(frames))
    assert sum(np.array_equal(a[1], b[1]) for a, b in pairs) >= 5
    assert not any(np.array_equal(a[0], b[0]) for a, b in pairs)


@pytest.mark.parametrize("seed", range(6))
def test_who_leaves_is_gone_and_comes_back(toy_data, seed):
    """Frames without anybody, with somebody before and after."""
    assert "leave" in PLAYS[2]
    seen = [bool(alpha.any()) for _, alpha in make(toy_data, seed, frames=60).clip(2)]
    assert not all(seen)
    assert seen[0]
    assert seen[-1]


def test_a_fast_move_blurs(stage):
    """Its mask is softer along the way than the figure at rest."""
    soft = []
    for first, last in ((0.4, 0.4), (0.1, 0.7)):
        _, alpha = stage.expose(Motion(np.array([[first, 1, 0], [last, 1, 0]])), 1, 0.9)
        soft.append(np.count_nonzero((alpha > 20) & (alpha < 235)))
    assert soft[1] > 1.5 * soft[0]


@pytest.mark.parametrize("seed", range(8))
def test_nobody_floats(stage, seed):
    """In every frame in which the figure is within the frame, it reaches the lower edge."""
    motion = Motion.draw(("nearer",), FRAMES, stage.away, np.random.default_rng(seed))
    for frame in range(FRAMES):
        assert (stage.expose(motion, frame, 0.5)[1][-2:] > 127).any()


def test_figures_that_their_pictures_cut_off_do_not_play():
    """The head must be whole, and most of the height free of the sides; it ends where the sides begin to cut."""
    mask = np.zeros((100, 80), np.uint8)
    mask[20:, 30:50] = 255
    assert Standing.of(mask) == Standing(30, 20, 50, 100)
    mask[80:, :50] = 255
    assert Standing.of(mask) == Standing(30, 20, 50, 80)
    mask[50:, :50] = 255
    assert Standing.of(mask) is None
    assert Standing.of(np.full((100, 80), 255, np.uint8)) is None
    assert Standing.of(np.zeros((100, 80), np.uint8)) is None


def test_the_camera_drifts_and_its_noise_is_fresh():
    """The mean of a grey wall moves slowly; two frames differ by noise at every exposure."""
    rng = np.random.default_rng(4)
    sensor = Sensor.draw(90, rng)
    wall = np.full((64, 64, 3), 120, np.uint8)
    seen = [sensor.see(wall, k, rng) for k in range(90)]
    means = np.array([picture.mean((0, 1)) for picture in seen])
    assert np.ptp(means, 0).min() > 1
    assert np.abs(np.diff(means, axis=0)).max() < 6
    assert 0.3 < np.std(seen[0].astype(int) - seen[1]) < 20


def test_what_is_written_is_a_manifest_of_clips(written):
    """Frames in the order of their names, each with its mask; their people and rooms are named."""
    samples = read_manifest(written, "test", ("frame",))
    assert [s.group for s in samples] == ["clips/made-00"] * FRAMES + ["clips/made-01"] * FRAMES
    assert [s.image.name for s in samples[:2]] == ["frame-000.webp", "frame-001.webp"]
    picture, alpha, valid = samples[0].load()
    assert (picture.shape, alpha.shape) == ((*SIZE, 3), SIZE)
    assert valid.all()
    table = rows.read(written / "manifest.csv")
    assert all(row["person"].startswith("val") and row["room"].startswith("val") for row in table)


def test_masks_are_written_exactly_and_pictures_nearly(written, toy_data):
    """PNG keeps alpha; WebP of quality 90 moves pixels by a few grey levels."""
    made = make(toy_data, split="val").clip(1)
    for sample, (picture, alpha) in zip(read_manifest(written)[FRAMES:], made, strict=True):
        read_picture, read_alpha, _ = sample.load()
        assert np.array_equal(read_alpha, alpha)
        assert np.abs(read_picture.astype(int) - picture).mean() < 12


def test_what_is_there_is_not_overwritten_and_what_fails_leaves_nothing(written, toy_data, tmp_path):
    """One line, and no half set; a split without rooms cannot play."""
    with pytest.raises(LabError, match="exists"):
        clips.write(toy_data, written, 1, FRAMES, 1, "val", SIZE, lambda done, total: None)

    def fail(done: int, total: int | None) -> None:
        raise LabError("stop")

    with pytest.raises(LabError, match="stop"):
        clips.write(toy_data, tmp_path / "half", 1, FRAMES, 1, "val", SIZE, fail)
    with pytest.raises(LabError, match="check --split"):
        clips.write(toy_data, tmp_path / "half", 1, FRAMES, 1, "test", SIZE, fail)
    assert list(tmp_path.iterdir()) == []


def test_where_nobody_can_stand_it_says_so(toy_data, monkeypatch):
    """And does not look for ever."""
    monkeypatch.setattr(Standing, "of", lambda matte: None)
    with pytest.raises(LabError, match="nobody among the people is free"):
        make(toy_data).actors(0)


def test_the_command_writes_clips(run, toy_data, tmp_path):
    """And says where; a size that is none is refused in a line."""
    out = tmp_path / "set"
    few = ("--clips", 1, "--frames", 12)
    code, stdout, stderr = run("lab", "clips", "--data", toy_data, "--out", out, *few, "--size", "64x48")
    assert (code, stdout, stderr) == (0, f"{out / clips.FOLDER}\n", "")
    assert len(read_manifest(out)) == 12
    for size in ("64", "64x", "axb", "8x8"):
        code, stdout, stderr = run("lab", "clips", "--data", toy_data, "--out", tmp_path / "no", "--size", size)
        assert (code != 0, stdout, stderr.count("\n")) == (True, "", 1)
