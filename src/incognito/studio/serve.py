"""The server's process: it begins, says where it is, and ends when it is told to, having finished or cleaned up."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import cv2
import uvicorn

from incognito.errors import UsageError, first_line
from incognito.studio.app import create_app
from incognito.studio.settings import Settings

GRACE = 10  # seconds for what is under way, once the server is to end
BACKLOG = 128


class Server(uvicorn.Server):
    """Uvicorn's, less its way with signals: it raises them again in the end, and the exit code is theirs."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Capture none."""
        return nullcontext()


def run(settings: Settings, ready: Callable[[str], None] = lambda address: None) -> None:
    """Serve until SIGINT or SIGTERM; `ready` gets the address once requests are answered. Raises UsageError."""
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    cv2.setNumThreads(1)  # every worker has a thread: more would be more than the cores
    with _listen(settings) as listener:
        config = uvicorn.Config(
            create_app(settings),
            log_config=None,
            log_level="error",  # what strangers send that is no HTTP is no news
            access_log=False,
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=GRACE,
            ws_max_size=8 << 20,
        )
        asyncio.run(_serve(Server(config), listener, lambda: ready(_address(settings, listener))))


async def _serve(server: Server, listener: socket.socket, ready: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # on Windows
            signal.signal(number, lambda *_: stop())
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    if server.started:
        ready()
    await serving


def _listen(settings: Settings) -> socket.socket:
    """Take the port; raises UsageError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        place = f"{settings.host}:{settings.port}"
        raise UsageError(f"{place} cannot be listened on ({first_line(error)}); choose another --port") from None
    return listener


def _address(settings: Settings, listener: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}/"
