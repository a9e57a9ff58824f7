"""Live: capture -> newest frame -> segment, refine, composite -> sinks; and the safe picture whenever in doubt.

The loop and everything it shows run in one thread. A camera's thread leaves frames in a mailbox; models and backgrounds
are loaded in threads of their own. Nothing but a composited frame or the safe picture ever reaches a sink.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from incognito import background as backgrounds
from incognito.background import Background, Blur
from incognito.camera import Camera
from incognito.capture import PATIENCE, Capture
from incognito.composite import exchange
from incognito.errors import IncognitoError, SinkError, first_line
from incognito.follow import Follower
from incognito.frame import Frame, Picture
from incognito.governor import Governor
from incognito.guard import OLDEST, Guard, State, safe_picture
from incognito.loading import Loading
from incognito.mailbox import Mailbox, Shot
from incognito.segment import Segmenter
from incognito.sink import Command, Sink
from incognito.tally import LATENCY, LOOP, Tally
from incognito.timing import Clock

WAIT = 0.1  # seconds that the loop waits for a frame before it looks around
PULSE = 0.5  # seconds between two safe pictures
STRONGER = 1.25  # times, a step of the blur

STATUS = 1.0  # seconds between two looks at the run

Tell = Callable[[str], None]
Status = Callable[["Live"], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted of a live run. `size` is (height, width) of what goes out; `seconds` ends it, None goes on."""

    behind: Sequence[str] = ("blur",)  # backgrounds, one after the other as somebody asks for the next
    model: str = "fast"
    size: tuple[int, int] = (720, 1280)
    fps: float = 30.0
    side_by_side: bool = False
    seconds: float | None = None
    load_model: Callable[[str], Segmenter] = field(default=Segmenter)
    load_background: Callable[[str], Background] = field(default=backgrounds.parse)


