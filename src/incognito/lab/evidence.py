"""What was measured of a model and its variants: their rows, found by name and checksum, as a card's tables.

Rows of another file that had the same name are left out, and what has no row is said to be not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from incognito.lab import rows
from incognito.lab.climb import RUNTIMES, newest
from incognito.lab.rows import Row
from incognito.lab.tables import markdown, percent, three
from incognito.zoo import Card

FILES = ("networks", "stages", "ladder", "compare_accuracy", "compare_pairs", "compare_speed", "clips")
NOT = "not measured"
TITLES = {
    "people/portraits": "EG1800 portraits",
    "people/mashup": "portraits in rooms",
    "people/scenes": "COCO scenes",
    "empty": "empty places",
    "made": "made clips",
}
WORKS = {
    "network": "network",
    "segment": "matte of 1280x720",
    "frame": "whole frame, 1280x720",
    "frame_1080": "whole frame, 1920x1080",
}
PATHS = {"network": "each frame by itself", "live": "smoothed, as live"}
STEADY = {  # columns of a clip's row
    "iou": "IoU",
    "boundary_f": "boundary F",
    "dtssd": "dtSSD",
    "still_change": "still change",
    "lag": "lag, frames",
    "marked": "false person, %",
}

Results = dict[str, list[Row]]
Found = list[tuple[str, Row]]  # a variant's label, and a row of it


def read(results: Path) -> Results:
    """Read the tables that cards are made from; one that nobody measured yet is empty."""
    paths = {name: results / f"{name}.csv" for name in FILES}
    return {name: rows.read(path) if path.is_file() else [] for name, path in paths.items()}


def of(cards: Sequence[Card], table: Sequence[Row]) -> Found:
    """The rows of the very files that cards describe, in the table's order."""
    return [(card.label, row) for row in table for card in cards if _is_of(card, row)]


def own(cards: Sequence[Card]) -> str:
    """The figures that stand in the cards themselves."""
    head = ["variant", "pictures", "IoU", "95 % interval", "mean IoU", "boundary F"]
    lines = []
    for card in cards:
        figures = {name: f"{value:.4f}" for name, value in card.measured.items()}
        pictures = f"{card.measured['n']:.0f}" if "n" in card.measured else ""
        names = ("mean_iou", "boundary_f")
        cells = [pictures, figures.get("iou", ""), _ends(figures), *(figures.get(name, "") for name in names)]
        lines.append([card.label, *cells])
    return _table(cards, head, lines, words=1)


def accuracy(cards: Sequence[Card], results: Results) -> str:
    """The newest row of each variant on each set."""
    last = {(label, row["set"], row["split"]): row for label, row in of(cards, results["networks"])}
    head = ["variant", "set", "split", "pictures", "IoU", "95 % interval", "mean IoU", "boundary F", "MAD"]
    lines = [[label, TITLES.get(name, name), split, *_scores(row)] for (label, name, split), row in last.items()]
    return _table(cards, [*head, "false person, %"], lines, words=3)


def beside(cards: Sequence[Card], results: Results) -> str:
    """The last comparison with other projects' networks: each set, and the differences with their intervals."""
    found = _last(of(cards, results["compare_accuracy"]))
    pairs = {_pair(row): row for row in results["compare_pairs"]}
    peers = list(dict.fromkeys(row["peer"] for row in pairs.values() if found and row["run"] == found[0][1]["run"]))
    lines = []
    for label, row in found:
        figure = "iou" if row["iou"] else "falsely_marked"
        value = f"IoU {float(row['iou']):.4f}" if row["iou"] else f"{percent(row['falsely_marked'])} % marked"
        keys = [(row["run"], row["contestant"], peer, row["set"], figure) for peer in peers]
        name = TITLES.get(row["set"], row["set"])
        lines.append([f"{label}, {row['runtime']}", name, row["n"], value, *(_difference(pairs.get(k)) for k in keys)])
    head = ["variant", "set", "pictures", "this model", *(f"less {peer} (95 %)" for peer in peers)]
    return _table(cards, head, lines, words=2)


def steadiness(cards: Sequence[Card], results: Results) -> str:
    """The newest rows of each path and clip, averaged over natural clips and over made ones."""
    last = {(label, row["path"], row["clip"]): row for label, row in of(cards, results["clips"])}
    lines = []
    for label, path, kind in dict.fromkeys((label, path, _kind(clip)) for label, path, clip in last):
        here = [row for key, row in last.items() if (*key[:2], _kind(key[2])) == (label, path, kind)]
        lines.append([label, PATHS.get(path, path), kind, str(len(here)), *(_mean(here, name) for name in STEADY)])
    return _table(cards, ["variant", "mattes", "clips", "number", *STEADY.values()], lines, words=3)


