"""The application: routes behind a gatekeeper."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from incognito import __version__
from incognito.errors import IncognitoError
from incognito.studio import photos, problem, state, videos
from incognito.studio.gatekeeper import Gatekeeper
from incognito.studio.house import House
from incognito.studio.meters import Metered
from incognito.studio.settings import Settings

PAGE = Path(__file__).parent / "page"


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application; `settings.page` adds the studio's page to the API."""
    settings = settings or Settings()
    house = House(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(house.open)
        try:
            yield
        finally:
            await run_in_threadpool(house.close)

    app = FastAPI(
        title="Incognito",
        version=__version__,
        summary="Takes away what is behind a person.",
        license_info={"name": "MIT"},
        lifespan=lifespan,
        docs_url=None,  # their pages come from elsewhere
        redoc_url=None,
    )
    app.state.house = house
    for routes in (photos.routes, videos.routes, state.routes):
        app.include_router(routes)
    for kind in (problem.Refusal, IncognitoError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _answer)
    if settings.page:
        _add_page(app)
    app.add_middleware(Gatekeeper, settings=settings)
    app.add_middleware(Metered, meters=house.meters)
    return app


def _add_page(app: FastAPI) -> None:
    from incognito.studio import onair, workbench

    app.include_router(workbench.routes)
    app.include_router(onair.routes)
    app.mount("/", StaticFiles(directory=PAGE, html=True))


def _answer(_: Request, error: Exception) -> JSONResponse:
    return problem.answer(error)
