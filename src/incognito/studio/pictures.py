"""Photos through the API: bytes in, bytes out, and what each stage took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from incognito import cutout, still
from incognito.background import Background, Transparent
from incognito.composite import visible
from incognito.header import sniff
from incognito.metadata import Metadata
from incognito.segment import Segmenter
from incognito.still import Still
from incognito.studio.problem import Refusal
from incognito.timing import Stopwatch

NAME = "the picture"  # as errors call it: what a client calls its file is of no interest here

Format = Literal["png", "jpeg", "webp"]
FORMATS: dict[str, tuple[str, str]] = {  # by the API's word: the codec's name, and the media type
    "png": ("PNG", "image/png"),
    "jpeg": ("JPEG", "image/jpeg"),
    "webp": ("WebP", "image/webp"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An encoded picture, and what it cost."""

    data: bytes
    media_type: str
    stopwatch: Stopwatch

    @property
    def timing(self) -> str:
        """The stages for a Server-Timing header, in milliseconds."""
        watch = self.stopwatch
        return ", ".join(f"{stage};dur={watch.milliseconds(stage, 50):.1f}" for stage in watch.stages)


def removed(data: bytes, segmenter: Segmenter, behind: Background, format: Format, most: float) -> Answer:
    """Take away the background of an encoded picture of at most `most` megapixels."""
    watch = Stopwatch()
    if format == "jpeg" and isinstance(behind, Transparent):
        raise Refusal(422, "JPEG cannot be transparent", "ask for format=png or webp, or give a background")
    photo = read(data, most, watch)
    with watch.stage("segment"):
        matte = segmenter(photo.frame)
    with watch.stage("composite"):
        picture = cutout.make(photo, matte, behind)
    return _encoded(picture, format, cutout.notes_of(photo, picture), watch)


def matted(data: bytes, segmenter: Segmenter, format: Format, most: float) -> Answer:
    """Find the matte of an encoded picture, in grey: white is person."""
    watch = Stopwatch()
    frame = read(data, most, watch).frame
    with watch.stage("segment"):
        matte = visible(frame, segmenter(frame))
    return _encoded(matte.levels, format, Metadata(), watch)


def read(data: bytes, most: float, watch: Stopwatch) -> Still:
    """Decode a picture, once its header says that it is one and not too large."""
    if not data:
        raise Refusal(422, f"{NAME} is empty", "send a picture as the body, or as the part `image` of a form")
    if sniff(data) is None:
        raise Refusal(415, f"{NAME} is no {still.KINDS}", "convert it to one of these first")
    height, width = still.size_of(data, NAME)
    if width * height > most * 1e6:
        raise Refusal(413, f"{NAME} is {width}x{height}, over {most:g} megapixels", "scale it down first")
    with watch.stage("decode"):
        return still.read(data, NAME)


def _encoded(picture: np.ndarray, format: Format, notes: Metadata, watch: Stopwatch) -> Answer:
    codec, media_type = FORMATS[format]
    with watch.stage("encode"):
        data = still.encode(picture, codec, notes)
    return Answer(data, media_type, watch)
