"""A film being read (PyAV): its frames in order, each with its time, upright and in RGB; its sounds and texts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np

from incognito import extent
from incognito.errors import InputError, OutputError, first_line
from incognito.frame import Frame, Picture
from incognito.graphs import Progressive
from incognito.span import WHOLE, Span

SHORT = 1e-3  # seconds that rounding may put a frame before a span
BACK = 0.1  # seconds by which a frame's time may lie before the last one's
HISTORY = 2  # seconds that are decoded again before a place that is gone on from: filters and open groups look back
INTERLEAVED = 10.0  # seconds by which one stream of a file may lie behind another

NO_FILMS = frozenset({"tty", "hls", "dash", "concat"})  # text that FFmpeg draws, and lists of other files

os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder's warnings would come between a command's own lines

BT709, SMPTE170M = 1, 6  # matrix coefficients, ITU-T H.273 table 4
SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}  # the same matrices, by the scaler's numbers
KNOWN = SWSCALE.keys() | {0, 2, 3}  # RGB, and what names none
LIMITED_RANGE = 1
PQ, HLG = 16, 18  # transfer characteristics of high dynamic range, ITU-T H.273 table 3
HDR = {PQ: "PQ", HLG: "HLG"}


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
        self, on_packet: Callable[[av.Packet], None] | None = None, span: Span = WHOLE, since: int | None = None
    ) -> Iterator[av.VideoFrame]:
        """Give a span's frames in the order of their times; packets of sound and subtitles go to `on_packet`.

        With `since`, a frame's own time, only it and what comes after it. Interlaced frames are made whole. Raises
        InputError where the film is damaged, in HDR or shows nothing.
        """
        seen, progressive = 0, Progressive()
        for frame in self._within(on_packet, span, since):
            seen += 1
            yield from _later(progressive.of(frame), since)
        yield from _later(progressive.rest(), since)
        if not seen:
            raise InputError(f"{self.path} shows no picture{'' if span == WHOLE else ' in that part'}; check the file")

    def _within(
        self, on_packet: Callable[[av.Packet], None] | None, span: Span, since: int | None
    ) -> Iterator[av.VideoFrame]:
        """A span's frames as they are decoded; with `since`, from before that time on."""
        start = self._begin_at(span, since)
        for number, frame in enumerate(self._decoded(on_packet, start, span)):
            seconds = seconds_of(frame) - start
            if not number and since is not None and cast(int, frame.pts) > since:
                raise InputError(f"{self.path} cannot be gone on with in its middle; leave out --resume")
            if seconds >= span.end:
                return
            if seconds >= span.start - SHORT:
                yield frame

    def _check(self, frame: av.VideoFrame, last: int | None) -> int:
        """Refuse what would come out wrong; gives the frame's time, which is after the last one's."""
        if frame.color_trc in HDR:
            raise InputError(
                f"{self.path} is in HDR ({HDR[frame.color_trc]}), which would come out dull; convert it to SDR"
            )
        if frame.colorspace not in KNOWN:
            raise InputError(
                f"{self.path} has colours of a rare kind (matrix {frame.colorspace}); convert it to BT.709"
            )
        if frame.pts is None:  # raw streams carry no times: the next is a frame's length on
            frame.time_base = self.stream.time_base or 1 / self.rate
            frame.pts = 0 if last is None else last + round(1 / (self.rate * frame.time_base))
        if last is not None and frame.pts <= last:
            if (last - frame.pts) * Fraction(frame.time_base or 0) > BACK:
                raise InputError(f"{self.path} has a clock that jumps back; convert it first")
            frame.pts = last + 1  # two frames at once: encoders want one after the other
        return frame.pts

    def packets(self, span: Span = WHOLE) -> Iterator[av.Packet]:
        """Give a span's packets of sound and subtitles, in the file's order; each stream's end is an empty one."""
        others, start = [*self.sounds, *self.captions], self._begin_at(span)
        try:
            for packet in self._container.demux(*others) if others else ():
                if (packet.pts is None and packet.dts is None) or _is_within(packet, start, span):
                    yield packet
                elif packet.pts is not None and seconds_of(packet) - start > span.end + INTERLEAVED:
                    break
        except av.FFmpegError as error:
            raise InputError(f"{self.path} is damaged ({first_line(error)}); get the whole file again") from None

    def _begin_at(self, span: Span, since: int | None = None) -> float:
        """Go to the last whole picture before a span, or well before `since`; gives the film's beginning in seconds."""
        base = self.stream.time_base or Fraction(1, av.time_base)
        begun = (self.stream.start_time or 0) * base
        wanted = begun + Fraction(span.start)
        if since is not None and self.stream.start_time is not None:  # without times of its own a film is read again
            wanted = max(wanted, since * base - HISTORY)
        if wanted > begun:
            self._container.seek(int(wanted / base), stream=self.stream)
        return float(begun)

    def _decoded(
        self, on_packet: Callable[[av.Packet], None] | None, start: float, span: Span
    ) -> Iterator[av.VideoFrame]:
        seen, last = 0, None
        try:
            for packet in self._container.demux(self.stream, *(self.sounds + self.captions if on_packet else [])):
                if packet.is_corrupt:
                    raise InputError(f"{self.path} is damaged after {seen} frames; get the whole file again")
                if packet.stream is not self.stream:
                    if on_packet and _is_within(packet, start, span):
                        guard(on_packet, packet)
                    continue
                for frame in self.stream.decode(packet):
                    last = self._check(frame, last)
                    seen += 1
                    yield frame
        except av.FFmpegError as error:
            raise InputError(f"{self.path} is damaged after {seen} frames ({first_line(error)})") from None


