"""Where live pictures go: one seam for windows, virtual cameras, pages and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from incognito.frame import Picture

Command = Literal["quit", "background", "side-by-side", "stronger", "weaker", "pause"]  # asked for at a sink


@dataclass(frozen=True, slots=True)
class Asked:
    """Another background or model, by the word for it: what a sink with a choice of its own asks for."""

    what: Literal["background", "model"]
    word: str


class Sink(Protocol):
    """Anything that takes the composited pictures of a stream, one after the other, from one thread."""

    name: str  # "window", "virtual", "page", "file", "null"
    sees_room: bool  # True only where it shows the original to the user alone, beside the result: the window

    def open(self, size: tuple[int, int], fps: float) -> None:
        """Make it ready for pictures of size (height, width), at most `fps` a second; raises SinkError."""
        ...

    def show(self, picture: Picture, original: Picture | None, seconds: float) -> None:
        """Take a picture, uint8 RGB (height, width, 3), shown `seconds` after the first one; raises SinkError.

        `original` is the frame it was made from, given only where sees_room and only while it is asked for. The
        memory of both may be written to again once this returns.
        """
        ...

    def commands(self) -> Sequence[Command | Asked]:
        """Give what was asked for since the last call: keys at a window, choices on a page; elsewhere nothing."""
        ...

    def watched(self) -> bool | None:
        """Tell whether any program looks; None where the platform cannot tell."""
        ...

    def close(self) -> None:
        """Finish; called exactly once after open(), whatever happened."""
        ...
