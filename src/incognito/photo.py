"""Photos in and out: JPEG, PNG and WebP, EXIF orientation applied, 8 bit."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from incognito.errors import InputError, OutputError
from incognito.frame import Frame
from incognito.header import read_header

LARGEST = 200_000_000  # pixels; more is refused before it is decoded
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WebP"}
WITH_ALPHA = frozenset({"PNG", "WebP"})

_ENCODINGS = {
    "PNG": (".png", [cv2.IMWRITE_PNG_COMPRESSION, 3]),
    "JPEG": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95]),
    "WebP": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 95]),
}


def read(data: bytes, name: str) -> Frame:
    """Decode a photo; `name` is what errors call it. Raises InputError where it is damaged or too large."""
    header = read_header(data)
    if header is None:
        raise InputError(f"{name} is no JPEG, PNG or WebP picture; convert it to one of these first")
    if header.width * header.height > LARGEST:
        raise InputError(f"{name} is {header.width}x{header.height}, over 200 megapixels; scale it down first")
    pixels = _decode(data) if header.whole else None
    if pixels is None:
        raise InputError(f"{name} is a {header.format} that breaks off or is damaged; get the whole file again")
    return Frame.of(pixels)


def encode(picture: np.ndarray, format: str) -> bytes:
    """Encode uint8 grey (H, W), RGB (H, W, 3) or RGBA (H, W, 4) as PNG, JPEG or WebP."""
    suffix, options = _ENCODINGS[format]
    if picture.ndim == 3:
        order = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
        picture = cv2.cvtColor(picture, order)
    try:
        encoded, data = cv2.imencode(suffix, picture, options)
    except cv2.error:
        encoded = False
    if not encoded:
        height, width = picture.shape[:2]
        raise OutputError(f"{format} cannot hold {width}x{height} pixels; write PNG instead")
    return data.tobytes()


def format_of(target: Path) -> str:
    """The format that a file name asks for; raises OutputError for one that cannot be written."""
    try:
        return FORMATS[target.suffix.lower()]
    except KeyError:
        raise OutputError(f"{target} has no ending that photos are written as; use {', '.join(FORMATS)}") from None


def _decode(data: bytes) -> np.ndarray | None:
    """Decode to uint8 RGB or RGBA; orientation applied, 16 bit brought to 8."""
    buffer = np.frombuffer(data, np.uint8)
    as_stored = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    if as_stored is None or as_stored.ndim == 2 or as_stored.shape[2] != 4:
        return cv2.imdecode(buffer, cv2.IMREAD_COLOR_RGB)
    if as_stored.dtype == np.uint16:
        as_stored = cv2.convertScaleAbs(as_stored, alpha=1 / 257)
    return cv2.cvtColor(as_stored, cv2.COLOR_BGRA2RGBA)
