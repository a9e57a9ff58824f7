"""POST /v1/remove and /v1/matte: a photo in, a picture out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, get_args

from anyio import from_thread
from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from incognito.background import Background, Image
from incognito.segment import Segmenter
from incognito.studio import forms, pictures
from incognito.studio.house import DEFAULT, Home, House
from incognito.studio.pictures import Answer, Format
from incognito.studio.problem import Refusal
from incognito.timing import Stopwatch

routes = APIRouter(prefix="/v1", tags=["photos"])

GONE = 499  # a client that left gets no answer; nginx's number for it, in the metrics

ModelWord = Annotated[str, Query(description="A model's name, see /v1/models.", examples=["fast"], max_length=40)]
BackgroundWord = Annotated[
    str,
    Query(
        description="transparent, blur, blur:24 (1 to 100), a colour such as #00b140, or made:NAME.",
        examples=["blur:24"],
        max_length=80,
        json_schema_extra={"pattern": r"^(transparent|blur(:\d+)?|#[0-9a-fA-F]{6}|made:\w+)$"},
    ),
]
FormatWord = Annotated[Format, Query(description="The answer's format.", examples=["png"])]

WORDS: dict[str, Any] = {
    "model": {"type": "string", "default": DEFAULT},
    "format": {"type": "string", "enum": list(get_args(Format)), "default": "png"},
}
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture",
        "content": {media: {"schema": forms.BINARY} for _, media in pictures.FORMATS.values()},
        "headers": {"Server-Timing": {"description": "What each stage took.", "schema": {"type": "string"}}},
    }
}


@routes.post(
    "/remove",
    response_class=Response,
    responses={**PICTURE, **forms.PROBLEMS},
    openapi_extra={
        "requestBody": forms.body_of(
            "image", "image/*", {**WORDS, "background": {"type": "string", "default": "transparent"}}
        )
    },
)
async def remove(
    request: Request,
    house: Home,
    background: BackgroundWord = "transparent",
    model: ModelWord = DEFAULT,
    format: FormatWord = "png",
) -> Response:
    """Take away what is behind the people of a picture.

    The picture is the body itself, with the words in the query, or the part `image` of a form, with the words in
    either. The form's part `background` may be a picture too.
    """
    sent = await forms.photo(request)
    words = {"background": background, "model": model, "format": format} | sent.words

    def work(segmenter: Segmenter) -> Answer:
        behind = _behind(house, sent.behind, words["background"])
        return pictures.removed(sent.data, segmenter, behind, _format(words["format"]), house.limits.photo_megapixels)

    return await _answer(request, house, words["model"], work)


@routes.post(
    "/matte",
    response_class=Response,
    responses={**PICTURE, **forms.PROBLEMS},
    openapi_extra={"requestBody": forms.body_of("image", "image/*", WORDS)},
)
async def matte(request: Request, house: Home, model: ModelWord = DEFAULT, format: FormatWord = "png") -> Response:
    """Find the matte alone, in grey: white is person. The picture comes as for /v1/remove."""
    sent = await forms.photo(request)
    words = {"model": model, "format": format} | sent.words

    def work(segmenter: Segmenter) -> Answer:
        return pictures.matted(sent.data, segmenter, _format(words["format"]), house.limits.photo_megapixels)

    return await _answer(request, house, words["model"], work)


async def _answer(request: Request, house: House, model: str, work: Callable[[Segmenter], Answer]) -> Response:
    """Work at a desk, unless the client has left by then."""

    def at_desk() -> Answer:
        with house.desks.take() as desk:
            if from_thread.run(request.is_disconnected):
                raise Refusal(GONE, "the client has left", "stay")
            return work(desk.segmenter(model))

    answer = await run_in_threadpool(at_desk)
    house.meters.photo(answer.stopwatch)
    return Response(answer.data, media_type=answer.media_type, headers={"Server-Timing": answer.timing})


def _behind(house: House, picture: bytes | None, word: str) -> Background:
    if picture is None:
        return house.places.find(word)
    return Image(pictures.read(picture, house.limits.photo_megapixels, Stopwatch()).frame.pixels)


def _format(word: str) -> Format:
    for known in get_args(Format):
        if word == known:
            return known
    raise Refusal(422, f"there is no format {word[:20]!r}", f"ask for one of {', '.join(pictures.FORMATS)}")
