"""A bar for long work, a line for endless work, on the terminal's standard error; silent where there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(task: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar: done and of how many, units a second, time left. Gives the function that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{unit}, {{task.fields[rate]}}/s,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        number = progress.add_task(task, total=None, rate="-")

        def move(done: int, total: int | None) -> None:
            speed = progress.tasks[0].speed
            progress.update(number, completed=done, total=total, rate=f"{speed:.1f}" if speed else "-")

        yield move


@contextmanager
def status() -> Iterator[Callable[[str], None]]:
    """Show one line that changes. Gives the function that changes it."""
    shows = sys.stderr.isatty()

    def show(line: str) -> None:
        if shows:
            sys.stderr.write(f"\r\x1b[2K{line}")
            sys.stderr.flush()

    try:
        yield show
    finally:
        show("")
