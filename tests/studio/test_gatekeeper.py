"""Who may ask, and how much may come in."""

from __future__ import annotations

import pytest
from asking import LIMITS, client_of
from starlette.websockets import WebSocketDisconnect

from incognito.studio.app import create_app
from incognito.studio.settings import Settings

TOKEN = "a-token-of-this-test"


@pytest.fixture(scope="module")
def guarded():
    """A server for others, which wants a token."""
    with client_of(create_app(Settings("0.0.0.0", token=TOKEN, workers=1, limits=LIMITS))) as client:
        yield client


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8765", "[::1]:80", "[::1]", "LOCALHOST:1"])
def test_own_names_are_let_in(client, host):
    """On any port: one that was forwarded is this computer still."""
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "::1:evil"]
)
def test_a_foreign_host_is_refused(client, host):
    """A name that was rebound to this computer is not its own."""
    answer = client.get("/v1/models", headers={"Host": host})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", "http://localhost.evil"])
def test_a_page_elsewhere_is_refused(client, jpeg, origin):
    """It could post without reading the answer, and so keep the computer busy."""
    answer = client.post("/v1/matte", content=jpeg, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_the_own_page_is_let_in(client):
    """Browsers send its origin with every post."""
    assert client.get("/v1/models", headers={"Origin": "http://localhost"}).status_code == 200


def test_a_page_elsewhere_gets_no_live_connection(client):
    """WebSockets know no CORS, so the origin is looked at."""
    with (
        pytest.raises(WebSocketDisconnect) as refusal,
        client.websocket_connect("ws://localhost/studio/live", headers={"Origin": "https://evil.example"}),
    ):
        pass
    assert refusal.value.code == 1008


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"]
)
def test_without_the_token_nothing_is_answered(guarded, header):
    """Wrong, missing or of another kind: 401, and how to send it."""
    headers = {} if header is None else {"Authorization": header.encode()}
    answer = guarded.get("/v1/models", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert TOKEN not in answer.text


def test_with_the_token_all_is_answered(guarded):
    """From any Host: who knows the token is no rebound name."""
    answer = guarded.get("/v1/models", headers={"Authorization": f"Bearer {TOKEN}", "Host": "server.example"})
    assert answer.status_code == 200


def test_watchers_need_no_token(guarded):
    """They say only that the server runs; the figures say more."""
    assert [guarded.get(path).status_code for path in ("/healthz", "/metrics")] == [200, 401]


def test_the_server_for_others_has_no_page(guarded):
    """Nor what only the page may ask for."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    found = [guarded.get(path, headers=headers).status_code for path in ("/", "/studio/cameras", "/index.html")]
    assert found == [404, 404, 404]


def test_a_body_that_says_it_is_too_large_is_not_begun_with(client):
    """A gigabyte in the header alone."""
    answer = client.post("/v1/remove", content=b"x", headers={"Content-Length": str(10**9)})
    assert (answer.status_code, answer.json()["detail"]) == (413, "the body is over 4 MB")


def test_a_body_that_grows_too_large_is_cut_off(client):
    """Its length was not said before."""
    answer = client.post("/v1/remove", content=(b"x" * 2**20 for _ in range(6)))
    assert answer.status_code == 413


def test_browsers_are_told_to_be_careful(client):
    """Nothing from elsewhere, no frame elsewhere, nothing kept."""
    headers = client.get("/").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
