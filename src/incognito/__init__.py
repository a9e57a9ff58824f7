"""Incognito takes away what is behind a person, on an ordinary CPU.

    import incognito

    segmenter = incognito.Segmenter("fast", threads=2)
    matte = segmenter(frame)                        # frame: uint8 RGB (H, W, 3)
    picture = incognito.remove(frame, "blur")       # uint8 RGB; RGBA for "transparent"

Everything here is loaded on first use: importing incognito costs next to nothing.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from incognito.api import models as models
    from incognito.api import remove as remove
    from incognito.errors import IncognitoError as IncognitoError
    from incognito.frame import Frame as Frame
    from incognito.frame import Matte as Matte
    from incognito.segment import Segmenter as Segmenter
    from incognito.zoo import Card as Card

__version__ = "0.1.0"

# ONNX Runtime 1.29 and later tell a statistics service of every run, and leave an identity in the home directory,
# unless this is there before it is loaded (https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_HOMES = {
    "Card": "incognito.zoo",
    "Frame": "incognito.frame",
    "IncognitoError": "incognito.errors",
    "Matte": "incognito.frame",
    "Segmenter": "incognito.segment",
    "models": "incognito.api",
    "remove": "incognito.api",
}

__all__ = ["Card", "Frame", "IncognitoError", "Matte", "Segmenter", "__version__", "models", "remove"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'incognito' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
