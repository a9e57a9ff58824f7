"""Where live frames come from: the same contract for all of them."""

from __future__ import annotations

import functools
import http.server
import os
import struct
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from making import write_film

from incognito import v4l2
from incognito.camera import Camera, NoFrame, StreamEnded
from incognito.errors import CameraError
from incognito.playback import Film, Pipe, Stream
from incognito.scripted import ScriptedCamera
from incognito.sources import camera_for
from incognito.timing import FakeClock
from incognito.webcam import Webcam, _refusal, found

SIZE = (48, 64)
COLOURS = [(200, 30, 40), (30, 190, 60), (40, 60, 210)]


class Device:
    """A stand-in for cv2.VideoCapture: a camera that has what it is asked for, and three frames, blue first."""

    def __init__(self, index: int, backend: int, parameters: list[int]) -> None:
        self.index, self.set_to, self.left, self.released = index, {}, 3, 0

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self.index != 9

    def set(self, what: int, value: float) -> bool:
        self.set_to[what] = value
        return True

    def get(self, what: int) -> float:
        return self.set_to.get(what, 0.0)

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, np.full((*SIZE, 3), (255, 10, 20), np.uint8)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.released += 1


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    write_film(path, [np.full((*SIZE, 3), colour, np.uint8) for colour in COLOURS], [0, 100, 400])
    return path


@pytest.fixture
def address(tmp_path: Path, film: Path):
    """The film on a web server of this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/film.mp4"
    server.shutdown()
    thread.join()
    server.server_close()


def make(kind: str, film: Path, address: str, tmp_path: Path) -> Camera:
    if kind == "pipe":
        raw = tmp_path / "raw"
        raw.write_bytes(b"".join(np.full((*SIZE, 3), colour, np.uint8).tobytes() for colour in COLOURS) + b"cut")
        return Pipe("raw", raw, SIZE)
    return {
        "webcam": lambda: Webcam(0, SIZE, capture=Device),
        "film": lambda: Film(film, paced=False),
        "stream": lambda: Stream(address),
        "scripted": lambda: ScriptedCamera("ok*3 end", size=SIZE, fps=0),
    }[kind]()


@pytest.mark.parametrize("kind", ["webcam", "film", "stream", "pipe", "scripted"])
def test_every_source_gives_frames_and_then_says_why_there_are_no_more(kind, film, address, tmp_path):
    """Three of them, uint8 RGB and contiguous; it may be closed twice, and opened again where it is lasting."""
    camera = make(kind, film, address, tmp_path)
    camera.close()
    camera.open()
    for _ in range(3):
        pixels = camera.read()
        assert pixels.dtype == np.uint8 and pixels.shape == (*SIZE, 3) and pixels.flags.c_contiguous
    with pytest.raises((CameraError, StreamEnded)) as raised:
        camera.read()
    assert "\n" not in str(raised.value)
    assert camera.name and "64x48" in camera.format
    camera.close()
    camera.close()
    if camera.lasting and kind != "scripted":
        camera.open()
        assert camera.read().shape == (*SIZE, 3)
        camera.close()


def test_a_webcam_is_asked_for_what_it_should_give():
    """MJPEG where raw pictures are too many bytes; its blue comes as blue, in memory that is used again."""
    small, large = Webcam(0, SIZE, capture=Device), Webcam(1, (720, 1280), capture=Device)
    small.open()
    large.open()
    assert cv2.CAP_PROP_FOURCC not in small._device.set_to
    assert large.format == "MJPG 1280x720, 30 fps"
    first = small.read()
    assert tuple(first[0, 0]) == (20, 10, 255) and small.read() is first
    with pytest.raises(CameraError, match="there is no camera 9"):
        Webcam(9, SIZE, capture=Device).open()


def test_the_systems_cameras_are_listed(tmp_path):
    """By their index, as the kernel names them, also those that may not be opened."""
    for index, name in ((10, "Loopback"), (2, "Webcam")):
        (tmp_path / f"video{index}").mkdir()
        (tmp_path / f"video{index}" / "name").write_text(name + "\n")
    seen = found(tmp_path, devices=tmp_path / "none")
    assert [(each.index, each.name, each.formats) for each in seen] == [(2, "Webcam", []), (10, "Loopback", [])]


class Driver:
    """What the kernel answers for a camera with two formats, by request; `kind` are its capabilities."""

    def __init__(self, kind: int) -> None:
        self.kind = kind

    def __call__(self, number: int, request: int, asked: bytes) -> bytes:
        place = int.from_bytes(asked[:4], "little")
        if request == v4l2.QUERY_CAPABILITIES:
            return struct.pack(
                "16s32s32s6I", b"uvcvideo", b"Webcam", b"usb", 0, v4l2.DEVICE_CAPABILITIES, self.kind, *[0] * 3
            )
        if place > 1:
            raise OSError(22, "Invalid argument")
        if request == v4l2.ENUMERATE_FORMATS:
            return struct.pack(
                "3I32s5I", place, 1, 0, b"", int.from_bytes((b"MJPG", b"YUYV")[place], "little"), *[0] * 4
            )
        if asked[4:8] == b"MJPG":
            return struct.pack("11I", place, 0, v4l2.DISCRETE, *((1280, 720), (640, 480))[place], *[0] * 6)
        return struct.pack("11I", place, 0, 3, 160, 1920, 2, 120, 1080, 2, 0, 0)


def test_a_camera_tells_its_formats(tmp_path):
    """With their sizes, single ones and ranges; a device for metadata is no camera."""
    device = tmp_path / "video0"
    device.touch()
    answer = v4l2.ask(device, Driver(v4l2.CAPTURE))
    assert answer.captures and answer.formats == ["MJPG 1280x720, 640x480", "YUYV 160x120 to 1920x1080"]
    assert v4l2.ask(device, Driver(0x00800000)) == v4l2.Answer(False, [])


def test_a_camera_that_cannot_be_opened_says_why(tmp_path):
    """It is not there, it may not be used, or another program has it."""
    assert _refusal(3, tmp_path).startswith("there is no camera 3")
    (tmp_path / "video3").touch()
    assert "another program has it" in _refusal(3, tmp_path)


def test_a_film_keeps_its_own_pace(film):
    """The third picture comes 400 ms after the first; flat out, at once."""
    clock = FakeClock()
    paced = Film(film, clock=clock, sleep=clock.advance)
    paced.open()
    times = []
    for _ in range(3):
        paced.read()
        times.append(round(clock.now, 3))
    assert times == [0, 0.1, 0.4]
    paced.close()


def test_a_film_decodes_the_next_picture_late(film, monkeypatch):
    """Not while the one that was given is worked on, and never so late that it misses its time."""
    clock, decoded = FakeClock(), []
    next_picture = Film._next

    def noted(self: Film) -> tuple[float, np.ndarray]:
        decoded.append(round(clock.now, 3))
        return next_picture(self)

    monkeypatch.setattr(Film, "_next", noted)
    paced = Film(film, clock=clock, sleep=clock.advance)
    paced.open()
    for _ in range(3):
        paced.read()
    assert decoded == [0, 0, 0.12] and clock.now == pytest.approx(0.4)
    paced.close()


def test_a_films_picture_that_stays_long_is_given_again(tmp_path):
    """No read waits for more than a moment, however long the gap is."""
    clock = FakeClock()
    path = tmp_path / "gap.mp4"
    write_film(path, [np.full((*SIZE, 3), colour, np.uint8) for colour in COLOURS], [0, 100, 7100], sound=None)
    paced = Film(path, clock=clock, sleep=clock.advance)
    paced.open()
    seen = []
    for _ in range(7):
        begun = clock.now
        shade = int(paced.read()[0, 0].argmax())
        assert clock.now - begun <= 1.5
        seen.append(shade)
    assert seen == [0, 1, 1, 1, 1, 1, 2] and clock.now == pytest.approx(7.1)
    paced.close()


def test_a_damaged_film_is_refused_in_one_line(film):
    """When it is opened."""
    film.write_bytes(film.read_bytes()[:300])
    with pytest.raises(CameraError, match=r"film\.mp4"):
        Film(film).open()


def test_raw_frames_come_through_a_pipe(tmp_path):
    """One that somebody else writes into."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    picture = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    writer = threading.Thread(target=lambda: path.write_bytes(picture.tobytes() * 2))
    writer.start()
    camera = camera_for(str(path), SIZE, 30.0)
    camera.open()
    assert np.array_equal(camera.read(), picture)
    camera.close()
    writer.join()


