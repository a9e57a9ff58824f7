"""Live: capture -> newest frame -> segment, refine, composite -> sinks; and the safe picture whenever in doubt.

The loop and everything it shows run in one thread. A camera's thread leaves frames in a mailbox; a frame is composited
in a thread that the loop does not wait for too long; models and backgrounds are loaded in threads of their own. Nothing
but a composited frame or the safe picture ever reaches a sink.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from incognito import background as backgrounds
from incognito import hands
from incognito.aside import Aside, Late
from incognito.background import Background, Blur
from incognito.camera import Camera
from incognito.capture import PATIENCE, Capture
from incognito.composite import exchange
from incognito.errors import IncognitoError, SinkError, first_line
from incognito.follow import Follower
from incognito.frame import Frame, Picture
from incognito.governor import Governor, Step
from incognito.guard import OLDEST, Guard, State, safe_picture
from incognito.loading import Loading
from incognito.mailbox import Mailbox, Shot
from incognito.segment import Segmenter, beside
from incognito.sink import Asked, Command, Sink
from incognito.tally import LATENCY, LOOP, Tally
from incognito.timing import Clock

WAIT = 0.1  # seconds that the loop waits for a frame before it looks around
PULSE = 0.5  # seconds between two safe pictures
STRONGER = 1.25  # times, a step of the blur
LATE = 0.5  # seconds that a frame may take: after that, what stands is no picture of now
TOO_LONG = "a frame takes too long"
UNWATCHED = 10.0  # seconds after which the camera is let go where nobody looks

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
    # of a name, on so many threads, beside the one that runs, if any
    load_model: Callable[[str, int | None, Segmenter | None], Segmenter] = field(default=beside)
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
        self._governor = governor or Governor(None, plan.fps, plan.model, clock)
        self._mailbox, self._follower = Mailbox(), Follower(OLDEST)
        self._capture = Capture(camera, self._mailbox, clock, self.tally)
        self._safe = safe_picture(plan.size)
        self.shown: float | None = None  # when the picture that goes out was captured; None for the safe one
        self._begun = self._last_shown = self._told = clock()
        self._chosen, self._beside = 0, plan.side_by_side
        self._shape: tuple[int, ...] = ()  # of the camera's last frame: another one is another camera's
        self._paused = self._quit = self._shows_safe = self._stale = False
        self._watched = self._begun
        self._asleep = False
        self._loads: list[Loading[Any]] = []  # what the run cannot do without
        self._models: dict[tuple[str, int | None, float], Loading[Segmenter]] = {}
        self._hands = hands.worth(plan.size)
        self._asked: Loading[Background] | None = None  # a background that is to come once it is loaded

    @property
    def state(self) -> str:
        """What goes out, and why, where it is the safe picture."""
        reason = self.guard.reason
        return self.guard.state.value + (f" ({reason})" if reason else "")

    def run(self) -> None:
        """Run until the stream ends, somebody quits or the time is over. Raises IncognitoError for what ended it."""
        with hands.pinned(self._hands):
            self._run()

    def _run(self) -> None:
        self._camera.open()
        self._aside = Aside()
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
            self._aside.close(PATIENCE)
            self._close([each for each in opened if each in self._sinks])  # one that failed is closed already

    def _close(self, sinks: Sequence[Sink]) -> None:
        """Close sinks, all of them, and wait for what is still loading; raises what the first could not do."""
        errors = []
        for sink in sinks:
            try:
                sink.close()
            except IncognitoError as error:
                errors.append(error)
        for each in [*self._loads, *self._models.values()]:
            each.join(PATIENCE)
        if errors:
            raise errors[0]

    def _load(self) -> None:
        plan = self._plan
        self._model = self._load_model(self._governor.step)
        self._places = [Loading(partial(plan.load_background, text)) for text in plan.behind]
        self._loads = [self._model, *self._places]

    def _loop(self) -> None:
        while not self._is_over():
            for command in [each for sink in self._sinks for each in sink.commands()]:
                self._obey(command)
            if not self._capture.started and self._model.value and self._places[self._chosen].value:
                self._capture.start()  # not before, or a film's first seconds would be lost
            shot = self._next()
            self.tally.captured, self.tally.dropped = self._mailbox.captured, self._mailbox.dropped
            if shot:
                self._turn(shot)
            else:
                self._wait()
            self._report()

    def _next(self) -> Shot | None:
        """The newest frame; none while the last one's memory is still being read."""
        if self._aside.busy:
            self._aside.wait(WAIT)
            return None
        return self._mailbox.take(WAIT)

    def _report(self) -> None:
        if self._clock() - self._told >= STATUS:
            self._told = self._clock()
            self._status(self)
            self._doze()

    def _doze(self) -> None:
        """Let go of a camera whose pictures nobody looks at, where that can be told, and take it again."""
        if not self._camera.lasting or any(sink.watched() is not False for sink in self._sinks):
            self._watched = self._clock()
        asleep = self._clock() - self._watched >= UNWATCHED
        if asleep != self._asleep:
            (self._capture.rest if asleep else self._capture.wake)()
            self._asleep = asleep

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
        self._exchange()
        if self._paused:
            self._show_safe()
            return
        start = self._clock()
        if (picture := self._composited(shot)) is None:
            self._show_safe()
        else:
            self._put(picture, shot, start)
        self._governor.note(self._clock() - start)

    def _put(self, picture: Picture, shot: Shot, start: float) -> None:
        """Show what was made of a frame since `start`, and count it."""
        self.shown = shot.seconds
        original = shot.pixels if self._beside and self.guard.state is State.LIVE else None
        with self.tally.stage("sink"):
            self._show(picture, original)
        self._shows_safe = False
        self.tally.processed += 1
        self.tally.add(LOOP, self._clock() - start)
        self.tally.add(LATENCY, self._clock() - shot.seconds)

    def _composited(self, shot: Shot) -> Picture | None:
        """A frame without its room; None where that cannot be had, and the guard knows why."""
        segmenter, background = self._segmenter(), self._places[self._chosen].value
        if not segmenter or not background:
            self.guard.trip("still loading")
            return None
        if self._stale or shot.pixels.shape != self._shape:
            self._follower.forget()
            self._stale, self._shape = False, shot.pixels.shape
        try:
            picture, seconds = self._aside.run(partial(self._made, shot, segmenter, background), LATE)
        except Late:
            self._distrust(TOO_LONG)
            return None
        except Exception as error:  # whatever went wrong, the room stays hidden, and the next frame is tried
            self._distrust(first_line(error))
            return None
        if not self.guard.permits(shot.seconds, seconds):
            self._stale = True
            return None
        return picture

    def _made(self, shot: Shot, segmenter: Segmenter, background: Background) -> tuple[Picture, float]:
        """A frame without its room, and the time of the frame that its matte is right for."""
        frame = Frame(_fitted(shot.pixels, self._plan.size))
        every = self._governor.step.every
        matte, seconds = self._follower.matte(frame, shot.seconds, segmenter, every, self.tally)
        with self.tally.stage("composite"):
            return exchange(frame, matte, background, shot.seconds - self._begun), seconds

    def _segmenter(self) -> Segmenter | None:
        """The model that the governor wants, or the last one while that is loaded; None before there is any."""
        step = self._governor.step
        wanted = self._load_model(step, self._model.value)
        if wanted.value and wanted is not self._model:
            self._model = wanted
            hands.use(step.threads or self._hands)
        return self._model.value

    def _load_model(self, step: Step, running: Segmenter | None = None) -> Loading[Segmenter]:
        """A step's model, which is on its way from the first time on that it is asked for.

        One that runs already is only given other threads and another size: to choose its variant anew would take
        seconds of the call. One that cannot be had leaves the last one running.
        """
        wanted = step.model, step.threads, step.share
        if wanted not in self._models:
            loaded = [each.value for (model, *_), each in self._models.items() if model == step.model and each.value]
            load = partial(self._plan.load_model, step.model, step.threads, running)
            load = partial(loaded[0].on, step.threads, step.share) if loaded else load
            self._models[wanted] = Loading(partial(_warmed, load, self._safe))
        return self._models[wanted]

    def _distrust(self, reason: str) -> None:
        """Show the safe picture, and let the next frame begin anew."""
        self.guard.trip(reason)
        self._stale = True

    def _wait(self) -> None:
        """Nothing came: what was shown last must not stand there like a picture of now."""
        if self._since_shown() >= max(OLDEST, 3 / (self._plan.fps or 30)):
            self._distrust(self._why_nothing_came())
            self._show_safe()

    def _why_nothing_came(self) -> str:
        if self._asleep:
            return "nobody is watching"
        if self._aside.busy:
            return TOO_LONG
        return self._capture.away or "no frames from the camera"

    def _since_shown(self) -> float:
        """Seconds since something was shown; without end where the clock went back."""
        seconds = self._clock() - self._last_shown
        return seconds if seconds >= 0 else math.inf

    def _show_safe(self) -> None:
        """Show the safe picture: at once after a frame, and then as often as keeps a call alive."""
        if not self._shows_safe or self._since_shown() >= PULSE * (2 if self._asleep else 1):
            self.tally.safe += 1
            self.shown = None
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

    def _exchange(self) -> None:
        """Take the background that was asked for, once it is there; until then the last one stands."""
        if self._asked and self._asked.value:
            own = self._places[: len(self._plan.behind)]
            self._places, self._chosen, self._asked = [*own, self._asked], len(own), None

    def _obey(self, command: Command | Asked) -> None:
        if isinstance(command, Asked):
            self._give(command)
        elif command == "quit":
            self._quit = True
        elif command == "pause":
            self._paused = not self._paused
            self._distrust("paused")
        elif command == "side-by-side":
            self._beside = not self._beside
        elif command == "background":
            self._chosen = (self._chosen + 1) % len(self._places)
        else:
            self._bend_blur(STRONGER if command == "stronger" else 1 / STRONGER)

    def _give(self, asked: Asked) -> None:
        """Load what a sink asked for."""
        if asked.what == "background":
            self._asked = Loading(partial(self._plan.load_background, asked.word))
        else:
            self._governor.begin(asked.word)

    def _bend_blur(self, times: float) -> None:
        background = self._places[self._chosen].value
        if isinstance(background, Blur):
            background.strength = min(max(background.strength * times, 1.0), float(backgrounds.STRONGEST))


def _warmed(load: Callable[[], Segmenter], picture: Picture) -> Segmenter:
    """What is loaded, once it was asked for a matte: its first one takes up to four times as long."""
    segmenter = load()
    with suppress(Exception):  # what is wrong is told when a frame is asked about
        segmenter.step(picture, None)
    return segmenter


def _fitted(pixels: Picture, size: tuple[int, int]) -> Picture:
    return pixels if pixels.shape[:2] == size else backgrounds.cover(pixels, size)
