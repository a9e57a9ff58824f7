"""Live: whatever goes wrong, the room stays hidden."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from incognito import Segmenter, hands, zoo
from incognito.background import Colour
from incognito.errors import CameraError, IncognitoError, InputError, SinkError
from incognito.frame import Frame
from incognito.governor import Step
from incognito.guard import State, safe_picture
from incognito.live import Live, Plan
from incognito.scripted import KeptSink, NullSink, ScriptedCamera, room

SIZE = (96, 160)
GREEN = (0, 177, 64)


def disc(size: tuple[int, int]) -> np.ndarray:
    """Where the made person is: uint8 (h, w)."""
    found = np.zeros(size, np.uint8)
    cv2.circle(found, (size[1] // 2, size[0] // 2), min(size) // 4, 255, -1)
    return found


def before_room(number: int, size: tuple[int, int]) -> np.ndarray:
    """A white disc that pulses before the made room: no frame is like the one before."""
    picture = room(size).copy()
    picture[disc(size) > 0] = 200 + number % 2 * 50
    return picture


class Finder:
    """A network that finds the disc, but for what it is told to do wrong at its n-th run."""

    def __init__(self, faults: dict[int, object] | None = None) -> None:
        card = zoo.find("fast")
        self._alpha = (cv2.resize(disc(SIZE), (card.width, card.height)) / 255).astype(np.float32)
        self._faults, self.runs = faults or {}, 0

    def run(self, tensor: np.ndarray) -> np.ndarray:
        fault = self._faults.get(self.runs)
        self.runs += 1
        if isinstance(fault, Exception):
            raise fault
        if isinstance(fault, float):
            time.sleep(fault)
        return self._alpha if fault != "nan" else np.full_like(self._alpha, np.nan)


def likeness(picture: np.ndarray) -> float:
    """How much of the room is in a picture: the correlation, outside the disc, with the room or its blur."""
    size = picture.shape[:2]
    outside = cv2.dilate(disc(size), np.ones((9, 9))) == 0
    shown, hidden = (each[outside] - each[outside].mean(0) for each in (picture, room(size)))
    scale = np.sqrt(np.sum(shown**2) * np.sum(hidden**2))
    return float(np.sum(shown * hidden) / scale) if scale else 0.0


def live(script: str, finder: Finder | None = None, sinks=None, fps: float = 60.0, **plan) -> tuple[Live, list]:
    sinks = [KeptSink(2000)] if sinks is None else sinks
    camera = ScriptedCamera(script, before_room, SIZE, fps)
    given = {
        "behind": ("green",),
        "size": SIZE,
        "fps": fps,
        "load_model": lambda name, threads, running: Segmenter(name, runtime=finder or Finder()),
        "load_background": lambda text: Colour(*GREEN),
        **plan,
    }
    return Live(camera, sinks, Plan(**given)), sinks


def is_live(picture: np.ndarray) -> bool:
    return not np.array_equal(picture, safe_picture(SIZE))


def kinds(pictures: list[np.ndarray]) -> str:
    """What a sink was shown, as letters without repetition: s the safe picture, L a composited frame."""
    letters = ["L" if is_live(picture) else "s" for picture in pictures]
    return "".join(letter for place, letter in enumerate(letters) if place == 0 or letters[place - 1] != letter)


def hides_the_room(sinks: list[KeptSink]) -> bool:
    return all(abs(likeness(picture)) < 0.2 for sink in sinks for picture in sink.pictures)


@pytest.fixture(autouse=True)
def no_thread_left():
    """Every run ends all threads that it began, but for the helper that all pictures of a process share."""
    hands.shared(lambda part: None, range(2))
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not set(threading.enumerate()) - before


def run(script: str, finder: Finder | None = None, **plan) -> tuple[Live, KeptSink]:
    made, sinks = live(script, finder, **plan)
    made.run()
    assert (sinks[0].opened, sinks[0].closed) == (1, 1)
    assert hides_the_room(sinks)
    return made, sinks[0]


def test_the_room_would_be_recognised():
    """The measure of all these tests sees it in a raw frame, in half of one, and not in the safe picture."""
    raw = before_room(0, SIZE)
    half = np.where(np.arange(SIZE[1])[None, :, None] < 80, raw, np.uint8(60))
    assert likeness(raw) > 0.99 and likeness(cv2.GaussianBlur(raw, (0, 0), 2)) > 0.6 and likeness(half) > 0.3
    assert abs(likeness(safe_picture(SIZE))) < 0.1


def test_frames_go_out_without_their_room():
    """The disc is shown before green, each frame once, and the figures say so."""
    made, sink = run("ok*60 end")
    last = sink.pictures[-1]
    assert np.array_equal(last[2, 2], GREEN) and last[SIZE[0] // 2, SIZE[1] // 2].min() >= 195
    assert made.tally.processed + made.tally.dropped <= made.tally.captured == 60
    assert made.guard.state is State.LIVE and made.tally.processed > 20


def test_nothing_is_shown_before_the_first_matte():
    """While the model loads the safe picture goes out."""

    def slow(name: str, threads: int | None, running: Segmenter | None) -> Segmenter:
        time.sleep(0.5)
        return Segmenter(name, runtime=Finder())

    _, sink = run("ok*90 end", load_model=slow)
    assert kinds(sink.pictures) == "sL"


def test_a_model_is_asked_once_before_the_first_frame():
    """A network's first answer is its slowest, and no frame has to wait for it; what fails then is asked again."""
    seen: list[np.ndarray] = []

    class Cold(Finder):
        def run(self, tensor: np.ndarray) -> np.ndarray:
            seen.append(tensor)
            return super().run(tensor)

    _, sink = run("ok*90 end", Cold({0: ZeroDivisionError("cold")}))
    size = zoo.find("fast").size
    assert np.array_equal(seen[0][0], Frame(safe_picture(SIZE)).shrunk(size))
    assert not np.array_equal(seen[1], seen[0]) and "L" in kinds(sink.pictures)


