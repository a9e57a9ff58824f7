"""Figures of the server for Prometheus, each app with a registry of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Receive, Scope, Send

from incognito.timing import Stopwatch

STAGE_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
UNKNOWN = "unknown"  # a route that there is not: whatever a stranger asks for must not become a label

MEDIA_TYPE = CONTENT_TYPE_LATEST


class Meters:
    """Requests by route and status, seconds by route and by stage, and what is going on now."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "incognito_requests", "Requests that were answered.", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "incognito_request_seconds", "From a request to its answer.", ["route"], registry=self._registry
        )
        self._stages = Histogram(
            "incognito_stage_seconds", "A stage of a photo's way.", ["stage"], buckets=STAGE_BUCKETS,
            registry=self._registry,
        )  # fmt: skip

    def watch(self, name: str, help: str, read: Callable[[], float]) -> None:
        """Show a number that is read when it is asked for."""
        Gauge(name, help, registry=self._registry).set_function(read)

    def photo(self, watch: Stopwatch) -> None:
        """Count the stages of a photo."""
        for stage in watch.stages:
            self._stages.labels(stage).observe(watch.milliseconds(stage, 50) / 1000)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of it, in Prometheus's own format."""
        return generate_latest(self._registry)


class Metered:
    """Counts every HTTP request to an application."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app, self._meters = app, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count its answer, by the route that took it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun, status = time.monotonic(), 500

        async def seen(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            route = getattr(scope.get("route"), "path", UNKNOWN)
            self._meters.answered(route, status, time.monotonic() - begun)
