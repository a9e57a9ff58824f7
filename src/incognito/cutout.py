"""A photo's way: its matte, the person over something else, finished as wanted, at the file's own depth and colours."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image as Pillow

from incognito import metadata
from incognito.background import Background, Blur, Transparent
from incognito.composite import compose, visible
from incognito.finish import Finish, Layers, finished, shadow_of
from incognito.foreground import decontaminate
from incognito.frame import Frame, Matte, Picture, Plane, strips
from incognito.metadata import Metadata
from incognito.still import Still

PLAIN = Finish()
WHOLE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


def make(still: Still, matte: Matte, background: Background, wanted: Finish = PLAIN) -> np.ndarray:
    """Take away a photo's background: grey, RGB or RGBA of uint8, or uint16 where the file has that."""
    background = in_colours_of(still.notes, background)
    if still.deep is None and wanted.is_plain:
        picture: np.ndarray = compose(still.frame, matte, background)
    else:
        layers = finished(_layers(still, matte, background), wanted)
        picture = _flat(layers, wanted.shadow == "soft")
    keeps_grey = still.grey and isinstance(background, Blur | Transparent)
    return _grey(picture) if keeps_grey else picture


def notes_of(still: Still, picture: np.ndarray, wanted: Finish = PLAIN) -> Metadata:
    """What of a photo's notes goes on with its picture."""
    grey = picture.ndim == 2 or picture.shape[2] == 2
    notes = still.notes.for_colours(grey)
    return notes if wanted.place else notes.without_place()


def in_colours_of(notes: Metadata, background: Background) -> Background:
    """A background brought from sRGB to a photo's own colours, unless it is made of the photo."""
    own = isinstance(background, Blur | Transparent)
    if own or notes.profile is None or notes.profile[16:20] != b"RGB ":
        return background
    return _InColours(background, notes.profile)


class _InColours:
    """A background in the colours of a profile."""

    def __init__(self, background: Background, profile: bytes) -> None:
        self._background, self._profile = background, profile

    def behind(self, frame: Frame, matte: Matte, seconds: float) -> Picture | None:
        """Give the picture behind a frame, in the profile's colours."""
        picture = self._background.behind(frame, matte, seconds)
        if picture is None:
            return None
        return np.asarray(metadata.from_srgb(Pillow.fromarray(picture), self._profile))


def _layers(still: Still, matte: Matte, background: Background) -> Layers:
    """The person and what is behind, at the photo's own depth."""
    frame = still.frame
    seen = visible(frame, matte)
    person = frame.pixels if isinstance(background, Blur) else decontaminate(frame, seen.alpha)
    behind = background.behind(frame, seen, 0.0)
    if still.deep is None:
        return Layers(person, seen.alpha, behind)
    change = (person.astype(np.int32) - frame.pixels) * 257  # what cleaning did, on what the file had
    deep = np.clip(still.deep + change, 0, 65535).astype(np.uint16)
    alpha = matte.alpha if still.deep_opacity is None else matte.alpha * (still.deep_opacity / np.float32(65535))
    return Layers(deep, alpha, None if behind is None else behind.astype(np.uint16) * 257)


def _flat(layers: Layers, shadow: bool) -> np.ndarray:
    """Lay a person over what is behind, or over nothing: RGB or RGBA of the layers' own kind."""
    dark = shadow_of(layers.alpha) if shadow else np.zeros_like(layers.alpha)
    channels = 4 if layers.behind is None else 3
    picture = np.empty((*layers.alpha.shape, channels), layers.person.dtype)
    for box in strips((slice(0, layers.alpha.shape[0]), slice(0, layers.alpha.shape[1]))):
        behind = None if layers.behind is None else layers.behind[box]
        picture[box] = _mixed(layers.person[box], layers.alpha[box], behind, dark[box])
    return picture


def _mixed(person: np.ndarray, alpha: Plane, behind: np.ndarray | None, dark: Plane) -> np.ndarray:
    whole = WHOLE[person.dtype]
    weight, rest = alpha[..., None], (1 - alpha)[..., None]
    if behind is not None:
        mixed = person * weight + behind * (rest * (1 - dark[..., None]))
        return np.rint(mixed).clip(0, whole).astype(person.dtype)
    covered = alpha + (1 - alpha) * dark  # over nothing, a shadow is black that shines through
    colours = person * (weight / np.maximum(covered, np.float32(1e-6))[..., None])
    mixed = np.dstack([np.where(covered[..., None] * whole >= 0.5, colours, 0), covered * whole])
    return np.rint(mixed).clip(0, whole).astype(person.dtype)


def _grey(picture: np.ndarray) -> np.ndarray:
    """A picture without colours: grey (H, W), or grey with alpha (H, W, 2)."""
    channels = cv2.split(picture)
    return channels[0] if len(channels) == 3 else np.dstack([channels[0], channels[3]])