def test_a_background_that_loads_slowly_is_waited_for():
    """With the safe picture."""

    def slow(text: str) -> Colour:
        time.sleep(0.5)
        return Colour(*GREEN)

    _, sink = run("ok*90 end", load_background=slow)
    assert kinds(sink.pictures) == "sL"


def test_a_background_that_cannot_be_loaded_ends_the_run():
    """With its own error; the room was never shown."""

    def fails(text: str) -> Colour:
        raise InputError("film.mp4 is damaged; get the whole file again")

    made, sinks = live("ok*90 end", load_background=fails)
    with pytest.raises(InputError, match="damaged"):
        made.run()
    assert sinks[0].closed == 1 and "L" not in kinds(sinks[0].pictures)


def test_whatever_cannot_be_loaded_ends_the_run():
    """Also where a library raises what nobody foresaw."""

    def fails(name: str, threads: int | None, running: Segmenter | None) -> Segmenter:
        raise ZeroDivisionError("no weights")

    made, sinks = live("ok*90 end", load_model=fails)
    with pytest.raises(IncognitoError, match="no weights"):
        made.run()
    assert sinks[0].closed == 1 and "L" not in kinds(sinks[0].pictures)


class Stalling(Colour):
    """A film whose pictures come late, and one of them not at all."""

    def __init__(self) -> None:
        super().__init__(*GREEN)
        self.asked = 0

    def behind(self, frame, matte, seconds):
        self.asked += 1
        time.sleep(0.03)
        if self.asked == 5:
            raise InputError("the film broke off")
        return super().behind(frame, matte, seconds)


def test_a_slow_background_costs_frames_and_shows_nothing():
    """Frames are dropped meanwhile; where it fails the safe picture stands in, and it goes on."""
    made, sink = run("ok*90 end", load_background=lambda text: Stalling())
    assert kinds(sink.pictures).endswith("LsL") and made.tally.dropped > 10


