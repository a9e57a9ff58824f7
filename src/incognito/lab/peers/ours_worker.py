"""Networks of this project in a comparison, on the path that a user runs."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
from wire import FRAME, LARGE, NETWORK, Once, serve, to_and_fro

from incognito import __version__, choice, hands, zoo
from incognito.background import Blur
from incognito.frame import Frame, resize
from incognito.lab import race
from incognito.network import to_tensor
from incognito.pipeline import Removal
from incognito.runtime import open_runtime
from incognito.segment import Segmenter, StreamState, beside

ROUNDS = 5  # of the race that finds a file's fastest runtime


class Ours:
    """A model on a runtime, and the Segmenter over both; and over what a stream's frames are shown to."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._threads = threads = request["threads"]
        hands.use(threads)
        self._card, name = pick(request["model"], request["runtime"], threads)
        self._network = open_runtime(self._card, threads, name)
        self._segmenter = Segmenter(self._card.path, runtime=self._network)
        self._streamed = beside(request["stream"], threads, None) if request["stream"] else self._segmenter
        self.about = {
            "model": self._card.label,
            "file": str(self._card.path),
            "runtime": name,
            "streamed": f"{self._streamed.card.label} {self._streamed.runtime_name}",
            "height": self._card.height,
            "width": self._card.width,
            "bytes": self._card.bytes,
            "sha256": self._card.sha256,
            "versions": {"incognito": __version__} | self._versions(name) | {"numpy": np.__version__},
        }

    def _versions(self, name: str) -> dict[str, str]:
        return {each: version(each) for each in dict.fromkeys([name, self._streamed.runtime_name])}

    def matte(self, picture: np.ndarray) -> np.ndarray:
        """Find the network's own alpha, before any refinement."""
        return self._segmenter.raw(picture)

    def photo(self, picture: np.ndarray) -> np.ndarray:
        """Find the matte of a photo, refined, at its size."""
        return self._segmenter(picture).alpha

    def work(self, kind: str, film: np.ndarray) -> Once:
        """The network on its tensor; a stream's mattes; or a stream's pictures over a blur."""
        if kind == NETWORK:
            tensor = to_tensor(resize(film[0], self._card.size), self._card)
            return lambda: self._network.run(tensor)
        frames = self._fed(film)
        if kind in (FRAME, LARGE):
            removal = Removal(self._streamed, Blur())
            return lambda: removal(next(frames), 0.0)
        return Mattes(self._streamed, frames)

    def _fed(self, film: np.ndarray) -> Iterator[Frame]:
        """The frames of a film for ever, each handed out with as many hands as a live run gives it."""
        hands.use(self._threads)
        worth = hands.worth(film.shape[1:3])
        for frame in to_and_fro(film):
            hands.use(worth)
            yield Frame(frame)


class Mattes:
    """The mattes of one stream."""

    def __init__(self, segmenter: Segmenter, frames: Iterator[Frame]) -> None:
        self._segmenter, self._frames = segmenter, frames
        self._state: StreamState | None = None

    def __call__(self) -> None:
        """Find the next, at the frame's size."""
        _, self._state = self._segmenter.step(next(self._frames), self._state)


def pick(model: str, runtime: str, threads: int) -> tuple[zoo.Card, str]:
    """The variant and runtime: as ordered; as `choice` finds for a name; a variant or file on its fastest runtime."""
    card = zoo.find(model)
    if runtime:
        return card, runtime
    if zoo.is_name(model):
        best = choice.choose(card, threads).best
        return best.card, best.runtime
    return card, race.fastest(race.race([card], threads, ROUNDS)[0]).runtime


if __name__ == "__main__":
    serve(Ours)
