"""Plots as SVG inside a page, whose style gives the colours: classes c0 to c7 fill, s0 to s7 draw lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

COLOURS = 8
WIDTH = 860.0  # of every plot, in pixels of the page
HEIGHT = 300.0  # of a scatter plot's field
LETTER = 6.6  # width of a letter of 12 pixels, on average
BAR, ROW = 16.0, 26.0  # height of a bar, and from one bar to the next
RADIUS = 6.0  # of a mark

CORNERS = (  # of a square, a triangle and a diamond about as large as the circle
    ((-5.5, -5.5), (5.5, -5.5), (5.5, 5.5), (-5.5, 5.5)),
    ((0.0, -7.5), (7.0, 5.5), (-7.0, 5.5)),
    ((0.0, -8.0), (8.0, 0.0), (0.0, 8.0), (-8.0, 0.0)),
)

Scale = Callable[[float], float]  # from a value to its pixel


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of a scatter plot: where, the name of its group, its shape's number, filled or hollow, what it says."""

    x: float
    y: float
    group: str
    shape: int
    filled: bool
    title: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar's name, its parts (each a length, and what it says when pointed at), and what stands at its end."""

    name: str
    parts: list[tuple[float, str]]
    note: str


def scatter(marks: Sequence[Mark], x_label: str, y_label: str) -> str:
    """Marks between two axes, x from 0, y around what is there; the groups' names at the right."""
    groups = list(dict.fromkeys(mark.group for mark in marks))
    x_ticks = ticks(0, max(mark.x for mark in marks))
    y_ticks = ticks(*_around([mark.y for mark in marks]))
    top, bottom = 12.0, 12.0 + HEIGHT
    right = WIDTH - 40 - LETTER * max(map(len, groups))
    x_of, y_of = _scale(x_ticks, 70, right), _scale(y_ticks, bottom, top)
    drawn = [_x_axis(x_ticks, x_of, top, bottom, x_label), _y_axis(y_ticks, y_of, x_of, x_ticks, y_label)]
    for number, group in enumerate(groups):
        drawn.append(_group([mark for mark in marks if mark.group == group], number, x_of, y_of))
    heights = [next(y_of(mark.y) for mark in marks if mark.group == group) for group in groups]
    return _svg(bottom + 50, f"{y_label} against {x_label}", [*drawn, *_names(groups, heights, right + 18)])


def stacked(bars: Sequence[Bar], x_label: str, limit: tuple[float, str]) -> str:
    """Bars of parts laid end to end from 0, and a limit with its name, as a dashed line."""
    x_ticks = ticks(0, max(limit[0], *(sum(length for length, _ in bar.parts) for bar in bars)))
    left = 14 + LETTER * max(len(bar.name) for bar in bars)
    x_of = _scale(x_ticks, left, WIDTH - 14 - LETTER * max(len(bar.note) for bar in bars))
    top, bottom = 26.0, 32.0 + ROW * len(bars)
    middles = [top + 3 + ROW * (number + 0.5) for number in range(len(bars))]
    drawn = [_x_axis(x_ticks, x_of, top, bottom, x_label)]
    drawn += [_parts(bar, x_of, middle) for bar, middle in zip(bars, middles, strict=True)]
    drawn.append(_line(x_of(limit[0]), top - 4, x_of(limit[0]), bottom, "limit"))
    drawn.append(_text(x_of(limit[0]), top - 10, limit[1]))
    drawn += [_words(bar, x_of, middle + 4) for bar, middle in zip(bars, middles, strict=True)]
    return _svg(bottom + 50, x_label, drawn)


def key(entries: Sequence[tuple[str, str]]) -> str:
    """A legend in HTML: what `swatch` or `shape` drew, and its name."""
    swatches = (
        f'<li><svg width="16" height="16" aria-hidden="true">{drawn}</svg>{escape(name)}</li>'
        for drawn, name in entries
    )
    return f'<ul class="key">{"".join(swatches)}</ul>'


def swatch(number: int) -> str:
    """A square of a colour by its number."""
    return f'<rect class="c{number % COLOURS}" x="2" y="2" width="12" height="12" rx="2"/>'


