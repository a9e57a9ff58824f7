"""A video's subtitles on their way through: plain text, as each kind of file has it; pictures of text stay behind."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import av

if TYPE_CHECKING:
    from incognito.containers import Container

TEXTS = frozenset({"mov_text", "srt", "subrip", "webvtt", "text"})


class Caption:
    """One stream of subtitles being written."""

    def __init__(self, output: Any, source: Any, container: Container) -> None:
        self._output, self._kind, self._from = output, container.caption, source.codec_context.name
        self._stream = output.add_mux_stream(container.caption)
        self._stream.time_base = source.time_base
        self._stream.metadata.update(source.metadata)

    def take(self, packet: av.Packet) -> None:
        """Write a packet of the source's stream."""
        if packet.dts is None:
            return
        text = bytes(packet)
        if self._from == "mov_text":
            text = text[2 : 2 + struct.unpack(">H", text[:2])[0]] if len(text) > 2 else b""
        if not text:  # MP4 fills pauses with such
            return
        new = av.Packet(struct.pack(">H", len(text)) + text if self._kind == "mov_text" else text)
        new.pts, new.dts, new.duration, new.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
        new.stream = self._stream
        self._output.mux(new)

    def finish(self) -> None:
        """Nothing is held."""


def can_be_written(source: Any, container: Container) -> bool:
    """Whether a stream of subtitles is text, and the container takes such."""
    name = source.codec_context.name if source.codec_context else ""
    return container.caption is not None and name in TEXTS
