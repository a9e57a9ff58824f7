"""Who takes part in a comparison: this project's models, and the peers that they are compared with."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from incognito import zoo
from incognito.errors import LabError
from incognito.lab import environment
from incognito.lab.child import Child

WORKERS = Path(__file__).parent / "peers"


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody else's models: what their environment must hold (nothing: this one), their worker, their names."""

    requirements: tuple[str, ...]
    worker: str
    models: tuple[str, ...]


PEERS = {
    "mediapipe": Peer(
        ("mediapipe==0.10.21", "ai-edge-litert"),  # the last release that carries its networks
        "mediapipe_worker.py",
        ("mediapipe-selfie", "mediapipe-landscape"),
    ),
    "constant": Peer((), "constant_worker.py", ("constant",)),
}


@dataclass(frozen=True, slots=True)
class Contestant:
    """One that takes part. `file` and `runtime` are what its worker opens; an empty runtime leaves the choice to it.

    `stream` is a shipped model's name: a stream's frames have the variant and runtime that live gives it, `streamed`.
    What a worker said of it fills the rest.
    """

    name: str
    is_peer: bool
    command: tuple[str, ...]
    file: str
    runtime: str = ""
    stream: str = ""
    streamed: str = ""
    model: str = ""
    network: str = ""
    bytes: int = 0
    sha256: str = ""
    versions: str = ""

    def open(self, threads: int) -> tuple[Contestant, Child]:
        """Start its worker on so many cores with as many threads; gives what it now is, and its worker."""
        child = Child(self.name, self.command, threads)
        try:
            asked = {"model": self.file, "runtime": self.runtime, "stream": self.stream}
            about, _ = child.ask("open", threads=threads, **asked)
        except LabError:
            child.close()
            raise
        return self._told(about), child

    def _told(self, about: dict) -> Contestant:
        return dataclasses.replace(
            self,
            **{name: about[name] for name in ("file", "runtime", "model", "bytes", "sha256")},
            streamed=about.get("streamed", ""),
            network=f"{about['width']}x{about['height']}",
            versions="; ".join(f"{name} {number}" for name, number in about["versions"].items()),
        )


def enter(models: Sequence[str], peers: Sequence[str], folder: Path | None = None) -> list[Contestant]:
    """All models (what is shipped, if none is named), then all peers, in `folder` as environment or in one made here.

    Raises UnknownModelError, and LabError for a peer that is not known, two of one name, and an environment that cannot
    be made.
    """
    unknown = [name for name in peers if name not in PEERS]
    if unknown:
        raise LabError(f"there are no peers {unknown[0]!r}; choose one of {', '.join(PEERS)}")
    entered = [_ours(model) for model in models or [card.name for card in zoo.models()]]
    names = [each.name for each in entered]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise LabError(f"two models are called {twice[0]!r}; give one of the files another name")
    return entered + [each for name in dict.fromkeys(peers) for each in _theirs(name, folder)]


def is_peers(model: str) -> bool:
    """Whether a name is that of a peer's model."""
    return any(model in peer.models for peer in PEERS.values())


def one_of_peers(model: str, folder: Path | None = None) -> Contestant:
    """A peer's model alone, in `folder` as environment or in one made here; raises LabError where it cannot be made."""
    name = next(name for name, peer in PEERS.items() if model in peer.models)
    return next(each for each in _theirs(name, folder) if each.name == model)


def open_all(contestants: Sequence[Contestant], threads: int, until: ExitStack) -> list[tuple[Contestant, Child]]:
    """Start everybody's workers; gives what each now is, and its worker, which ends with `until`."""
    opened = []
    for each in contestants:
        told, child = each.open(threads)
        opened.append((told, until.enter_context(child)))
    return opened


def _ours(model: str) -> Contestant:
    name = model if zoo.is_name(model) else zoo.find(model).label
    command = sys.executable, str(WORKERS / "ours_worker.py")
    return Contestant(name, False, command, model, stream=model if zoo.is_name(model) else "")


def _theirs(name: str, folder: Path | None) -> list[Contestant]:
    peer = PEERS[name]
    command = (str(_python(name, peer, folder)), "-E", "-s", str(WORKERS / peer.worker))
    return [Contestant(model, True, command, model) for model in peer.models]


def _python(name: str, peer: Peer, folder: Path | None) -> Path:
    if not peer.requirements:
        return Path(sys.executable)
    return environment.python_of(folder) if folder else environment.find_or_make(name, peer.requirements)
