"""Photos over HTTP."""

from __future__ import annotations

import resource
import struct
import threading
import zlib

import numpy as np
import pytest
from asking import decoded, png

from incognito import Segmenter, zoo
from incognito.background import Colour
from incognito.composite import compose
from incognito.frame import Frame
from incognito.studio.desks import Desks
from incognito.studio.problem import Refusal


def test_a_raw_picture_becomes_transparent(client, jpeg, portrait):
    """A PNG with true alpha: the person's, straight, and no colour where there is none."""
    answer = client.post("/v1/remove", content=jpeg, headers={"Content-Type": "image/jpeg"})
    picture = decoded(answer.content)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert picture.shape == (*portrait.shape[:2], 4)
    assert picture[150, 220, 3] == 255 and picture[20, 480, 3] == 0
    assert not picture[picture[..., 3] == 0].any()


def test_the_answer_is_the_librarys(client, jpeg):
    """The same engine: what the base finds, or the variant that is fastest here."""
    answer = decoded(client.post("/v1/remove?background=%2300b140", content=jpeg).content)
    card = zoo.find("fast")
    frame, behind = Frame.of(decoded(jpeg)), Colour(0, 177, 64)
    runs = [(Segmenter(card.path, 1)), client.app.state.house.models.open("fast")]
    expected = [compose(frame, segmenter(frame), behind).astype(int) for segmenter in runs]
    assert min(np.abs(answer - each).mean() for each in expected) < 0.2


def test_a_form_says_all_in_its_parts(client, jpeg):
    """And what it calls the file is of no interest."""
    words = {"background": "#00b140", "format": "jpeg", "model": "tiny"}
    answer = client.post("/v1/remove", files={"image": ("../../etc/passwd\0.png", jpeg)}, data=words)
    assert answer.headers["content-type"] == "image/jpeg"
    assert np.abs(decoded(answer.content)[20, 480].astype(int) - (0, 177, 64)).max() < 8


def test_a_background_may_be_a_picture(client, jpeg):
    """It is cut to cover the photo."""
    red = png(2, 2, zlib.compress(b"\0" + b"\xff\0\0" * 2 + b"\0" + b"\xff\0\0" * 2))
    answer = client.post("/v1/remove", files={"image": jpeg, "background": ("red.png", red)})
    assert decoded(answer.content)[20, 480].tolist() == [255, 0, 0]


@pytest.mark.parametrize(("format", "media"), [("png", "image/png"), ("jpeg", "image/jpeg"), ("webp", "image/webp")])
def test_a_matte_is_grey(client, jpeg, format, media):
    """White is person, in every format."""
    answer = client.post(f"/v1/matte?format={format}", content=jpeg)
    matte = decoded(answer.content)
    assert answer.headers["content-type"] == media
    assert matte[150, 220].max() > 240 and matte[20, 480].max() < 15


def test_the_stages_are_told(client, jpeg):
    """In a header that browsers show, and in the metrics."""
    timing = client.post("/v1/remove", content=jpeg).headers["server-timing"]
    assert [part.split(";")[0] for part in timing.split(", ")] == ["decode", "segment", "composite", "encode"]
    assert 'incognito_stage_seconds_count{stage="segment"}' in client.get("/metrics").text


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "the picture is empty"),
        (b"GIF89a and so on", 415, "is no JPEG, PNG, WebP"),
        (b"%PDF-1.7", 415, "is no JPEG, PNG, WebP"),
        (png(50_000, 50_000, b""), 413, "is 50000x50000, over 4 megapixels"),
        (png(64, 64, zlib.compress(b"")), 422, "breaks off or is damaged"),
        (png(2**31 - 1, 1, b""), 413, "over 4 megapixels"),
    ],
    ids=["empty", "gif", "pdf", "50000x50000", "no data", "one line"],
)
def test_a_picture_that_is_none_is_refused(client, body, status, words):
    """Before it is decoded where its header says enough; each in one line with a remedy."""
    answer = client.post("/v1/remove", content=body)
    problem = answer.json()
    assert (answer.status_code, words in problem["detail"]) == (status, True), problem
    assert problem["remedy"]


def test_a_bomb_is_not_unpacked(client):
    """Data that unpacks to 300 MB in a picture of 16 pixels: only what these need is."""
    packer = zlib.compressobj(9)
    bomb = png(4, 4, b"".join(packer.compress(bytes(10**6)) for _ in range(300)) + packer.flush())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = client.post("/v1/matte", content=bomb)
    assert (answer.status_code, decoded(answer.content).shape) == (200, (4, 4))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_a_truncated_picture_is_refused(client, jpeg):
    """Half a photo is no photo."""
    assert client.post("/v1/remove", content=jpeg[: len(jpeg) // 2]).status_code == 422


def test_a_compressed_chunk_is_no_bomb(client):
    """Text that unpacks to 100 MB is beside the picture, and left packed or refused."""
    body = b"Comment\0\0" + zlib.compress(b"\0" * 10**8, 9)
    text = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    answer = client.post("/v1/matte", content=png(4, 4, zlib.compress((b"\0" + b"\x80" * 12) * 4), text))
    assert answer.status_code in (200, 422)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("background=/etc/passwd", "there is no background '/etc/passwd'"),
        ("background=https://example.org/a.jpg", "there is no background"),
        ("background=blur:1000", "is no blur"),
        ("background=made:nothing", "there is no background"),
        ("background=" + "x" * 100, "at most 80 characters"),
        ("model=../../zoo/light-mobilenet_v2", "there is no model"),
        ("model=fast.onnx", "there is no model"),
        ("format=tiff", "format"),
        ("format=jpeg", "JPEG cannot be transparent"),
    ],
)
def test_words_that_mean_nothing_are_refused(client, jpeg, query, words):
    """No file of the server's and no address is ever meant."""
    answer = client.post(f"/v1/remove?{query}", content=jpeg)
    assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.json()


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x", "MULTIPART/FORM-DATA"])
def test_a_form_that_cannot_be_read_is_refused(client, kind):
    """Without a boundary, without an end, without anything."""
    answer = client.post("/v1/remove", content=b"--y\r\nnothing", headers={"Content-Type": kind})
    assert answer.status_code in (400, 422)


def test_a_full_queue_says_when_to_come_again():
    """429 with Retry-After, for one too many and for one that waited too long."""
    desks = Desks(None, count=1, waiting=1, patience=0.2)
    refusals: list[Refusal] = []

    def wait() -> None:
        with pytest.raises(Refusal) as refusal, desks.take():
            pass
        refusals.append(refusal.value)

    with desks.take():
        thread = threading.Thread(target=wait)
        thread.start()
        while not desks.waiting:
            pass
        with pytest.raises(Refusal, match="the queue is full") as refusal, desks.take():
            pass
        thread.join()
    assert [each.status for each in (*refusals, refusal.value)] == [429, 429]
    assert refusals[0].headers == {"Retry-After": "1"}
    with desks.take():  # the place is free again
        assert desks.waiting == 0
