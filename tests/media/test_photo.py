"""Photos in and out."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from incognito import photo
from incognito.errors import OutputError
from incognito.header import read_header


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WebP"])
@pytest.mark.parametrize("size", [(16, 16), (511, 97)])
def test_a_photo_comes_back(portrait, format, size):
    """What is written can be read, in every format, and the header says the size."""
    picture = np.ascontiguousarray(portrait[: size[0], : size[1]])
    data = photo.encode(picture, format)
    header = read_header(data)
    assert header is not None
    assert (header.format, header.height, header.width, header.whole) == (format, *size, True)
    assert np.abs(photo.read(data, "it").pixels.astype(int) - picture).mean() < (0.1 if format == "PNG" else 3)


@pytest.mark.parametrize("format", ["PNG", "WebP"])
def test_transparency_comes_back(portrait, format):
    """Alpha is written and read as it is."""
    alpha = np.tile(np.arange(512) // 2, (512, 1)).astype(np.uint8)
    opacity = photo.read(photo.encode(np.dstack([portrait, alpha]), format), "it").opacity
    assert opacity is not None
    assert np.abs(opacity.astype(int) - alpha).max() <= 1


@pytest.mark.parametrize(
    "stored",
    [
        np.full((20, 30), 90, np.uint8),
        np.full((20, 30, 3), 90 * 257, np.uint16),
        np.full((20, 30), 90 * 257, np.uint16),
        np.dstack([np.full((20, 30, 3), 90 * 257, np.uint16), np.full((20, 30), 65535, np.uint16)]),
    ],
)
def test_grey_and_16_bit_are_read(stored):
    """A PNG of any depth comes in as 8-bit RGB."""
    frame = photo.read(cv2.imencode(".png", stored)[1].tobytes(), "it")
    assert frame.pixels.shape == (20, 30, 3)
    assert np.abs(frame.pixels.astype(int) - 90).max() <= 1


def with_orientation(data: bytes, orientation: int) -> bytes:
    """Put an EXIF block with an orientation (tag 0x0112) after a JPEG's first marker."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


def test_exif_orientation_is_applied(portrait):
    """A photo taken with the camera turned comes in upright."""
    data = with_orientation(photo.encode(np.ascontiguousarray(portrait[:300]), "JPEG"), 6)
    frame = photo.read(data, "it")
    assert frame.pixels.shape == (512, 300, 3)
    assert np.abs(frame.pixels.astype(int) - np.rot90(portrait[:300], -1)).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_to_transparent_photos_as_to_others(portrait, orientation):
    """A PNG with alpha is turned just as OpenCV turns the same PNG without."""
    exif = b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + bytes(4)
    small = np.ascontiguousarray(portrait[:40, :60, ::-1])
    opaque = np.dstack([small, np.full((40, 60), 255, np.uint8)])
    turned = []
    for picture in (small, opaque):
        data = cv2.imencode(".png", picture)[1].tobytes()
        chunk = b"eXIf" + exif
        turned.append(
            data[:33] + struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]
        )
    plain, alpha = (photo.read(data, "it") for data in turned)
    assert plain.opacity is None
    assert alpha.opacity is not None
    assert np.array_equal(plain.pixels, alpha.pixels)


def test_a_thumbnail_in_the_header_is_not_the_photo(portrait):
    """The size is the photo's own, though an earlier segment holds a whole JPEG."""
    thumbnail = photo.encode(np.ascontiguousarray(portrait[:32, :32]), "JPEG")
    data = photo.encode(portrait, "JPEG")
    data = data[:2] + b"\xff\xe2" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + data[2:]
    header = read_header(data)
    assert header is not None
    assert (header.height, header.width) == (512, 512)


@pytest.mark.parametrize("format", ["JPEG", "WebP"])
def test_a_picture_too_large_for_its_format_is_refused(format):
    """WebP ends at 16383 pixels a side, JPEG at 65500."""
    with pytest.raises(OutputError, match="PNG"):
        photo.encode(np.zeros((1, 70_000, 3), np.uint8), format)
