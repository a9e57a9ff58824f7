"""Films written (PyAV): every frame keeps its time, the audio is kept, the colours keep their meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import av
import cv2
import numpy as np

from incognito.captions import Caption, can_be_written
from incognito.containers import Container
from incognito.errors import InputError
from incognito.film import BT709, LIMITED_RANGE, SMPTE170M, SWSCALE, Source, guard, matrix_of, seconds_of, to_frame
from incognito.frame import Frame, Picture
from incognito.graphs import palette
from incognito.overlap import Behind, ahead
from incognito.sound import Sound
from incognito.span import WHOLE, Span, cut_chapters
from incognito.timing import Stages, Stopwatch, Unkept

__all__ = [  # what reads a film is told of here too
    "BT709", "LIMITED_RANGE", "SMPTE170M", "SWSCALE", "OnFrame", "Silent", "Source", "Target", "Transform", "convert",
    "guard", "matrix_of", "moved", "open_others", "pictures", "seconds_of", "to_frame",
]  # fmt: skip

Transform = Callable[[Frame, float], np.ndarray]  # a frame and its seconds from the first -> grey, RGB or RGBA uint8
OnFrame = Callable[[int, int | None], None]  # frames done, and of how many where the file says so

REORDERED = 3  # frames from which on some may be coded before others; of fewer x265 tells no time of decoding


class Origin(Protocol):
    """What a video that is written takes from where its pictures come: a name, a rate, sounds, the shape of pixels."""

    path: Path
    sounds: list[Any]
    captions: list[Any]
    chapters: list[Any]
    metadata: dict[str, str]
    stream: Any

    @property
    def rate(self) -> Fraction:
        """Mean frames a second."""
        ...


@dataclass
class Silent:
    """An Origin of pictures alone, of square pixels where nothing else is told."""

    path: Path
    rate: Fraction
    stream: Any = field(default_factory=lambda: SimpleNamespace(sample_aspect_ratio=None))
    sounds: list[Any] = field(default_factory=list)
    captions: list[Any] = field(default_factory=list)
    chapters: list[Any] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)


def open_others(output: Any, source: Origin, kind: Container) -> dict[int, Sound | Caption]:
    """Streams in a file for the sounds and the texts that its kind can hold, by the source's numbers."""
    others: dict[int, Sound | Caption] = {}
    if kind.sound:
        others |= {each.index: Sound(output, each, kind) for each in source.sounds}
    texts = [each for each in source.captions if can_be_written(each, kind)]
    return others | {each.index: Caption(output, each, kind) for each in texts}


