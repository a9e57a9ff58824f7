"""What comes with a request: a picture or a film, as the body itself or as a part of a form."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from incognito.errors import first_line
from incognito.studio.problem import Problem, Refusal

FORM = "multipart/form-data"
MOST_FIELDS, MOST_FILES = 16, 2

BINARY = {"type": "string", "format": "binary"}  # in OpenAPI's words


@dataclass(slots=True)
class Sent:
    """A body's file and, by name, what else the form had."""

    data: bytes = b""
    words: dict[str, str] = field(default_factory=dict)
    behind: bytes | None = None  # a picture that was sent as the background


async def photo(request: Request) -> Sent:
    """Read a request that brings a picture: raw, or as the part `image`."""
    if not _is_form(request):
        return Sent(await request.body())
    sent = Sent()
    async with _form(request) as form:
        for name, value in form.items():
            if not isinstance(value, UploadFile):
                sent.words[name] = value
            elif name == "background":
                sent.behind = await value.read()
            elif name == "image":
                sent.data = await value.read()
    return sent


async def film(request: Request, path: Path) -> Mapping[str, str]:
    """Write a film that a request brings, raw or as the part `video`, to a path; gives the form's words."""
    try:
        if _is_form(request):
            return await _film_of_form(request, path)
        with path.open("xb") as file:
            async for part in request.stream():
                await run_in_threadpool(file.write, part)
        return {}
    except OSError as error:
        path.unlink(missing_ok=True)
        raise Refusal(507, f"the film cannot be kept ({first_line(error)})", "try again later") from None
    except BaseException:  # also where the client left, or the server is stopping
        path.unlink(missing_ok=True)
        raise


async def _film_of_form(request: Request, path: Path) -> Mapping[str, str]:
    words = {}
    path.touch(exist_ok=False)
    async with _form(request) as form:
        for name, value in form.items():
            if isinstance(value, str):
                words[name] = value
            elif name == "video":
                with path.open("wb") as file:
                    await run_in_threadpool(shutil.copyfileobj, value.file, file)
    return words


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").lower().startswith(FORM)


class _form:  # noqa: N801 - used like a function
    """A request's form while it is read; what it kept on the disk, without a name, goes in the end."""

    def __init__(self, request: Request) -> None:
        self._request = request

    async def __aenter__(self) -> Any:
        try:
            self._form = await self._request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS)
        except (MultiPartException, KeyError, ValueError) as error:
            text = getattr(error, "message", "") or "it breaks off or has no boundary"
            raise Refusal(400, f"the form cannot be read: {text}", "send it as multipart/form-data") from None
        return self._form

    async def __aexit__(self, *_: object) -> None:
        await self._form.close()


def body_of(part: str, raw: str, words: Mapping[str, Any]) -> dict[str, Any]:
    """The OpenAPI description of a body that is a file itself or a form with one."""
    form = {"type": "object", "required": [part], "properties": {part: BINARY, **words}}
    return {"required": True, "content": {FORM: {"schema": form}, raw: {"schema": BINARY}}}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What went wrong, and what to do",
        "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
    }
}