@pytest.mark.parametrize("fault", [RuntimeError("out of memory"), "nan"])
def test_a_network_that_fails_is_asked_again(fault):
    """For the frames that it fails on the safe picture is shown, at once; then it goes on."""
    made, sink = run("ok*90 end", Finder({10: fault, 11: fault}))
    assert kinds(sink.pictures).endswith("LsL")
    assert made.guard.state is State.LIVE


def test_a_slow_network_shows_each_frame_with_its_own_matte():
    """A run of 300 ms drops frames; what comes out belongs together."""
    made, sink = run("ok*90 end", Finder({10: 0.3}))
    assert made.tally.dropped >= 10 and sink.pictures


def test_a_network_that_hangs_shows_the_safe_picture():
    """What was shown last does not stand there like a picture of now; when the network is back, it goes on."""
    made, sink = run("ok*40 ok*120 end", Finder({10: 1.5}))
    assert kinds(sink.pictures).endswith("LsL") and made.tally.dropped > 30


def test_a_camera_that_nobody_watches_is_let_go(monkeypatch):
    """And taken again for whoever comes."""
    monkeypatch.setattr("incognito.live.UNWATCHED", 1.5)

    class Watched(KeptSink):
        seen = False

        def watched(self) -> bool:
            return self.seen

    sink = Watched(2000)
    made, _ = live("ok*100000", sinks=[sink], seconds=9.0)
    threading.Timer(4.5, lambda: setattr(sink, "seen", True)).start()
    made.run()
    assert kinds(sink.pictures).endswith("LsL") and made._camera.opened == 2 and hides_the_room([sink])


def test_the_governor_may_change_the_model():
    """The last one goes on until the other is loaded."""
    loaded: list[tuple[str, int | None]] = []

    def load(name: str, threads: int | None, running: Segmenter | None) -> Segmenter:
        loaded.append((name, threads))
        return Segmenter(name, runtime=Finder())

    made, sinks = live("ok*60 end", load_model=load)
    made._governor = governor = SimpleNamespace(step=Step("fast", 1))
    governor.note = lambda seconds: setattr(governor, "step", Step("fast.int8", 1))
    made.run()
    assert loaded == [("fast", None), ("fast.int8", None)] and hides_the_room(sinks)


def test_the_governor_may_take_threads_away(monkeypatch):
    """The network's and OpenCV's, once the network on fewer is loaded; in the end they are what they were."""
    before, threads = hands.count(), set()
    loaded: list[tuple[str, int | None]] = []

    def load(name: str, threads: int | None, running: Segmenter | None) -> Segmenter:
        loaded.append((name, threads))
        return Segmenter(name, runtime=Finder())

    class Watching(KeptSink):
        def show(self, picture, original, seconds):
            threads.add(hands.count())
            super().show(picture, original, seconds)

    monkeypatch.setattr(hands, "LIGHT", 0)  # these frames are worth two
    hands.use(2)
    try:
        sinks = [Watching(2000)]
        made, _ = live("ok*60 end", sinks=sinks, load_model=load)
        made._governor = governor = SimpleNamespace(step=Step("fast", 1))
        governor.note = lambda seconds: setattr(governor, "step", Step("fast", 1, threads=1))
        made.run()
        assert threads == {1, 2} and hands.count() == 2 and hides_the_room(sinks)
        assert [*made._models] == [("fast", None, 1.0), ("fast", 1, 1.0)]
        assert loaded == [("fast", None)]  # on one thread it is the same variant, which is not chosen again
    finally:
        hands.use(before)


