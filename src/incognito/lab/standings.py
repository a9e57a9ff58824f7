"""The standings of a comparison's last run, as tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from incognito.lab.exhibits import CLIPS, EMPTY, MADE, MARKED, PORTRAITS, SCENES
from incognito.lab.peers.wire import WORKS
from incognito.lab.rows import Row
from incognito.lab.tables import NOT_YET, NOTHING, markdown, mega, percent, three

FILES = ("compare_accuracy", "compare_speed", "compare_pairs")
SETS = {PORTRAITS: "EG1800", SCENES: "scenes", CLIPS: "clips", MADE: "made clips"}
WORK_TITLES = {"network": "network", "segment": "matte", "frame": "whole frame", "frame_1080": "at 1080p"}


def compare(accuracy: list[Row], speed: list[Row], pairs: list[Row]) -> str:
    """Who finds people how well, how sure the differences are, what it costs, and under what it was measured."""
    if not speed:
        return NOT_YET
    run = speed[-1]["run"]
    accuracy, speed, pairs = ([row for row in table if row["run"] == run] for table in (accuracy, speed, pairs))
    parts = [_accuracy(accuracy), _differences(pairs), _costs(speed), _conditions(run, accuracy, speed)]
    return "\n\n".join(part for part in parts if part)


def _accuracy(rows: list[Row]) -> str:
    """A line for each contestant: IoU of people, of the network and of photos; of nobody, the per cent marked."""
    peopled, empty = _shown(rows)
    head = ["network", "variant", "size", "MB"]
    for name in peopled:
        head += [f"{SETS[name]} IoU", "as a photo"]
    for name in empty:
        head += [f"{_place(name)}, % marked", "pictures over 1 %, %"]
    lines = []
    for name in _in_order(rows, "contestant"):
        here = {row["set"]: row for row in rows if row["contestant"] == name}
        one = next(iter(here.values()))
        figures = [f"{float(here[each][figure]):.4f}" for each in peopled for figure in ("iou", "photo_iou")]
        figures += [percent(here[each][share]) for each in empty for share in (MARKED, "over_one_percent")]
        lines.append([name, f"{one['model']} {one['runtime']}", one["network"], mega(one["bytes"], 2), *figures])
    return markdown(head, lines, words=3)


def _differences(rows: list[Row]) -> str:
    """A line for each pair: the difference of IoU, or of per cent that are marked, and its interval."""
    rows = [row for row in rows if row["figure"] in ("iou", MARKED)]
    peopled, empty = _shown(rows)
    head = ["ours", "less", *(f"{SETS[name]} IoU" for name in peopled), *(f"{_place(name)}, %" for name in empty)]
    lines = []
    for ours, peer in dict.fromkeys((row["contestant"], row["peer"]) for row in rows):
        here = {row["set"]: row for row in rows if (row["contestant"], row["peer"]) == (ours, peer)}
        lines.append([ours, peer, *(_interval(here[name]) for name in (*peopled, *empty))])
    return markdown(head, lines, words=2) if lines else ""


def _costs(rows: list[Row]) -> str:
    """A line for each contestant and number of threads: milliseconds of each work, wall and CPU."""
    head = ["network", "frames on", "threads"]
    works = [work for work in WORKS if all(row.get(f"{work}_wall_p50_ms") for row in rows)]  # older runs had fewer
    for work in works:
        head += [f"{WORK_TITLES[work]}, ms", "its CPU, ms"]
    lines = []
    for row in rows:
        times = [(_spread(row, f"{work}_wall"), three(float(row[f"{work}_cpu_p50_ms"]))) for work in works]
        streamed = row.get("streamed") or NOTHING
        lines.append([row["contestant"], streamed, row["threads"], *(cell for pair in times for cell in pair)])
    return markdown(head, lines, words=2)


def _conditions(run: str, accuracy: list[Row], speed: list[Row]) -> str:
    counts = [f"{row['set']} {row['n']}" for row in {row["set"]: row for row in accuracy}.values()]
    loads = [f"at {row['threads']}, {row['load']}" for row in {row["threads"]: row for row in speed}.values()]
    versions = {row["versions"]: row["contestant"] for row in reversed(speed)}
    named = [f"{name} ({numbers})" for numbers, name in reversed(versions.items())]
    return (
        f"Run {run}, on {', '.join(_in_order(speed, 'cpu'))}. Pictures: {', '.join(counts)}. "
        f"The machine, by threads: {'; '.join(loads)}. Versions, of each environment: {', '.join(named)}."
    )


def _shown(rows: list[Row]) -> tuple[list[str], list[str]]:
    """The sets with people that are shown, clips together; and those of nobody, each."""
    names = _in_order(rows, "set")
    nobody = [name for name in names if any(row["set"] == name and _is_empty(row) for row in rows)]
    return [name for name in names if name in SETS and name not in nobody], nobody


def _is_empty(row: Row) -> bool:
    return row["figure"] == MARKED if "figure" in row else bool(row[MARKED])


def _place(name: str) -> str:
    return "empty places" if name == EMPTY else name


def _interval(row: Row) -> str:
    factor, digits = (100, 1) if row["figure"] == MARKED else (1, 4)
    numbers = [row[name] for name in ("difference", "low", "high")]
    value, *ends = (f"{factor * float(number):+.{digits}f}" if number else "" for number in numbers)
    return f"{value} ({' to '.join(ends)})" if all(ends) else value


def _spread(row: Row, name: str) -> str:
    half, most = (three(float(row[f"{name}_p{percentile}_ms"])) for percentile in (50, 95))
    return f"{half} ({most})"


def _in_order(rows: Sequence[Row], column: str) -> list[str]:
    """The values of a column, each once, in the order of the rows."""
    return list(dict.fromkeys(row[column] or NOTHING for row in rows))
