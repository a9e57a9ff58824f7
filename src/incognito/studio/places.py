"""What a client may put behind a person: words, colours, made scenes, what it brought; never a path of this machine."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from incognito import background as backgrounds
from incognito import photo, video
from incognito.background import Background, Film, Image
from incognito.errors import UnknownBackgroundError
from incognito.frame import Frame, Picture
from incognito.studio import scenery

MADE, BROUGHT = "made:", "own:"
THUMBNAIL = (90, 160)  # height, width


@dataclass(frozen=True, slots=True)
class Brought:
    """A picture or film that a page's user brought, under a name of the server's own."""

    name: str
    kind: str  # "image" or "video"
    first: Picture
    film: Path | None = None


class Places:
    """Finds what is meant by a word; keeps what was brought, the oldest of too many let go."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._brought: OrderedDict[str, Brought] = OrderedDict()
        self._made: dict[str, Picture] = {}
        self._lock = threading.Lock()

    def find(self, text: str) -> Background:
        """The background of a word; raises UnknownBackgroundError for what is none."""
        if text.startswith((MADE, BROUGHT)):
            film = self._brought[text].film if text in self._brought else None
            return Film(film) if film else Image(self.picture(text))
        return backgrounds.of_word(text[:80])

    def picture(self, text: str) -> Picture:
        """What a made scene or a brought background shows first, uint8 RGB (H, W, 3)."""
        if text in self._brought:
            return self._brought[text].first
        name = text.removeprefix(MADE)
        if name == text or name not in scenery.SCENES:
            known = ", ".join(self.names())
            raise UnknownBackgroundError(f"there is no background {text[:80]!r}; choose one of {known}")
        with self._lock:
            if name not in self._made:
                self._made[name] = scenery.make(name)
            return self._made[name]

    def thumbnail(self, text: str) -> bytes:
        """The same, small, as JPEG."""
        return photo.encode(backgrounds.cover(self.picture(text), THUMBNAIL), "JPEG")

    def names(self) -> list[str]:
        """The made scenes and what was brought, as `find` knows them."""
        return [MADE + name for name in scenery.SCENES] + list(self._brought)

    def bring_image(self, frame: Frame) -> Brought:
        """Keep a picture."""
        return self._keep(Brought(_new_name(), "image", _bounded(frame.pixels)))

    def bring_film(self, path: Path) -> Brought:
        """Keep a film, which lies at a path that is the server's own; raises InputError where it shows nothing."""
        _, first = next(video.pictures(path))
        return self._keep(Brought(_new_name(), "video", _bounded(first), path))

    def _keep(self, brought: Brought) -> Brought:
        with self._lock:
            self._brought[brought.name] = brought
            while len(self._brought) > self._most:
                _, oldest = self._brought.popitem(last=False)
                if oldest.film:
                    oldest.film.unlink(missing_ok=True)
        return brought


def _new_name() -> str:
    return BROUGHT + secrets.token_urlsafe(9)


def _bounded(pixels: Any, longest: int = 3840) -> Picture:
    """A picture no larger than a background is ever shown."""
    scale = longest / max(pixels.shape[:2])
    return pixels if scale >= 1 else cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