def shape(number: int, css: str, x: float = 8, y: float = 8) -> str:
    """A circle, square, triangle or diamond, by its number, around a point."""
    if number % 4 == 0:
        return f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"/>'
    points = " ".join(f"{x + right:.1f},{y + down:.1f}" for right, down in CORNERS[number % 4 - 1])
    return f'<polygon class="{css}" points="{points}"/>'


def ticks(low: float, high: float) -> list[float]:
    """Round numbers at even steps, 3 to 9 of them: the first not above low, the last not below high."""
    rough = (high - low) / 6 or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _scale(over: Sequence[float], first: float, last: float) -> Scale:
    low, high = over[0], over[-1]
    return lambda value: first + (value - low) / (high - low) * (last - first)


def _around(values: Sequence[float]) -> tuple[float, float]:
    """The range of values, with some air; 0.02 wide at least."""
    air = max(0.01, 0.15 * (max(values) - min(values)))
    return min(values) - air, max(values) + air


def _x_axis(at: Sequence[float], x_of: Scale, top: float, bottom: float, label: str) -> str:
    lines = [_line(x_of(x), top, x_of(x), bottom) + _text(x_of(x), bottom + 18, f"{x:g}") for x in at]
    return "".join([*lines, _text((x_of(at[0]) + x_of(at[-1])) / 2, bottom + 40, label, "label")])


def _y_axis(at: Sequence[float], y_of: Scale, x_of: Scale, across: Sequence[float], label: str) -> str:
    left, right = x_of(across[0]), x_of(across[-1])
    lines = [_line(left, y_of(y), right, y_of(y)) + _text(left - 8, y_of(y) + 4, f"{y:.3f}", "end") for y in at]
    middle = (y_of(at[0]) + y_of(at[-1])) / 2
    turned = f'<g transform="rotate(-90 16 {middle:.1f})">{_text(16, middle, label, "label")}</g>'
    return "".join([*lines, turned])


def _group(members: Sequence[Mark], number: int, x_of: Scale, y_of: Scale) -> str:
    """A group's marks, in one colour, threaded on a line."""
    colour = number % COLOURS
    places = sorted((x_of(mark.x), y_of(mark.y)) for mark in members)
    thread = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    drawn = [f'<polyline class="thread s{colour}" points="{thread}"/>']
    for mark in members:
        css = f"c{colour} s{colour}" if mark.filled else f"s{colour} hollow"
        drawn.append(_titled(shape(mark.shape, css, x_of(mark.x), y_of(mark.y)), mark.title))
    return "".join(drawn)


def _names(groups: Sequence[str], heights: Sequence[float], x: float) -> list[str]:
    """The groups' names at their heights, with their colours; moved down where they would lie on one another."""
    drawn, free = [], 0.0
    for y, number in sorted(zip(heights, range(len(groups)), strict=True)):
        free = max(y, free)
        drawn.append(f'<circle class="c{number % COLOURS}" cx="{x:.1f}" cy="{free:.1f}" r="4"/>')
        drawn.append(_text(x + 10, free + 4, groups[number], "start"))
        free += 16
    return drawn


def _parts(bar: Bar, x_of: Scale, middle: float) -> str:
    drawn, end = [], 0.0
    for number, (length, title) in enumerate(bar.parts):
        x, width = x_of(end), x_of(length) - x_of(0)
        place = f'x="{x:.1f}" y="{middle - BAR / 2:.1f}" width="{width:.1f}" height="{BAR}"'
        drawn.append(_titled(f'<rect class="part c{number % COLOURS}" {place}/>', title))
        end += length
    return "".join(drawn)


def _words(bar: Bar, x_of: Scale, y: float) -> str:
    end = x_of(sum(length for length, _ in bar.parts))
    return _text(x_of(0) - 8, y, bar.name, "end") + _text(end + 7, y, bar.note, "start")


def _titled(drawn: str, title: str) -> str:
    return f"<g><title>{escape(title)}</title>{drawn}</g>"


def _line(x1: float, y1: float, x2: float, y2: float, css: str = "grid") -> str:
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, css: str = "tick") -> str:
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _svg(height: float, name: str, drawn: Sequence[str]) -> str:
    box = f'viewBox="0 0 {WIDTH:.0f} {height:.0f}"'
    return f'<svg {box} role="img" aria-label="{escape(name)}">{"".join(drawn)}</svg>'
