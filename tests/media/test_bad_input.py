"""Bad input: one line that says what and what to do, the right exit code, and nothing half-written."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from making import toy_card, write_film, write_tone

USAGE, FAILURE = 2, 1


@pytest.fixture
def refuses(run, tmp_path):
    """Run a command line that must fail: one line on standard error, no new file. Gives that line."""

    def refuses(code: int, *arguments: object) -> str:
        before = contents(tmp_path)
        got, out, err = run(*arguments)
        assert (got, out) == (code, ""), err
        assert err.startswith("incognito: ")
        assert err.count("\n") == 1
        assert contents(tmp_path) == before
        return err

    return refuses


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def huge_png(path: Path, width: int, height: int) -> None:
    """A PNG of 60 bytes that claims a size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize("command", ["remove", "matte"])
@pytest.mark.parametrize("name", ["nothing.jpg", "nothing.mp4"])
def test_a_missing_file(refuses, tmp_path, command, name):
    assert "does not exist" in refuses(FAILURE, command, tmp_path / name, "-o", tmp_path / "out.png")


def test_a_directory(refuses, tmp_path):
    assert "is a directory" in refuses(FAILURE, "remove", tmp_path, "-o", tmp_path / "out.png")


@pytest.mark.parametrize("name", ["empty.jpg", "empty.mp4"])
def test_an_empty_file(refuses, tmp_path, name):
    (tmp_path / name).touch()
    assert "is empty" in refuses(FAILURE, "remove", tmp_path / name, "-o", tmp_path / "out.png")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_truncated_photo(refuses, tmp_path, portrait, suffix, share):
    path = tmp_path / f"photo{suffix}"
    data = cv2.imencode(suffix, portrait)[1].tobytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "breaks off" in refuses(FAILURE, "remove", path, "-o", tmp_path / "out.png")


def test_a_text_file_named_jpg(refuses, tmp_path):
    path = tmp_path / "letter.jpg"
    path.write_text("Dear reader,\n" * 100)
    assert "no picture of a kind that is known" in refuses(FAILURE, "remove", path, "-o", tmp_path / "out.png")


def test_a_text_file_named_mp4(refuses, tmp_path):
    path = tmp_path / "letter.mp4"
    path.write_text("Dear reader,\n" * 100)
    assert "cannot be read as a video" in refuses(FAILURE, "remove", path, "-o", tmp_path / "out.mp4")


