"""The live page's connection: frames and wishes in, composited pictures and figures out, over one WebSocket.

The loop is `incognito.live`'s, in a thread: what it never shows elsewhere it does not show here. Of pictures that the
browser does not take in time, the newest alone is sent.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from contextlib import suppress
from functools import partial
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field, ValidationError

from incognito.background import Background, Transparent
from incognito.camera import Camera
from incognito.errors import IncognitoError, first_line
from incognito.live import Live, Plan
from incognito.runtime import cores
from incognito.segment import Segmenter
from incognito.sink import Asked, Sink
from incognito.studio.house import DEFAULT, House
from incognito.studio.visit import STAMP, PageCamera, PageSink
from incognito.tally import LATENCY
from incognito.virtual import VirtualCamera
from incognito.webcam import Webcam

routes = APIRouter()

FPS = 30
STAGES = ("capture", "segment", "refine", "composite", "sink")
FAREWELL = 1.0  # seconds that the last notes may take to go out
HELLO = 10.0  # seconds that a page may take to say what it wants
HANDOVER = 3.0  # seconds that a page waits for the run before it to end: what that loads must come to an end
NOTHING = "made:checker"
ALREADY = "another page is live; close it first"


class Wish(BaseModel):
    """What a page wants: at first all of it, later what is to change."""

    camera: str = Field("page", pattern=r"^(page|\d{1,2})$")
    width: int = Field(1280, ge=64, le=1920)
    height: int = Field(720, ge=64, le=1088)
    background: str = Field("blur", max_length=80)
    model: str = Field(DEFAULT, max_length=40)
    virtual: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, even numbers."""
        return self.height // 2 * 2, self.width // 2 * 2


class Change(BaseModel):
    """What a page wants otherwise, or that it wants no more."""

    background: str | None = Field(None, max_length=80)
    model: str | None = Field(None, max_length=40)
    stop: bool = False


