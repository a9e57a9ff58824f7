"""A part of a film: from when to when, as a user says it; its chapters."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from incognito.errors import UsageError


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a film, in seconds from its beginning; without an end it goes on to the film's."""

    start: float = 0.0
    end: float = math.inf


WHOLE = Span()


def parse_span(start: str | None, end: str | None) -> Span:
    """A span of "90", "1:30" or "1:02:03.5"; raises UsageError."""
    span = Span(_seconds(start, "--from") if start else 0.0, _seconds(end, "--to") if end else math.inf)
    if span.end <= span.start:
        raise UsageError(f"--to {end} is not after --from {start or 0}; exchange them")
    return span


def cut_chapters(chapters: list[Any], span: Span) -> list[Any]:
    """The chapters of a span, counted from its beginning."""
    cut = []
    for chapter in chapters:
        base = chapter["time_base"]
        first, last = (Fraction(bound).limit_denominator(10**6) / base if math.isfinite(bound) else math.inf
                       for bound in (span.start, span.end))  # fmt: skip
        start, end = max(chapter["start"], first) - first, min(chapter["end"], last) - first
        if start < end:
            cut.append({**chapter, "start": round(start), "end": round(end)})
    return cut


def _seconds(text: str, option: str) -> float:
    match = re.fullmatch(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d+)?)", text)
    if not match or (match[2] and float(match[3]) >= 60):
        raise UsageError(f"{option} {text!r} is no time; give seconds, as 90, or 1:30, or 1:02:03.5")
    return 3600 * int(match[1] or 0) + 60 * int(match[2] or 0) + float(match[3])