def speed(cards: Sequence[Card], results: Results) -> str:
    """Milliseconds of the path's stages, the ladder and the last comparison: median (95th percentile), and where."""
    head = ["variant", "what", "runtime", "threads", "machine", "ms"]
    compared = _last(of(cards, results["compare_speed"]))
    lines = [*_stages(of(cards, results["stages"])), *_rungs(cards, results["ladder"]), *_works(compared)]
    return _table(cards, head, lines, words=5)


def _is_of(card: Card, row: Row) -> bool:
    return row["model"] == card.label and bool(row["sha256"]) and card.sha256.startswith(row["sha256"])


def _last(found: Found) -> Found:
    """Those of the run that the last one is of."""
    return [pair for pair in found if pair[1]["run"] == found[-1][1]["run"]]


def _pair(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in ("run", "contestant", "peer", "set", "figure"))


def _stages(found: Found) -> list[list[str]]:
    last = {(label, row["threads"], row["cpu"], row["runtime"]): row for label, row in found}
    titles = {"segment": "shrinking and network", "refine": "refinement"}
    return [
        [label, f"{title}, {row['frame']}", runtime, threads, cpu, _spread(row, stage)]
        for (label, threads, cpu, runtime), row in last.items()
        for stage, title in titles.items()
    ]


def _kind(clip: str) -> str:
    return "made" if "/made-" in clip else "natural"


def _mean(found: Sequence[Row], name: str) -> str:
    """The mean of a figure over the clips that can tell it."""
    values = [float(row[name]) for row in found if row[name]]
    if not values:
        return ""
    mean = sum(values) / len(values)
    return percent(str(mean)) if name == "marked" else f"{mean:.4f}"


def _rungs(cards: Sequence[Card], ladder: list[Row]) -> list[list[str]]:
    """The ladder's times of the network alone: of a rung whose file and arithmetic are a variant's."""
    found = [
        (card, row)
        for row in newest(ladder)
        for card in cards
        if card.sha256[:12] == row["sha256"] and card.precision == row["precision"]
    ]
    return [
        [card.label, WORKS["network"], f"{name} {row[name]}", row["threads"], row["cpu"], _spread(row, name)]
        for card, row in found
        for name in RUNTIMES
        if row[f"{name}_p50_ms"]
    ]


def _works(found: Found) -> list[list[str]]:
    return [
        [*_shown_to(label, row, work, title), row["threads"], row["cpu"], _spread(row, f"{work}_wall")]
        for label, row in found
        for work, title in WORKS.items()
        if row.get(f"{work}_wall_p50_ms")
    ]


def _shown_to(label: str, row: Row, work: str, title: str) -> list[str]:
    """Variant, work and runtime: a stream's frames may have another variant and runtime than the network alone."""
    if work == "network" or not row.get("streamed"):
        return [label, title, row["runtime"]]
    variant, runtime = row["streamed"].split()
    return [variant, title, runtime]


def _spread(row: Row, name: str) -> str:
    half, most = (three(float(row[f"{name}_p{percentile}_ms"])) for percentile in (50, 95))
    return f"{half} ({most})"


def _ends(figures: dict[str, str]) -> str:
    low, high = (figures.get(f"iou_{end}") or "" for end in ("low", "high"))
    return f"{low} to {high}" if low and high else ""


def _scores(row: Row) -> list[str]:
    scores = [row[name] for name in ("mean_iou", "boundary_f", "mad")]
    return [row["n"], row["iou"], _ends(row), *scores, percent(row["falsely_marked"])]


def _difference(row: Row | None) -> str:
    """Ours less theirs, with the interval where there is one; of shares, in per cent."""
    if row is None:
        return ""
    factor, digits = (100, 1) if row["figure"] == "falsely_marked" else (1, 4)
    numbers = (row["difference"], row["low"], row["high"])
    value, *ends = (f"{factor * float(number):+.{digits}f}" if number else "" for number in numbers)
    return f"{value} ({' to '.join(ends)})" if all(ends) else value


def _table(cards: Sequence[Card], head: list[str], lines: list[list[str]], words: int) -> str:
    """A table whose empty cells say that nothing was measured, and a sentence on variants that it has no line of."""
    missing = [card.label for card in cards if not any(line[0].split(",")[0] == card.label for line in lines)]
    told = f"{NOT.capitalize()}: {', '.join(missing)}." if missing else ""
    table = markdown(head, [[cell or NOT for cell in line] for line in lines], words) if lines else ""
    return "\n\n".join(part for part in (table, told) if part)
