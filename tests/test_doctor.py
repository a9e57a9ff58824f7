"""The doctor: each check finds what is there, says what to do, and never breaks down."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from making import add_variant

import incognito
from incognito import choice, doctor, machine, runtime
from incognito.doctor import CHECKS, Finding
from incognito.errors import CameraError, ModelError
from incognito.timing import FakeClock, Stopwatch


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **functions: object) -> None:
    """Put a module with these functions in the place of one of the package's."""
    module = ModuleType(f"incognito.{name}")
    module.__dict__.update(functions)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(incognito, name, module, raising=False)


def camera(index: int, name: str, *formats: str) -> SimpleNamespace:
    return SimpleNamespace(index=index, name=name, formats=formats)


def findings(title: str) -> list[Finding]:
    return doctor._findings(title, *CHECKS[title])


def finding(title: str) -> Finding:
    (only,) = findings(title)
    return only


def test_each_camera_has_a_line_with_its_formats(monkeypatch):
    """By the number that --camera takes."""
    cameras = [camera(0, "Brio", "MJPEG 1280x720 30", "YUYV 640x480 30"), camera(2, "Loop")]
    stand_in(monkeypatch, "webcam", found=lambda: cameras)
    assert findings("camera") == [
        Finding("ok", "camera", "0: Brio (MJPEG 1280x720 30, YUYV 640x480 30)"),
        Finding("ok", "camera", "2: Loop (formats are not told here)"),
    ]


@pytest.mark.parametrize(
    ("system", "word"), [("Linux", "video"), ("Darwin", "Privacy"), ("Windows", "Privacy"), ("Plan9", "plug")]
)
def test_no_camera_is_missing(monkeypatch, system, word):
    """For live cannot do without; the remedy is this system's."""
    monkeypatch.setattr(doctor.platform, "system", lambda: system)
    stand_in(monkeypatch, "webcam", found=list)
    assert (finding("camera").level, finding("camera").text) == ("missing", "none was found")
    assert word in finding("camera").remedy


@pytest.mark.parametrize(
    ("system", "word"),
    [("Linux", "modprobe"), ("Darwin", "OBS"), ("Windows", "UnityCapture"), ("Plan9", "docs/live.md")],
)
def test_no_driver_is_worth_attention_only(monkeypatch, system, word):
    """For a window and the page work without; the remedy is this system's."""
    monkeypatch.setattr(doctor.platform, "system", lambda: system)
    stand_in(monkeypatch, "virtual", driver=lambda: (False, "there is none"))
    assert (finding("virtual camera").level, finding("virtual camera").text) == ("attention", "there is none")
    assert word in finding("virtual camera").remedy
    assert "--to window" in finding("virtual camera").remedy


def test_a_driver_that_is_there_is_ok(monkeypatch):
    """And needs no remedy."""
    stand_in(monkeypatch, "virtual", driver=lambda: (True, "v4l2loopback: /dev/video9"))
    assert finding("virtual camera") == Finding("ok", "virtual camera", "v4l2loopback: /dev/video9")


@pytest.mark.parametrize(("title", "module"), [("camera", "webcam"), ("virtual camera", "virtual")])
def test_the_real_parts_answer(title, module):
    """Whatever is plugged in and installed here: the modules have the names and give what the doctor reads."""
    pytest.importorskip(f"incognito.{module}")
    assert all(line.remedy != doctor.BROKEN for line in findings(title))


@pytest.mark.parametrize("there", [True, False])
def test_the_windows_extra_is_looked_for(monkeypatch, there):
    """Without loading it; its absence names what to install."""
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: (name == "pygame" and there) or None)
    assert finding("window").level == ("ok" if there else "attention")
    assert ("incognito[window]" in finding("window").remedy) is not there


@pytest.mark.parametrize(
    ("flags", "level"),
    [(["avx2"], "ok"), (["neon"], "ok"), (["avx512f", "avx2"], "ok"), ([], "attention"), (None, "attention")],
)
def test_the_processor_is_judged_by_its_flags(monkeypatch, flags, level):
    """What is not told is worth attention, not an alarm."""
    monkeypatch.setattr(machine, "name", lambda: "Abacus")
    monkeypatch.setattr(machine, "flags", lambda: flags)
    assert finding("processor").level == level
    assert finding("processor").text.startswith("Abacus")
    assert all(flag in finding("processor").text for flag in flags or ())


@pytest.mark.parametrize(("cores", "level"), [(1, "attention"), (2, "ok"), (64, "ok")])
def test_one_core_is_worth_attention(monkeypatch, cores, level):
    """Capture and network would wait for each other."""
    monkeypatch.setattr(runtime, "cores", lambda: cores)
    assert finding("cores").level == level
    assert str(cores) in finding("cores").text


def test_the_model_that_runs_is_named_and_why(toys, monkeypatch):
    """All candidates with their verdicts, the chosen one first."""
    monkeypatch.setattr("incognito.zoo.find", lambda name, find=incognito.zoo.find: find("toy"))
    assert finding("model") == Finding("ok", "model", "toy onnxruntime: the only one that may run")
    add_variant(toys, iou=0.95)
    add_variant(toys, precision="float16", iou=0.9)
    times, rests = {"toy onnxruntime": 5.0, "toy.int8 onnxruntime": 2.0}, []
    monkeypatch.setattr("incognito.choice.race", lambda runs, watch, pause: rests.append(*pause.args) or times)
    told = (
        "toy.int8 onnxruntime: the fastest of 2 that may run, 2.0 ms",
        "toy onnxruntime: slower, 5.0 ms",
        "toy.float16 onnxruntime: loses 0.0500 IoU",
    )
    first, *others = finding("model").text.split("; ")
    assert (first, sorted(others)) == (told[0], sorted(told[1:]))
    assert rests == [choice.REST]  # as live chooses


