"""What watchers and clients ask about the server itself: its models, its health, its figures."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, Field

from incognito import __version__
from incognito.studio import forms, meters
from incognito.studio.house import Home
from incognito.studio.problem import Refusal

routes = APIRouter(tags=["server"])


class Model(BaseModel):
    """A shipped model."""

    name: str = Field(examples=["fast"])
    width: int = Field(examples=[256])
    height: int = Field(examples=[224])
    megabytes: float = Field(examples=[1.3])
    iou: float = Field(description="The person's, over the EG1800 test list.", examples=[0.956])
    milliseconds: float | None = Field(description="A run of the network here, on one thread; none until timed.")
    licence: str


class Health(BaseModel):
    """How the server is."""

    status: str = Field(examples=["ok"])
    version: str = Field(examples=[__version__])


@routes.get("/v1/models", response_model=list[Model], responses=forms.PROBLEMS)
def models(house: Home) -> list[Model]:
    """List the models, and what a run of each takes here."""
    return [
        Model(
            name=card.name,
            width=card.width,
            height=card.height,
            megabytes=round(card.bytes / 1e6, 1),
            iou=card.iou,
            milliseconds=house.models.milliseconds(card.name),
            licence=card.licence,
        )
        for card in house.models.cards.values()
    ]


@routes.get("/healthz", response_model=Health)
def healthz() -> Health:
    """Say that the server runs."""
    return Health(status="ok", version=__version__)


@routes.get("/readyz", response_model=Health, responses=forms.PROBLEMS)
def readyz(house: Home) -> Health:
    """Say that a model is loaded; 503 before."""
    if not house.ready.is_set():
        raise Refusal(503, "the model is being loaded", "ask again in a second", {"Retry-After": "1"})
    return Health(status="ok", version=__version__)


@routes.get("/metrics", response_class=PlainTextResponse, responses=forms.PROBLEMS)
def metrics(house: Home) -> Response:
    """Give the figures for Prometheus."""
    return Response(house.meters.text(), media_type=meters.MEDIA_TYPE)
