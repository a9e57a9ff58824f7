"""Who may ask, and how much may come in: what stands before every route, as ASGI sees it."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from incognito.studio.problem import Refusal, answer
from incognito.studio.settings import Settings

OPEN = frozenset({"/healthz", "/readyz"})  # to watchers that have no token
OWN = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
LARGE = frozenset({"/v1/videos", "/studio/backgrounds"})  # paths that take a film
PATIENCE = 5.0  # seconds that a body's mean speed is not looked at

HEADERS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    b"object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}


class Gatekeeper:
    """Lets in whom the settings allow: by Host and Origin on loopback, against pages elsewhere; by token otherwise."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a stranger at once; hand everybody else on, with the body's limits and the headers for browsers."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        refusal = self._refusal(scope)
        if refusal is None and scope["type"] == "http":
            body = Body(receive, self._most(scope["path"]), self._settings)
            refusal = body.refusal(Headers(scope=scope))
            receive = body.receive
        if refusal is None:
            return await self._app(scope, receive, _with_headers(send))
        if scope["type"] == "websocket":
            await receive()  # its connect; closed before it is accepted, which browsers see as 403
            return await send({"type": "websocket.close", "code": 1008, "reason": refusal.detail})
        return await answer(refusal)(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        if self._settings.on_loopback and not self._is_own(headers.get("host", "")):
            return Refusal(403, "this server is not known under that Host", "ask for 127.0.0.1 or localhost")
        if (origin := headers.get("origin")) is not None and not self._is_own_page(origin, headers.get("host", "")):
            return Refusal(403, "pages of other origins may not ask", "ask from a program, or the studio's page")
        if self._settings.token and scope["path"] not in OPEN and not self._knows_token(headers):
            challenge = {"WWW-Authenticate": 'Bearer realm="incognito"'}
            return Refusal(401, "the token is missing or wrong", "send Authorization: Bearer TOKEN", challenge)
        return None

    def _is_own(self, host: str) -> bool:
        """Whether a Host header names loopback, on any port: one that was forwarded is still this computer."""
        return OWN.fullmatch(host.lower()) is not None

    def _is_own_page(self, origin: str, host: str) -> bool:
        return origin.lower() in {f"http://{host.lower()}", f"https://{host.lower()}"}

    def _knows_token(self, headers: Headers) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        right = (self._settings.token or "").encode()
        return scheme.lower() == "bearer" and secrets.compare_digest(token.strip().encode(), right)

    def _most(self, path: str) -> int:
        """Bytes that a body may have."""
        limits = self._settings.limits
        return int(1e6 * (limits.video_megabytes if path in LARGE else limits.photo_megabytes))


class Body:
    """A request's body as it comes in: neither larger nor slower than allowed."""

    def __init__(self, receive: Receive, most: int, settings: Settings) -> None:
        self._receive, self._most, self._limits = receive, most, settings.limits
        self._got, self._begun, self._whole = 0, time.monotonic(), False

    def refusal(self, headers: Headers) -> Refusal | None:
        """Why it is not even begun with: what its length says of it."""
        length = headers.get("content-length", "0")
        return self._too_large() if length.isdigit() and int(length) > self._most else None

    async def receive(self) -> Message:
        """The next part of it; raises Refusal for one too many, or too late."""
        if self._whole:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._limits.idle_seconds)
        except TimeoutError:
            raise self._too_slow() from None
        self._got += len(message.get("body", b""))
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
        if self._got > self._most:
            raise self._too_large()
        if not self._whole and self._is_slow():
            raise self._too_slow()
        return message

    def _is_slow(self) -> bool:
        elapsed = time.monotonic() - self._begun
        return elapsed > PATIENCE and self._got < elapsed * self._limits.body_kilobytes_per_second * 1000

    def _too_large(self) -> Refusal:
        return Refusal(413, f"the body is over {self._most / 1e6:g} MB", "send less", {"Connection": "close"})

    def _too_slow(self) -> Refusal:
        return Refusal(408, "the body came too slowly", "send it at once", {"Connection": "close"})


def _with_headers(send: Send) -> Send:
    """Add what tells browsers to be careful; a route's own headers win."""

    async def careful(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            present = {name.lower() for name, _ in headers}
            message = {**message, "headers": headers + [each for each in HEADERS.items() if each[0] not in present]}
        await send(message)

    return careful
