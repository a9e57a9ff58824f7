"""What only the studio's page may ask for: backgrounds of one's own, films by their path, cameras, a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Path as PathWord
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel

from incognito import photo, webcam
from incognito.studio import forms, pictures, videos
from incognito.studio.house import Home, House
from incognito.studio.jobs import check
from incognito.studio.measuring import Measured
from incognito.studio.problem import Refusal
from incognito.studio.videos import Video, VideoFormat
from incognito.timing import Stopwatch

routes = APIRouter(prefix="/studio", include_in_schema=False)


class Place(BaseModel):
    """A background that the page shows as a picture."""

    name: str
    kind: str  # "made", "image" or "video"


class Wanted(BaseModel):
    """A film of this computer, and what is to become of it."""

    path: str
    background: str = "blur"
    model: str = "fast"
    format: VideoFormat = "mp4"


@routes.get("/backgrounds")
def backgrounds(house: Home) -> list[Place]:
    """List the made scenes."""
    return [Place(name=name, kind="made") for name in house.places.names() if name.startswith("made:")]


@routes.post("/backgrounds")
async def bring(request: Request, house: Home) -> Place:
    """Keep a picture or a film, the body itself, as a background."""
    path = house.jobs.new_path()
    await forms.film(request, path)
    return await run_in_threadpool(_bring, path, house)


@routes.get("/backgrounds/{name}/thumbnail")
def thumbnail(name: Annotated[str, PathWord(max_length=80)], house: Home) -> Response:
    """Show a background, small."""
    return Response(house.places.thumbnail(name), media_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})


@routes.get("/cameras")
def cameras() -> list[str]:
    """List this computer's cameras, by number."""
    return [str(each.index) for each in webcam.found()]


@routes.post("/videos", status_code=202)
def video(wanted: Wanted, house: Home) -> Video:
    """Take a film that lies on this computer; it stays as it is."""
    path = Path(wanted.path).expanduser()
    if not path.is_file():
        raise Refusal(422, "there is no such file", "give the whole path of a film on this computer")
    words = {"background": wanted.background, "model": wanted.model, "format": wanted.format}
    return videos.start(house, path, words, own=False)


@routes.post("/benchmark", status_code=202)
def begin(house: Home) -> Measured:
    """Time the default model here, unless that is under way."""
    house.bench.begin()
    return house.bench.state()


@routes.get("/benchmark")
def state(house: Home) -> Measured:
    """Say how far the benchmark is."""
    return house.bench.state()


@routes.get("/benchmark/page")
def report(house: Home) -> HTMLResponse:
    """Show the benchmark's page, which brings its own style."""
    if house.bench.html is None:
        raise Refusal(404, "nothing has been measured yet", "begin a benchmark first")
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
    return HTMLResponse(house.bench.html, headers={"Content-Security-Policy": policy})


def _bring(path: Path, house: House) -> Place:
    """Keep what lies at a path; a film stays there, all else goes."""
    try:
        if photo.is_photo(path):
            still = pictures.read(path.read_bytes(), house.limits.photo_megapixels, Stopwatch())
            brought = house.places.bring_image(still.frame)
        else:
            check(path, house.limits)
            brought = house.places.bring_film(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if brought.film is None:
        path.unlink()
    return Place(name=brought.name, kind=brought.kind)
