"""What is told of the server itself."""

from __future__ import annotations

import time

import pytest

from incognito import zoo


def test_the_models_are_told(client):
    """Their size and accuracy, and what a run takes here once that was measured."""
    models = {each["name"]: each for each in client.get("/v1/models").json()}
    assert set(models) == {card.name for card in zoo.models()}
    assert (models["fast"]["width"], models["fast"]["height"]) == (256, 224)
    until = time.monotonic() + 60
    while any(each["milliseconds"] is None for each in client.get("/v1/models").json()) and time.monotonic() < until:
        time.sleep(0.2)
    assert all(0 < each["milliseconds"] < 1000 for each in client.get("/v1/models").json())


def test_the_server_gets_ready(client):
    """As soon as the default model is loaded."""
    until = time.monotonic() + 20
    while client.get("/readyz").status_code == 503 and time.monotonic() < until:
        time.sleep(0.05)
    assert client.get("/readyz").json()["status"] == "ok"


def test_the_figures_name_routes_and_never_what_strangers_ask_for(client):
    """A label for each path that anybody tries would fill the memory."""
    client.get("/v1/videos/never-there")
    client.get("/wp-login.php")
    text = client.get("/metrics").text
    assert 'incognito_requests_total{route="/v1/videos/{id}",status="404"}' in text
    assert "wp-login" not in text and "never-there" not in text
    assert "incognito_photos_waiting 0.0" in text


@pytest.mark.parametrize("path", ["/nothing", "/v1/remove", "/studio/backgrounds/made:nothing/thumbnail"])
def test_errors_are_problems(client, path):
    """What happened and what to do, whoever answers."""
    answer = client.get(path)
    assert answer.status_code in (404, 405, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail", "remedy"}


def test_no_page_of_the_documentation_comes_from_elsewhere(client):
    """The document itself is here; the pages that show it would load scripts from a CDN."""
    assert client.get("/docs").status_code == 404
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) >= {"/v1/remove", "/v1/matte", "/v1/videos", "/v1/videos/{id}", "/v1/models"}
    assert not [path for path in document["paths"] if path.startswith("/studio")]
