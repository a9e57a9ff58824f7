"""How far a video file should reach: its own sizes tell whether it breaks off, where FFmpeg would just stop early."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from incognito.errors import InputError, first_line

EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"  # RFC 8794 and 9559


def is_whole(path: Path) -> bool:
    """Whether a file of ISO boxes (MP4, MOV) or EBML (WebM, Matroska) reaches to its last part's end; others pass."""
    try:
        length = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            if start[4:] == b"ftyp":
                return _end_of_boxes(file, length) <= length
            if start[:4] == EBML:
                return _end_of_segment(file, length) <= length
    except OSError as error:
        raise InputError(f"{path} cannot be read ({first_line(error)}); check the path") from None
    return True


def _end_of_boxes(file: BinaryIO, length: int) -> int:
    """Step from box to box (ISO 14496-12, 4.2) to where the last one ends, in the file or beyond it."""
    at = 0
    while at + 8 <= length:
        file.seek(at)
        size, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if size == 0:
            return length
        if size < 8 or not kind.isascii() or not kind.decode().isprintable():
            break
        at += size
    return at


def _end_of_segment(file: BinaryIO, length: int) -> int:
    """Where the one segment ends that follows the EBML header; the file's end where its size is left open."""
    file.seek(4)
    file.seek(_read_size(file) or 0, 1)
    if file.read(4) != SEGMENT:
        return length + 1
    size = _read_size(file)
    return length if size is None else file.tell() + size


def _read_size(file: BinaryIO) -> int | None:
    """Read a variable-size integer (RFC 8794, 4.1); None where all its bits are set: unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return 0
    more = 8 - first[0].bit_length()
    bits = 7 * (more + 1)
    value = int.from_bytes(first + file.read(more), "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value
