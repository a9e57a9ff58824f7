"""The sink that a word asks for."""

from __future__ import annotations

from pathlib import Path

from incognito.errors import UsageError
from incognito.sink import Sink

FILE = "file:"


def sink_for(text: str, *, force: bool = False, fullscreen: bool = False, side_by_side: bool = False) -> Sink:
    """Make a sink of "window", "virtual", "page", "file:OUT.mp4" or "null". Raises UsageError for anything else."""
    if text == "window":
        from incognito.window import Window

        return Window("Incognito", fullscreen=fullscreen, side_by_side=side_by_side)
    if text == "virtual":
        from incognito.virtual import VirtualCamera

        return VirtualCamera()
    if text == "page":
        from incognito.monitor import Page

        return Page()
    if text == "null":
        from incognito.scripted import NullSink

        return NullSink()
    if text.startswith(FILE) and text != FILE:
        from incognito.recording import Recording

        return Recording(Path(text.removeprefix(FILE)), force)
    raise UsageError(f"nothing can be shown to {text!r}; give window, virtual, page, file:OUT.mp4 or null")