class Outbox:
    """What the loop's thread leaves for the connection: the newest picture, and every note."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._picture: bytes | None = None
        self._notes: list[dict[str, Any]] = []
        self._over = False

    def picture(self, message: bytes) -> None:
        """Leave a picture in the place of one that was not sent."""
        self._picture = message
        self._ring()

    def note(self, **words: Any) -> None:
        """Leave a note."""
        self._notes.append(words)
        self._ring()

    def end(self) -> None:
        """Leave nothing more."""
        self._over = True
        self._ring()

    async def send_all(self, socket: WebSocket) -> None:
        """Send what is left until the end."""
        while not self._over or self._notes:
            await self._wake.wait()
            self._wake.clear()
            while self._notes:
                await socket.send_json(self._notes.pop(0))
            message, self._picture = self._picture, None
            if message is not None:
                await socket.send_bytes(message)

    def _ring(self) -> None:
        with suppress(RuntimeError):  # the server's loop is closed: nobody is left to hear it
            self._loop.call_soon_threadsafe(self._wake.set)


class Broadcast:
    """A live run for one page."""

    def __init__(self, wish: Wish, house: House, outbox: Outbox) -> None:
        self._outbox = outbox
        self.sink = PageSink(outbox.picture)
        self.frames = PageCamera(wish.size) if wish.camera == "page" else None
        camera: Camera = self.frames or Webcam(int(wish.camera), wish.size, FPS)
        sinks: list[Sink] = [self.sink, *([VirtualCamera()] if wish.virtual else [])]
        loads: dict[str, Any] = {"load_model": partial(_model, house), "load_background": partial(_behind, house)}
        plan = Plan((wish.background,), wish.model, wish.size, FPS, **loads)
        self._live = Live(camera, sinks, plan, tell=self._tell, status=self._report)
        self.sink.stamp = self._stamp
        self._thread = threading.Thread(target=self._run, name="live")
        self._thread.start()

    def end(self) -> None:
        """Stop the run."""
        self.sink.ask("quit")
        if self.frames:
            self.frames.end()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._live.run()
            self._outbox.note(kind="end", text="")
        except IncognitoError as error:
            self._outbox.note(kind="end", text=str(error))
        except Exception as error:  # nothing that happens here may end the server
            self._outbox.note(kind="end", text=f"live has ended ({first_line(error)}); begin again")
        finally:
            self._outbox.end()

    def _tell(self, line: str) -> None:
        self._outbox.note(kind="note", text=line)

    def _stamp(self) -> float:
        shown = self._live.shown
        return math.nan if shown is None or not self.frames else self.frames.stamp_of(shown)

    def _report(self, live: Live) -> None:
        tally = live.tally
        self._outbox.note(
            kind="meter",
            state=live.state,
            processed=tally.processed,
            seconds=tally.elapsed,
            dropped=tally.dropped,
            latency=_finite(tally.milliseconds(LATENCY, 50)),
            stages={name: _finite(tally.milliseconds(name, 50)) for name in STAGES},
            cpu=tally.cpu_percent / cores(),
        )


@routes.websocket("/studio/live")
async def live(socket: WebSocket) -> None:
    """Serve one page; a second one is turned away."""
    house: House = socket.app.state.house
    await socket.accept()
    if not await _took_the_air(house):
        await socket.send_json({"kind": "end", "text": ALREADY})
        return await socket.close(1013)
    try:
        await _serve(socket, house)
    except (WebSocketDisconnect, ValidationError, IncognitoError, TimeoutError) as error:
        with suppress(RuntimeError, WebSocketDisconnect):  # it may be gone
            await socket.send_json({"kind": "end", "text": first_line(error)})
            await socket.close(1008)
    finally:
        house.on_air.release()


async def _took_the_air(house: House) -> bool:
    """Take the one place there is, if need be once the run before has ended; False where it goes on."""
    until = time.monotonic() + HANDOVER
    while not house.on_air.acquire(blocking=False):
        if time.monotonic() >= until:
            return False
        await asyncio.sleep(0.05)
    return True


async def _serve(socket: WebSocket, house: House) -> None:
    wish = Wish.model_validate_json(await asyncio.wait_for(socket.receive_text(), HELLO))
    house.models.find(wish.model)
    house.places.find(wish.background)
    outbox = Outbox()
    broadcast = Broadcast(wish, house, outbox)
    listening = asyncio.create_task(_listen(socket, broadcast, house))
    sending = asyncio.create_task(outbox.send_all(socket))
    sending.add_done_callback(lambda task: task.cancelled() or task.exception())  # it fails where the page is gone
    try:
        await asyncio.wait({listening, sending}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        broadcast.end()
        await asyncio.to_thread(broadcast.join)
        await asyncio.wait({sending}, timeout=FAREWELL)
        for task in (listening, sending):
            task.cancel()
        heard, _ = await asyncio.gather(listening, sending, return_exceptions=True)
    if isinstance(heard, IncognitoError | ValidationError):
        raise heard


async def _listen(socket: WebSocket, broadcast: Broadcast, house: House) -> None:
    """Take frames and wishes until the page is gone or asks for the end."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if frame := message.get("bytes"):
            if broadcast.frames and len(frame) > STAMP.size:
                broadcast.frames.give(frame)
        elif not _obey(Change.model_validate_json(message.get("text") or "{}"), broadcast, house):
            return


def _obey(change: Change, broadcast: Broadcast, house: House) -> bool:
    """Pass a wish on to the loop; False for the end. Raises IncognitoError for what there is not."""
    if change.background is not None:
        house.places.find(change.background)
        broadcast.sink.ask(Asked("background", change.background))
    if change.model is not None:
        house.models.find(change.model)
        broadcast.sink.ask(Asked("model", change.model))
    return not change.stop


def _model(house: House, name: str, threads: int | None, running: Segmenter | None) -> Segmenter:
    """A model, on the one thread that the studio has for each, whatever else is running."""
    return house.models.open(name)


def _behind(house: House, word: str) -> Background:
    """A background that a picture without alpha can have: for nothing, how nothing is shown."""
    background = house.places.find(word)
    return house.places.find(NOTHING) if isinstance(background, Transparent) else background


def _finite(number: float) -> float | None:
    return None if math.isnan(number) else round(number, 2)
