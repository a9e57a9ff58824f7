"""The local page: the newest picture in a browser of this computer, and nowhere else."""

from __future__ import annotations

import secrets
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import cv2

from incognito.errors import SinkError, first_line
from incognito.frame import Picture
from incognito.sink import Command

HOST = "127.0.0.1"
OWN_NAMES = ("localhost", HOST, "[::1]")  # others in a request's Host are a page elsewhere, which had its name rebound
QUALITY = 85  # of JPEG: nobody sees a difference, at a third of 95's size
STALLED = 10.0  # seconds after which a browser that takes nothing is let go
BUFFER = 1 << 18  # bytes that the system holds for a browser: a few pictures, so that a slow one is never far behind
BOUNDARY = "picture"

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

HTML = b"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Incognito, live</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --page: #f7f7f5; --ink: #0b0b0b; --soft: #52514e; }
@media (prefers-color-scheme: dark) { :root { --page: #111110; --ink: #ffffff; --soft: #c3c2b7; } }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1280px; margin: 0 auto; padding: 16px; }
h1 { margin: 0 0 12px; font-size: 22px; }
img { display: block; width: 100%; max-height: 80vh; object-fit: contain; background: #000; border-radius: 8px; }
p { margin: 12px 0 0; color: var(--soft); }
</style>
</head>
<body>
<main>
<h1>Incognito, live</h1>
<img src="stream" alt="The live picture: what others would see of you">
<p>Only this computer can show this page. While no page is open, no picture is made for it.</p>
</main>
</body>
</html>
"""


class Page:
    """Serves the newest picture to browsers on this computer that know its address, which is new each time."""

    name = "page"
    sees_room = False

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self.url = ""  # known once it is open
        self._newest = _Newest()

    def open(self, size: tuple[int, int], fps: float) -> None:
        """Begin to serve on the port, 0 for any that is free; raises SinkError."""
        token = secrets.token_urlsafe(16)
        try:
            self._server = _Server(self._port, f"/{token}/", self._newest)
        except OSError as error:
            raise SinkError(f"port {self._port} cannot be used ({first_line(error)}); choose another") from None
        self.url = f"http://{HOST}:{self._server.server_address[1]}/{token}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="page", daemon=True)
        self._thread.start()

    def show(self, picture: Picture, original: Picture | None, seconds: float) -> None:
        """Keep a copy in the place of the last one, if anybody watches."""
        self._newest.put(picture)

    def commands(self) -> list[Command]:
        """Give nothing: the page has no buttons."""
        return []

    def watched(self) -> bool | None:
        """Tell whether a browser is connected."""
        return self._newest.viewers > 0

    def close(self) -> None:
        """Let all browsers go and end every thread."""
        self._newest.end()
        self._server.shutdown()
        self._server.let_go()
        self._server.server_close()
        self._thread.join()


class _Newest:
    """The newest picture, which the stream's thread puts and viewers' threads take; never two."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._encoding = threading.Lock()
        self._picture: Picture | None = None
        self._number, self._ended = 0, False
        self._jpeg = (0, b"")  # of which number
        self.viewers = 0

    def put(self, picture: Picture) -> None:
        """Replace the picture and wake who waits; nothing is kept for nobody."""
        with self._changed:
            if self.viewers:
                self._picture = picture.copy()
                self._number += 1
                self._changed.notify_all()

    def end(self) -> None:
        """Wake who waits for the last time."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @contextmanager
    def viewer(self) -> Iterator[None]:
        """Count who watches; when the last is gone, so is the picture."""
        with self._changed:
            self.viewers += 1
        try:
            yield
        finally:
            with self._changed:
                self.viewers -= 1
                if not self.viewers:
                    self._picture, self._jpeg = None, (0, b"")

    def jpegs(self) -> Iterator[bytes]:
        """Give the newest picture each time that there is one newer than the last, until the end."""
        seen = 0
        while (newer := self._after(seen)) is not None:
            picture, seen = newer
            yield self._encode(picture, seen)

    def _after(self, seen: int) -> tuple[Picture, int] | None:
        """Wait for a picture newer than a number; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or (self._number > seen and self._picture is not None))
            return None if self._ended or self._picture is None else (self._picture, self._number)

    def _encode(self, picture: Picture, number: int) -> bytes:
        """Encode a picture once, however many watch."""
        with self._encoding:
            if self._jpeg[0] != number:
                coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
                self._jpeg = (number, coded.tobytes())
            return self._jpeg[1]


class _Server(ThreadingHTTPServer):
    """Listens on this computer alone, and knows its connections, to end them."""

    def __init__(self, port: int, path: str, newest: _Newest) -> None:
        self.path, self.newest = path, newest
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        super().__init__((HOST, port), _Handler)

    def server_bind(self) -> None:
        """Bind, and ask no name server what this computer is called, as HTTPServer would."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection in its own thread, known while it lasts."""
        with self._lock:
            self._connections[request] = threading.current_thread()
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._connections[request]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that went away in the middle is no error."""

    def let_go(self) -> None:
        """Cut every connection, and wait until its thread has ended."""
        with self._lock:
            left = dict(self._connections)
        for connection, thread in left.items():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Answers a browser: the page, the stream, or that there is nothing here."""

    server: _Server
    server_version, sys_version = "Incognito", ""
    timeout = STALLED

    def setup(self) -> None:
        """Keep what is on its way to the browser small."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        super().setup()

    def do_GET(self) -> None:
        """Answer what was asked for."""
        path = urlsplit(self.path).path.encode()
        if not self._is_own(self.headers.get("Host", "")):
            self.send_error(HTTPStatus.FORBIDDEN, "Not under this name")
        elif secrets.compare_digest(path, self.server.path.encode()):
            self._head("text/html; charset=utf-8", len(HTML))
            self.wfile.write(HTML)
        elif secrets.compare_digest(path, f"{self.server.path}stream".encode()):
            self._stream()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log: the terminal is for the status line."""

    def _is_own(self, host: str) -> bool:
        return host.lower() in {f"{name}:{self.server.server_port}" for name in OWN_NAMES}

    def _head(self, kind: str, length: int | None = None) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()

    def _stream(self) -> None:
        """Send pictures while they come; the boundary goes right after each, or browsers would show it one late."""
        with self.server.newest.viewer():
            self._head(f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.wfile.write(f"--{BOUNDARY}\r\n".encode())
            for jpeg in self.server.newest.jpegs():
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
                self.wfile.write(head + jpeg + f"\r\n--{BOUNDARY}\r\n".encode())
