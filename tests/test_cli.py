"""The commands, as a user types them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from making import sound_of, times_of, write_film

import incognito
from incognito import demo, photo, video

LAB = [
    "train",
    "average",
    "evaluate",
    "mashup",
    "clips",
    "steadiness",
    "manifest",
    "export",
    "bench",
    "report",
    "gallery",
]
COMMANDS = [
    [],
    ["remove"],
    ["matte"],
    ["models"],
    ["demo"],
    ["benchmark"],
    ["doctor"],
    ["lab"],
    *(["lab", name] for name in LAB),
]
TIMES = [0, 33, 70, 100, 230, 280]


@pytest.fixture
def film(tmp_path: Path, portrait) -> Path:
    """A short film of the portrait, with uneven times and a tone."""
    path = tmp_path / "film.mp4"
    still = cv2.resize(portrait, (256, 256), interpolation=cv2.INTER_AREA)
    write_film(path, [np.roll(still, i, axis=1) for i in range(len(TIMES))], TIMES)
    return path


@pytest.mark.parametrize(
    ("target", "background", "channels"),
    [
        ("out.png", None, 4),
        ("out.webp", None, 4),
        ("out.jpg", None, 3),
        ("out.png", "blur", 3),
        ("out.jpeg", "blur:24", 3),
        ("out.webp", "#00b140", 3),
    ],
)
def test_remove_from_a_photo(run, tmp_path, portrait_file, target, background, channels):
    """Transparent where the format can hold it, and any background in any format."""
    options = ["--background", background] if background else []
    assert run("remove", portrait_file, "-o", tmp_path / target, *options) == (0, "", "")
    assert cv2.imread(str(tmp_path / target), cv2.IMREAD_UNCHANGED).shape == (512, 512, channels)


def test_the_command_gives_what_the_library_gives(run, tmp_path, portrait_file):
    """The command line is the library, spoken aloud."""
    run("remove", portrait_file, "-o", tmp_path / "out.png", "--background", "blur:24")
    pixels = photo.read(portrait_file.read_bytes(), "it").pixels
    written = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(written, incognito.remove(pixels, background="blur:24", model="fast"))


@pytest.mark.parametrize("target", ["out.mp4", "out.webm"])
def test_remove_from_a_video(run, tmp_path, film, target):
    """Every frame comes out at its own time; nothing is printed where there is no terminal."""
    assert run("remove", film, "-o", tmp_path / target) == (0, "", "")
    assert times_of(tmp_path / target) == pytest.approx(times_of(film), abs=1.0)
    if target.endswith(".mp4"):
        assert sound_of(tmp_path / target) == sound_of(film)


def test_remove_with_a_video_as_background(run, tmp_path, film, portrait_file):
    """Photos take a video's first picture, videos the video."""
    write_film(tmp_path / "behind.mp4", [np.full((64, 64, 3), (10, 20, 200), np.uint8)] * 2, [0, 40], sound=None)
    assert run("remove", portrait_file, "-o", tmp_path / "out.png", "--background", tmp_path / "behind.mp4")[0] == 0
    assert cv2.imread(str(tmp_path / "out.png"))[20, 300].tolist() == pytest.approx([200, 20, 10], abs=6)
    assert run("remove", film, "-o", tmp_path / "out.mp4", "--background", tmp_path / "behind.mp4")[0] == 0
    with av.open(str(tmp_path / "out.mp4")) as container:
        last = list(container.decode(video=0))[-1].to_ndarray(format="rgb24")
    assert last[5, 160].tolist() == pytest.approx([10, 20, 200], abs=12)


def test_matte_of_a_photo(run, tmp_path, portrait_file):
    """One grey channel: the matte's levels."""
    assert run("matte", portrait_file, "-o", tmp_path / "matte.png") == (0, "", "")
    written = cv2.imread(str(tmp_path / "matte.png"), cv2.IMREAD_UNCHANGED)
    pixels = photo.read(portrait_file.read_bytes(), "it").pixels
    assert np.array_equal(written, incognito.Segmenter("fast")(pixels).levels)


