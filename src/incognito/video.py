"""Videos in and out (PyAV): every frame keeps its time, the audio is kept, the colours keep their meaning."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import av
import av.filter
import cv2
import numpy as np

from incognito import extent
from incognito.captions import Caption, can_be_written
from incognito.containers import Container
from incognito.errors import InputError, OutputError, UsageError, first_line
from incognito.frame import Frame, Picture
from incognito.overlap import Behind, ahead
from incognito.sound import Sound
from incognito.timing import Stages, Stopwatch, Unkept

Transform = Callable[[Frame, float], np.ndarray]  # a frame and its seconds from the first -> grey, RGB or RGBA uint8
OnFrame = Callable[[int, int | None], None]  # frames done, and of how many where the file says so


SHORT = 1e-3  # seconds that rounding may put a frame before a span

NO_FILMS = frozenset({"tty", "hls", "dash", "concat"})  # text that FFmpeg draws, and lists of other files

os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder's warnings would come between a command's own lines

BT709, SMPTE170M = 1, 6  # matrix coefficients, ITU-T H.273 table 4
SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}  # the same matrices, by the scaler's numbers
LIMITED_RANGE = 1
PQ, HLG = 16, 18  # transfer characteristics of high dynamic range, ITU-T H.273 table 3
HDR = {PQ: "PQ", HLG: "HLG"}


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a film, in seconds from its beginning; without an end it goes on to the film's."""

    start: float = 0.0
    end: float = math.inf


WHOLE = Span()


