"""Videos in and out (PyAV): every frame keeps its time, the audio is kept, the colours keep their meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import cv2
import numpy as np

from incognito import extent
from incognito.errors import InputError, OutputError, first_line
from incognito.frame import Frame, Picture
from incognito.sound import Sound
from incognito.timing import Stopwatch

Transform = Callable[[Frame, float], np.ndarray]  # a frame and its seconds from the first -> grey, RGB or RGBA uint8
OnFrame = Callable[[int, int | None], None]  # frames done, and of how many where the file says so


@dataclass(frozen=True, slots=True)
class Container:
    """How a kind of file is written."""

    format: str
    codec: str
    options: dict[str, str]
    holds_alpha: bool
    needs_even: bool
    sounds: frozenset[str]  # codecs that are copied as they are
    sound: str  # the codec for all others


CONTAINERS = {
    ".mp4": Container(
        "mp4",
        "libx264",
        {"preset": "veryfast", "crf": "18"},
        holds_alpha=False,
        needs_even=True,
        sounds=frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"}),
        sound="aac",
    ),
    ".webm": Container(
        "webm",
        "libvpx-vp9",
        {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "crf": "30", "b": "0"},
        holds_alpha=True,
        needs_even=False,
        sounds=frozenset({"opus", "vorbis"}),
        sound="libopus",
    ),
}

NO_FILMS = frozenset({"tty", "hls", "dash", "concat"})  # text that FFmpeg draws, and lists of other files

BT709, SMPTE170M = 1, 6  # matrix coefficients, ITU-T H.273 table 4
SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}  # the same matrices, by the scaler's numbers
LIMITED_RANGE = 1


class Source:
    """A video file being read. Raises InputError where it is damaged, cut short or holds no video."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not extent.is_whole(path):
            raise InputError(f"{path} breaks off before its end; get the whole file again")
        try:
            self._container = av.open(f"file:{path}", options={"protocol_whitelist": "file"})  # never the network
        except (av.FFmpegError, OSError) as error:
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

    def frames(self, on_sound: Callable[[av.Packet], None] | None = None) -> Iterator[av.VideoFrame]:
        """Give the frames in the order of their times; packets of sound go to `on_sound` on the way."""
        wanted = [self.stream, *(self.sounds if on_sound else [])]
        seen, last = 0, 0
        try:
            for packet in self._container.demux(*wanted):
                if packet.is_corrupt:
                    raise InputError(f"{self.path} is damaged after {seen} frames; get the whole file again")
                if packet.stream is not self.stream:
                    if on_sound:
                        _guard(on_sound, packet)
                    continue
                for frame in self.stream.decode(packet):
                    if frame.pts is None:  # raw streams carry no times: the next is a frame's length on
                        frame.time_base = self.stream.time_base or 1 / self.rate
                        frame.pts = last + round(1 / (self.rate * frame.time_base)) if seen else 0
                    seen, last = seen + 1, frame.pts
                    yield frame
        except av.FFmpegError as error:
            raise InputError(f"{self.path} is damaged after {seen} frames ({first_line(error)})") from None
        if not seen:
            raise InputError(f"{self.path} shows no picture; check the file")


class Origin(Protocol):
    """What a video that is written takes from where its pictures come: a name, a rate, sounds, the shape of pixels."""

    path: Path
    sounds: list[Any]
    stream: Any

    @property
    def rate(self) -> Fraction:
        """Mean frames a second."""
        ...


