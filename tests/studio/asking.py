"""What the server's tests ask with, and how they read answers."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import httpx
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


@contextmanager
def served(*arguments: str, command: str = "serve", env: dict[str, str] | None = None) -> Iterator[Served]:
    """A server in a process of its own, on a free port; what it says on standard error is kept."""
    line = [sys.executable, "-m", "incognito", command, "--port", "0", *arguments]
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
    try:
        address = process.stderr.readline().strip()
        assert address.startswith("http://"), address + process.stderr.read()
        yield Served(process, address)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@dataclass
class Served:
    """A running server."""

    process: subprocess.Popen
    address: str  # "http://127.0.0.1:41234/"

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1].strip("/"))

    def ready(self, seconds: float = 20.0) -> None:
        """Wait until a model is loaded."""
        until = time.monotonic() + seconds
        while httpx.get(self.address + "readyz").status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.02)

    def end(self, seconds: float = 20.0) -> int:
        """Tell it to end; gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def memory(self) -> float:
        """Its resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1000