class Source:
    """A video file being read. Raises InputError where it is damaged, cut short or holds no video."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not extent.is_whole(path):
            raise InputError(f"{path} breaks off before its end; get the whole file again")
        try:
            only = {"protocol_whitelist": "file"}  # never the network
            self._container = av.open(f"file:{path}", options=only, metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read as a video ({first_line(error)}); check the file") from None
        if self._container.format.name in NO_FILMS:
            self.close()
            raise InputError(f"{path} cannot be read as a video; check the file")
        films = [s for s in self._container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not films:
            self.close()
            raise InputError(f"{path} holds no video; give a file that shows something")
        self.stream = films[0]
        self.sounds = list(self._container.streams.audio)
        self.captions = [s for s in self._container.streams.subtitles if s.codec_context is not None]
        self.chapters, self.metadata = self._container.chapters(), dict(self._container.metadata)
        if any(stream.codec_context is None for stream in (self.stream, *self.sounds)):
            self.close()
            raise InputError(f"{path} has a picture or sound in a codec that is not known; convert it first")
        self.stream.thread_type = "AUTO"

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    @property
    def rate(self) -> Fraction:
        """Mean frames a second."""
        return self.stream.average_rate or self.stream.guessed_rate or Fraction(25)

    @property
    def count(self) -> int | None:
        """How many frames there are, where the file says so or its length lets it be guessed."""
        if self.stream.frames:
            return int(self.stream.frames)
        duration = self._container.duration
        return round(duration / av.time_base * self.rate) if duration else None

    def frames(
        self, on_packet: Callable[[av.Packet], None] | None = None, span: Span = WHOLE
    ) -> Iterator[av.VideoFrame]:
        """Give a span's frames in the order of their times; packets of sound and subtitles go to `on_packet`.

        Interlaced frames are made whole. Raises InputError where the film is damaged, in HDR or shows nothing.
        """
        start = self._begin_at(span)
        seen, progressive = 0, _Progressive()
        for frame in self._decoded(on_packet, start, span):
            seconds = seconds_of(frame) - start
            if seconds >= span.end:
                break
            if seconds >= span.start - SHORT:
                seen += 1
                yield from progressive.of(frame)
        yield from progressive.rest()
        if not seen:
            raise InputError(f"{self.path} shows no picture{'' if span == WHOLE else ' in that part'}; check the file")

    def _begin_at(self, span: Span) -> float:
        """Go to the last whole picture before a span; gives the time at which the film begins."""
        base = self.stream.time_base or Fraction(1, av.time_base)
        begun = (self.stream.start_time or 0) * base
        if span.start > 0:
            self._container.seek(int((begun + Fraction(span.start)) / base), stream=self.stream)
        return float(begun)

    def _decoded(
        self, on_packet: Callable[[av.Packet], None] | None, start: float, span: Span
    ) -> Iterator[av.VideoFrame]:
        seen, last = 0, 0
        try:
            for packet in self._container.demux(self.stream, *(self.sounds + self.captions if on_packet else [])):
                if packet.is_corrupt:
                    raise InputError(f"{self.path} is damaged after {seen} frames; get the whole file again")
                if packet.stream is not self.stream:
                    if on_packet and _is_within(packet, start, span):
                        _guard(on_packet, packet)
                    continue
                for frame in self.stream.decode(packet):
                    if frame.color_trc in HDR:
                        kind = HDR[frame.color_trc]
                        raise InputError(
                            f"{self.path} is in HDR ({kind}), which would come out dull; convert it to SDR"
                        )
                    if frame.pts is None:  # raw streams carry no times: the next is a frame's length on
                        frame.time_base = self.stream.time_base or 1 / self.rate
                        frame.pts = last + round(1 / (self.rate * frame.time_base)) if seen else 0
                    seen, last = seen + 1, frame.pts
                    yield frame
        except av.FFmpegError as error:
            raise InputError(f"{self.path} is damaged after {seen} frames ({first_line(error)})") from None


class _Progressive:
    """Makes whole pictures of interlaced ones (FFmpeg's bwdif); gives others as they are."""

    def __init__(self) -> None:
        self._graph: Any = None

    def of(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Take the next frame; what is made of the one before may come now."""
        if self._graph is None and not frame.interlaced_frame:
            yield frame
            return
        self._graph = self._graph or _deinterlacer(frame)
        self._graph.vpush(frame)
        yield from self._made()

    def rest(self) -> Iterator[av.VideoFrame]:
        """Give what is still held."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._made()

    def _made(self) -> Iterator[av.VideoFrame]:
        with suppress(av.BlockingIOError, av.EOFError):
            while True:
                yield self._graph.vpull()


def _deinterlacer(frame: av.VideoFrame) -> Any:
    graph = av.filter.Graph()
    source = _buffer(graph, frame)
    graph.link_nodes(source, graph.add("bwdif", "send_frame:auto:interlaced"), graph.add("buffersink")).configure()
    return graph


def _is_within(packet: av.Packet, start: float, span: Span) -> bool:
    """Whether a packet of sound or text belongs to a span."""
    if span == WHOLE or packet.pts is None:  # the end of a stream has no time
        return span == WHOLE
    return span.start <= float(packet.pts * packet.time_base) - start < span.end


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


class Target:
    """A video file being written, with the times, shape and colours of its source."""

    def __init__(self, path: Path, container: Container, source: Origin, alpha: bool, span: Span = WHOLE) -> None:
        self._kind, self._source, self._span = container, source, span
        self._pixels = container.alpha if alpha and container.alpha else container.pixels
        self._size, self._start = (0, 0), 0  # pixels; the time that is 0 in the file
        self._container = av.open(f"file:{path}", "w", format=container.format, options=container.muxer)
        self._container.metadata.update(source.metadata)
        options = container.options | (container.alpha_options if alpha else {})
        self._stream: Any = self._container.add_stream(container.codec, rate=source.rate, options=options)
        self._others = self._open_others()
        self._early: list[av.Packet] | None = []  # what came before the first frame said how to open the file

    def _open_others(self) -> dict[int, Sound | Caption]:
        """Streams for the sounds and the texts that the container can hold, by the source's numbers."""
        out, kind = self._container, self._kind
        others: dict[int, Sound | Caption] = {}
        if kind.sound:
            others |= {each.index: Sound(out, each, kind) for each in self._source.sounds}
        texts = [each for each in self._source.captions if can_be_written(each, kind)]
        return others | {each.index: Caption(out, each, kind) for each in texts}

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
        self._container.set_chapters(_cut_chapters(self._source.chapters, self._span))
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

    def take(self, packet: av.Packet) -> None:
        """Write a packet of one of the source's sounds or texts."""
        if self._early is not None:
            self._early.append(packet)
        elif packet.stream.index in self._others:
            if self._span.start and packet.pts is not None:
                shift = round(Fraction(self._span.start) / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, (packet.dts or packet.pts) - shift
            self._others[packet.stream.index].take(packet)

    def _converted(self, frame: av.VideoFrame, matrix: int) -> Iterator[av.VideoFrame]:
        """A frame with the codec's own pixels; for a palette, one made for each picture."""
        if self._pixels != "pal8":
            yield frame.reformat(format=self._pixels, dst_colorspace=matrix, dst_color_range=LIMITED_RANGE)
            return
        graph = _palette(frame)
        graph.vpush(frame)
        graph.vpush(None)
        yield graph.vpull()

    @property
    def begun(self) -> bool:
        """Whether the first frame has said how to open the file."""
        return self._early is None

    def finish(self) -> None:
        """Write what the encoders still hold."""
        self._container.mux(self._stream.encode(None))
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
        _guard(out.finish)


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
                _guard(out.begin, *picture.shape[:2], like)
            _guard(out.write, picture, like)
        for packet in packets:
            _guard(out.take, packet)


def parse_span(start: str | None, end: str | None) -> Span:
    """A span of "90", "1:30" or "1:02:03.5"; raises UsageError."""
    span = Span(_seconds(start, "--from") if start else 0.0, _seconds(end, "--to") if end else math.inf)
    if span.end <= span.start:
        raise UsageError(f"--to {end} is not after --from {start or 0}; exchange them")
    return span


def _seconds(text: str, option: str) -> float:
    match = re.fullmatch(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d+)?)", text)
    if not match or (match[2] and float(match[3]) >= 60):
        raise UsageError(f"{option} {text!r} is no time; give seconds, as 90, or 1:30, or 1:02:03.5")
    return 3600 * int(match[1] or 0) + 60 * int(match[2] or 0) + float(match[3])


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


def to_frame(decoded: av.VideoFrame) -> Frame:
    """Bring a decoded frame to uint8 RGB, or RGBA where it has transparency, upright."""
    alpha = any(part.is_alpha for part in decoded.format.components)
    pixels = decoded.to_ndarray(
        format="rgba" if alpha else "rgb24",
        src_colorspace=SWSCALE[matrix_of(decoded)],
        src_color_range=decoded.color_range or LIMITED_RANGE,
    )
    return Frame.of(np.ascontiguousarray(np.rot90(pixels, decoded.rotation // 90)))


def seconds_of(frame: Any) -> float:
    """When a frame of a Source is shown, in seconds."""
    return float(frame.pts * frame.time_base)


def matrix_of(frame: av.VideoFrame) -> int:
    """A frame's matrix coefficients (H.273); where it names none, what players assume for its height."""
    if frame.colorspace in SWSCALE:
        return int(frame.colorspace)
    return BT709 if frame.height >= 720 else SMPTE170M


def _cut_chapters(chapters: list[Any], span: Span) -> list[Any]:
    """The chapters of a span, counted from its beginning."""
    cut = []
    for chapter in chapters:
        base = chapter["time_base"]
        first, last = (Fraction(bound).limit_denominator(10**6) / base if math.isfinite(bound) else math.inf
                       for bound in (span.start, span.end))  # fmt: skip
        start, end = max(chapter["start"], first) - first, min(chapter["end"], last) - first
        if start < end:
            cut.append({**chapter, "start": round(start), "end": round(end)})
    return cut


def _buffer(graph: Any, frame: av.VideoFrame) -> Any:
    """Where a graph takes frames like one."""
    return graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)


def _palette(frame: av.VideoFrame) -> Any:
    """A graph that finds the colours of a picture, 256 of them, and dithers it with these."""
    graph = av.filter.Graph()
    source = _buffer(graph, frame)
    split, made, used = (
        graph.add("split"),
        graph.add("palettegen", "stats_mode=single"),
        graph.add("paletteuse", "new=1"),
    )
    source.link_to(split)
    split.link_to(used, 0, 0)
    split.link_to(made, 1, 0)
    made.link_to(used, 0, 1)
    used.link_to(graph.add("buffersink"))
    graph.configure()
    return graph


def _guard(action: Callable[..., None], *arguments: Any) -> None:
    """Do a part of writing; say in one line what FFmpeg could not do."""
    try:
        action(*arguments)
    except av.FFmpegError as error:
        raise OutputError(f"the video cannot be written ({first_line(error)}); choose another output") from None


def _format_of(picture: np.ndarray) -> str:
    return "gray" if picture.ndim == 2 else {3: "rgb24", 4: "rgba"}[picture.shape[2]]
