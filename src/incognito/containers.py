"""Kinds of video files, and how each is written: a row for each; another codec is another row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from incognito.errors import OutputError, UsageError

QUICKTIME_SOUNDS = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})


@dataclass(frozen=True, slots=True)
class Container:
    """How a kind of file is written. `alpha` is the pixels' format with transparency, none where it holds none.

    `alpha_options` are those that it then needs besides: FFmpeg's WebP is transparent only where it is lossless.
    `sounds` are audio codecs that are copied as they are, `sound` the one for all others, none for silent files;
    `caption` is the codec of its subtitles. `part` is the format of a film's parts, which keeps times as they are, none
    where parts cannot be joined by copying.
    """

    format: str
    codec: str
    options: dict[str, str]
    pixels: str = "yuv420p"
    alpha: str | None = None
    alpha_options: dict[str, str] = field(default_factory=dict)
    needs_even: bool = True
    sounds: frozenset[str] = QUICKTIME_SOUNDS
    sound: str | None = "aac"
    caption: str | None = "mov_text"
    tag: str | None = None
    muxer: dict[str, str] = field(default_factory=dict)
    part: str | None = "nut"

    @property
    def holds_alpha(self) -> bool:
        """Whether it can be transparent."""
        return self.alpha is not None


H264 = Container("mp4", "libx264", {"preset": "veryfast", "crf": "18"}, muxer={"movflags": "+faststart"})
H265 = replace(
    H264, codec="libx265", options={"preset": "fast", "crf": "21", "x265-params": "log-level=none"}, tag="hvc1"
)
AV1 = replace(H264, codec="libsvtav1", options={"preset": "9", "crf": "28", "svtav1-params": "rc=0"})
VP9 = Container(
    "webm",
    "libvpx-vp9",
    {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "crf": "30", "b": "0"},
    alpha="yuva420p",
    needs_even=False,
    sounds=frozenset({"opus", "vorbis"}),
    sound="libopus",
    caption="webvtt",
    part="webm",  # transparency lies beside a packet, where NUT has no place
)
AV1_IN_WEBM = replace(VP9, codec=AV1.codec, options=AV1.options, alpha=None, needs_even=True)
PRORES = Container(
    "mov",
    "prores_ks",
    {"profile": "4444", "vendor": "apl0"},
    pixels="yuv444p10le",
    alpha="yuva444p10le",
    sounds=QUICKTIME_SOUNDS | {"pcm_s16le", "pcm_s24le"},
    tag="ap4h",
    part="mov",
)
GIF = Container(
    "gif", "gif", {}, pixels="pal8", needs_even=False, sounds=frozenset(), sound=None, caption=None, part=None
)
WEBP = Container(
    "webp",
    "libwebp_anim",
    {"quality": "80"},
    alpha="yuva420p",
    alpha_options={"lossless": "1", "quality": "60"},
    needs_even=False,
    sounds=frozenset(),
    sound=None,
    caption=None,
    muxer={"loop": "0"},
    part=None,
)

CONTAINERS = {".mp4": H264, ".webm": VP9, ".mov": PRORES, ".gif": GIF, ".webp": WEBP}
CODECS = {  # what may be asked for by name, by ending
    ".mp4": {"h264": H264, "h265": H265, "av1": AV1},
    ".webm": {"vp9": VP9, "av1": AV1_IN_WEBM},
    ".mov": {"prores": PRORES, "h264": replace(H264, format="mov"), "h265": replace(H265, format="mov")},
}


def container_of(target: Path, codec: str | None = None) -> Container:
    """The container that a file name asks for, with a codec of one's own; raises OutputError and UsageError."""
    ending = target.suffix.lower()
    if ending not in CONTAINERS:
        raise OutputError(f"{target} has no ending that videos are written as; use {', '.join(CONTAINERS)}")
    if codec is None:
        return CONTAINERS[ending]
    known = CODECS.get(ending, {})
    if codec not in known:
        choices = f"use {', '.join(known)}" if known else "leave out --codec"
        raise UsageError(f"--codec {codec!r} does not go into {ending}; {choices}")
    return known[codec]
