"""What is wanted of a batch, wherever it is worked on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from incognito import background as backgrounds
from incognito import photo, zoo
from incognito.errors import UsageError
from incognito.gathering import Collision


@dataclass(frozen=True, slots=True)
class Wanted:
    """What becomes of every file, and where: a folder, or a URL for a cluster.

    `format` is the ending of photos; `delete` deletes originals whose picture was read back; `force` replaces what is
    there.
    """

    output: Path | str
    background: str | None = None
    model: str = "fast"
    format: str = ".png"
    on_collision: Collision = "refuse"
    delete: bool = False
    force: bool = False

    @property
    def folder(self) -> Path:
        """The output, where it is a folder."""
        return Path(self.output)

    @property
    def key(self) -> str:
        """What a result depends on beside its file: another background or model is another work."""
        words = {"background": str(self.background), "model": self.model, "format": self.format}
        return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def film(self) -> str:
        """The ending of films."""
        return ".webm" if self.background in (None, "transparent") else ".mp4"

    def check(self) -> None:
        """Refuse what cannot work, before anything is begun; raises IncognitoError."""
        zoo.find(self.model)
        behind = backgrounds.parse(self.background or "transparent")
        if self.format not in photo.FORMATS:
            raise UsageError(f"there is no format {self.format!r}; use one of {', '.join(photo.FORMATS)}")
        if isinstance(behind, backgrounds.Transparent) and photo.FORMATS[self.format] not in photo.WITH_ALPHA:
            raise UsageError(f"{self.format} cannot be transparent; use .png or .webp, or give a --background")


def collision(word: str) -> Collision:
    """What is to happen to names that are taken, by its word; raises UsageError."""
    for known in get_args(Collision):
        if word == known:
            return known
    raise UsageError(f"--on-collision {word!r} cannot be; give refuse or number")
