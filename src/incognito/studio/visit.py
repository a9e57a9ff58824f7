"""A browser on the live page, as the loop sees it: a camera that its frames come from, a sink that it looks at."""

from __future__ import annotations

import math
import struct
import threading
import time
from collections import deque
from collections.abc import Callable

import cv2
import numpy as np

from incognito import photo
from incognito.camera import PATIENCE, NoFrame, StreamEnded
from incognito.errors import InputError
from incognito.frame import Picture
from incognito.header import read_header
from incognito.sink import Asked, Command
from incognito.timing import Clock

QUALITY = 85  # of JPEG: nobody sees a difference, at a third of 95's size
LARGEST = 1920 * 1088  # pixels of a frame
STAMP = struct.Struct("<d")  # before every picture: when it was taken, by the browser's clock; NaN for a safe one
KEPT = 64  # frames whose times are remembered


class PageCamera:
    """Frames that a browser sends, the newest only."""

    name = "page"
    lasting = True

    def __init__(self, size: tuple[int, int], clock: Clock = time.monotonic) -> None:
        self.format = f"JPEG {size[1]}x{size[0]} from the browser"
        self._clock = clock
        self._changed = threading.Condition()
        self._newest: bytes | None = None
        self._ended = False
        self._taken: deque[tuple[float, float]] = deque(maxlen=KEPT)  # when read, and the browser's stamp

    def give(self, message: bytes) -> None:
        """Take a message from the browser: a stamp, and a JPEG."""
        with self._changed:
            self._newest = message
            self._changed.notify()

    def end(self) -> None:
        """No more frames will come."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def open(self) -> None:
        """Nothing is to be done: the browser has the camera."""

    def read(self) -> Picture:
        """Wait for a frame and decode it, uint8 RGB (H, W, 3)."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._ended, PATIENCE)
            message, self._newest = self._newest, None
            if self._ended:
                raise StreamEnded
        if message is None:
            raise NoFrame("the browser sends no frames; look at its page")
        pixels = _decode(message[STAMP.size :])
        self._taken.append((self._clock(), STAMP.unpack_from(message)[0]))
        return pixels

    def close(self) -> None:
        """Nothing is to be done."""

    def stamp_of(self, seconds: float) -> float:
        """The browser's stamp of the frame that was captured at a time of the loop's clock; NaN where that is none."""
        return next((stamp for taken, stamp in reversed(list(self._taken)) if taken <= seconds), math.nan)


class PageSink:
    """What the browser shows: every picture as a message, handed on as it comes; and what the page asks for."""

    name = "page"
    sees_room = False

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._asked: deque[Command | Asked] = deque()
        self.stamp: Callable[[], float] = lambda: math.nan  # of the frame that is shown

    def open(self, size: tuple[int, int], fps: float) -> None:
        """Nothing is to be done: the browser is there already."""

    def show(self, picture: Picture, original: Picture | None, seconds: float) -> None:
        """Encode a picture and hand it on."""
        _, jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        self._send(STAMP.pack(self.stamp()) + jpeg.tobytes())

    def ask(self, command: Command | Asked) -> None:
        """Ask the loop for something, from any thread."""
        self._asked.append(command)

    def commands(self) -> list[Command | Asked]:
        """Give what was asked for since the last call."""
        return [self._asked.popleft() for _ in range(len(self._asked))]

    def watched(self) -> bool:
        """It is: or its connection would be closed."""
        return True

    def close(self) -> None:
        """Nothing is to be done."""


def _decode(jpeg: bytes) -> Picture:
    """Decode a browser's frame; raises NoFrame for what is none, so that the next one is waited for."""
    header = read_header(jpeg)
    if header is None or header.width * header.height > LARGEST:
        raise NoFrame("the browser sent something that is no frame")
    try:
        return np.asarray(photo.read(jpeg, "the frame").pixels)
    except InputError as error:
        raise NoFrame(str(error)) from None
