"""The plot of a climb: IoU on the test pictures against milliseconds, the same bytes for the same rows."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from itertools import chain

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from incognito.lab import labels
from incognito.lab.climb import CLIMBED, RUNTIMES, milliseconds, newest
from incognito.lab.labels import Spot
from incognito.lab.rows import Row
from incognito.lab.tables import NOT_YET, SETS

SIZE = (10.0, 6.2)  # inches of 72 points, which are the SVG's pixels
MARKERS = dict(zip(RUNTIMES, "os", strict=True))
COLOURS = dict(zip(RUNTIMES, ("#1f5fa8", "#c8541a"), strict=True))
INK, GREY, PALE = "#222222", "#8a8a8a", "#e4e4e4"
LOOK = {
    "svg.hashsalt": "incognito",
    "svg.fonttype": "path",  # no reader needs the font
    "font.family": "DejaVu Sans",  # matplotlib brings it along
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "xtick.color": INK,
    "ytick.color": INK,
}

Point = tuple[float, float]  # milliseconds, IoU


def draw(ladder: list[Row]) -> bytes:
    """Draw every rung that has a time and an IoU on the test set, as an SVG on white."""
    rungs = [row for row in newest(ladder) if row["iou"] and milliseconds(row)]
    with style.context(["default", LOOK]):
        figure = Figure(figsize=SIZE, dpi=72, facecolor="white")
        axes = figure.add_axes((0.075, 0.15, 0.905, 0.83))
        if rungs:
            _plot(axes, rungs)
            figure.legend(handles=_legend(), loc="lower center", ncols=5, frameon=False)
        else:
            axes.set_axis_off()
            axes.text(0.5, 0.5, NOT_YET.strip("*"), ha="center", va="center", size=14)
        file = BytesIO()
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    return file.getvalue()


def _plot(axes: Axes, rungs: list[Row]) -> None:
    """Draw the climbs as lines, each row's times as two points joined, and the names beside the faster."""
    _dress(axes, rungs)
    climbed = [row for row in rungs if row["status"] in CLIMBED]
    ladders = dict.fromkeys(row["ladder"] for row in climbed)
    lines = [[_fast(row) for row in climbed if row["ladder"] == name] for name in ladders]
    for line in lines:
        axes.plot(*zip(*line, strict=True), color=INK, linewidth=1.2, alpha=0.55, zorder=1)
    for row in rungs:
        _mark(axes, row)
    _name(axes, rungs, lines)


def _dress(axes: Axes, rungs: list[Row]) -> None:
    """Set the axes' ranges, ticks and titles."""
    points = [point for row in rungs for point in _points(row).values()]
    times, scores = zip(*points, strict=True)
    height = max(max(scores) - min(scores), 0.01)
    axes.set(xscale="log", xlim=(min(times) / 1.35, max(times) * 1.35))
    axes.set(ylim=(min(scores) - 0.12 * height, max(scores) + 0.12 * height))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("milliseconds for the network alone, median; logarithmic, the left is faster")
    tests = ", ".join(dict.fromkeys(f"{SETS.get(row['set'], row['set'])}, {row['n']} pictures" for row in rungs))
    axes.set_ylabel(f"person IoU on the test set ({tests})")


def _mark(axes: Axes, row: Row) -> None:
    """Draw a row's point for each runtime, joined where there are two."""
    points = _points(row)
    axes.plot(*zip(*points.values(), strict=True), color=GREY, linewidth=0.8, linestyle=":", zorder=2)
    for runtime, point in points.items():
        colour = COLOURS[runtime]
        face = colour if row["status"] in CLIMBED else "white"
        axes.plot(*point, MARKERS[runtime], markersize=6.5, color=colour, markerfacecolor=face, zorder=3)


def _name(axes: Axes, every: list[Row], lines: list[list[Point]]) -> None:
    """Write each row's name near its faster point, with a hair to it where it had to stand off."""

    def on_paper(points: Iterable[Point]) -> list[Spot]:
        return [(x, y) for x, y in axes.transData.transform(list(points))]

    pairs = [_points(row).values() for row in every]
    anchors = on_paper(_fast(row) for row in every)
    names = [(row["rung"], anchor) for row, anchor in zip(every, anchors, strict=True)]
    drawn = [on_paper(line) for line in [*lines, *pairs]]
    for (name, anchor), box in zip(
        names, labels.place(names, on_paper(chain(*pairs)), drawn, axes.bbox.extents), strict=True
    ):
        axes.text(*labels.beginning(box), name, size=labels.SIZE, transform=None)
        if hair := labels.hair(anchor, box):
            axes.plot(*zip(*hair, strict=True), color=GREY, linewidth=0.6, zorder=2, transform=None)


def _legend() -> list[Line2D]:
    """A mark of each kind with what it means."""
    handles = [
        Line2D([], [], linestyle="", marker=MARKERS[name], color=COLOURS[name], label=RUNTIMES[name])
        for name in RUNTIMES
    ]
    climb = Line2D([], [], color=INK, alpha=0.55, label="the climb, on the faster")
    aside = Line2D([], [], linestyle="", marker="o", color=INK, markerfacecolor="white", label="aside or refused")
    return [*handles, climb, aside]


def _points(row: Row) -> dict[str, Point]:
    """A row's point for each runtime that it was timed on."""
    return {name: (float(time), float(row["iou"])) for name in RUNTIMES if (time := row.get(f"{name}_p50_ms"))}


def _fast(row: Row) -> Point:
    return min(_points(row).values())
