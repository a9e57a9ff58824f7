"""What a benchmark found: as printed, and as JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from dataclasses import dataclass
from typing import Any

from incognito.load import Load

STAGES = ("segment", "refine", "composite")  # of the whole path, in their order
NETWORK, PATH = "network", "path"  # stages that are a rate, too


@dataclass(frozen=True, slots=True)
class Row:
    """One stage of one candidate: a model on a runtime on so many threads.

    `network` is the size of its input and `frame` that of the frames, as WIDTHxHEIGHT; `frame` is empty for the network
    alone. `stage` is "network", or "segment", "refine", "composite" and all of them together, "path". Times are those
    of single runs in milliseconds; `spread` is their interquartile range over their median; `fps` is what the median
    allows. `iou` is the card's, None where it has none. `status` is "ok", or why nothing was timed: then n is 0.
    """

    model: str
    precision: str
    network: str
    runtime: str
    threads: int
    frame: str
    stage: str
    n: int
    p50_ms: float | None
    p95_ms: float | None
    spread: float | None
    fps: float | None
    bytes: int
    iou: float | None
    cpu: str
    versions: str
    status: str

    @property
    def candidate(self) -> tuple[str, str, str, int]:
        """What is compared: model, precision, runtime, threads."""
        return self.model, self.precision, self.runtime, self.threads


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))


@dataclass(frozen=True, slots=True)
class Record:
    """A benchmark: the machine and its versions, what else it did, how was measured, and the rows."""

    machine: dict[str, Any]
    load: Load
    conditions: dict[str, str]
    rows: list[Row]

    @property
    def frames(self) -> list[str]:
        """The sizes of frames, as WIDTHxHEIGHT, in the order in which they were measured."""
        return list(dict.fromkeys(row.frame for row in self.rows if row.frame))

    def paths(self, frame: str) -> list[dict[str, Row]]:
        """The whole path of each candidate at a size of frames: its rows by stage."""
        found: dict[tuple, dict[str, Row]] = {}
        for row in self.rows:
            if row.frame == frame:
                found.setdefault(row.candidate, {})[row.stage] = row
        return list(found.values())


@dataclass(frozen=True, slots=True)
class Table:
    """A title, a head and lines; the first columns, so many, are words, the others figures."""

    title: str
    words: int
    head: list[str]
    lines: list[list[str]]


def tables(record: Record) -> list[Table]:
    """The record for people: the network alone, then the whole path at each size; times are p50 (p95)."""
    return [_network(record), *(_path(record, frame) for frame in record.frames)]


def to_text(record: Record) -> str:
    """What the command prints."""
    shown = [f"{table.title}\n{aligned(table)}" for table in tables(record)]
    return "\n\n".join([machine_line(record), *shown, "\n".join([*notes(record), *load_lines(record)])])


def to_markdown(record: Record) -> str:
    """The tables in Markdown, with what was measured on and how."""
    shown = [f"## {table.title}\n\n{markdown(table)}" for table in tables(record)]
    said = [f"- {line}" for line in [*notes(record), *load_lines(record)]]
    return "\n\n".join(["# Benchmark", machine_line(record), *shown, "## How it was measured", "\n".join(said)]) + "\n"


def to_json(record: Record) -> str:
    """A document of machine, load, conditions and rows; what is not known is null."""
    document = dataclasses.asdict(record)
    document["load"]["verdict"] = record.load.verdict
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(record: Record) -> str:
    """The rows, and in each the load's verdict; what is not known is empty."""
    file = io.StringIO()
    writer = csv.DictWriter(file, [*COLUMNS, "load"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(row) | {"load": record.load.verdict} for row in record.rows)
    return file.getvalue()


def machine_line(record: Record) -> str:
    """The processor, its cores and the versions of what computed, in one line."""
    machine = record.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, {versions}"


def notes(record: Record) -> list[str]:
    """What was measured and how, a sentence each; then what could not be."""
    failed = {row.candidate: row for row in record.rows if row.status != "ok"}.values()
    missing = [f"Not timed: {name_of(row)}: {row.status}." for row in failed]
    return [*(f"{name}: {text}." for name, text in record.conditions.items()), *missing]


def load_lines(record: Record) -> list[str]:
    """What else the machine did, and the verdict."""
    load = record.load
    others = "unknown" if load.others is None else f"{load.others:.1%} of the cores"
    average = "unknown" if load.average is None else f"{load.average:.2f}"
    seen = (
        f"other processes {others}, load average before {average}, the same work within {load.jitter:.2f} x its median"
    )
    return [f"Load: {seen}.", f"The machine was {load.verdict}."]


def name_of(row: Row) -> str:
    """A candidate's name for people."""
    threads = "1 thread" if row.threads == 1 else f"{row.threads} threads"
    return f"{row.model} {row.precision}, {row.runtime}, {threads}"


def aligned(table: Table) -> str:
    """A table for the terminal: words to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(table.head, *table.lines, strict=True)]
    sides = ["<"] * table.words + [">"] * (len(table.head) - table.words)
    return "\n".join(
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths, strict=True)).rstrip()
        for line in [table.head, *table.lines]
    )


def markdown(table: Table) -> str:
    """A table in Markdown."""
    rule = ["---"] * table.words + ["---:"] * (len(table.head) - table.words)
    return "\n".join(f"| {' | '.join(line)} |" for line in [table.head, rule, *table.lines])


def _network(record: Record) -> Table:
    head = ["model", "precision", "runtime", "input", "threads", "p50 ms", "p95 ms", "spread", "runs", "MB", "IoU"]
    lines = [
        [
            row.model, row.precision, row.runtime, row.network, str(row.threads), f"{row.p50_ms:.1f}",
            f"{row.p95_ms:.1f}", f"{row.spread:.0%}", str(row.n), f"{row.bytes / 1e6:.1f}",
            "" if row.iou is None else f"{row.iou:.3f}",
        ]
        for row in record.rows
        if row.stage == NETWORK
    ]  # fmt: skip
    return Table("The network alone", 3, head, lines)


def _path(record: Record, frame: str) -> Table:
    head = ["model", "precision", "runtime", "threads", *STAGES, "path", "frames/s", "spread", "runs"]
    lines = [_path_line(path) for path in record.paths(frame)]
    return Table(f"The whole path at {frame}, p50 (p95) ms", 3, head, lines)


def _path_line(path: dict[str, Row]) -> list[str]:
    whole = path[PATH]
    times = (f"{path[stage].p50_ms:.1f} ({path[stage].p95_ms:.1f})" for stage in (*STAGES, PATH))
    words = [whole.model, whole.precision, whole.runtime, str(whole.threads)]
    return [*words, *times, f"{whole.fps:.1f}", f"{whole.spread:.0%}", str(whole.n)]