def moved(packet: av.Packet, zero: Fraction) -> bool:
    """Count a packet's time from `zero` seconds on; whether it is then still shown."""
    if zero and packet.pts is not None:
        shift = round(zero / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, (packet.pts if packet.dts is None else packet.dts) - shift
        return packet.pts >= 0
    return True


class Target:
    """A video file being written, with the times, shape and colours of its source."""

    def __init__(self, path: Path, container: Container, source: Origin, alpha: bool, span: Span = WHOLE) -> None:
        self._kind, self._source, self._span = container, source, span
        self._pixels = container.alpha if alpha and container.alpha else container.pixels
        self._size, self._start, self._zero = (0, 0), 0, Fraction(0)  # pixels; the time that is 0 in the file, twice
        self._container = av.open(f"file:{path}", "w", format=container.format, options=container.muxer)
        self._container.metadata.update(source.metadata)
        options = container.options | (container.alpha_options if alpha else {})
        self._stream: Any = self._container.add_stream(container.codec, rate=source.rate, options=options)
        self._others = open_others(self._container, source, container)
        self._frames = 0
        self._early: list[av.Packet] | None = []  # what came before the first frame said how to open the file

    def begin(self, height: int, width: int, like: av.VideoFrame) -> None:
        """Set the size, the clock and the colours, those of the first decoded frame."""
        self._size = (height, width)
        context = self._stream.codec_context
        even = 2 if self._kind.needs_even else 1
        context.width, context.height = (-(-side // even) * even for side in (width, height))
        context.pix_fmt = self._pixels
        if self._kind.tag:
            context.codec_tag = self._kind.tag
        context.time_base = self._stream.time_base = like.time_base
        context.colorspace, context.color_range = matrix_of(like), LIMITED_RANGE
        context.color_primaries, context.color_trc = like.color_primaries, like.color_trc
        aspect = self._source.stream.sample_aspect_ratio
        if aspect:
            context.sample_aspect_ratio = 1 / aspect if like.rotation % 180 else aspect
        if self._span.start:  # the part begins at 0
            self._start = like.pts or 0
            self._zero = self._start * Fraction(like.time_base or 0)
        self._container.set_chapters(cut_chapters(self._source.chapters, self._span))
        early, self._early = self._early or [], None
        for packet in early:
            self.take(packet)

    def write(self, picture: np.ndarray, like: av.VideoFrame) -> None:
        """Encode a picture with the time of the frame that it was made from."""
        if picture.shape[:2] != self._size:
            raise InputError(f"{self._source.path} changes its size on the way; convert it to one size first")
        frame = av.VideoFrame.from_ndarray(self._fit(picture), _format_of(picture))
        frame.pts, frame.time_base = (like.pts or 0) - self._start, like.time_base
        for each in self._converted(frame, SWSCALE[matrix_of(like)]):
            self._container.mux(self._stream.encode(each))
        self._frames += 1

    def take(self, packet: av.Packet) -> None:
        """Write a packet of one of the source's sounds or texts."""
        if self._early is not None:
            self._early.append(packet)
        elif packet.stream.index in self._others and moved(packet, self._zero):
            self._others[packet.stream.index].take(packet)

    def _converted(self, frame: av.VideoFrame, matrix: int) -> Iterator[av.VideoFrame]:
        """A frame with the codec's own pixels; for a palette, one made for each picture."""
        if self._pixels != "pal8":
            yield frame.reformat(format=self._pixels, dst_colorspace=matrix, dst_color_range=LIMITED_RANGE)
            return
        graph = palette(frame)
        graph.vpush(frame)
        graph.vpush(None)
        yield graph.vpull()

    @property
    def begun(self) -> bool:
        """Whether the first frame has said how to open the file."""
        return self._early is None

    def finish(self) -> None:
        """Write what the encoders still hold."""
        rest = self._stream.encode(None)
        if self._frames < REORDERED:
            for packet in rest:
                packet.dts = packet.pts
        self._container.mux(rest)
        for other in self._others.values():
            other.finish()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _fit(self, picture: np.ndarray) -> np.ndarray:
        """Repeat the last row or column where the codec takes even sizes only."""
        below = self._stream.codec_context.height - picture.shape[0]
        beside = self._stream.codec_context.width - picture.shape[1]
        if below or beside:
            picture = cv2.copyMakeBorder(picture, 0, below, 0, beside, cv2.BORDER_REPLICATE)
        return np.ascontiguousarray(picture)


def convert(
    source: Path,
    target: Path,
    container: Container,
    transform: Transform,
    alpha: bool = False,
    stopwatch: Stopwatch | None = None,
    on_frame: OnFrame = lambda done, count: None,
    span: Span = WHOLE,
) -> None:
    """Take every frame of a video through `transform` and write it with its own time, the audio and the subtitles.

    Decoding runs ahead and encoding behind, in threads of their own. A stopwatch gets the stages "decode" and "encode".
    Raises InputError and OutputError; `target` is written as it comes, so give a temporary path.
    """
    with ExitStack() as stack:
        film = Source(source)
        stack.callback(film.close)
        out = Target(target, container, film, alpha, span)
        stack.callback(out.close)
        behind = Behind(partial(_write, out, stopwatch or Unkept()))
        stack.callback(behind.stop)
        items = _items(film, span)
        decoded = stack.enter_context(closing(ahead(stopwatch.each("decode", items) if stopwatch else items)))
        start, done = 0.0, 0
        for packets, like, frame in decoded:
            picture = None
            if frame is not None:
                start = start if done else seconds_of(like)
                picture = transform(frame, seconds_of(like) - start)
                done += 1
                on_frame(done, film.count if span == WHOLE else None)
            behind.put((packets, like, picture))
        behind.close()
        guard(out.finish)


def _items(film: Source, span: Span) -> Iterator[tuple[list[av.Packet], Any, Frame | None]]:
    """A film's frames, each with the packets of sound and text that came before it; the last ones without a frame."""
    packets: list[av.Packet] = []
    for like in film.frames(packets.append, span):
        yield packets[:], like, to_frame(like)
        packets.clear()
    yield packets, None, None


def _write(out: Target, stopwatch: Stages, item: tuple[list[av.Packet], Any, np.ndarray | None]) -> None:
    packets, like, picture = item
    with stopwatch.stage("encode"):
        if picture is not None:
            if not out.begun:
                guard(out.begin, *picture.shape[:2], like)
            guard(out.write, picture, like)
        for packet in packets:
            guard(out.take, packet)


def pictures(path: Path) -> Iterator[tuple[float, Picture]]:
    """Give a video's pictures, uint8 RGB (H, W, 3), with their times in seconds from the first."""
    source, start = Source(path), None
    try:
        for frame in source.frames():
            seconds = seconds_of(frame)
            start = seconds if start is None else start
            yield seconds - start, to_frame(frame).pixels
    finally:
        source.close()


def _format_of(picture: np.ndarray) -> str:
    return "gray" if picture.ndim == 2 else {3: "rgb24", 4: "rgba"}[picture.shape[2]]
