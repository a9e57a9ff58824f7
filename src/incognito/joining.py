"""Parts of a film become one file: their pictures are copied as they are, and the film's sounds and texts join them."""

from __future__ import annotations

import heapq
import math
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from incognito.containers import Container
from incognito.film import Source, guard
from incognito.span import Span, cut_chapters
from incognito.video import moved, open_others


@dataclass(frozen=True, slots=True)
class Timetable:
    """When every picture is shown, in the parts' ticks and in order; by how many places decoding goes ahead of that."""

    times: array[int]
    ahead: int
    pause: int  # ticks that the last picture stays


def join(film: Source, parts: list[Path], target: Path, kind: Container, span: Span, pause: Fraction) -> None:
    """Write a film's parts, its sounds, texts, chapters and title into one file. Raises InputError and OutputError."""
    with ExitStack() as stack:
        out = av.open(f"file:{target}", "w", format=kind.format, options=kind.muxer)
        stack.callback(out.close)
        out.metadata.update(film.metadata)
        like = stack.enter_context(av.open(f"file:{parts[0]}")).streams.video[0]
        stream = out.add_stream_from_template(like, opaque=kind.tag is None)  # no encoder is opened for nothing
        stream.time_base = film.stream.time_base or like.time_base
        stream.metadata.update(like.metadata)
        if kind.tag:
            stream.codec_context.codec_tag = kind.tag
        others = open_others(out, film, kind)
        out.set_chapters(cut_chapters(film.chapters, span))
        table = _read(parts, pause)
        zero = table.times[0] * Fraction(like.time_base or 0) if span.start else Fraction(0)
        pictures = _pictures(parts, table, table.times[0] if span.start else 0)
        rest = (each for each in film.packets(span) if each.stream.index in others and moved(each, zero))
        for packet in heapq.merge(((each, True) for each in pictures), ((each, False) for each in rest), key=_due):
            guard(_write, out, packet, stream, others)
        for other in others.values():
            guard(other.finish)
        guard(out.close)


def _write(out: Any, packet: tuple[av.Packet, bool], stream: Any, others: dict[int, Any]) -> None:
    content, shows = packet
    if shows:
        content.stream = stream
        out.mux(content)
    else:
        others[content.stream.index].take(content)


def _due(packet: tuple[av.Packet, bool]) -> float:
    """When a packet is wanted, in seconds; the end of a stream comes last."""
    content, _ = packet
    ticks = content.pts if content.dts is None else content.dts
    return math.inf if ticks is None else float(ticks * content.time_base)


def _packets(part: Path) -> Iterator[av.Packet]:
    with av.open(f"file:{part}") as container:
        yield from (packet for packet in container.demux(video=0) if packet.size)


def _read(parts: list[Path], pause: Fraction) -> Timetable:
    """Find a film's timetable in its parts."""
    times, ahead, base = array("q"), 0, Fraction(1)
    for part in parts:
        found = []
        for packet in _packets(part):
            base = Fraction(packet.time_base)
            found.append(packet.pts or 0)
        shown = sorted(found)
        ahead = max(ahead, *(number - bisect_left(shown, time) for number, time in enumerate(found)))
        times.extend(shown)
    return Timetable(times, ahead, round(pause / base))


def _pictures(parts: list[Path], table: Timetable, zero: int) -> Iterator[av.Packet]:
    """A film's packets, counted from `zero` on; each is decoded after the one before, and not after it is shown."""
    times, number = table.times, 0
    step = max(1, times[min(1, len(times) - 1)] - times[0])
    for part in parts:
        for packet in _packets(part):
            place, early = bisect_left(times, packet.pts or 0), number - table.ahead
            end = times[place + 1] if place + 1 < len(times) else times[place] + table.pause
            packet.dts = (times[early] if early >= 0 else times[0] + early * step) - zero
            packet.duration, packet.pts = end - times[place], times[place] - zero
            number += 1
            yield packet