@pytest.mark.parametrize(("runtime", "narrow"), [("openvino", True), ("onnxruntime", True), ("onnxruntime", False)])
def test_the_governor_may_narrow_what_a_network_sees(runtime, narrow, monkeypatch):
    """On OpenVINO, which takes ONNX Runtime's place for it; where there is none, the network goes on as it was."""
    monkeypatch.setattr("incognito.runtime.is_installed", lambda name: name == runtime or narrow)
    loaded: list[str] = []

    def load(name: str, threads: int | None, running: Segmenter | None) -> Segmenter:
        loaded.append(name)
        return Segmenter(name, runtime=runtime)

    made, sinks = live("ok*90 end", load_model=load)
    made._governor = governor = SimpleNamespace(step=Step("fast.int8", 1))
    governor.note = lambda seconds: setattr(governor, "step", Step("fast.int8", 1, share=7 / 8))
    made.run()
    running = made._segmenter()
    assert running and (running.card.size < zoo.find("fast").size) == narrow
    assert loaded == ["fast.int8"] and hides_the_room(sinks)


def test_a_stalled_camera_is_not_a_frozen_picture():
    """After a moment the safe picture is shown, until frames come again."""
    _, sink = run("ok*40 stall:1s ok*40 end")
    assert kinds(sink.pictures).endswith("LsL")


def test_a_camera_that_was_unplugged_is_picked_up_again():
    """In between the safe picture is shown."""
    made, sink = run("ok*40 dead ok*40 end")
    assert kinds(sink.pictures).endswith("LsL")
    assert made._camera.opened == 2


def test_a_file_that_breaks_ends_the_run():
    """What is not worth waiting for gives its error, and the sink is closed once."""
    made, sinks = live("ok*20 dead ok*20 end")
    made._camera.lasting = False
    with pytest.raises(CameraError, match="gone after 20"):
        made.run()
    assert sinks[0].closed == 1 and hides_the_room(sinks)


def test_a_camera_that_comes_back_with_another_size_is_fitted():
    """The sink's size stays."""
    _, sink = run("ok*40 replug:120x200 ok*40 end")
    assert {picture.shape for picture in sink.pictures} == {(*SIZE, 3)}


def test_another_camera_never_gets_the_last_ones_matte():
    """At any cadence: the first frame of another size is segmented for itself."""
    finder = Finder()
    made, sinks = live("ok*20 replug:120x200 ok*20 end", finder)
    made._governor = SimpleNamespace(step=Step("fast", 4), note=lambda seconds: None)
    asked: list[int] = []
    fit = made._follower.forget
    made._follower.forget = lambda: (asked.append(finder.runs), fit())
    made.run()
    assert len(asked) >= 2 and hides_the_room(sinks)