def test_a_pipe_that_nobody_writes_into_is_waited_for(tmp_path):
    """Opening it waits for nobody; a read gives up after a moment, keeps what came, and goes on where it was."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    picture = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    camera = camera_for(str(path), SIZE, 30.0)
    camera.open()
    begun = time.monotonic()
    with pytest.raises(NoFrame, match="check what writes into it"):
        camera.read()
    with path.open("wb", buffering=0) as writer:
        writer.write(picture.tobytes()[:1000])
        with pytest.raises(NoFrame):
            camera.read()
        assert time.monotonic() - begun < 4
        writer.write(picture.tobytes()[1000:])
        assert np.array_equal(camera.read(), picture)
    with pytest.raises(StreamEnded):
        camera.read()
    camera.close()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0", Webcam),
        ("/dev/video3", Webcam),
        ("scripted:ok end", ScriptedCamera),
        ("rtsp://camera.test/1", Stream),
        ("-", Pipe),
    ],
)
def test_a_word_asks_for_a_camera(text, kind, monkeypatch):
    """Nothing is opened yet."""
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert isinstance(camera_for(text, SIZE, 30.0), kind)


def test_a_word_that_asks_for_nothing_is_refused(tmp_path, film):
    """With what may be given; a file is a film."""
    assert isinstance(camera_for(str(film), SIZE, 30.0), Film)
    with pytest.raises(CameraError, match="give a number such as 0"):
        camera_for(str(tmp_path / "none.mp4"), SIZE, 30.0)


def test_a_stream_that_is_not_there_is_refused_in_one_line():
    """Nothing listens at that port."""
    with pytest.raises(CameraError, match="cannot be opened"):
        Stream("http://127.0.0.1:9/none.mp4").open()
