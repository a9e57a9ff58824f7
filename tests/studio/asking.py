"""What the server's tests ask with, and how they read answers."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
from fastapi import FastAPI
from fastapi.testclient import TestClient

from incognito.studio.settings import Limits

LIMITS = Limits(photo_megabytes=4, photo_megapixels=4, video_megabytes=4, idle_seconds=1, wait_seconds=5)


def client_of(app: FastAPI) -> TestClient:
    """A client that asks as a program on this computer does."""
    return TestClient(app, base_url="http://localhost", raise_server_exceptions=False)


def decoded(data: bytes) -> np.ndarray:
    """An answer's picture as it is stored: grey, RGB or RGBA."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture.ndim == 2:
        return picture
    return cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA if picture.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def png(width: int, height: int, data: bytes, extra: bytes = b"") -> bytes:
    """A PNG that says it has a size, whatever its data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")
