"""Videos as jobs."""

from __future__ import annotations

import time
from pathlib import Path

import av
import pytest
from asking import client_of
from fastapi.testclient import TestClient

from incognito import video
from incognito.studio.app import create_app
from incognito.studio.settings import Limits, Settings


def followed(client: TestClient, id: str, seconds: float = 30.0) -> dict:
    """Ask about a video until it has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job = client.get(f"/v1/videos/{id}").json()
        if job["state"] in ("done", "failed", "cancelled"):
            return job
        time.sleep(0.05)
    raise AssertionError(f"it has not ended: {job}")


def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every frame take a while."""
    quick = video.to_frame
    monkeypatch.setattr(video, "to_frame", lambda decoded: (time.sleep(0.1), quick(decoded))[1])


def test_a_film_becomes_a_job_and_a_film(client, film, tmp_path):
    """Every frame is there at its time; the result can be fetched in parts, as players do."""
    posted = client.post("/v1/videos?background=%2300b140", content=film.read_bytes())
    assert posted.status_code == 202
    assert posted.headers["location"] == f"/v1/videos/{posted.json()['id']}"
    job = followed(client, posted.json()["id"])
    assert (job["state"], job["frames_done"], job["problem"]) == ("done", 12, "")
    answer = client.get(job["result"])
    assert answer.headers["content-type"] == "video/mp4"
    result = tmp_path / "result.mp4"
    result.write_bytes(answer.content)
    corners = [picture[2, 2] for _, picture in video.pictures(result)]
    assert len(corners) == 12
    assert all(abs(int(corner[1]) - 177) < 12 and corner[0] < 20 for corner in corners)
    part = client.get(job["result"], headers={"Range": "bytes=0-99"})
    assert (part.status_code, len(part.content)) == (206, 100)


def test_webm_is_transparent(client, film, tmp_path):
    """Sent as a form, with the words in its parts."""
    words = {"background": "transparent", "format": "webm"}
    posted = client.post("/v1/videos", files={"video": ("/../x.mp4", film.read_bytes())}, data=words)
    job = followed(client, posted.json()["id"])
    result = tmp_path / "result.webm"
    result.write_bytes(client.get(job["result"]).content)
    with av.open(str(result)) as container:
        assert container.streams.video[0].metadata.get("alpha_mode") == "1"


def test_a_job_can_be_cancelled(client, film, monkeypatch):
    """In the middle; then nothing of it is left."""
    slow(monkeypatch)
    id = client.post("/v1/videos", content=film.read_bytes()).json()["id"]
    while client.get(f"/v1/videos/{id}").json()["frames_done"] == 0:
        time.sleep(0.02)
    early = client.get(f"/v1/videos/{id}/result")
    assert (early.status_code, early.json()["detail"]) == (409, "the video is running")
    assert client.delete(f"/v1/videos/{id}").status_code == 204
    assert client.get(f"/v1/videos/{id}").status_code == 404
    folder = client.app.state.house.jobs.folder
    until = time.monotonic() + 5
    while any(id in path.name for path in folder.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [path for path in folder.iterdir() if id in path.name]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the video is empty"),
        (b"no film at all", "cannot be read as a video"),
        (None, "breaks off before its end"),
    ],
    ids=["empty", "no film", "truncated"],
)
def test_a_film_that_is_none_is_refused(client, film, body, words):
    """At once, and nothing of it stays on the disk."""
    before = sorted(client.app.state.house.jobs.folder.iterdir())
    answer = client.post("/v1/videos", content=film.read_bytes()[:3000] if body is None else body)
    assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.json()
    assert str(client.app.state.house.jobs.folder) not in answer.text
    assert sorted(client.app.state.house.jobs.folder.iterdir()) == before


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("background=transparent", "MP4 cannot be transparent"),
        ("background=/dev/video0", "there is no background"),
        ("model=none", "there is no model"),
        ("format=avi", "format"),
    ],
)
def test_words_that_mean_nothing_are_refused(client, film, query, words):
    """Before anything is queued."""
    answer = client.post(f"/v1/videos?{query}", content=film.read_bytes())
    assert (answer.status_code, words in answer.json()["detail"]) == (422, True)


def test_a_full_disk_is_told_of(client, film, monkeypatch):
    """507, and nothing stays."""

    def full(path: Path, mode: str) -> None:
        raise OSError(28, "No space left on device")

    before, data = sorted(client.app.state.house.jobs.folder.iterdir()), film.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        answer = client.post("/v1/videos", content=data)
    assert (answer.status_code, answer.json()["detail"]) == (507, "the film cannot be kept (No space left on device)")
    assert sorted(client.app.state.house.jobs.folder.iterdir()) == before


def test_limits_hold(film):
    """Of frames, of pixels, of waiting videos; each says which."""
    for limits, words in (
        (Limits(video_frames=5), "longer than"),
        (Limits(video_seconds=0.1), "longer than 0.1 seconds"),
        (Limits(video_megapixels=0.01), "over 0.01 megapixels"),
    ):
        with client_of(create_app(Settings(workers=1, limits=limits))) as client:
            answer = client.post("/v1/videos", content=film.read_bytes())
            assert (answer.status_code, words in answer.json()["detail"]) == (413, True)


def test_too_many_videos_are_told_to_wait(film, monkeypatch):
    """429 with Retry-After."""
    slow(monkeypatch)
    with client_of(create_app(Settings(workers=1, limits=Limits(videos_waiting=1)))) as client:
        answers = [client.post("/v1/videos", content=film.read_bytes()) for _ in range(4)]
        assert [each.status_code for each in answers][-1] == 429
        assert answers[-1].headers["retry-after"] == "1"


def test_a_job_that_nobody_asks_about_is_cancelled(film, monkeypatch):
    """Its client has left; so does its result, after a while of its own."""
    slow(monkeypatch)
    limits = Limits(lease_seconds=0.3, result_seconds=0.3)
    with client_of(create_app(Settings(workers=1, limits=limits))) as client:
        id = client.post("/v1/videos", content=film.read_bytes()).json()["id"]
        time.sleep(2.5)
        assert client.get(f"/v1/videos/{id}").status_code == 404
        assert not list(client.app.state.house.jobs.folder.iterdir())


def test_nothing_is_left_in_the_end(film, monkeypatch):
    """Neither uploads nor results, whatever was under way."""
    slow(monkeypatch)
    with client_of(create_app(Settings(workers=1))) as client:
        client.post("/v1/videos", content=film.read_bytes())
        folder = client.app.state.house.jobs.folder
        assert folder.exists()
    assert not folder.exists()