def test_an_mp4_without_video(refuses, tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        write_tone(container, container.add_stream("aac", rate=48000, layout="mono"), 0.5)
    assert "holds no video" in refuses(FAILURE, "remove", path, "-o", tmp_path / "out.mp4")


def test_a_truncated_mp4(refuses, tmp_path):
    path = tmp_path / "film.mp4"
    write_film(path, [np.full((64, 64, 3), i, np.uint8) for i in range(30)], list(range(0, 1200, 40)))
    path.write_bytes(path.read_bytes()[:-300])
    assert "breaks off" in refuses(FAILURE, "remove", path, "-o", tmp_path / "out.mp4")


def test_a_truncated_webm(refuses, tmp_path):
    path = tmp_path / "film.webm"
    noise = np.random.default_rng(0).integers(0, 256, (20, 128, 128, 3), np.uint8)
    write_film(path, list(noise), list(range(0, 800, 40)), "libvpx-vp9", sound=None)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert "breaks off" in refuses(FAILURE, "remove", path, "-o", tmp_path / "out.mp4")


def test_an_image_over_200_megapixels(refuses, tmp_path):
    huge_png(tmp_path / "huge.png", 20_000, 10_001)
    assert "over 178 megapixels" in refuses(FAILURE, "remove", tmp_path / "huge.png", "-o", tmp_path / "out.png")


def test_an_existing_output(refuses, run, tmp_path, portrait_file):
    target = tmp_path / "out.png"
    target.write_bytes(b"precious")
    assert "--force" in refuses(USAGE, "remove", portrait_file, "-o", target)
    assert run("remove", portrait_file, "-o", target, "--force")[0] == 0
    assert cv2.imread(str(target), cv2.IMREAD_UNCHANGED).shape == (512, 512, 4)


def test_an_output_in_a_missing_folder(refuses, tmp_path, portrait_file):
    assert "no directory" in refuses(USAGE, "remove", portrait_file, "-o", tmp_path / "nowhere" / "out.png")


def test_an_output_that_is_a_directory(refuses, tmp_path, portrait_file):
    (tmp_path / "out.png").mkdir()
    assert "is a directory" in refuses(USAGE, "remove", portrait_file, "-o", tmp_path / "out.png", "--force")


def test_an_unwritable_output(refuses, portrait_file):
    """No one, not even root, makes files in /proc."""
    if not Path("/proc/self").exists():
        pytest.skip("needs /proc")
    assert "cannot be written" in refuses(USAGE, "remove", portrait_file, "-o", "/proc/self/out.png")


def test_an_output_with_an_unknown_ending(refuses, tmp_path, portrait_file):
    assert "ending" in refuses(USAGE, "remove", portrait_file, "-o", tmp_path / "out.bmp")


def test_a_photo_into_a_film(refuses, tmp_path, portrait_file):
    assert "photos are written as" in refuses(USAGE, "remove", portrait_file, "-o", tmp_path / "out.mp4")


def test_a_film_into_a_photo(refuses, tmp_path):
    write_film(tmp_path / "in.mp4", [np.zeros((64, 64, 3), np.uint8)], [0], sound=None)
    assert "videos are written as" in refuses(USAGE, "remove", tmp_path / "in.mp4", "-o", tmp_path / "out.png")
    assert "cannot be piped" in refuses(USAGE, "remove", tmp_path / "in.mp4", "-o", "-")


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_the_input_as_output(refuses, portrait_file, force):
    """Not even --force touches the input."""
    assert "never touched" in refuses(USAGE, "remove", portrait_file, "-o", portrait_file, *force)


@pytest.mark.parametrize("target", ["out.jpg", "out.mp4"])
def test_transparency_where_there_is_none(refuses, tmp_path, portrait_file, target):
    line = refuses(USAGE, "remove", portrait_file, "-o", tmp_path / target, "--background", "transparent")
    assert "cannot be transparent" in line


@pytest.mark.parametrize(
    "background", ["mauve", "#12345", "blur:0", "blur:0.5", "blur:101", "blur:x", "nowhere.jpg", ""]
)
def test_an_unknown_background(refuses, tmp_path, portrait_file, background):
    line = refuses(USAGE, "remove", portrait_file, "-o", tmp_path / "out.png", "--background", background)
    assert "blur" in line
    assert "background" in line or "strength" in line


def test_a_background_that_is_no_picture(refuses, tmp_path, portrait_file):
    (tmp_path / "letter.txt").write_text("Dear reader,\n" * 100)
    arguments = ("remove", portrait_file, "-o", tmp_path / "out.png", "--background", tmp_path / "letter.txt")
    assert "cannot be read" in refuses(FAILURE, *arguments)


@pytest.mark.parametrize("model", ["slow", "nowhere.onnx", "../fast"])
def test_an_unknown_model(refuses, tmp_path, portrait_file, model):
    line = refuses(USAGE, "remove", portrait_file, "-o", tmp_path / "out.png", "--model", model)
    assert "fast" in line


def with_model(refuses, portrait_file, model) -> str:
    return refuses(FAILURE, "remove", portrait_file, "-o", portrait_file.with_name("out.png"), "--model", model)


def test_a_model_without_a_card(refuses, portrait_file, toy_model):
    toy_model.with_suffix(".json").unlink()
    assert "needs its card" in with_model(refuses, portrait_file, toy_model)


def test_a_model_whose_checksum_does_not_match(refuses, portrait_file, toy_model):
    toy_model.write_bytes(toy_model.read_bytes() + b"\0")
    assert "SHA-256" in with_model(refuses, portrait_file, toy_model)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"height": 64}, "its card says"),
        ({"dtype": "float32"}, "its card says"),
        ({"layout": "NCHW"}, "its card says"),
        ({"layout": "NHCW"}, "layout"),
        ({"resize": "guess"}, "resize"),
        ({"mean": [1.0]}, "mean"),
        ({"mean": [1.0, 1.0, 1.0], "deviation": [0.0, 1.0, 1.0]}, "deviation"),
        ({"mean": [1.0, 1.0, 1.0], "deviation": [1.0, 1.0, 1.0]}, "bytes cannot be normalised"),
        ({"mean": ["a", "b", "c"]}, "numbers only"),
        ({"measured": {"iou": "high"}}, "numbers only"),
        ({"height": "tall"}, "height"),
    ],
)
def test_a_model_whose_card_does_not_match(refuses, portrait_file, toy_model, changes, says):
    toy_card(toy_model.read_bytes(), **changes).write(toy_model.with_suffix(".json"))
    assert says in with_model(refuses, portrait_file, toy_model)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "toy", "colour_order": "RGB"}', "\ud800"])
