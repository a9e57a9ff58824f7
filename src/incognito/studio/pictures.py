"""Photos through the API: bytes in, bytes out, and what each stage took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from incognito import photo
from incognito.background import Background
from incognito.composite import compose, visible
from incognito.frame import Frame, Picture
from incognito.header import read_header
from incognito.segment import Segmenter
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
    frame = read(data, most, watch)
    with watch.stage("segment"):
        matte = segmenter(frame)
    with watch.stage("composite"):
        picture = compose(frame, matte, behind)
    if picture.shape[2] == 4 and format == "jpeg":
        raise Refusal(422, "JPEG cannot be transparent", "ask for format=png or webp, or give a background")
    return _encoded(picture, format, watch)


def matted(data: bytes, segmenter: Segmenter, format: Format, most: float) -> Answer:
    """Find the matte of an encoded picture, in grey: white is person."""
    watch = Stopwatch()
    frame = read(data, most, watch)
    with watch.stage("segment"):
        matte = visible(frame, segmenter(frame))
    return _encoded(matte.levels, format, watch)


def read(data: bytes, most: float, watch: Stopwatch) -> Frame:
    """Decode a picture, once its header says that it is one and not too large."""
    header = read_header(data)
    if not data:
        raise Refusal(422, f"{NAME} is empty", "send a picture as the body, or as the part `image` of a form")
    if header is None:
        raise Refusal(415, f"{NAME} is no JPEG, PNG or WebP", "convert it to one of these first")
    if header.width * header.height > most * 1e6:
        size = f"{header.width}x{header.height}"
        raise Refusal(413, f"{NAME} is {size}, over {most:g} megapixels", "scale it down first")
    with watch.stage("decode"):
        return photo.read(data, NAME)


def _encoded(picture: Picture, format: Format, watch: Stopwatch) -> Answer:
    codec, media_type = FORMATS[format]
    with watch.stage("encode"):
        data = photo.encode(picture, codec)
    return Answer(data, media_type, watch)
