"""What the laboratory's commands share: options, and checks before any work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from incognito.errors import LabError

Data = Annotated[
    Path, typer.Option("--data", metavar="ROOT", envvar="INCOGNITO_DATA", help="The folder that holds manifest.csv.")
]
Out = Annotated[Path, typer.Option("-o", "--out", help="Where to write.")]
Environment = Annotated[
    Path | None,
    typer.Option(
        "--environment",
        metavar="DIR",
        help="A virtual environment with the peers' packages. Left out: made once, in the cache.",
    ),
]


def frame_size(text: str) -> tuple[int, int]:
    """Height and width of a size that was written as WIDTHxHEIGHT."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and min(int(width), int(height)) >= 32):
        raise LabError(f"--size {text} is no frame's size; write WIDTHxHEIGHT, such as 640x360, each 32 or more")
    return int(height), int(width)


def check_outputs(*paths: Path | None) -> None:
    """Refuse, before any work, what could not be written after it."""
    for path in paths:
        if path and not path.parent.is_dir():
            raise LabError(f"{path.parent} is no directory; make it first or name another file")


@contextmanager
def needing_lab() -> Iterator[None]:
    """Say what to install where a package of the laboratory's is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise LabError(f"{error.name} is missing, which this needs; pip install 'incognito[lab]'") from None