def test_a_damaged_card(refuses, portrait_file, toy_model, text):
    toy_model.with_suffix(".json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert "no model card" in with_model(refuses, portrait_file, toy_model)


def test_a_corrupt_onnx(refuses, portrait_file, toy_model):
    """A file whose card matches, but which is no network."""
    toy_model.write_bytes(b"not a network" * 50)
    toy_card(toy_model.read_bytes()).write(toy_model.with_suffix(".json"))
    assert "cannot be run" in with_model(refuses, portrait_file, toy_model)


def test_standard_input_that_is_no_photo(refuses, tmp_path, monkeypatch):
    with (tmp_path / "in").open("w+b") as pipe:
        pipe.write(b"Dear reader")
        pipe.seek(0)
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": pipe}))
        assert "standard input is no" in refuses(FAILURE, "remove", "-", "-o", tmp_path / "out.png")


def test_a_name_that_is_too_long(refuses, tmp_path, portrait_file):
    long = "x" * 300
    assert "too long" in refuses(FAILURE, "remove", tmp_path / long, "-o", tmp_path / "out.png")
    assert "too long" in refuses(FAILURE, "remove", portrait_file, "-o", tmp_path / f"{long}.png")
    assert "too long" in refuses(FAILURE, "remove", portrait_file, "-o", tmp_path / "out.png", "--background", long)


def test_a_demo_with_an_unknown_model_makes_no_folder(refuses, tmp_path):
    assert "slow" in refuses(USAGE, "demo", "-o", tmp_path / "demo", "--model", "slow")


def test_a_damaged_png(refuses, tmp_path, portrait):
    """A byte in the middle is wrong: its checksum says so before a decoder would."""
    data = bytearray(cv2.imencode(".png", portrait)[1].tobytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "photo.png").write_bytes(data)
    assert "damaged" in refuses(FAILURE, "remove", tmp_path / "photo.png", "-o", tmp_path / "out.png")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopping_removes_the_temporary_file(tmp_path, stop):
    """Ctrl-C, or being told to end, in the middle of a film leaves nothing behind and is a failure."""
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    write_film(source, [np.full((360, 640, 3), i % 256, np.uint8) for i in range(600)], list(range(0, 24000, 40)))
    command = [sys.executable, "-m", "incognito", "remove", str(source), "-o", str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not any(p.stat().st_size for p in tmp_path.glob(".out.mp4.parts/000*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert process.poll() is None
        os.kill(process.pid, stop)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + stop
    assert (out, err) == ("", "incognito: stopped; what was half-written is gone\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


def test_the_input_is_never_touched(run, tmp_path, portrait_file):
    before = (portrait_file.read_bytes(), portrait_file.stat().st_mtime_ns)
    assert run("remove", portrait_file, "-o", tmp_path / "out.png")[0] == 0
    assert (portrait_file.read_bytes(), portrait_file.stat().st_mtime_ns) == before
