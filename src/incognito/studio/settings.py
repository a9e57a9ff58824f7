"""What a server is told: where it listens, who may ask, and how much of everything it takes."""

from __future__ import annotations

import dataclasses
import os
import secrets
import tomllib
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from incognito.errors import UsageError, first_line
from incognito.runtime import cores

PORT = 8765
TOKEN = "INCOGNITO_TOKEN"
SHORTEST = 16  # characters of a token: fewer can be guessed


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken; each a number over 0, by these names in a TOML file."""

    photo_megabytes: float = 32
    photo_megapixels: float = 50
    photos_waiting: int = 16
    wait_seconds: float = 20  # of a photo for its turn
    video_megabytes: float = 2048
    video_megapixels: float = 8.9  # of a frame: 4096 x 2160
    video_seconds: float = 3600
    video_frames: int = 250_000
    videos_waiting: int = 8
    lease_seconds: float = 120  # a job that nobody asks about for so long is cancelled
    result_seconds: float = 3600  # a result that nobody fetches for so long is deleted
    idle_seconds: float = 10  # a body that stands still for so long, or comes more slowly than ...
    body_kilobytes_per_second: float = 2  # ... this, is cut off
    backgrounds: int = 32  # that are kept of those a page's user brings


@dataclass(frozen=True, slots=True)
class Settings:
    """A server's. `page` adds the studio's page and what only it may do, on loopback alone."""

    host: str = "127.0.0.1"
    port: int = PORT
    token: str | None = None
    page: bool = False
    limits: Limits = field(default_factory=Limits)
    workers: int = field(default_factory=cores)  # pictures that are worked on at once, on one thread each

    def __post_init__(self) -> None:
        if not self.on_loopback and self.token is None:
            raise UsageError(f"{self.host} is not loopback, so a token is needed; give --token-file or set {TOKEN}")
        if self.page and not self.on_loopback:
            raise UsageError(f"the studio's page stays on this computer, not on {self.host}; use serve for others")

    @property
    def on_loopback(self) -> bool:
        """Whether only programs of this computer can reach it."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:  # a name, which may lead anywhere
            return False

    @property
    def videos(self) -> int:
        """Videos that are worked on at once: a worker is left for photos, where there are two."""
        return max(1, self.workers - 1)


def read_token(path: Path | None) -> str | None:
    """The token of a file's first line or of INCOGNITO_TOKEN; None where there is neither. Raises UsageError."""
    try:
        text = path.read_text(encoding="utf-8") if path else os.environ.get(TOKEN, "")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({first_line(error)}); give a file that holds a token") from None
    token = text.split("\n", 1)[0].strip()
    if not token and not path:
        return None
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable():
        raise UsageError(f"a token has {SHORTEST} characters of ASCII at least; try {secrets.token_urlsafe(24)}")
    return token


def read_limits(path: Path | None) -> Limits:
    """The limits of a TOML file, those left out as usual; raises UsageError for what is not known or no number."""
    if path is None:
        return Limits()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({first_line(error)}); mend it or leave it out") from None
    known = {each.name: each for each in dataclasses.fields(Limits)}
    for name, value in found.items():
        if name not in known:
            raise UsageError(f"{path}: there is no limit {name!r}; known are {', '.join(known)}")
        whole = known[name].type == "int"
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not value > 0:
            raise UsageError(f"{path}: {name} is {value!r}; give a {'whole ' if whole else ''}number over 0")
    return Limits(**found)
