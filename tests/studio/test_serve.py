"""The server's process: how it begins and ends, and what rude clients get."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from asking import Served, decoded, served

from incognito import extras
from incognito.errors import UsageError

PATIENT = "idle_seconds = 1\nlease_seconds = 1\nresult_seconds = 1\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with short patience, and a place for what it keeps."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "limits.toml").write_text(PATIENT)
    (folder / "tmp").mkdir()
    with served("--limits", str(folder / "limits.toml"), env={"TMPDIR": str(folder / "tmp")}) as server:
        server.ready()
        yield server


def asked(server: Served, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send bytes as they are, one part after the other; gives what comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def head(server: Served, length: int, path: str = "/v1/remove") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: localhost:{server.port}\r\nContent-Length: {length}\r\n\r\n".encode()


def test_it_ends_when_it_is_told_to(tmp_path, film):
    """With exit code 0 and nothing on the disk, though a video was under way."""
    with served(env={"TMPDIR": str(tmp_path)}) as server:
        server.ready()
        film_of_more = film.read_bytes()
        posted = httpx.post(server.address + "v1/videos", content=film_of_more)
        assert posted.status_code == 202
        assert list(tmp_path.iterdir())
        assert server.end() == 0
        assert not list(tmp_path.iterdir())
        assert server.process.stderr.read() == ""


def test_a_request_under_way_is_finished(server_of_its_own, jpeg):
    """Its client gets the whole answer, though the server was told to end in the middle."""
    server = server_of_its_own
    body = head(server, len(jpeg), "/v1/remove?model=best")
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as connection:
        connection.sendall(body + jpeg[:-100])
        time.sleep(0.3)
        server.process.terminate()
        time.sleep(0.3)
        connection.sendall(jpeg[-100:])
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert decoded(answer.split(b"\r\n\r\n", 1)[1]).shape == (512, 512, 4)
    assert server.process.wait(15) == 0


@pytest.fixture
def server_of_its_own():
    """One that a test may end."""
    with served() as server:
        server.ready()
        yield server


def test_a_body_that_stands_still_is_cut_off(server):
    """Slow loris: the client that sends a byte and waits gets 408, and its connection closed."""
    answer = asked(server, head(server, 1000) + b"x")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"the body came too slowly" in answer


def test_a_body_that_trickles_is_cut_off(server):
    """A byte now and then is too slow as well."""
    begun = time.monotonic()
    try:
        answer = asked(server, head(server, 10**6), *[b"x"] * 20, pause=0.5)
    except (ConnectionResetError, BrokenPipeError):  # it was closed while we sent
        answer = b"HTTP/1.1 408"
    assert answer.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - begun < 12


def test_a_header_without_end_is_refused(server):
    """Long before it is a gigabyte."""
    endless = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 2**17
    try:
        answer = asked(server, endless)
    except ConnectionResetError:
        answer = b""
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
    assert httpx.get(server.address + "healthz").status_code == 200


def test_what_is_no_http_is_refused(server):
    """And nothing is logged of it."""
    assert asked(server, b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_a_client_that_leaves_in_the_middle_leaves_nothing(server, film):
    """Of an upload that broke off no byte stays, and of its job, that nobody asks about, neither."""
    folder = next(Path(server_folder(server)).iterdir())
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head(server, 10**6, "/v1/videos") + film.read_bytes())
        time.sleep(0.3)
    httpx.post(server.address + "v1/videos", content=film.read_bytes())
    until = time.monotonic() + 10
    while list(folder.iterdir()) and time.monotonic() < until:
        time.sleep(0.1)
    assert not list(folder.iterdir())


def server_folder(server: Served) -> str:
    """Where a server keeps its files."""
    environment = Path(f"/proc/{server.process.pid}/environ").read_bytes().split(b"\0")
    return next(each[7:].decode() for each in environment if each.startswith(b"TMPDIR="))


def test_a_port_that_is_taken_is_named():
    """One line, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = [sys.executable, "-m", "incognito", "serve", "--port", str(port)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and f"127.0.0.1:{port} cannot be listened on" in done.stderr


def test_another_address_without_a_token_is_refused(run, monkeypatch):
    """One line, before anything is loaded."""
    monkeypatch.delenv("INCOGNITO_TOKEN", raising=False)
    code, out, err = run("serve", "--host", "0.0.0.0")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "a token is needed; give --token-file or set INCOGNITO_TOKEN" in err


def test_without_the_extra_it_says_what_to_install():
    """One line with the command."""
    with pytest.raises(UsageError, match=r"needs nothing_of_the_kind, .*; pip install incognito\[studio\]"):
        extras.require("studio", "json", "nothing_of_the_kind")


def test_it_listens_on_loopback_alone(server):
    """Nobody else can so much as connect."""
    listening = Path(f"/proc/{server.process.pid}/net/tcp").read_text()
    own = [line.split()[1] for line in listening.splitlines() if f":{server.port:04X} " in line and " 0A " in line]
    assert own == [f"0100007F:{server.port:04X}"]


def test_the_studio_is_ready_soon(tmp_path):
    """The page within three seconds of the command, a first photo within one after that; on a busy machine, thrice."""
    begun = time.monotonic()
    with served("--no-browser", command="studio", env={"INCOGNITO_CACHE": str(tmp_path)}) as server:
        server.ready()
        ready = time.monotonic() - begun
        photo = Path(__file__).parents[2] / "src/incognito/assets/astronaut.jpg"
        answer = httpx.post(server.address + "v1/remove", content=photo.read_bytes(), timeout=20)
        first = time.monotonic() - begun - ready
    assert answer.status_code == 200
    assert (ready < 9, first < 3) == (True, True), (ready, first)
    assert os.environ["INCOGNITO_CACHE"]
