"""The doctor: what `incognito live` needs, what of it is here, and what to do about the rest."""

from __future__ import annotations

import importlib.util
import itertools
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from incognito import __version__, machine
from incognito.errors import first_line
from incognito.timing import Stopwatch

if TYPE_CHECKING:
    from incognito.choice import Candidate
    from incognito.frame import Picture
    from incognito.pipeline import Removal

Level = Literal["ok", "attention", "missing"]
Answer = tuple[Level, str, str]  # how it is, what was found, what to do

SECONDS = 2.0  # of the speed figure
FRAMES = 8  # of the demonstration's film, shown to and fro
WANTED = 30  # frames a second
FRAME = "frame"  # the stopwatch's name for the whole of one

CAMERAS = {  # by system: why there may be none
    "Linux": "plug one in, or hand its /dev/video* into this container; if `ls -l /dev/video*` shows one, "
    "close what uses it, and `sudo usermod -aG video $USER`, then log in again",
    "Darwin": "plug one in; allow this terminal under System Settings, Privacy & Security, Camera",
    "Windows": "plug one in; let desktop apps use it under Settings, Privacy & security, Camera",
}
DRIVERS = {  # by system: what makes a virtual camera
    "Linux": "sudo apt install v4l2loopback-dkms && sudo modprobe v4l2loopback exclusive_caps=1 card_label=Incognito",
    "Darwin": "install OBS 30 or newer, start its virtual camera once and allow its extension",
    "Windows": "install OBS, or UnityCapture by its Install.bat",
}
OTHERWISE = "live --to window and --to page work without"
LESS = "close other programs, or ask live for less: --size 640x360 or --fps 15"
BROKEN = "install Incognito again, and report this line if it stays"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's: how it is, with what, what was found and, where it is not ok, what to do."""

    level: Level
    title: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"\n{'':<10} {'':<15} -> {self.remedy}" if self.remedy else ""
        return f"{self.level:<10} {self.title:<15} {self.text}{remedy}"


def examine() -> Iterator[Finding]:
    """Make every check in turn; takes two seconds, and two more where a model is chosen for the first time."""
    for title, (check, needed) in CHECKS.items():
        yield from _findings(title, check, needed)


def time_frames(removal: Removal, frames: Sequence[Picture], stopwatch: Stopwatch) -> float:
    """Take frames, shown to and fro, through a removal for SECONDS; give how many went through in a second.

    The stopwatch gets each one's time as FRAME.
    """
    from incognito.frame import Frame

    with stopwatch.paused():
        removal(Frame(frames[0]), 0.0)
    begun = stopwatch.elapsed
    for frame in itertools.cycle([*frames, *frames[-2:0:-1]]):
        with stopwatch.stage(FRAME):
            removal(Frame(frame), 0.0)
        if stopwatch.elapsed - begun >= SECONDS:
            break
    return stopwatch.count(FRAME) / (stopwatch.elapsed - begun)


def _findings(title: str, check: Callable[[], Iterator[Answer]], needed: bool) -> list[Finding]:
    """What a check finds; a check that fails has found something too."""
    try:
        return [Finding(level, title, text, remedy) for level, text, remedy in check()]
    except Exception as error:  # whatever is broken here is what the doctor was called for
        text, _, remedy = first_line(error).partition("; ")  # our own errors name the remedy so
        return [Finding("missing" if needed else "attention", title, text, remedy or BROKEN)]


def _versions() -> Iterator[Answer]:
    import av
    import cv2
    import numpy as np

    from incognito import choice, runtime

    there = {name: choice.version(name) for name in runtime.installed()}
    ours = {"incognito": __version__, "Python": platform.python_version()}
    every = ours | {"numpy": np.__version__, "OpenCV": cv2.__version__} | there | {"PyAV": av.__version__}
    yield "ok", ", ".join(f"{name} {version}" for name, version in every.items()), ""
    for name in runtime.RUNTIMES.keys() - there:
        yield "attention", f"{name} is not there", f"pip install {name}; a model may run faster on it"


def _processor() -> Iterator[Answer]:
    flags = machine.flags()
    if flags is None:
        yield "attention", f"{machine.name()}; what it can do is not told here", "trust the line on speed alone"
    elif {"avx2", "neon"} & {*flags}:
        yield "ok", machine.cpu(), ""
    else:
        yield "attention", f"{machine.cpu()}, without avx2: networks are slow here", LESS


def _cores() -> Iterator[Answer]:
    from incognito import runtime

    count = runtime.cores()
    if count > 1:
        yield "ok", f"{count} may be used", ""
    else:
        yield "attention", "1 may be used: capture and network wait for each other", LESS


def _cameras() -> Iterator[Answer]:
    from incognito import webcam

    found = webcam.found()
    for each in found:
        formats = ", ".join(map(str, each.formats)) or "formats are not told here"
        yield "ok", f"{each.index}: {each.name} ({formats})", ""
    if not found:
        yield "missing", "none was found", CAMERAS.get(platform.system(), "plug one in")


def _virtual_camera() -> Iterator[Answer]:
    from incognito import virtual

    there, text = virtual.driver()
    if there:
        yield "ok", text, ""
    else:
        yield "attention", text, f"{DRIVERS.get(platform.system(), 'see docs/live.md')}; {OTHERWISE}"


def _window() -> Iterator[Answer]:
    from incognito import choice

    if importlib.util.find_spec("pygame"):
        yield "ok", f"pygame-ce {choice.version('pygame-ce')}".strip(), ""
    else:
        yield "attention", "pygame-ce is not there", "pip install 'incognito[window]'; live --to page works without"


def _model() -> Iterator[Answer]:
    from incognito import choice, zoo

    chosen = choice.choose(zoo.find("fast"), rest=choice.REST)
    allowed = sum(not each.refused for each in chosen.candidates)
    why = f"the fastest of {allowed} that may run" if allowed > 1 else "the only one that may run"
    others = [each for each in chosen.candidates if each is not chosen.best]
    told = [_timed(chosen.best, why), *(_timed(each, chosen.verdict(each)) for each in others)]
    yield "ok", "; ".join(told), ""


def _timed(candidate: Candidate, verdict: str) -> str:
    time = f", {candidate.milliseconds:.1f} ms" if candidate.milliseconds else ""
    return f"{candidate.name}: {verdict}{time}"


def _speed() -> Iterator[Answer]:
    from incognito import demo, hands
    from incognito.background import Blur
    from incognito.pipeline import Removal
    from incognito.segment import beside

    segmenter, still = beside("fast", None, None), demo.portrait().pixels
    frames = [demo.camera_view(still, number / demo.RATE) for number in range(FRAMES)]
    stopwatch = Stopwatch()
    with hands.pinned(hands.worth(demo.SIZE)):
        rate = time_frames(Removal(segmenter, Blur(), stopwatch), frames, stopwatch)
    half, most = (stopwatch.milliseconds(FRAME, percentile) for percentile in (50, 95))
    text = f"1280x720, blurred: {half:.1f} ms a frame at p50, {most:.1f} at p95, {rate:.0f} frames a second"
    if most <= 1000 / WANTED:
        yield "ok", text, ""
    else:
        yield "attention", f"{text}; {WANTED} need {1000 / WANTED:.0f} ms at p95", LESS


CHECKS: dict[str, tuple[Callable[[], Iterator[Answer]], bool]] = {  # by title; True where live cannot do without
    "versions": (_versions, True),
    "processor": (_processor, False),
    "cores": (_cores, False),
    "camera": (_cameras, True),
    "virtual camera": (_virtual_camera, False),
    "window": (_window, False),
    "model": (_model, True),
    "speed": (_speed, True),
}
