"""Where live pictures go: the same contract for all of them."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import av
import cv2
import numpy as np
import pytest

from incognito import virtual
from incognito.errors import OutputError, SinkError, UsageError
from incognito.monitor import Page
from incognito.outputs import sink_for
from incognito.recording import Recording
from incognito.scripted import NullSink
from incognito.sink import Sink
from incognito.virtual import VirtualCamera
from incognito.window import Window, letterbox

SIZE = (96, 160)
RED, BLUE = (np.full((*SIZE, 3), colour, np.uint8) for colour in ((200, 20, 20), (20, 30, 210)))


class Loopback:
    """A stand-in for pyvirtualcam.Camera: it keeps what it was sent."""

    device = "elsewhere"

    def __init__(self, width: int, height: int, fps: float) -> None:
        self.size, self.sent, self.closed = (height, width), [], 0

    def send(self, picture: np.ndarray) -> None:
        assert picture.shape == (*self.size, 3)
        self.sent.append(picture.copy())

    def close(self) -> None:
        self.closed += 1


def make(kind: str, folder: Path) -> Sink:
    return {
        "null": NullSink,
        "virtual": lambda: VirtualCamera(Loopback),
        "page": Page,
        "file": lambda: Recording(folder / "out.mp4"),
    }[kind]()


@pytest.mark.parametrize("kind", ["null", "virtual", "page", "file"])
def test_every_sink_takes_pictures_and_ends(kind, tmp_path):
    """Without a thread left, and without ever being given the room."""
    before = set(threading.enumerate())
    sink = make(kind, tmp_path)
    assert sink.name == kind and not sink.sees_room
    sink.open(SIZE, 30.0)
    for number in range(4):
        sink.show(RED, None, number / 30)
        assert sink.commands() == []
        assert sink.watched() in (True, False, None)
    sink.close()
    assert set(threading.enumerate()) == before


def test_a_recording_keeps_its_times(tmp_path):
    """Pictures come back at the seconds at which they were shown; nothing else is left in the folder."""
    sink = Recording(tmp_path / "call.mp4")
    sink.open(SIZE, 30.0)
    for seconds in (0.0, 0.033, 0.5, 0.5):
        sink.show(RED, None, seconds)
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    sink.close()
    with av.open(str(tmp_path / "call.mp4")) as film:
        frames = [
            (float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24")) for frame in film.decode(video=0)
        ]
    assert [round(seconds, 3) for seconds, _ in frames] == [0, 0.033, 0.5, 0.501]
    assert np.abs(frames[-1][1].mean((0, 1)) - RED[0, 0]).max() < 6
    assert [path.name for path in tmp_path.iterdir()] == ["call.mp4"]


def test_a_recording_without_pictures_leaves_nothing(tmp_path):
    """And one that exists is not replaced."""
    sink = Recording(tmp_path / "call.webm")
    sink.open(SIZE, 30.0)
    sink.close()
    assert not [*tmp_path.iterdir()]
    (tmp_path / "call.webm").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        Recording(tmp_path / "call.webm")


def ask(page: Page, path: str, host: str | None = None) -> http.client.HTTPResponse:
    at = urlsplit(page.url)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=10)
    connection.request("GET", path, headers={"Host": host or at.netloc})
    return connection.getresponse()


@pytest.fixture
def page():
    found = Page()
    found.open(SIZE, 30.0)
    yield found
    found.close()


def test_the_page_is_for_those_who_know_its_address(page):
    """At this computer alone, under its own names."""
    path = urlsplit(page.url).path
    assert ask(page, path).status == 200 and "img-src 'self'" in ask(page, path).getheader("Content-Security-Policy")
    assert ask(page, "/").status == 404 and ask(page, "/guess/stream").status == 404
    assert ask(page, path, "evil.test").status == 403
    assert page.url.startswith("http://127.0.0.1:")


def test_the_page_shows_the_newest_picture(page):
    """To whoever watches; to nobody, nothing is kept."""
    page.show(RED, None, 0.0)
    assert page.watched() is False
    answer = ask(page, urlsplit(page.url).path + "stream")
    deadline = time.monotonic() + 5
    while not page.watched() and time.monotonic() < deadline:
        time.sleep(0.01)
    page.show(BLUE, None, 0.1)
    while not (line := answer.readline()).startswith(b"Content-Length"):
        assert line
    answer.readline()
    jpeg = answer.read(int(line.split(b":")[1]))
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(picture.astype(int) - BLUE).max() < 12


def test_a_virtual_camera_without_its_driver_says_what_to_do(monkeypatch):
    """So does one that breaks off."""

    def fails(**named: object) -> None:
        raise RuntimeError("'v4l2loopback' backend: No v4l2 loopback device found")

    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(SinkError, match="sudo modprobe v4l2loopback"):
        VirtualCamera(fails).open(SIZE, 30.0)


def test_who_reads_a_device_is_seen(tmp_path):
    """Another process; not this one; and where nobody may look, it is not known."""
    for number, target in ((11, "/dev/video9"), (os.getpid(), "/dev/video7")):
        (tmp_path / str(number) / "fd").mkdir(parents=True)
        (tmp_path / str(number) / "fd" / "3").symlink_to(target)
    assert virtual._is_open_elsewhere("/dev/video9", tmp_path) is True
    assert virtual._is_open_elsewhere("/dev/video7", tmp_path) is False


def test_the_driver_is_told_of(monkeypatch):
    """By what is missing first."""
    there, text = virtual.driver()
    assert isinstance(there, bool) and text
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert virtual.driver() == (False, "pyvirtualcam is not installed")


def test_a_word_asks_for_a_sink(tmp_path):
    """Nothing is opened yet; what is no sink is refused."""
    kinds = {
        "window": Window,
        "virtual": VirtualCamera,
        "page": Page,
        "null": NullSink,
        f"file:{tmp_path}/a.mp4": Recording,
    }
    assert all(isinstance(sink_for(word), kind) for word, kind in kinds.items())
    for word in ("mirror", "file:"):
        with pytest.raises(UsageError, match="window, virtual, page"):
            sink_for(word)
    with pytest.raises(OutputError, match="no ending"):
        sink_for(f"file:{tmp_path}/a.txt")


def test_a_window_without_its_extra_or_a_display_says_so(monkeypatch):
    """In one line, before anything is opened."""
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SinkError, match="needs"):
        Window("Incognito").open(SIZE, 30.0)


@pytest.mark.parametrize(
    ("size", "box", "place"),
    [
        ((100, 200), (0, 0, 200, 200), (0, 50, 200, 100)),
        ((200, 100), (10, 0, 200, 100), (85, 0, 50, 100)),
        ((50, 50), (0, 0, 100, 100), (0, 0, 100, 100)),
    ],
)
def test_a_picture_keeps_its_shape_in_the_window(size, box, place):
    """With bars where the shapes differ."""
    assert letterbox(size, box) == place


@pytest.fixture
def display():
    """An X server of its own for a window."""
    pytest.importorskip("pygame", reason="skipped: no pygame-ce")
    if not (shutil.which("Xvfb") and shutil.which("xdotool")):
        pytest.skip("skipped: no Xvfb or no xdotool")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "800x600x24"], pass_fds=[write], stderr=subprocess.DEVNULL
    )
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    before = os.environ.get("DISPLAY")
    os.environ["DISPLAY"] = f":{number}"
    yield os.environ["DISPLAY"]
    os.environ.pop("DISPLAY") if before is None else os.environ.update(DISPLAY=before)
    server.terminate()
    server.wait()


def press(key: str) -> None:
    import pygame

    number = str(pygame.display.get_wm_info()["window"])
    subprocess.run(["xdotool", "windowfocus", number, "key", key], check=True, timeout=10)


def pressed(window: Window, key: str) -> list[str]:
    """What a window was asked for by a key, which takes a moment."""
    press(key)
    asked: list[str] = []
    deadline = time.monotonic() + 3
    while not asked and time.monotonic() < deadline:
        asked += window.commands()
        time.sleep(0.02)
    return asked


def shown(window: Window) -> np.ndarray:
    """The window's pixels, (H, W, 3)."""
    import pygame

    return pygame.surfarray.array3d(window._pygame.display.get_surface()).transpose(1, 0, 2)


def test_a_window_is_looked_at_and_typed_into(display):
    """Side by side the original is left; keys are commands; full screen fills the screen."""
    window = Window("Incognito")
    window.open(SIZE, 30.0)
    try:
        window.show(RED, None, 0.0)
        assert shown(window).shape == (*SIZE, 3) and tuple(shown(window)[5, 5]) == tuple(RED[0, 0])
        for key, command in (("b", "background"), ("plus", "stronger"), ("minus", "weaker"), ("space", "pause")):
            assert pressed(window, key) == [command]
        assert pressed(window, "s") == ["side-by-side"]
        window.show(RED, BLUE, 0.1)
        row = shown(window)[SIZE[0] // 2]
        assert tuple(row[20]) == tuple(BLUE[0, 0]) and tuple(row[-20]) == tuple(RED[0, 0])
        assert pressed(window, "s") == ["side-by-side"]
        assert pressed(window, "f") == []
        window.show(RED, None, 0.2)
        assert shown(window).shape == (600, 800, 3) and tuple(shown(window)[300, 5]) == tuple(RED[0, 0])
        assert pressed(window, "q") == ["quit"]
    finally:
        window.close()