class Target:
    """A video file being written, with the times, shape and colours of its source."""

    def __init__(self, path: Path, container: Container, source: Origin, alpha: bool) -> None:
        self._kind, self._source = container, source
        self._pixels = "yuva420p" if alpha else "yuv420p"
        self._size = (0, 0)
        options = {"movflags": "+faststart"} if container.format == "mp4" else {}
        self._container = av.open(f"file:{path}", "w", format=container.format, options=options)
        self._stream: Any = self._container.add_stream(container.codec, rate=source.rate, options=container.options)
        self._sounds = {s.index: Sound(self._container, s, container) for s in source.sounds}
        self._early: list[av.Packet] | None = []  # sound that came before the first frame said how to open the file

    def begin(self, height: int, width: int, like: av.VideoFrame) -> None:
        """Set the size, the clock and the colours, those of the first decoded frame."""
        self._size = (height, width)
        context = self._stream.codec_context
        even = 2 if self._kind.needs_even else 1
        context.width, context.height = (-(-side // even) * even for side in (width, height))
        context.pix_fmt = self._pixels
        context.time_base = self._stream.time_base = like.time_base
        context.colorspace, context.color_range = matrix_of(like), LIMITED_RANGE
        context.color_primaries, context.color_trc = like.color_primaries, like.color_trc
        aspect = self._source.stream.sample_aspect_ratio
        if aspect:
            context.sample_aspect_ratio = 1 / aspect if like.rotation % 180 else aspect
        early, self._early = self._early or [], None
        for packet in early:
            self.take_sound(packet)

    def write(self, picture: np.ndarray, like: av.VideoFrame) -> None:
        """Encode a picture with the time of the frame that it was made from."""
        if picture.shape[:2] != self._size:
            raise InputError(f"{self._source.path} changes its size on the way; convert it to one size first")
        matrix = SWSCALE[matrix_of(like)]
        frame = av.VideoFrame.from_ndarray(self._fit(picture), _format_of(picture))
        frame = frame.reformat(format=self._pixels, dst_colorspace=matrix, dst_color_range=LIMITED_RANGE)
        frame.pts, frame.time_base = like.pts, like.time_base
        self._container.mux(self._stream.encode(frame))

    def take_sound(self, packet: av.Packet) -> None:
        """Write a packet of one of the source's sounds."""
        if self._early is not None:
            self._early.append(packet)
        else:
            self._sounds[packet.stream.index].take(packet)

    def finish(self) -> None:
        """Write what the encoders still hold."""
        self._container.mux(self._stream.encode(None))
        for sound in self._sounds.values():
            sound.finish()

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
) -> None:
    """Take every frame of a video through `transform` and write it with its own time, and the audio.

    A stopwatch gets the stages "decode" and "encode". Raises InputError and OutputError; `target` is written as it
    comes, so give a temporary path.
    """
    stopwatch = stopwatch or Stopwatch()
    with ExitStack() as stack:
        film = Source(source)
        stack.callback(film.close)
        out = Target(target, container, film, alpha)
        stack.callback(out.close)
        decoded = ((frame, to_frame(frame)) for frame in film.frames(out.take_sound))
        start = 0.0
        for done, (like, frame) in enumerate(stopwatch.each("decode", decoded)):
            start = start if done else seconds_of(like)
            picture = transform(frame, seconds_of(like) - start)
            with stopwatch.stage("encode"):
                if not done:
                    _guard(out.begin, *picture.shape[:2], like)
                _guard(out.write, picture, like)
            on_frame(done + 1, film.count)
        _guard(out.finish)


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


def container_of(target: Path) -> Container:
    """The container that a file name asks for; raises OutputError for one that cannot be written."""
    try:
        return CONTAINERS[target.suffix.lower()]
    except KeyError:
        raise OutputError(f"{target} has no ending that videos are written as; use {', '.join(CONTAINERS)}") from None


def _guard(action: Callable[..., None], *arguments: Any) -> None:
    """Do a part of writing; say in one line what FFmpeg could not do."""
    try:
        action(*arguments)
    except av.FFmpegError as error:
        raise OutputError(f"the video cannot be written ({first_line(error)}); choose another output") from None


def _format_of(picture: np.ndarray) -> str:
    return "gray" if picture.ndim == 2 else {3: "rgb24", 4: "rgba"}[picture.shape[2]]