def test_memory_that_the_camera_uses_again_shows_no_room():
    """A driver overwrites a frame while the network still runs: what is shown is the frame as it was."""
    _, sink = run(" ".join(["reuse"] * 60) + " end", Finder(dict.fromkeys(range(60), 0.02)))
    middles = [int(picture[SIZE[0] // 2, SIZE[1] // 2, 0]) for picture in sink.pictures if is_live(picture)]
    assert len(middles) > 10 and {*middles} <= {200, 250}


def test_a_clock_that_jumps_permits_no_old_matte():
    """Forwards and backwards; with every second matte held."""
    jumps = iter([0.0] * 60 + [3600.0] * 60 + [-3600.0] * 10_000)

    class Jumping:
        def __call__(self) -> float:
            return time.monotonic() + next(jumps)

    made, sinks = live("ok*90 end")
    made._governor = SimpleNamespace(step=Step("fast", 2), note=lambda seconds: None)
    made._clock = made._capture._clock = Jumping()
    made.run()
    assert hides_the_room(sinks) and sinks[0].closed == 1
    assert made.guard.state is State.LIVE and kinds(sinks[0].pictures)[-1] == "L"


class Failing(KeptSink):
    """A sink that fails at its fifth picture."""

    def show(self, picture, original, seconds):
        super().show(picture, original, seconds)
        if self.shown == 5:
            raise SinkError("the window is gone")


def test_a_sink_that_fails_is_closed_and_the_other_goes_on():
    """Each is closed exactly once."""
    sinks = [Failing(2000), KeptSink(2000)]
    made, _ = live("ok*60 end", sinks=sinks)
    made.run()
    assert [sink.closed for sink in sinks] == [1, 1] and sinks[1].shown > sinks[0].shown == 5
    assert hides_the_room(sinks)


def test_every_sink_is_closed_even_if_one_cannot_be():
    """The error of the first one is told in the end."""

    class Sticky(NullSink):
        def close(self):
            super().close()
            raise SinkError("the disk is full")

    sinks = [Sticky(), NullSink()]
    made, _ = live("ok*30 end", sinks=sinks)
    with pytest.raises(SinkError, match="the disk is full"):
        made.run()
    assert [sink.closed for sink in sinks] == [1, 1]


def test_the_last_sinks_failure_ends_the_run():
    """With its error."""
    made, sinks = live("ok*60 end", sinks=[Failing(2000)])
    with pytest.raises(SinkError, match="the window is gone"):
        made.run()
    assert sinks[0].closed == 1


def test_a_sink_that_cannot_be_opened_ends_the_run_before_it_begins():
    """Those that were open are closed, once."""

    class Shut(NullSink):
        def open(self, size, fps):
            raise SinkError("no display; use --to file:OUT.mp4")

    first = NullSink()
    made, _ = live("ok*60 end", sinks=[first, Shut()])
    with pytest.raises(SinkError, match="no display"):
        made.run()
    assert (first.opened, first.closed, first.shown) == (1, 1, 0)


def test_pausing_shows_the_safe_picture_until_it_is_undone():
    """Space, and space again."""
    sink = KeptSink(2000)
    made, _ = live("ok*120 end", sinks=[sink])
    threading.Timer(0.8, lambda: sink.wanted.append("pause")).start()
    threading.Timer(1.3, lambda: sink.wanted.append("pause")).start()
    made.run()
    assert kinds(sink.pictures).endswith("LsL") and hides_the_room([sink])


def test_somebody_quits():
    """A camera without end is left at once."""
    sink = KeptSink()
    made, _ = live("ok*100000", sinks=[sink])
    threading.Timer(0.5, lambda: sink.wanted.append("quit")).start()
    begun = time.monotonic()
    made.run()
    assert time.monotonic() - begun < 5 and sink.closed == 1


def test_seconds_end_it():
    """Whatever the camera does."""
    made, _ = live("ok*100000", seconds=0.5)
    made.run()
    assert 0.5 <= made.tally.elapsed < 3


def test_the_original_goes_to_a_window_alone_and_only_when_asked_for():
    """Other sinks never get it."""

    class Window(KeptSink):
        sees_room = True

        def show(self, picture, original, seconds):
            super().show(picture, original, seconds)
            seen[self].append(original is not None)

    window, other = Window(), KeptSink()
    other.show = lambda picture, original, seconds: seen[other].append(original is not None)  # type: ignore[method-assign]
    seen: dict = {window: [], other: []}
    made, _ = live("ok*60 end", sinks=[window, other], side_by_side=True)
    made.run()
    assert any(seen[window]) and not any(seen[other]) and seen[other]
    seen = {window: [], other: []}
    made, _ = live("ok*60 end", sinks=[window, other])
    made.run()
    assert not any(seen[window])


def test_a_long_run_grows_nothing():
    """Memory, threads and file descriptors, after the first moments; INCOGNITO_SOAK says for how many seconds."""
    seconds = float(os.environ.get("INCOGNITO_SOAK", "60"))
    made, _ = live("ok*1000000", fps=30.0, seconds=seconds, sinks=[NullSink()])
    seen: list[tuple[int, int, int]] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(seconds / 20):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            seen.append((pages * 4096, threading.active_count(), len([*Path("/proc/self/fd").iterdir()])))

    watcher = threading.Thread(target=watch)
    watcher.start()
    made.run()
    stop.set()
    watcher.join()
    calm = seen[len(seen) // 5 + 1 : -1]
    assert max(memory for memory, _, _ in calm) - calm[0][0] < 20e6
    assert len({threads for _, threads, _ in calm}) == 1 and len({files for _, _, files in calm}) <= 2
