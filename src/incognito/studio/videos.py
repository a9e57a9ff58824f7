"""/v1/videos: a film becomes a job, which is asked about, fetched and deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field

from incognito.studio import forms
from incognito.studio.house import DEFAULT, Home, House
from incognito.studio.jobs import Job, State
from incognito.studio.photos import BackgroundWord, ModelWord
from incognito.studio.problem import Refusal

routes = APIRouter(prefix="/v1/videos", tags=["videos"])

VideoFormat = Literal["mp4", "webm"]
MEDIA_TYPES = {".mp4": "video/mp4", ".webm": "video/webm"}
FormatWord = Annotated[VideoFormat, Query(description="MP4 (H.264) or WebM (VP9, which can be transparent).")]

WORDS: dict[str, Any] = {
    "background": {"type": "string", "default": "blur"},
    "model": {"type": "string", "default": DEFAULT},
    "format": {"type": "string", "enum": list(get_args(VideoFormat)), "default": "mp4"},
}


class Video(BaseModel):
    """A video on its way."""

    id: str = Field(examples=["Zm9vYmFyYmF6cXV4eHl6"])
    state: State
    frames_done: int = Field(examples=[120])
    frames: int | None = Field(description="Of how many, where the file says so.", examples=[900])
    seconds_left: float | None = Field(examples=[12.5])
    problem: str = Field(description="Why it failed; empty where it did not.")
    ask_within: float = Field(description="Seconds: a video that nobody asks about for so long is cancelled.")
    result: str | None = Field(description="Where the film is, once it is done.")


@routes.post(
    "",
    status_code=202,
    response_model=Video,
    responses=forms.PROBLEMS,
    openapi_extra={"requestBody": forms.body_of("video", "video/*", WORDS)},
)
async def post(
    request: Request,
    response: Response,
    house: Home,
    background: BackgroundWord = "blur",
    model: ModelWord = DEFAULT,
    format: FormatWord = "mp4",
) -> Video:
    """Take away the background of a film, every frame at its time, the sound kept.

    The film is the body itself, or the part `video` of a form. The answer comes at once; ask for /v1/videos/{id} until
    its state is done, failed or cancelled.
    """
    house.jobs.refuse_if_full()
    path = house.jobs.new_path()
    words = {"background": background, "model": model, "format": format}
    words |= await forms.film(request, path)
    try:
        video = await run_in_threadpool(start, house, path, words)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    response.headers["Location"] = f"{routes.prefix}/{video.id}"
    return video


@routes.get("/{id}", response_model=Video, responses=forms.PROBLEMS)
def get(id: str, house: Home) -> Video:
    """Say how far a video is."""
    return shown(house.jobs.find(id), house)


@routes.get(
    "/{id}/result",
    response_class=FileResponse,
    responses={
        200: {
            "description": "The film",
            "content": {media: {"schema": forms.BINARY} for media in MEDIA_TYPES.values()},
        },
        **forms.PROBLEMS,
    },
)
def result(id: str, house: Home) -> FileResponse:
    """Fetch the film; parts of it too, as players do."""
    job = house.jobs.find(id)
    if job.state != "done":
        raise Refusal(409, f"the video is {job.state}", "ask again once it is done")
    return FileResponse(job.result, media_type=MEDIA_TYPES[job.result.suffix], filename=f"incognito{job.result.suffix}")


@routes.delete("/{id}", status_code=204, response_class=Response, responses=forms.PROBLEMS)
def delete(id: str, house: Home) -> Response:
    """Cancel a video, and delete all there is of it."""
    house.jobs.cancel(house.jobs.find(id))
    return Response(status_code=204)


def start(house: House, path: Path, words: dict[str, str], own: bool = True) -> Video:
    """Queue a film that lies at a path."""
    if words["format"] not in get_args(VideoFormat):
        raise Refusal(422, f"there is no format {words['format'][:20]!r}", "ask for mp4 or webm")
    if path.stat().st_size == 0:
        raise Refusal(422, "the video is empty", "send a film as the body, or as the part `video` of a form")
    house.models.find(words["model"])
    background = words["background"]
    house.places.find(background)
    job = house.jobs.add(path, f".{words['format']}", lambda: house.places.find(background), words["model"], own)
    return shown(job, house)


def shown(job: Job, house: House) -> Video:
    """A job as clients see it."""
    left = job.seconds_left
    return Video(
        id=job.id,
        state=job.state,
        frames_done=job.done,
        frames=job.frames,
        seconds_left=None if left is None else round(left, 1),
        problem=job.problem,
        ask_within=house.limits.lease_seconds,
        result=f"{routes.prefix}/{job.id}/result" if job.state == "done" else None,
    )
