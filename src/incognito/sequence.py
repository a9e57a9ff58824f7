"""A film as a folder of pictures: frames/%06d.png and the like, which is there whole or not at all."""

from __future__ import annotations

import re
from pathlib import Path

from incognito import output, photo, still
from incognito.errors import OutputError
from incognito.overlap import ahead
from incognito.span import WHOLE, Span
from incognito.video import OnFrame, Source, Transform, seconds_of, to_frame

NUMBER = re.compile(r"%0?(\d*)d")


def is_pattern(target: str) -> bool:
    """Whether a name stands for many: it has a number's place, such as %06d."""
    return NUMBER.search(Path(target).name) is not None


def check(target: Path) -> None:
    """Refuse a pattern whose folder exists, or which is written as no picture; raises OutputError."""
    photo.format_of(target)
    if len(NUMBER.findall(target.name)) != 1 or "%" in NUMBER.sub("", target.name):
        raise OutputError(f"{target} has no single place for a number; name it as frames/%06d.png")
    if target.parent.exists():
        raise OutputError(f"{target.parent} exists; name a folder that is not there yet, as frames/%06d.png")
    if not target.parent.parent.is_dir():
        raise OutputError(f"{target.parent.parent} is no directory; make it first or choose another output")


def write(source: Path, target: Path, transform: Transform, on_frame: OnFrame, span: Span = WHOLE) -> None:
    """Take every frame of a film through `transform` and write it as a picture, numbered from 1 on."""
    format, film = photo.format_of(target), Source(source)
    try:
        with output.folder_beside(target.parent) as folder:
            start = 0.0
            for done, (like, frame) in enumerate(ahead((each, to_frame(each)) for each in film.frames(span=span)), 1):
                start = seconds_of(like) if done == 1 else start
                picture = transform(frame, seconds_of(like) - start)
                (folder / (target.name % done)).write_bytes(still.encode(picture, format))
                on_frame(done, film.count if span == WHOLE else None)
    finally:
        film.close()
