"""What the server's tests share: the application, a picture, a film."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from asking import LIMITS, client_of
from fastapi.testclient import TestClient

from incognito.scripted import made
from incognito.studio.app import create_app
from incognito.studio.settings import Settings


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """The studio, the page included."""
    with client_of(create_app(Settings(page=True, workers=2, limits=LIMITS))) as client:
        yield client


@pytest.fixture(scope="session")
def jpeg(portrait: np.ndarray) -> bytes:
    """The portrait, as a browser would send it."""
    return cv2.imencode(".jpg", portrait[..., ::-1])[1].tobytes()


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of the portrait before a room of tiles."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(made(number, (96, 160)), "rgb24")))
        container.mux(stream.encode(None))
    return path
