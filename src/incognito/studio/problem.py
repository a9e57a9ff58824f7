"""Errors as application/problem+json (RFC 9457): what happened, and in `remedy` what to do."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from incognito.errors import IncognitoError, InputError, OutputError, UsageError

MEDIA_TYPE = "application/problem+json"

REMEDIES = {  # where the framework answers
    404: "see /openapi.json for what there is",
    405: "see /openapi.json for what each path takes",
    400: "mend the request",
}


class Problem(BaseModel):
    """What went wrong."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["the picture is a PNG that breaks off or is damaged"])
    remedy: str = Field(examples=["get the whole file again"])


class Refusal(Exception):  # noqa: N818 - an answer, not a failure
    """A request that is not met; its status, what happened, what to do, and headers that say more."""

    def __init__(self, status: int, detail: str, remedy: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.remedy, self.headers = status, detail, remedy, headers or {}


def answer(error: Exception) -> JSONResponse:
    """The response to an error; what is not known says nothing of the inside."""
    refusal = _refusal(error)
    problem = Problem(
        title=HTTPStatus(refusal.status).phrase, status=refusal.status, detail=refusal.detail, remedy=refusal.remedy
    )
    return JSONResponse(problem.model_dump(), refusal.status, headers=refusal.headers, media_type=MEDIA_TYPE)


def _refusal(error: Exception) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, RequestValidationError):
        return Refusal(422, *_first_of(error.errors()))
    if isinstance(error, HTTPException):
        remedy = REMEDIES.get(error.status_code, "mend the request")
        return Refusal(error.status_code, str(error.detail), remedy, dict(error.headers or {}))
    if isinstance(error, IncognitoError):
        what, _, remedy = str(error).rpartition("; ")
        status = 422 if isinstance(error, InputError | OutputError | UsageError) else 500
        return Refusal(status, what or remedy, remedy if what else "mend the request")
    return Refusal(500, "something went wrong inside", "try again; report it if it stays")


def _first_of(errors: Any) -> tuple[str, str]:
    """The first thing that is wrong with a request's values, in words."""
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return f"{place or 'the request'}: {first['msg']}", "see /openapi.json for what is taken"
