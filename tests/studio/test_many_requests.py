"""Load on loopback: many requests, few connections, no error, no growth. INCOGNITO_LOAD says how many; CI sends 300."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter

import httpx
from asking import decoded, served

REQUESTS = int(os.environ.get("INCOGNITO_LOAD", "300"))
CONNECTIONS = 8


def send(address: str, jpeg: bytes, count: int, heard: list[tuple[int, float]], over: threading.Event) -> None:
    """Send requests one after the other over one connection."""
    with httpx.Client(base_url=address, timeout=60) as client:
        for _ in range(count):
            begun = time.monotonic()
            try:
                answer = client.post("v1/remove?background=blur&format=jpeg", content=jpeg)
            except httpx.TransportError:
                if over.is_set():
                    return
                raise
            heard.append((answer.status_code, time.monotonic() - begun))
            if answer.status_code == 200:
                assert answer.content.endswith(b"\xff\xd9"), "half a picture"


def load(address: str, jpeg: bytes, count: int, over: threading.Event) -> list[threading.Thread]:
    """Begin to send from all connections; what is heard is collected in each thread's `heard`."""
    threads = []
    for _ in range(CONNECTIONS):
        heard: list[tuple[int, float]] = []
        thread = threading.Thread(target=send, args=(address, jpeg, count // CONNECTIONS, heard, over))
        thread.heard = heard
        thread.start()
        threads.append(thread)
    return threads


def test_nothing_fails_and_nothing_grows(jpeg):
    """No answer but 200 and 429; memory within 50 MB of what it was after the first tenth."""
    with served() as server:
        server.ready()
        time.sleep(10)  # the models are timed meanwhile
        for thread in load(server.address, jpeg, max(REQUESTS // 10, 80), threading.Event()):
            thread.join()
        before, begun = server.memory(), time.monotonic()
        threads = load(server.address, jpeg, REQUESTS, threading.Event())
        for thread in threads:
            thread.join()
        seconds, growth = time.monotonic() - begun, server.memory() - before
        assert server.end() == 0
    heard = [each for thread in threads for each in thread.heard]
    times = sorted(time for _, time in heard)
    logging.getLogger(__name__).info(  # pytest --log-cli-level=INFO
        f"{len(heard)} requests in {seconds:.1f} s, {len(heard) / seconds:.1f}/s, p50 {times[len(times) // 2]:.3f} s, "
        f"p95 {times[len(times) * 95 // 100]:.3f} s, {Counter(status for status, _ in heard)}, {growth:+.1f} MB"
    )
    assert len(heard) == REQUESTS // CONNECTIONS * CONNECTIONS
    assert {status for status, _ in heard} <= {200, 429}
    assert growth < 50


def test_told_to_end_in_the_middle_it_finishes_what_it_began(jpeg, film, tmp_path):
    """Every answer is whole, nothing is left on the disk, and the exit code is 0."""
    over = threading.Event()
    with served(env={"TMPDIR": str(tmp_path)}) as server:
        server.ready()
        threads = load(server.address, jpeg, REQUESTS, over)
        httpx.post(server.address + "v1/videos", content=film.read_bytes(), timeout=30)
        time.sleep(1)
        over.set()
        assert server.end() == 0
        for thread in threads:
            thread.join()
        assert not list(tmp_path.iterdir())
    heard = [each for thread in threads for each in thread.heard]
    assert heard and {status for status, _ in heard} <= {200, 429}
    assert decoded(jpeg) is not None
