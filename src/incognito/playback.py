"""Frames from elsewhere than a camera: files at their own pace, streams that the user named, pipes of raw frames."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np

from incognito import video
from incognito.camera import StreamEnded
from incognito.errors import CameraError, InputError, first_line
from incognito.frame import Picture
from incognito.timing import Clock

TIMEOUT = (5.0, 1.5)  # seconds to open a stream, and to wait for more of it


class Film:
    """A video file, each picture when its time comes; with `paced` False, as fast as it is read."""

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

    def open(self) -> None:
        """Open it from its beginning. Raises CameraError."""
        try:
            source = video.Source(self._path)
            self.format = f"{source.stream.width}x{source.stream.height}, {float(source.rate):g} fps"
            source.close()
        except InputError as error:
            raise CameraError(str(error)) from None
        self._pictures, self._begun = video.pictures(self._path), None

    def read(self) -> Picture:
        """Wait for the next picture's time; raises CameraError where the file is damaged."""
        try:
            seconds, pixels = next(self._pictures)
        except StopIteration:
            raise StreamEnded from None
        except InputError as error:
            raise CameraError(str(error)) from None
        if self._paced:
            self._begun = self._clock() if self._begun is None else self._begun
            self._sleep(max(0.0, self._begun + seconds - self._clock()))
        return pixels

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
        self._file: BinaryIO | None = None

    def open(self) -> None:
        """Open it. Raises CameraError."""
        try:
            self._file = (
                os.fdopen(os.dup(self._source), "rb") if isinstance(self._source, int) else self._source.open("rb")
            )
        except OSError as error:
            raise CameraError(f"{self.name} cannot be read ({first_line(error)}); check the pipe") from None

    def read(self) -> Picture:
        """Give the next frame; a last one that is cut short is the end."""
        height, width = self._size
        data = self._file.read(height * width * 3) if self._file else b""
        if len(data) < height * width * 3:
            raise StreamEnded
        return np.frombuffer(data, np.uint8).reshape(height, width, 3)

    def close(self) -> None:
        """Close it."""
        if self._file:
            self._file.close()
        self._file = None