class Live:
    """A live run. `tally` has its figures, during it and after."""

    def __init__(
        self,
        camera: Camera,
        sinks: Sequence[Sink],
        plan: Plan,
        governor: Governor | None = None,
        clock: Clock = time.monotonic,
        tell: Tell = lambda line: None,
        status: Status = lambda live: None,
    ) -> None:
        self.tally = Tally(clock)
        self.guard = Guard()
        self._plan, self._clock = plan, clock
        self._tell, self._status = tell, status
        self._camera, self._sinks = camera, list(sinks)
        self._governor = governor or Governor(None, plan.fps, clock=clock)
        self._mailbox, self._follower = Mailbox(), Follower(OLDEST)
        self._capture = Capture(camera, self._mailbox, clock, self.tally)
        self._safe = safe_picture(plan.size)
        self._begun = self._last_shown = self._told = clock()
        self._chosen, self._beside = 0, plan.side_by_side
        self._shape: tuple[int, ...] = ()  # of the camera's last frame: another one is another camera's
        self._paused = self._quit = self._shows_safe = False
        self._loads: list[Loading[Any]] = []

    @property
    def state(self) -> str:
        """What goes out, and why, where it is the safe picture."""
        reason = self.guard.reason
        return self.guard.state.value + (f" ({reason})" if reason else "")

    def run(self) -> None:
        """Run until the stream ends, somebody quits or the time is over. Raises IncognitoError for what ended it."""
        self._camera.open()
        self._tell(f"camera {self._camera.name}: {self._camera.format}")
        opened: list[Sink] = []
        try:
            for sink in self._sinks:
                sink.open(self._plan.size, self._plan.fps)
                opened.append(sink)
                if address := getattr(sink, "url", ""):  # of the page
                    self._tell(f"{sink.name}: {address}")
            self._load()
            self._loop()
        finally:
            self._capture.stop()
            self._close([each for each in opened if each in self._sinks])  # one that failed is closed already

    def _close(self, sinks: Sequence[Sink]) -> None:
        """Close sinks, all of them, and wait for what is still loading; raises what the first could not do."""
        errors = []
        for sink in sinks:
            try:
                sink.close()
            except IncognitoError as error:
                errors.append(error)
        for each in self._loads:
            each.join(PATIENCE)
        if errors:
            raise errors[0]

    def _load(self) -> None:
        plan = self._plan
        self._model = Loading(partial(plan.load_model, plan.model))
        self._places = [Loading(partial(plan.load_background, text)) for text in plan.behind]
        self._loads = [self._model, *self._places]

    def _loop(self) -> None:
        while not self._is_over():
            for command in [each for sink in self._sinks for each in sink.commands()]:
                self._obey(command)
            if not self._capture.started and self._model.value and self._places[self._chosen].value:
                self._capture.start()  # not before, or a film's first seconds would be lost
            shot = self._mailbox.take(WAIT)
            self.tally.captured, self.tally.dropped = self._mailbox.captured, self._mailbox.dropped
            if shot:
                self._turn(shot)
            else:
                self._wait()
            self._report()

    def _report(self) -> None:
        if self._clock() - self._told >= STATUS:
            self._told = self._clock()
            self._status(self)

    def _is_over(self) -> bool:
        """Whether to end; raises what ended the camera or cannot be loaded."""
        errors = [self._capture.error, *(each.error for each in self._loads)]
        for error in filter(None, errors):
            raise error
        out_of_time = self._plan.seconds is not None and self._clock() - self._begun >= self._plan.seconds
        drained = self._capture.ended and not self._mailbox.waiting
        return self._quit or out_of_time or drained

    def _turn(self, shot: Shot) -> None:
        """Take one frame all the way."""
        start = self._clock()
        picture = None if self._paused else self._composited(shot)
        if picture is None:
            self._show_safe()
            return
        original = shot.pixels if self._beside and self.guard.state is State.LIVE else None
        with self.tally.stage("sink"):
            self._show(picture, original)
        self._shows_safe = False
        self.tally.processed += 1
        self.tally.add(LOOP, self._clock() - start)
        self.tally.add(LATENCY, self._clock() - shot.seconds)
        self._governor.note(self._clock() - start)

    def _composited(self, shot: Shot) -> Picture | None:
        """A frame without its room; None where that cannot be had, and the guard knows why."""
        segmenter, background = self._model.value, self._places[self._chosen].value
        if not segmenter or not background:
            self.guard.trip("still loading")
            return None
        if shot.pixels.shape != self._shape:
            self._follower.forget()
            self._shape = shot.pixels.shape
        try:
            frame = Frame(_fitted(shot.pixels, self._plan.size))
            matte, seconds = self._follower.matte(frame, shot.seconds, segmenter, self._governor.every, self.tally)
            if not self.guard.permits(shot.seconds, seconds):
                self._follower.forget()
                return None
            with self.tally.stage("composite"):
                return exchange(frame, matte, background, self._clock() - self._begun)
        except Exception as error:  # whatever went wrong, the room stays hidden, and the next frame is tried
            self._follower.forget()
            self.guard.trip(first_line(error))
            return None

    def _wait(self) -> None:
        """Nothing came: what was shown last must not stand there like a picture of now."""
        if self._clock() - self._last_shown >= max(OLDEST, 3 / (self._plan.fps or 30)):
            self.guard.trip(self._capture.away or "no frames from the camera")
            self._follower.forget()
            self._show_safe()

    def _show_safe(self) -> None:
        """Show the safe picture: at once after a frame, and then as often as keeps a call alive."""
        if not self._shows_safe or self._clock() - self._last_shown >= PULSE:
            self.tally.safe += 1
            self._show(self._safe, None)
            self._shows_safe = True

    def _show(self, picture: Picture, original: Picture | None) -> None:
        self._last_shown = self._clock()
        for sink in list(self._sinks):
            try:
                sink.show(picture, original if sink.sees_room else None, self._last_shown - self._begun)
            except IncognitoError as error:
                self._drop(sink, error)

    def _drop(self, sink: Sink, error: IncognitoError) -> None:
        """Close a sink that failed; the last one's failure ends the run."""
        self._sinks.remove(sink)
        with suppress(IncognitoError):  # it failed already
            sink.close()
        if not self._sinks:
            raise SinkError(f"{sink.name}: {error}")
        self._tell(f"{sink.name} is closed: {error}")

    def _obey(self, command: Command) -> None:
        if command == "quit":
            self._quit = True
        elif command == "pause":
            self._paused = not self._paused
            self.guard.trip("paused")
            self._follower.forget()
        elif command == "side-by-side":
            self._beside = not self._beside
        elif command == "background":
            self._chosen = (self._chosen + 1) % len(self._places)
        else:
            self._bend_blur(STRONGER if command == "stronger" else 1 / STRONGER)

    def _bend_blur(self, times: float) -> None:
        background = self._places[self._chosen].value
        if isinstance(background, Blur):
            background.strength = min(max(background.strength * times, 1.0), float(backgrounds.STRONGEST))


def _fitted(pixels: Picture, size: tuple[int, int]) -> Picture:
    return pixels if pixels.shape[:2] == size else backgrounds.cover(pixels, size)
