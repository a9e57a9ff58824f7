"""What tests make for themselves: films with any times, sounds, the toy model's card; and what they read back."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import onnx
from onnx import numpy_helper

from incognito.zoo import Card


def toy_card(network: bytes, **changes: object) -> Card:
    """The card of the toy model, with changes."""
    fields: dict = {
        "name": "toy", "file": "toy.onnx", "bytes": len(network), "sha256": hashlib.sha256(network).hexdigest(),
        "licence": "MIT", "training_data": [], "height": 32, "width": 48, "layout": "NHWC", "colour": "RGB",
        "dtype": "uint8", "mean": [], "deviation": [], "resize": "stretch", "activation": "none", "measured": {},
        "lineage": [],
    }  # fmt: skip
    return Card(**(fields | changes))


def add_variant(folder: Path, most: float = 255.0, precision: str = "int8", **measured: float) -> None:
    """Put a variant beside the toy model: its alpha is red over `most`."""
    model = onnx.load(folder / "toy.onnx")
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.float32(most), "most"))
    model.doc_string = precision
    network = model.SerializeToString()
    file = folder / f"toy.{precision}.onnx"
    file.write_bytes(network)
    toy_card(network, file=file.name, precision=precision, measured=measured).write(file.with_suffix(".json"))


def write_film(
    path: Path,
    pictures: list[np.ndarray],
    times: list[int],
    codec: str = "libx264",
    sound: str | None = "aac",
    rotation: int = 0,
) -> None:
    """Write a film with pictures at times in milliseconds, and a tone beneath."""
    kind = {".mp4": "mp4", ".webm": "webm", ".mkv": "matroska"}[path.suffix]
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        tone = container.add_stream(sound, rate=48000, layout="mono") if sound else None
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tone is not None:
            write_tone(container, tone, seconds=times[-1] / 1000)


def write_tone(container, stream, seconds: float) -> None:
    """Write 440 Hz into a stream of 48 kHz."""
    samples = np.sin(2 * np.pi * 440 * np.arange(int(48000 * seconds)) / 48000).astype(np.float32)[None]
    for start in range(0, samples.shape[1] - 960, 960):
        frame = av.AudioFrame.from_ndarray(samples[:, start : start + 960], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def times_of(path: Path) -> list[float]:
    """The times of a film's frames, in milliseconds."""
    with av.open(str(path)) as container:
        return [frame.time * 1000 for frame in container.decode(video=0)]


def sound_of(path: Path) -> list[tuple[float, bytes]]:
    """The packets of a film's sound: time in milliseconds, and content."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(audio=0) if p.dts is not None]
        return [(float(p.pts * p.time_base) * 1000, bytes(p)) for p in packets]


def mutated(data: bytes, seed: int) -> bytes:
    """A file with bytes flipped, its end cut off, or another beginning, by turns."""
    random, changed = np.random.default_rng(seed), bytearray(data)
    if seed % 3 == 0:
        for at in random.integers(0, len(data), random.integers(1, 60)):
            changed[at] = random.integers(0, 256)
    elif seed % 3 == 1:
        del changed[random.integers(1, len(data)) :]
    else:
        changed[: random.integers(1, 200)] = random.bytes(random.integers(1, 200))
    return bytes(changed)
