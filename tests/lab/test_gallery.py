"""The gallery: a film and what each model makes of it, side by side."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from making import times_of, write_film
from PIL import Image

from incognito import demo, video, zoo
from incognito.background import cover
from incognito.errors import LabError
from incognito.lab import gallery

TIMES = [0, 50, 100, 200, 250, 310, 3990, 4000, 4100]  # milliseconds: the last two come too late
STILLS = [0, 100, 200, 310, 3990]  # 100 milliseconds apart at the least
PLACE = np.s_[-10:, -30:]  # of a small tile: no person and no label


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """The demonstration's film, short, with a tone and with pauses."""
    path, still = tmp_path / "clip.mp4", demo.portrait().pixels
    views = [cv2.resize(demo.camera_view(still, time / 1000), (320, 180)) for time in range(0, 900, 100)]
    write_film(path, views, TIMES)
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The shipped model under another name."""
    return copy_model(tmp_path, "fast-again")


def copy_model(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    card = json.loads((zoo.SHIPPED / "fast.json").read_text(encoding="utf-8"))
    card |= {"name": name, "file": f"{name}.onnx"}
    (folder / f"{name}.json").write_text(json.dumps(card), encoding="utf-8")
    return Path(shutil.copy(zoo.SHIPPED / "fast.onnx", folder / f"{name}.onnx"))


def tiles_of(picture: np.ndarray, tile: tuple[int, int]) -> list[np.ndarray]:
    """Cut a row of three tiles apart."""
    (height, width), gap = tile, tile[0] // 30
    assert picture.shape == (height, 3 * width + 2 * gap, 3)
    return [picture[:, start : start + width].astype(int) for start in range(0, picture.shape[1], width + gap)]


def test_the_gallery_shows_the_clip_and_every_model(run, tmp_path, clip, other):
    """Both files decode, with the frames and times they should have, the original as it is, and models' tiles."""
    out = tmp_path / "new" / "out"
    written = [out / gallery.ANIMATION, out / gallery.FILM]
    code, printed, err = run("lab", "gallery", "--clip", clip, "--out", out, "fast", other)
    assert (code, printed.split(), err) == (0, [str(path) for path in written], "")
    assert sorted(out.iterdir()) == sorted(written)  # nothing half-written is left
    originals = [picture for _, picture in video.pictures(clip)]
    with Image.open(written[0]) as animation:
        assert (animation.n_frames, animation.info["loop"]) == (len(STILLS), 0)
        for number, time in enumerate(STILLS):
            animation.seek(number)
            check_wall(np.asarray(animation.convert("RGB")), originals[TIMES.index(time)], gallery.SMALL)
    assert times_of(written[1]) == pytest.approx(TIMES[:-2], abs=0.5)
    with av.open(str(written[1])) as film:
        assert not film.streams.audio
        for frame, original in zip(film.decode(video=0), originals, strict=False):
            check_wall(video.to_frame(frame).pixels, original, gallery.LARGE)


