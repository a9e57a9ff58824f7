"""Two hands for one picture: its parts are worked on by this thread and by a helper, where OpenCV may use two."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import cv2

T = TypeVar("T")

# Pixels up to which one hand is enough for a stream's frame. At 720p the second one brought the loop of `live` from 7.7
# to 6.9 ms, for a seventh more CPU time; flat out it saved nothing, for a third more. Threads that wait for each other
# keep a core busy.
LIGHT = 1280 * 720


def shared(work: Callable[[T], Any], parts: Iterable[T]) -> None:
    """Do something with every part, in any order; all of it is over when this returns or raises."""
    parts = list(parts)
    if len(parts) < 2 or count() < 2:
        return _do(work, parts)
    others = _helper().submit(_do, work, parts[1::2])
    try:
        _do(work, parts[::2])
    finally:
        wait([others])
    return others.result()


def count() -> int:
    """How many hands there are, OpenCV's threads."""
    return cv2.getNumThreads()


def worth(size: tuple[int, int]) -> int:
    """How many of the hands there are a stream's frames of size (height, width) are worth."""
    return 1 if size[0] * size[1] <= LIGHT else min(2, count())


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Work with exactly so many inside; then with as many as before."""
    before = count()
    use(threads)
    try:
        yield
    finally:
        use(before)


def use(threads: int) -> None:
    """Work with so many from now on, everywhere in this process."""
    if threads != count():
        cv2.setNumThreads(threads)


def _do(work: Callable[[T], Any], parts: Iterable[T]) -> None:
    for part in parts:
        work(part)


@cache
def _helper() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "hands")


if hasattr(os, "register_at_fork"):  # a child has no thread of its parent's
    os.register_at_fork(after_in_child=_helper.cache_clear)
