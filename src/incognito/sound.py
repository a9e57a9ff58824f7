"""A video's sound on its way through: copied where the new file can hold it, converted where it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av

if TYPE_CHECKING:
    from incognito.containers import Container


LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}  # by channels: what both encoders take
RATES = {"libopus": (48000,), "aac": (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)}


class Sound:
    """One stream of audio being written."""

    def __init__(self, output: Any, source: Any, container: Container) -> None:
        self._output = output
        self._copies = source.codec_context.name in container.sounds
        if self._copies:
            self._stream = output.add_stream_from_template(source)
        else:
            channels, rate = source.codec_context.layout.nb_channels, source.codec_context.sample_rate
            encoder = container.sound or ""
            allowed = RATES[encoder]
            self._stream = output.add_stream(
                encoder, rate=rate if rate in allowed else allowed[0], layout=LAYOUTS.get(channels, "stereo")
            )
        self._stream.metadata.update(source.metadata)

    def take(self, packet: av.Packet) -> None:
        """Write a packet of the source's stream."""
        if not self._copies:
            for frame in packet.decode():
                self._output.mux(self._stream.encode(frame))
        elif packet.dts is not None:
            packet.stream = self._stream
            self._output.mux(packet)

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if not self._copies:
            self._output.mux(self._stream.encode(None))