def check_wall(picture: np.ndarray, original: np.ndarray, tile: tuple[int, int]) -> None:
    """The first tile is the clip's picture below its label; the others have its person and another place."""
    first, *others = tiles_of(picture, tile)
    below = tile[0] // 4
    meant = cover(original, tile).astype(int)
    assert np.abs(first - meant)[below:].mean() < 6
    face = np.s_[tile[0] * 3 // 8 : tile[0] // 2, tile[1] * 7 // 16 : tile[1] // 2]
    for shown in others:
        assert np.abs(shown - meant)[face].mean() < 12
        assert np.abs(shown - meant)[PLACE].mean() > 30
        assert shown[PLACE].mean((0, 1)) == pytest.approx(gallery.BEHIND.rgb, abs=8)
    assert np.abs(others[0] - others[1])[below:].mean() < 6  # one network under two names
    assert np.abs(others[0] - others[1])[:below].max() > 60  # but for the names


def test_the_animation_keeps_the_clips_pace(tmp_path, clip):
    """Each still is shown until the next one's time."""
    animation, _ = gallery.make(tmp_path, ["fast"], clip)
    data, lengths = animation.read_bytes(), []
    for chunk in data.split(b"ANMF")[1:]:
        lengths.append(int.from_bytes(chunk[16:19], "little"))
    assert lengths == [*np.diff(STILLS), gallery.PAUSE]


def test_seven_tiles_stand_in_two_rows_without_touching():
    """Four above three; the shorter row in the middle; the film's sides even, as H.264 wants them."""
    wall = gallery.Wall(list("abcdefg"), gallery.SMALL)
    assert wall.size == (2 * 120 + 4, 4 * 213 + 3 * 4)
    assert [wall.corner(i) for i in (0, 3, 4, 6)] == [(0, 0), (0, 651), (124, 108), (124, 542)]
    assert not any(side % 2 for side in gallery.Wall(list("abcdefg"), gallery.LARGE).size)


def test_tiles_are_cut_not_stretched():
    """A circle stays one, whatever the clip's shape."""
    for size in ((240, 320), (320, 180)):
        picture = np.zeros((*size, 3), np.uint8)
        cv2.circle(picture, (size[1] // 2, size[0] // 2), 30, (255, 255, 255), -1)
        disc = gallery.Wall([""], gallery.LARGE).hang([picture])[..., 0] > 127
        assert disc.any(0).sum() == pytest.approx(disc.any(1).sum(), abs=2)


def test_the_zoo_hangs_in_the_seeds_order(tmp_path, monkeypatch):
    """ResNets, MobileNet, EfficientNets by number, anything else, and fast."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zoo").mkdir()
    names = ["a-new-one", "unet-efficientnet-b0", "unet-efficientnet-b2", "unet-mobilenet_v2", "unet-resnet34"]
    for name in names:
        (tmp_path / "zoo" / f"{name}.onnx").touch()
    order = [names[i] for i in (4, 3, 1, 2, 0)]
    assert gallery.in_zoo() == [*(str(Path("zoo") / f"{name}.onnx") for name in order), "fast"]


def test_without_models_and_clip_the_zoo_and_the_demonstration_are_shown(run, tmp_path, monkeypatch):
    """The command needs no more than a place for its files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "RATE", 2)
    copy_model(tmp_path / "zoo", "unet-resnet34")
    assert run("lab", "gallery", "--out", "out")[0] == 0
    with Image.open(tmp_path / "out" / gallery.ANIMATION) as animation:
        assert animation.n_frames == 2 * gallery.SECONDS
        tiles_of(np.asarray(animation.convert("RGB")), gallery.SMALL)


def test_what_cannot_be_shown_is_refused_in_one_line(run, tmp_path, clip, monkeypatch):
    """A missing clip, a folder, no film, no models, the clip itself: each says what to do, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.mp4").write_text("no film", encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    cases = [
        (["--clip", "gone.mp4", "fast"], 1, "gone.mp4 is no file; name a video with --clip"),
        (["--clip", tmp_path, "fast"], 1, "name a video with --clip"),
        (["--clip", clip], 1, "there is no zoo/*.onnx here to compare; name the models"),
        (["--clip", clip, "nobody"], 2, "choose one of best"),
    ]
    for arguments, expected, words in cases:
        code, out, err = run("lab", "gallery", "--out", "out", *arguments)
        assert (code, out, err.count("\n")) == (expected, "", 1)
        assert words in err
        assert sorted(tmp_path.iterdir()) == before
    code, _, err = run("lab", "gallery", "--out", "out", "--clip", "notes.mp4", "fast")
    assert (code, err.count("\n"), list((tmp_path / "out").iterdir())) == (1, 1, [])
    shutil.copy(clip, tmp_path / "out" / gallery.FILM)
    code, _, err = run("lab", "gallery", "--out", "out", "--clip", Path("out") / gallery.FILM, "fast")
    assert (code, "is the input itself" in err) == (2, True)


def test_pixels_that_are_not_square_are_refused(tmp_path, clip):
    """Their tiles would be out of shape."""
    with av.open(str(clip)) as source, av.open(str(tmp_path / "wide.mkv"), "w") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 180, 320, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for frame in source.decode(video=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    with pytest.raises(LabError, match="not square; convert it first"):
        gallery.make(tmp_path / "out", ["fast"], tmp_path / "wide.mkv")


def test_what_ffmpeg_cannot_write_is_said_in_one_line(tmp_path, clip, monkeypatch):
    """Such as times that go back; no part of a gallery stays."""

    def fail(target: video.Target) -> None:
        raise av.error.InvalidDataError(1, "Invalid argument")

    monkeypatch.setattr(video.Target, "finish", fail)
    with pytest.raises(LabError, match=r"gallery\.mp4 cannot be written \(Invalid argument\); choose another --out"):
        gallery.make(tmp_path / "out", ["fast"], clip)
    assert not list((tmp_path / "out").iterdir())
