"""MediaPipe's selfie networks in a comparison. It needs an environment with mediapipe, ai-edge-litert and OpenCV."""

from __future__ import annotations

import hashlib
import importlib.util
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from wire import FRAME, LARGE, NETWORK, Once, serve, to_and_fro

FILES = {  # the file, and the number that MediaPipe's solution has for it
    "mediapipe-selfie": ("selfie_segmentation.tflite", 0),
    "mediapipe-landscape": ("selfie_segmentation_landscape.tflite", 1),
}


class Selfie:
    """A selfie network on LiteRT, as accuracy and the network's time are measured; MediaPipe's solution for frames.

    The network takes float32 RGB in [0, 1], (1, h, w, 3), and gives alpha (1, h, w, 1).
    """

    def __init__(self, request: dict[str, Any]) -> None:
        cv2.setNumThreads(request["threads"])
        name, self._selection = FILES[request["model"]]
        path = folder() / name
        self._interpreter = Interpreter(str(path), num_threads=request["threads"])
        self._interpreter.allocate_tensors()
        (taken,), (given, *_) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self._input, self._output = taken["index"], given["index"]
        self._size = tuple(int(side) for side in taken["shape"][1:3])
        network = path.read_bytes()
        self.about = {
            "model": path.stem,
            "file": request["model"],
            "runtime": "litert",
            "height": self._size[0],
            "width": self._size[1],
            "bytes": len(network),
            "sha256": hashlib.sha256(network).hexdigest(),
            "versions": {name: version(name) for name in ("mediapipe", "ai-edge-litert", "numpy")},
        }

    def matte(self, picture: np.ndarray) -> np.ndarray:
        """Find alpha of a picture that is stretched to the network's size."""
        return self._run(self._tensor(picture))[0, ..., 0]

    def photo(self, picture: np.ndarray) -> np.ndarray:
        """Give the network's alpha: the solution only stretches it."""
        return self.matte(picture)

    def work(self, kind: str, film: np.ndarray) -> Once:
        """The network on its tensor; the solution's mattes; or its documented way to blur what is behind."""
        if kind == NETWORK:
            tensor = self._tensor(film[0])
            return lambda: self._run(tensor)
        process, stream = solution(self._selection), to_and_fro(film)
        if kind in (FRAME, LARGE):
            return lambda: blurred(process, next(stream))
        return lambda: process(next(stream)).segmentation_mask

    def _tensor(self, picture: np.ndarray) -> np.ndarray:
        small = cv2.resize(picture, self._size[::-1], interpolation=cv2.INTER_AREA)
        return (small / np.float32(255))[None]

    def _run(self, tensor: np.ndarray) -> np.ndarray:
        self._interpreter.set_tensor(self._input, tensor)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)


def blurred(process: Any, frame: np.ndarray) -> np.ndarray:
    """Blur what is behind a person, as the guide of MediaPipe's solution does it."""
    person = np.stack((process(frame).segmentation_mask,) * 3, axis=-1) > 0.5
    return np.where(person, frame, cv2.GaussianBlur(frame, (55, 55), 0))


def solution(selection: int) -> Any:
    """MediaPipe's solution, which takes frames of one stream, uint8 RGB; it chooses its number of threads itself."""
    import mediapipe

    return mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=selection).process


def folder() -> Path:
    """Where the package keeps its selfie networks; it is not loaded, which would take seconds."""
    spec = importlib.util.find_spec("mediapipe")
    assert spec and spec.origin
    return Path(spec.origin).parent / "modules" / "selfie_segmentation"


if __name__ == "__main__":
    serve(Selfie)