def test_frames_are_timed_for_two_seconds():
    """To and fro, after one that is not counted."""
    clock, shown = FakeClock(), []

    def removal(frame, seconds):
        shown.append("abc"[frame.pixels[0, 0, 0]])
        clock.advance(0.25 if len(shown) % 2 else 0.125)

    stopwatch = Stopwatch(clock)
    assert (
        doctor.time_frames(removal, [np.full((2, 2, 3), shade, np.uint8) for shade in range(3)], stopwatch) == 11 / 2.0
    )
    assert "".join(shown) == "a" + "abcbabcbabc"
    assert (stopwatch.count(doctor.FRAME), stopwatch.milliseconds(doctor.FRAME, 50)) == (11, 125.0)


def test_a_real_removal_is_timed(monkeypatch):
    """The shipped model on 720p frames of the portrait: p50, p95 and frames a second."""
    monkeypatch.setattr(doctor, "SECONDS", 0.0)
    assert finding("speed").text.startswith("1280x720, blurred: ")
    assert all(word in finding("speed").text for word in ("p50", "p95", "1280x720", "frames a second"))


@pytest.mark.parametrize(("milliseconds", "level"), [(8.0, "ok"), (33.0, "ok"), (34.0, "attention")])
def test_less_than_thirty_frames_a_second_is_worth_attention(monkeypatch, milliseconds, level):
    """With what to ask for instead."""

    def time_frames(removal, frames, stopwatch):
        assert [frame.shape for frame in frames] == [(720, 1280, 3)] * doctor.FRAMES
        return 1000 / milliseconds

    monkeypatch.setattr("incognito.segment.beside", lambda *_: None)
    monkeypatch.setattr(doctor, "time_frames", time_frames)
    monkeypatch.setattr(Stopwatch, "milliseconds", lambda *_: milliseconds)
    assert finding("speed").level == level
    assert ("--size" in finding("speed").remedy) is (level == "attention")


def test_versions_are_on_one_line():
    """Of all that a report of a fault should name."""
    found = findings("versions")
    for name in ("incognito", "Python", "numpy", "OpenCV", "onnxruntime", "openvino", "PyAV"):
        assert f"{name} " in found[0].text
    assert found[0].level == "ok"


def test_a_runtime_that_is_not_there_is_told(monkeypatch):
    """It is worth attention: the other one runs."""
    monkeypatch.setattr(runtime, "is_installed", lambda name: name == "onnxruntime")
    lines = findings("versions")
    assert [line.level for line in lines] == ["ok", "attention"]
    assert "openvino" not in lines[0].text
    assert lines[1].remedy.startswith("pip install openvino")


FAULTS = [
    (CameraError("the camera is busy; close what uses it"), "the camera is busy", "close what uses it"),
    (ModelError("broken"), "broken", doctor.BROKEN),
    (ImportError("libGL.so.1: no such file\nmore"), "libGL.so.1: no such file", doctor.BROKEN),
    (ZeroDivisionError(), "ZeroDivisionError", doctor.BROKEN),
]


@pytest.mark.parametrize(("needed", "level"), [(True, "missing"), (False, "attention")])
@pytest.mark.parametrize(("error", "text", "remedy"), FAULTS)
def test_a_check_that_fails_is_a_finding(error, text, remedy, needed, level):
    """In one line, with a remedy; what it found before is not half of an answer."""

    def check():
        yield "ok", "so far", ""
        raise error

    assert doctor._findings("it", check, needed) == [Finding(level, "it", text, remedy)]


def test_every_check_fails_as_a_finding(monkeypatch):
    """A module that cannot be loaded, whichever it is, ends no examination."""
    broken = ("av", "webcam", "virtual", "choice", "demo", "runtime")
    for name in broken:
        stand_in(monkeypatch, name)
    monkeypatch.setattr(machine, "flags", lambda: 1 / 0)
    found = {each.title: each for each in doctor.examine()}
    assert set(found) == set(CHECKS)
    for title, (_, needed) in CHECKS.items():
        assert found[title].level in (("missing",) if needed else ("attention", "ok")), title
        assert (found[title].level == "ok") is not bool(found[title].remedy)


def checks(*levels: str) -> dict:
    """A check for each level, by the level's name."""

    def check(level):
        return lambda: iter([(level, "told", "" if level == "ok" else "do this")])

    return {level: (check(level), True) for level in levels}


@pytest.mark.parametrize(
    ("levels", "code"), [(["ok"], 0), (["ok", "attention"], 0), (["missing", "ok"], 1), (["attention", "missing"], 1)]
)
def test_the_exit_code_tells_whether_something_is_missing(run, monkeypatch, levels, code):
    """Each line begins with its level and is printed, and its remedy below it."""
    monkeypatch.setattr(doctor, "CHECKS", checks(*levels))
    ended, out, err = run("doctor")
    assert (ended, err) == (code, "")
    assert [line.split()[0] for line in out.splitlines() if "->" not in line] == levels
    assert out.count("-> do this") == sum(level != "ok" for level in levels)
