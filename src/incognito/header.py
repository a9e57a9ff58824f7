"""What a picture file says of itself before it is decoded: its format and its size."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

STARTS_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG markers that carry the size
END_OF_IMAGE = 0xD9
AVIF, HEIC = frozenset({b"avif", b"avis"}), frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis"})  # brands
ORIENTATION = 0x0112  # an EXIF tag


@dataclass(frozen=True, slots=True)
class Header:
    """A picture file's format (JPEG, PNG or WebP), size in pixels, and whether its end is there."""

    format: str
    width: int
    height: int
    whole: bool


def sniff(data: bytes) -> str | None:
    """The format of a picture file by its first bytes: JPEG, PNG, WebP, TIFF, AVIF or HEIC; None for another."""
    if data[4:8] == b"ftyp":
        brands = {data[at : at + 4] for at in (8, *range(16, min(len(data), 64), 4))}
        return "AVIF" if brands & AVIF else "HEIC" if brands & HEIC else None
    starts = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"II*\0": "TIFF", b"MM\0*": "TIFF"}
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    return next((format for start, format in starts.items() if data.startswith(start)), None)


def read_header(data: bytes) -> Header | None:
    """Read the header of a picture file; None where it is neither JPEG, PNG nor WebP, or breaks off in the header."""
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
    except (struct.error, IndexError):
        pass
    return None


def orientation_of(*blocks: bytes) -> int:
    """The orientation (1 to 8) in the first EXIF block that names one; 1, upright, where none does."""
    for block in blocks:
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
        try:
            if order and (orientation := _tag(block, order, ORIENTATION)):
                return orientation
        except struct.error:  # a block that breaks off names none
            continue
    return 1


def _tag(block: bytes, order: str, wanted: int) -> int:
    """Look a short number up in the first directory of an EXIF block (TIFF 6.0, 2); 0 where it is not there."""
    (start,) = struct.unpack_from(order + "I", block, 4)
    (count,) = struct.unpack_from(order + "H", block, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, _, _, value = struct.unpack_from(order + "HHIH", block, at)
        if tag == wanted:
            return int(value)
    return 0


def _png(data: bytes) -> Header:
    """Walk the chunks (ISO 15948, 5.3) as long as their checksums are right; whole where that leads to the last one."""
    width, height = struct.unpack(">II", data[16:24])
    at, kind = 8, b""
    while at + 12 <= len(data) and kind != b"IEND":
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        if data[at + 8 + length : at + 12 + length] != zlib.crc32(data[at + 4 : at + 8 + length]).to_bytes(4, "big"):
            return Header("PNG", width, height, False)
        at += 12 + length
    return Header("PNG", width, height, kind == b"IEND")


def _jpeg(data: bytes) -> Header | None:
    """Walk the segments (ITU T.81, B.1.1) to the start of frame, which carries the size."""
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        if marker in STARTS_OF_FRAME:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return Header("JPEG", width, height, data.rfind(bytes([0xFF, END_OF_IMAGE])) > at)
        at += 2 + length
    return None


def _webp(data: bytes) -> Header | None:
    """Read the first chunk (RFC 9649): VP8, VP8L or VP8X."""
    whole = len(data) >= struct.unpack("<I", data[4:8])[0] + 8
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[i : i + 3], "little") + 1 for i in (24, 27))
    elif kind == b"VP8L":
        (bits,) = struct.unpack("<I", data[21:25])
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", data[26:30]))
    else:
        return None
    return Header("WebP", width, height, whole)
