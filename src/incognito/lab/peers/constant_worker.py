"""The public fake of a comparison: it finds the same alpha everywhere, and takes a millisecond for everything."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from wire import Once, serve

ALPHA = 0.7
SIZE = (64, 64)


class Constant:
    """A model that looks at nothing."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.about = {
            "model": request["model"],
            "file": request["model"],
            "runtime": "constant",
            "height": SIZE[0],
            "width": SIZE[1],
            "bytes": 0,
            "sha256": "",
            "versions": {"numpy": np.__version__},
        }

    def matte(self, picture: np.ndarray) -> np.ndarray:
        """Give the same alpha, whatever comes in."""
        return np.full(SIZE, ALPHA, np.float32)

    def photo(self, picture: np.ndarray) -> np.ndarray:
        """Give it for photos too."""
        return self.matte(picture)

    def work(self, kind: str, film: np.ndarray) -> Once:
        """Wait a millisecond."""
        return lambda: time.sleep(0.001)


if __name__ == "__main__":
    serve(Constant)
