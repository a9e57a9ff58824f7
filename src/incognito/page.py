"""A benchmark's page: one file of HTML with its plots inside, that needs no network and no script."""

from __future__ import annotations

from html import escape

from incognito import plot
from incognito.record import (
    NETWORK,
    PATH,
    STAGES,
    Record,
    Row,
    Table,
    load_lines,
    machine_line,
    name_of,
    notes,
    tables,
)

LIVE = (1000 / 30, "30 frames/s")  # milliseconds a frame that a camera leaves

STYLE = """
:root { color-scheme: light dark; --page: #f7f7f5; --paper: #fcfcfb; --ink: #0b0b0b; --soft: #52514e; --rule: #e1e0d9;
  --good: #008300; --bad: #b45309; --c0: #2a78d6; --c1: #1baf7a; --c2: #eda100; --c3: #008300; --c4: #4a3aa7;
  --c5: #e34948; --c6: #d55181; --c7: #eb6834; }
@media (prefers-color-scheme: dark) { :root { --page: #111110; --paper: #1a1a19; --ink: #ffffff; --soft: #c3c2b7;
  --rule: #33332f; --good: #4cc38a; --bad: #f0a04b; --c0: #3987e5; --c1: #199e70; --c2: #c98500; --c3: #4caf50;
  --c4: #9085e9; --c5: #e66767; --c6: #d55181; --c7: #d95926; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 16px 64px; }
h1 { margin: 0 0 4px; font-size: 26px; } h2 { margin: 0 0 12px; font-size: 17px; }
p { margin: 0 0 12px; } .soft { color: var(--soft); }
section { margin-top: 20px; padding: 20px 22px; background: var(--paper); border: 1px solid var(--rule);
  border-radius: 10px; }
.wide { overflow-x: auto; } .wide svg { display: block; width: 100%; min-width: 620px; height: auto; }
.verdict { padding-left: 12px; border-left: 4px solid var(--bad); } .quiet { border-color: var(--good); }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 6px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { color: var(--soft); font-weight: 600; } .word { text-align: left; }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 10px; padding: 0; list-style: none;
  color: var(--soft); font-size: 13px; } .key svg { margin-right: 6px; vertical-align: -3px; }
svg text { fill: var(--soft); font-size: 12px; text-anchor: middle; paint-order: stroke; stroke: var(--paper);
  stroke-width: 6px; stroke-linejoin: round; }
svg .start { text-anchor: start; fill: var(--ink); } svg .end { text-anchor: end; }
svg .label { fill: var(--ink); font-size: 13px; }
.grid { stroke: var(--rule); } .limit { stroke: var(--ink); stroke-dasharray: 4 4; }
.part { stroke: var(--paper); } .thread { opacity: 0.4; } .shape { fill: var(--soft); stroke: var(--soft); }
.ring { stroke: var(--soft); stroke-width: 2; }
"""

FILL = ".c{0}, .c{0}.s{0} {{ fill: var(--c{0}); }}"
DRAW = ".s{0} {{ fill: none; stroke: var(--c{0}); stroke-width: 2; }}"
COLOURS = "\n".join(rule.format(number) for rule in (DRAW, FILL) for number in range(plot.COLOURS))
HOLLOW = "svg .hollow { fill: var(--paper); }"


def to_html(record: Record) -> str:
    """The record as a page: verdict, IoU against latency, stages stacked, the tables, and how it was measured."""
    verdict = f'<p class="verdict {_state(record)}">{"<br>".join(map(escape, reversed(load_lines(record))))}</p>'
    sections = [
        _section("Accuracy and speed of the network alone", _accuracy(record)),
        *(_section(f"The whole path at {frame}, by stage", _stages(record, frame)) for frame in record.frames),
        *(_section(table.title, f'<div class="wide">{_table(table)}</div>') for table in tables(record)),
        _section("How it was measured", f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes(record))}</ul>"),
    ]
    title = "Incognito on this machine"
    head = f"<h1>{title}</h1><p class='soft'>{escape(machine_line(record))}</p>{verdict}"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}{COLOURS}\n{HOLLOW}\n</style></head>\n"
        f"<body><main>{head}{''.join(sections)}</main></body></html>\n"
    )


def _state(record: Record) -> str:
    return record.load.verdict.partition(":")[0]


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>\n"


def _accuracy(record: Record) -> str:
    """IoU against latency, and the names of those whose cards give none."""
    rows = [row for row in record.rows if row.stage == NETWORK]
    known = [row for row in rows if row.iou is not None]
    unknown = list(dict.fromkeys(row.model for row in rows if row.iou is None))
    said = f"<p class='soft'>Without IoU on their cards: {escape(', '.join(unknown))}.</p>" if unknown else ""
    if not known:
        return said
    runtimes = list(dict.fromkeys(row.runtime for row in known))
    most = max(row.threads for row in known)
    marks = [_mark(row, runtimes.index(row.runtime), row.threads == most) for row in known]
    drawn = plot.scatter(marks, "latency of the network, median, ms", "person IoU, from the card")
    return f'{_shapes(runtimes, most)}<div class="wide">{drawn}</div>{said}'


def _mark(row: Row, shape: int, filled: bool) -> plot.Mark:
    title = f"{name_of(row)}: {row.p50_ms:.1f} ms, p95 {row.p95_ms:.1f} ms, IoU {row.iou:.4f}"
    return plot.Mark(row.p50_ms or 0.0, row.iou or 0.0, _kind(row), shape, filled, title)


def _kind(row: Row) -> str:
    return f"{row.model} {row.precision}"


def _shapes(runtimes: list[str], most: int) -> str:
    entries = [(plot.shape(number, "shape"), runtime) for number, runtime in enumerate(runtimes)]
    if most > 1:
        entries += [
            (plot.shape(0, "shape"), f"filled: {most} threads"),
            (plot.shape(0, "ring hollow"), "hollow: 1 thread"),
        ]
    return plot.key(entries)


def _stages(record: Record, frame: str) -> str:
    """The stages' medians end to end, the fastest path first."""
    paths = sorted(record.paths(frame), key=lambda path: path[PATH].p50_ms or 0.0)
    drawn = plot.stacked([_bar(path) for path in paths], "milliseconds a frame, medians", LIVE)
    entries = [(plot.swatch(number), stage) for number, stage in enumerate(STAGES)]
    return f'{plot.key(entries)}<div class="wide">{drawn}</div>'


def _bar(path: dict[str, Row]) -> plot.Bar:
    parts = [(path[stage].p50_ms or 0.0, f"{stage}: {path[stage].p50_ms:.1f} ms") for stage in STAGES]
    whole = path[PATH]
    return plot.Bar(name_of(whole), parts, f"{whole.p50_ms:.1f} ms, {whole.fps:.1f} frames/s")


def _table(table: Table) -> str:
    css = ['class="word"'] * table.words + [""] * (len(table.head) - table.words)
    head = "".join(f"<th {c}>{escape(cell)}</th>" for c, cell in zip(css, table.head, strict=True))
    lines = ("".join(f"<td {c}>{escape(cell)}</td>" for c, cell in zip(css, line, strict=True)) for line in table.lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody><tr>{'</tr><tr>'.join(lines)}</tr></tbody></table>"
