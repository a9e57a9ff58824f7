"""What the page asks for, and what it is made of."""

from __future__ import annotations

import re
import time
import zlib

import cv2
import numpy as np
import pytest
from asking import decoded, png

from incognito.studio import scenery
from incognito.studio.app import PAGE


def test_the_page_needs_nothing_from_elsewhere():
    """No address, no inline script or style: what its policy forbids, it does not have."""
    for path in PAGE.iterdir():
        text = path.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path
    html = (PAGE / "index.html").read_text()
    assert not re.search(r"<script(?! type=\"module\" src=)|<style|\sstyle=|\son\w+=", html)


def test_every_part_of_the_page_is_served(client):
    """And each id that a script looks for is there."""
    html = client.get("/").text
    ids = set(re.findall(r'id="([\w-]+)"', html))
    for path in PAGE.glob("*.js"):
        assert client.get(f"/{path.name}").headers["content-type"].startswith("text/javascript")
        text = path.read_text()
        prefix = re.search(r"getElementById\(`(\w+-)\$\{\w+\}`\);", text)
        wanted = {prefix[1] + name for name in re.findall(r'\$\("([\w-]+)"\)', text)} if prefix else set()
        assert wanted <= ids, path


@pytest.mark.parametrize("name", sorted(scenery.SCENES))
def test_made_scenes_are_always_the_same(name):
    """Pictures of full size that nobody photographed."""
    picture = scenery.make(name)
    assert (picture.shape, picture.dtype) == ((*scenery.SIZE, 3), np.uint8)
    assert picture.std() > 3
    assert np.array_equal(picture, scenery.make(name))


def test_backgrounds_are_listed_with_thumbnails(client):
    """Each made scene, small."""
    names = [each["name"] for each in client.get("/studio/backgrounds").json()]
    assert names == [f"made:{name}" for name in scenery.SCENES]
    assert decoded(client.get(f"/studio/backgrounds/{names[0]}/thumbnail").content).shape == (90, 160, 3)


def test_a_picture_of_ones_own_can_be_brought(client, jpeg):
    """It gets a name of the server's, and stands behind the next photo."""
    red = png(2, 2, zlib.compress((b"\0" + b"\xff\0\0" * 2) * 2))
    place = client.post("/studio/backgrounds", content=red).json()
    assert place["kind"] == "image"
    answer = client.post("/v1/remove", params={"background": place["name"]}, content=jpeg)
    assert decoded(answer.content)[20, 480].tolist() == [255, 0, 0]


def test_a_film_of_ones_own_can_be_brought(client, film, jpeg):
    """Its first picture is its thumbnail."""
    place = client.post("/studio/backgrounds", content=film.read_bytes()).json()
    assert place["kind"] == "video"
    assert client.get(f"/studio/backgrounds/{place['name']}/thumbnail").status_code == 200
    assert client.post("/v1/remove", params={"background": place["name"]}, content=jpeg).status_code == 200


def test_what_is_no_background_is_refused_and_deleted(client):
    """Neither picture nor film."""
    before = set(client.app.state.house.jobs.folder.iterdir())
    assert client.post("/studio/backgrounds", content=b"neither").status_code == 422
    assert set(client.app.state.house.jobs.folder.iterdir()) == before


def test_of_too_many_backgrounds_the_oldest_goes(client):
    """What is kept is bounded."""
    red = png(2, 2, zlib.compress((b"\0" + b"\xff\0\0" * 2) * 2))
    names = [client.post("/studio/backgrounds", content=red).json()["name"] for _ in range(33)]
    found = [client.get(f"/studio/backgrounds/{name}/thumbnail").status_code for name in (names[0], names[-1])]
    assert found == [422, 200]


def test_a_film_can_be_named_by_its_path(client, film):
    """It stays where it is, as it is."""
    before = film.read_bytes()
    job = client.post("/studio/videos", json={"path": str(film), "background": "#00b140"}).json()
    until = time.monotonic() + 20
    while client.get(f"/v1/videos/{job['id']}").json()["state"] != "done" and time.monotonic() < until:
        time.sleep(0.05)
    assert client.get(f"/v1/videos/{job['id']}").json()["state"] == "done"
    assert film.read_bytes() == before
    answer = client.post("/studio/videos", json={"path": "/nowhere/film.mp4"})
    assert (answer.status_code, answer.json()["detail"]) == (422, "there is no such file")


def test_the_benchmark_draws_its_page(client, monkeypatch):
    """One at a time; its page brings its own style and no script."""
    monkeypatch.setattr("incognito.studio.measuring.SECONDS", 0.1)
    assert client.get("/studio/benchmark/page").status_code == 404
    assert client.post("/studio/benchmark").json()["running"]
    assert client.post("/studio/benchmark").json()["running"]
    until = time.monotonic() + 90
    while client.get("/studio/benchmark").json()["running"] and time.monotonic() < until:
        time.sleep(0.2)
    state = client.get("/studio/benchmark").json()
    assert (state["done"], state["problem"]) == (True, "")
    page = client.get("/studio/benchmark/page")
    assert "<svg" in page.text and "script" not in page.headers["content-security-policy"]


def test_cameras_are_listed(client):
    """By number; where there is none, none."""
    assert all(number.isdigit() for number in client.get("/studio/cameras").json())


def test_thumbnails_are_small(client):
    """A page shows a dozen at once."""
    thumbnail = client.get("/studio/backgrounds/made:lights/thumbnail").content
    assert len(thumbnail) < 20_000 and cv2.imdecode(np.frombuffer(thumbnail, np.uint8), 1) is not None