def test_matte_of_a_video(run, tmp_path, film):
    """A grey film with the times of the original."""
    assert run("matte", film, "-o", tmp_path / "matte.mp4")[0] == 0
    assert times_of(tmp_path / "matte.mp4") == pytest.approx(times_of(film), abs=0.5)
    with av.open(str(tmp_path / "matte.mp4")) as container:
        first = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    assert np.abs(first[..., 0] - first[..., 2]).max() <= 2
    assert first[60, 110].min() > 240  # the face


def test_the_matte_of_a_cut_out_is_its_alpha(run, tmp_path, portrait_file):
    """What a photo's own transparency hid is not person: matte and remove agree."""
    run("remove", portrait_file, "-o", tmp_path / "cut.png")
    run("remove", tmp_path / "cut.png", "-o", tmp_path / "again.png")
    run("matte", tmp_path / "cut.png", "-o", tmp_path / "matte.png")
    again, matte = (cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED) for name in ("again.png", "matte.png"))
    assert np.array_equal(again[..., 3], matte)
    assert not matte[cv2.imread(str(tmp_path / "cut.png"), cv2.IMREAD_UNCHANGED)[..., 3] == 0].any()


@pytest.mark.parametrize("command", ["remove", "matte"])
def test_photos_go_through_pipes(portrait_file, command):
    """Standard input to standard output, as PNG."""
    program = [sys.executable, "-m", "incognito", command, "-", "-o", "-"]
    done = subprocess.run(program, input=portrait_file.read_bytes(), capture_output=True, check=True)
    assert done.stderr == b""
    picture = cv2.imdecode(np.frombuffer(done.stdout, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture.shape == ((512, 512, 4) if command == "remove" else (512, 512))


def test_models_lists_every_card(run):
    """Name, size, bytes, licence, training data, IoU and checksum of each shipped model."""
    code, out, _ = run("models")
    assert code == 0
    for card in incognito.models():
        for part in (card.name, f"{card.width}x{card.height}", f"{card.iou:.3f}", card.licence, card.sha256):
            assert part in out


def test_demo_writes_its_files_and_says_what_each_stage_cost(run, tmp_path, monkeypatch):
    """Five files, a table of five stages, and a rate; a second run does not replace them unasked."""
    monkeypatch.setattr(demo, "SECONDS", 1)
    folder = tmp_path / "demo"
    code, out, err = run("demo", "-o", folder)
    assert (code, err) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == sorted(demo.FILES)
    for word in (
        "decode",
        "segment",
        "refine",
        "composite",
        "encode",
        "p50",
        "p95",
        "frames a second",
        str(folder / demo.CUT_OUT),
    ):
        assert word in out
    assert len(times_of(folder / demo.CLIP_BLURRED)) == 30
    code, _, err = run("demo", "-o", folder)
    assert code == 2
    assert "--force" in err
    assert run("demo", "-o", folder, "--force")[0] == 0


def test_the_demos_portrait_is_the_public_domain_one(portrait):
    """The shipped photograph is scikit-image's astronaut, but for JPEG."""
    assert np.abs(demo.portrait().pixels.astype(int) - portrait).mean() < 3


def test_version(run):
    """--version says the version and nothing else."""
    assert run("--version") == (0, f"incognito {incognito.__version__}\n", "")


@pytest.mark.parametrize("arguments", COMMANDS)
def test_help_ends_with_an_example(run, arguments):
    """Every command explains itself, without any extra; each command's help holds an example."""
    code, out, _ = run(*arguments, "--help")
    assert code == 0
    if arguments not in ([], ["lab"]):
        assert "Example: incognito" in out


def test_the_demos_film_has_the_portraits_colours(tmp_path):
    """Her suit is as orange in the film as in the photo."""
    demo.write_clip(tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        shown = video.to_frame(next(container.decode(video=0))).pixels
    meant = demo.camera_view(demo.portrait().pixels, 0.0)
    assert np.abs(shown.astype(float).mean((0, 1)) - meant.mean((0, 1))).max() < 1.5