def _later(frames: Iterator[av.VideoFrame], since: int | None) -> Iterator[av.VideoFrame]:
    return (frame for frame in frames if since is None or cast(int, frame.pts) >= since)


def _is_within(packet: av.Packet, start: float, span: Span) -> bool:
    """Whether a packet of sound or text belongs to a span."""
    if span == WHOLE or packet.pts is None:  # the end of a stream has no time
        return span == WHOLE
    return span.start <= seconds_of(packet) - start < span.end


def to_frame(decoded: av.VideoFrame) -> Frame:
    """Bring a decoded frame to uint8 RGB, or RGBA where it has transparency, upright."""
    alpha = any(part.is_alpha for part in decoded.format.components)
    pixels = decoded.to_ndarray(
        format="rgba" if alpha else "rgb24",
        src_colorspace=SWSCALE[matrix_of(decoded)],
        src_color_range=decoded.color_range or LIMITED_RANGE,
    )
    return Frame.of(np.ascontiguousarray(_upright(pixels, decoded)))


def _upright(pixels: Picture, decoded: av.VideoFrame) -> Picture:
    """Turn and mirror a picture as its display matrix says (ISO 14496-12, 6.2.2: x' = ax + cy, y' = bx + dy)."""
    told = decoded.side_data.get("DISPLAYMATRIX")
    if told is None:
        return pixels
    a, b, _, c, d = np.frombuffer(cast(Any, told), np.int32)[:5].tolist()
    if abs(b) > abs(a):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def seconds_of(frame: Any) -> float:
    """When a frame or packet of a Source is shown, in seconds."""
    return float(frame.pts * frame.time_base)


def matrix_of(frame: av.VideoFrame) -> int:
    """A frame's matrix coefficients (H.273); where it names none, what players assume for its height."""
    if frame.colorspace in SWSCALE:
        return int(frame.colorspace)
    return BT709 if frame.height >= 720 else SMPTE170M


def guard(action: Callable[..., None], *arguments: Any) -> None:
    """Do a part of writing; say in one line what FFmpeg could not do."""
    try:
        action(*arguments)
    except av.FFmpegError as error:
        raise OutputError(f"the video cannot be written ({first_line(error)}); choose another output") from None
