"""The live page's connection: what a browser would send and see."""

from __future__ import annotations

import asyncio
import json
import math
import struct
import threading
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from asking import decoded

from incognito.guard import safe_picture
from incognito.scripted import made, room
from incognito.studio import onair

SIZE = (192, 320)
ADDRESS = "ws://localhost/studio/live"
WISH = {"background": "#00b140", "width": SIZE[1], "height": SIZE[0]}


@pytest.fixture(autouse=True)
def no_thread_left():
    """Every run ends its threads."""
    before = set(threading.enumerate())
    yield
    until = time.monotonic() + 5
    names = {"live", "capture", "loading", "aside"}
    while left := [t for t in set(threading.enumerate()) - before if t.name in names]:
        assert time.monotonic() < until, left
        time.sleep(0.02)


def frame(number: int, stamp: float | None = None) -> bytes:
    """A message from the browser."""
    jpeg = cv2.imencode(".jpg", made(number, SIZE)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    return struct.pack("<d", number if stamp is None else stamp) + jpeg


def shown(socket, count: int, number: int = 0) -> list[tuple[float, np.ndarray]]:
    """Send frames until so many composited pictures came; gives all pictures with their stamps."""
    pictures: list[tuple[float, np.ndarray]] = []
    live = 0
    while live < count:
        socket.send_bytes(frame(number))
        number += 1
        message = socket.receive()
        if data := message.get("bytes"):
            stamp = struct.unpack_from("<d", data)[0]
            pictures.append((stamp, decoded(data[8:])))
            live += not math.isnan(stamp)
        else:
            assert json.loads(message["text"])["kind"] in ("note", "meter"), message
    return pictures


def note(socket, kind: str) -> dict:
    """The next note of a kind."""
    while True:
        message = socket.receive()
        if (text := message.get("text")) and json.loads(text)["kind"] == kind:
            return json.loads(text)


def likeness(picture: np.ndarray) -> float:
    """The correlation of the room with what is shown at the sides, where the portrait does not come."""
    sides = np.r_[0:30, SIZE[1] - 30 : SIZE[1]]
    a, b = (each[:100, sides].astype(float) - each[:100, sides].mean() for each in (picture, room(SIZE)))
    return float((a * b).sum() / max(np.sqrt((a**2).sum() * (b**2).sum()), 1e-9))


def test_the_room_never_comes_back(client):
    """Of every frame that is sent the person comes back; the first picture is safe or composited."""
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_json(WISH)
        pictures = shown(socket, 12)
        socket.send_json({"stop": True})
    for stamp, picture in pictures:
        assert abs(likeness(picture)) < 0.2
        if math.isnan(stamp):
            assert np.abs(picture.astype(int) - safe_picture(SIZE)).mean() < 3
    person = pictures[-1][1]
    assert np.abs(person[5, 5].astype(int) - (0, 177, 64)).max() < 25
    assert (np.abs(person.astype(int) - (0, 177, 64)).max(2) > 60).mean() > 0.1


def test_stamps_come_back_in_order(client):
    """So the page knows how old what it shows is."""
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_json(WISH)
        stamps = [stamp for stamp, _ in shown(socket, 8, number=100) if not math.isnan(stamp)]
    assert stamps == sorted(stamps) and stamps[0] >= 100


def test_another_background_and_model_come_without_a_gap(client):
    """The last one stands until the next is loaded."""
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_json(WISH)
        shown(socket, 2)
        socket.send_json({"background": "#ffffff", "model": "tiny"})
        pictures = shown(socket, 12, number=50)
    assert not [stamp for stamp, _ in pictures if math.isnan(stamp)]
    assert pictures[-1][1][5, 5].min() > 240


def test_nothing_behind_is_shown_as_squares(client):
    """JPEG has no alpha: how nothing is shown elsewhere."""
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_json(WISH | {"background": "transparent"})
        picture = shown(socket, 3)[-1][1]
    assert 200 < picture[:40, :20].mean() < 245
    assert abs(likeness(picture)) < 0.2


def test_figures_come_once_a_second(client):
    """Frames, latency, stages, CPU."""
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_json(WISH)
        meter: dict = {}
        for number in range(2000):
            socket.send_bytes(frame(number))
            message = socket.receive()
            if (text := message.get("text")) and json.loads(text)["kind"] == "meter":
                meter = json.loads(text)
                break
    assert meter["state"] == "live" and meter["processed"] > 0
    assert meter["latency"] > 0 and meter["stages"]["segment"] > 0 and meter["cpu"] >= 0


def test_what_is_no_frame_is_passed_over(client):
    """The next good one is shown."""
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_json(WISH)
        for wrong in (b"", b"short", b"x" * 8 + b"no jpeg", frame(1)[:500]):
            socket.send_bytes(wrong)
        assert len(shown(socket, 2)) >= 2


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"background": "/etc/passwd"}, "there is no background"),
        ({"model": "none"}, "there is no model"),
        ({"camera": "scripted:ok"}, "validation error"),
        ({"width": 1}, "validation error"),
        ({"camera": "99"}, "99"),
    ],
)
def test_a_wish_that_cannot_be_met_ends_it(client, wish, words):
    """In one line."""
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_json(WISH | wish)
        assert words in note(socket, "end")["text"]


def test_one_page_is_live_at_a_time(client):
    """Two would each have half of the machine."""
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_json(WISH)
        shown(socket, 1)
        with client.websocket_connect(ADDRESS) as second:
            assert "another page is live" in note(second, "end")["text"]
        assert shown(socket, 1, number=9)
    with client.websocket_connect(ADDRESS) as socket:  # the place is free again
        socket.send_json(WISH)
        assert shown(socket, 1)


def test_without_a_virtual_camera_it_says_so(client):
    """There is no driver here."""
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_json(WISH | {"virtual": True})
        assert "virtual camera" in note(socket, "end")["text"]


@pytest.mark.parametrize(("held", "taken"), [(0.2, True), (5.0, False)])
def test_a_page_waits_for_the_run_before_it_to_end(monkeypatch, held, taken):
    """Somebody who stops and begins again is not turned away; a run that goes on is not waited for."""
    monkeypatch.setattr(onair, "HANDOVER", 1.0)
    house = SimpleNamespace(on_air=threading.Lock())
    house.on_air.acquire()
    ends = threading.Timer(held, house.on_air.release)
    ends.start()
    assert asyncio.run(onair._took_the_air(house)) == taken
    ends.cancel()
