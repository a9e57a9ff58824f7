"""A recording: live pictures as an MP4 or WebM that appears, whole, when the stream ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import av

from incognito import containers, output, video
from incognito.errors import SinkError, first_line
from incognito.frame import Picture
from incognito.sink import Command

TICK = Fraction(1, 1000)  # seconds: what WebM can hold, and less than a camera's own trembling
USUAL_RATE = 30  # frames a second, where none was asked for


class _Discarded(Exception):  # noqa: N818 - no error: there is nothing to keep
    """What was written is to be thrown away."""


class Recording:
    """Writes a stream with the times at which its pictures were shown; beside its place, then renamed.

    Raises OutputError where the file exists (unless forced), has no known ending or cannot be written.
    """

    name = "file"
    sees_room = False

    def __init__(self, path: Path, force: bool = False) -> None:
        self._kind = containers.container_of(path)
        output.check(path, force)
        self._path, self._force = path, force
        self._size = (0, 0)
        self._ticks = -1  # of the last picture
        self._broken = False
        self._stack = ExitStack()

    def open(self, size: tuple[int, int], fps: float) -> None:
        """Begin a file for pictures of size (height, width); raises OutputError and SinkError."""
        output.check(self._path, self._force)  # it may have come into being since
        live = video.Silent(self._path, Fraction(fps or USUAL_RATE).limit_denominator(1001))
        self._size = size
        with self._guarded(), ExitStack() as stack:
            part = stack.enter_context(output.beside(self._path))
            self._target = video.Target(part, self._kind, live, alpha=False)
            stack.callback(self._target.close)
            self._target.begin(*size, self._like(0))
            self._stack = stack.pop_all()

    def show(self, picture: Picture, original: Picture | None, seconds: float) -> None:
        """Encode a picture; one that comes no later than the last is put right after it. Raises SinkError."""
        if picture.shape[:2] != self._size:
            raise SinkError(f"{self._path} cannot change its size on the way; record into a new file")
        self._ticks = max(self._ticks + 1, round(seconds / TICK))
        with self._guarded():
            self._target.write(picture, self._like(self._ticks))

    def commands(self) -> list[Command]:
        """Give nothing: a file asks for nothing."""
        return []

    def watched(self) -> bool | None:
        """Tell that it is wanted, for it keeps what it is shown."""
        return True

    def close(self) -> None:
        """Finish the file and give it its name; nothing is left where it broke or no picture came. Raises SinkError."""
        try:
            with self._guarded(), self._stack:
                if self._broken or self._ticks < 0:
                    raise _Discarded
                self._target.finish()
        except _Discarded:
            pass

    def _like(self, ticks: int) -> av.VideoFrame:
        """The clock and the colours that a picture is written with."""
        height, width = self._size
        like = av.VideoFrame(width, height, "yuv420p")
        like.pts, like.time_base = ticks, TICK
        like.colorspace = video.matrix_of(like)
        return like

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Say in one line what FFmpeg could not do."""
        try:
            yield
        except av.FFmpegError as error:
            self._broken = True
            raise SinkError(f"{self._path} cannot be written ({first_line(error)}); make room for it") from None
