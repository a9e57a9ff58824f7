"""Frames from elsewhere than a camera: files at their own pace, streams that the user named, pipes of raw frames."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

import av
import numpy as np

from incognito import video
from incognito.camera import PATIENCE, NoFrame, StreamEnded
from incognito.errors import CameraError, InputError, first_line
from incognito.frame import Picture
from incognito.timing import Clock

TIMEOUT = (5.0, PATIENCE)  # seconds to open a stream, and to wait for more of it
REST = 0.02  # seconds that a film waits before it decodes, at the most
UNBLOCKED = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Film:
    """A video file, each picture when its time comes; with `paced` False, as fast as it is read.

    A picture that is shown for long is given again meanwhile. The next one is decoded in the second half of the time to
    it, or after REST: until then the cores are for whoever works on the one that was given.
    """

    lasting = False

    def __init__(
        self,
        path: Path,
        paced: bool = True,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name, self.format = str(path), "not open"
        self._path, self._paced, self._clock, self._sleep = path, paced, clock, sleep
        self._pictures: Iterator[tuple[float, Picture]] = iter(())
        self._begun: float | None = None
        self._last: Picture | None = None
        self._ahead: tuple[float, Picture] | None = None
        self._times = (0.0, 0.0)  # of the last two pictures

    def open(self) -> None:
        """Open it from its beginning. Raises CameraError."""
        try:
            source = video.Source(self._path)
            self.format = f"{source.stream.width}x{source.stream.height}, {float(source.rate):g} fps"
            source.close()
        except InputError as error:
            raise CameraError(str(error)) from None
        self._pictures = video.pictures(self._path)
        self._begun = self._last = self._ahead = None
        self._times = (0.0, 0.0)

    def read(self) -> Picture:
        """Wait for the next picture's time; raises CameraError where the file is damaged."""
        patience = self._clock() + PATIENCE
        if self._ahead is None:
            self._rest()
            self._ahead = self._next()
            self._times = self._times[1], self._ahead[0]
        seconds, pixels = self._ahead
        if self._paced:
            self._begun = self._clock() if self._begun is None else self._begun
            due = self._begun + seconds
            self._sleep(max(0.0, min(due, patience) - self._clock()))
            if due > patience and self._last is not None:
                return self._last
        self._ahead, self._last = None, pixels
        return pixels

    def _rest(self) -> None:
        """Wait for half of the time to the next picture, if it comes as soon after the last as that one came."""
        if self._paced and self._begun is not None:
            due = self._begun + 2 * self._times[1] - self._times[0]
            self._sleep(min(max(0.0, (due - self._clock()) / 2), REST))

    def _next(self) -> tuple[float, Picture]:
        try:
            return next(self._pictures)
        except StopIteration:
            raise StreamEnded from None
        except InputError as error:
            raise CameraError(str(error)) from None

    def close(self) -> None:
        """Close it."""
        self._pictures.close() if hasattr(self._pictures, "close") else None
        self._pictures = iter(())


class Stream:
    """A stream over RTSP or HTTP that the user named; it is waited for when it breaks off."""

    lasting = True

    def __init__(self, url: str) -> None:
        self.name, self.format = url, "not open"
        self._container: av.container.InputContainer | None = None
        self._frames: Iterator[av.VideoFrame] = iter(())

    def open(self) -> None:
        """Connect. Raises CameraError."""
        options = {"rtsp_transport": "tcp"} if self.name.startswith("rtsp") else {}
        try:
            self._container = av.open(self.name, options=options, timeout=TIMEOUT)
            picture = self._container.streams.video[0]
        except (av.FFmpegError, OSError, IndexError) as error:
            self.close()
            raise CameraError(f"{self.name} cannot be opened ({first_line(error)}); check the address") from None
        self.format = f"{picture.codec_context.name} {picture.width}x{picture.height}"
        self._frames = self._container.decode(picture)

    def read(self) -> Picture:
        """Give the next frame; raises CameraError where none comes."""
        try:
            return video.to_frame(next(self._frames)).pixels
        except (av.FFmpegError, OSError, StopIteration) as error:
            raise CameraError(f"{self.name} broke off ({first_line(error)}); it is tried again") from None

    def close(self) -> None:
        """Disconnect."""
        self._frames = iter(())
        if self._container:
            self._container.close()
        self._container = None


class Pipe:
    """Raw frames, RGB in 24 bits, of size (height, width), from a file descriptor or a named pipe."""

    lasting = False

    def __init__(self, name: str, source: int | Path, size: tuple[int, int]) -> None:
        self.name, self.format = name, f"raw {size[1]}x{size[0]}"
        self._source, self._size = source, size
        self._frame = bytearray(size[0] * size[1] * 3)
        self._filled = 0  # bytes of it that are there
        self._file: FileIO | None = None

    def open(self) -> None:
        """Open it; a named pipe also where nobody writes yet. Raises CameraError."""
        try:
            number = os.dup(self._source) if isinstance(self._source, int) else os.open(self._source, UNBLOCKED)
        except OSError as error:
            raise CameraError(f"{self.name} cannot be read ({first_line(error)}); check the pipe") from None
        self._file, self._filled = FileIO(number), 0

    def read(self) -> Picture:
        """Give the next frame; a last one that is cut short is the end."""
        if self._file is None:
            raise StreamEnded
        deadline = time.monotonic() + PATIENCE
        with memoryview(self._frame) as frame:
            while self._filled < len(frame):
                if not _readable(self._file, deadline - time.monotonic()):
                    raise NoFrame(f"{self.name} gives no frames; check what writes into it")
                count = self._file.readinto(frame[self._filled :])
                if count == 0:
                    raise StreamEnded
                self._filled += count or 0
        self._filled = 0
        return np.frombuffer(self._frame, np.uint8).reshape(*self._size, 3)

    def close(self) -> None:
        """Close it."""
        if self._file:
            self._file.close()
        self._file = None


def _readable(file: FileIO, seconds: float) -> bool:
    """Whether there is something to read, or the end, within so many seconds; Windows cannot tell, and waits."""
    return sys.platform == "win32" or bool(select.select([file], [], [], max(0.0, seconds))[0])
