"""Graphs of FFmpeg's filters: interlaced frames made whole, a palette for a picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import av
import av.filter


class Progressive:
    """Makes whole pictures of interlaced ones (FFmpeg's bwdif); gives others as they are."""

    def __init__(self) -> None:
        self._graph: Any = None

    def of(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Take the next frame; what is made of the one before may come now."""
        if self._graph is None and not frame.interlaced_frame:
            yield frame
            return
        self._graph = self._graph or _deinterlacer(frame)
        self._graph.vpush(frame)
        yield from self._made()

    def rest(self) -> Iterator[av.VideoFrame]:
        """Give what is still held."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._made()

    def _made(self) -> Iterator[av.VideoFrame]:
        with suppress(av.BlockingIOError, av.EOFError):
            while True:
                yield self._graph.vpull()


def _deinterlacer(frame: av.VideoFrame) -> Any:
    graph = av.filter.Graph()
    source = _buffer(graph, frame)
    graph.link_nodes(source, graph.add("bwdif", "send_frame:auto:interlaced"), graph.add("buffersink")).configure()
    return graph


def _buffer(graph: Any, frame: av.VideoFrame) -> Any:
    """Where a graph takes frames like one."""
    return graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)


def palette(frame: av.VideoFrame) -> Any:
    """A graph that finds the colours of a picture, 256 of them, and dithers it with these."""
    graph = av.filter.Graph()
    source = _buffer(graph, frame)
    split, made, used = (
        graph.add("split"),
        graph.add("palettegen", "stats_mode=single"),
        graph.add("paletteuse", "new=1"),
    )
    source.link_to(split)
    split.link_to(used, 0, 0)
    split.link_to(made, 1, 0)
    made.link_to(used, 0, 1)
    used.link_to(graph.add("buffersink"))
    graph.configure()
    return graph
