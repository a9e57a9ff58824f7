"""Tables in Markdown, made from measured rows."""

from __future__ import annotations

import re

from incognito.errors import LabError
from incognito.lab.airtime import STAGES as ON_AIR
from incognito.lab.bench import STAGES
from incognito.lab.climb import CLIMBED, LEFT, RUNTIMES, faster_than_start, milliseconds, newest
from incognito.lab.clips import MADE
from incognito.lab.rows import Row

SETS = {"people/mashup": "mash-up", "people/portraits": "EG1800"}
NOTHING = "—"  # in a cell whose figure was not measured
NOT_YET = "*Not measured yet.*"
FIGURES = ["ms", "FPS", "MB", "IoU"]


def stages(measured: list[Row]) -> str:
    """The newest row of each model and number of threads: p50 (p95) of each stage in milliseconds."""
    newest_rows = {(row["model"], row["threads"]): row for row in measured}
    head = ["model", "threads", *STAGES, "film, frames/s", "person IoU", "MB"]
    lines = []
    for row in newest_rows.values():
        times = [f"{float(row[f'{s}_p50_ms']):.1f} ({float(row[f'{s}_p95_ms']):.1f})" for s in STAGES]
        lines.append([row["model"], row["threads"], *times, row["film_fps"], row["iou"], mega(row["bytes"])])
    return markdown(head, lines, words=2)


def live(measured: list[Row]) -> str:
    """The newest row of each model, size and processor: frames, and p50 (p95) of each stage in milliseconds."""
    newest_rows = {(row["model"], row["frame"], row["cpu"]): row for row in measured}
    counts = ["model", "size", "processor", "frames out", "dropped"]
    head = [*counts, *(f"{stage}, ms" for stage in ON_AIR), "CPU, % of a core"]
    lines = []
    for row in newest_rows.values():
        columns = (stage.replace(" ", "_") for stage in ON_AIR)
        times = [f"{float(row[f'{name}_p50_ms']):.1f} ({float(row[f'{name}_p95_ms']):.1f})" for name in columns]
        words = [row["model"], row["frame"], f"{row['threads']} x {row['cpu']}"]
        lines.append([*words, f"{row['processed']} of {row['captured']}", row["dropped"], *times, row["cpu_percent"]])
    return _filled(head, lines, words=3)


def networks(measured: list[Row]) -> str:
    """The newest row of each network on each test set: its size, its figures, and the training it had."""
    measured = [row for row in measured if row["split"] == "test"]
    newest_rows = {(row["model"], row["set"]): row for row in measured}
    figures = [f"{name} {what}" for name in SETS.values() for what in ("IoU", "mIoU", "boundary F")]
    head = ["network", "M parameters", "G multiply-adds", "MB", *figures, "false person, %", "pictures", "minutes"]
    lines = []
    for model in dict.fromkeys(row["model"] for row in measured):
        here = {name: newest_rows.get((model, name)) for name in SETS}
        one = next(row for row in here.values() if row)
        sizes = [mega(one["parameters"], 2), _giga(one["multiply_adds"]), mega(one["bytes"])]
        scores = [row[f] if row else "" for row in here.values() for f in ("iou", "mean_iou", "boundary_f")]
        marked = [percent(row["falsely_marked"]) for row in here.values() if row and row["falsely_marked"]]
        lines.append([model, *sizes, *scores, (marked or [""])[0], *_training(one)])
    return markdown(head, lines, words=1)


def steadiness(measured: list[Row]) -> str:
    """The newest rows of each model, path and clip, averaged over natural clips and over made ones."""
    newest_rows = {(row["model"], row["path"], row["clip"]): row for row in measured}
    kinds = {"natural": False, "made": True}
    columns = [("IoU", "iou"), ("boundary F", "boundary_f"), ("dtSSD", "dtssd"), ("still change", "still_change")]
    columns += [("lag, frames", "lag"), ("false person, %", "marked")]
    head = ["model", "path", *(f"{kind}: {title}" for kind in kinds for title in ("clips", *dict(columns)))]
    lines = []
    for key in dict.fromkeys((model, path) for model, path, _ in newest_rows):
        of_path = [row for row in newest_rows.values() if (row["model"], row["path"]) == key]
        cells = []
        for is_made in kinds.values():
            of_kind = [row for row in of_path if (f"/{MADE}" in row["clip"]) == is_made]
            cells += [str(len(of_kind) or ""), *(_mean_cell(of_kind, figure) for _, figure in columns)]
        lines.append([*key, *cells])
    return _filled(head, lines, words=2)


def seed(printed: list[Row]) -> str:
    """The steps of the system that this project descends from, as it printed them."""
    return markdown(["step", *FIGURES], [[row["step"], *_seed_figures(row)] for row in printed], words=1)


def ladder(printed: list[Row], measured: list[Row]) -> str:
    """Our climb with the seed's step beside each rung that is compared with it.

    A rung that was given up is shown where the seed has its like, and with its status. Raises LabError where the seed's
    rows name a rung that was not measured.
    """
    climb = newest(measured)
    if not climb:
        return NOT_YET
    theirs = {row["ours"]: row for row in printed}
    _check(theirs, climb)
    lines = []
    for row in climb:
        step = theirs.get(row["rung"])
        if step or row["status"] not in LEFT:
            seeds = [step["step"], *_seed_figures(step)] if step else [""] * 5
            lines.append(
                [seeds[0], _titled(row), *seeds[1:], *_our_figures(row), _times(faster_than_start(row, climb))]
            )
    head = ["seed's step", "our rung", *(f"seed {f}" for f in FIGURES), *(f"our {f}" for f in FIGURES)]
    return markdown([*head, "times faster than our start"], lines, words=2)


def rungs(measured: list[Row]) -> str:
    """Every rung, those that were given up too: p50 (p95) in milliseconds, what it gained and what it lost."""
    climb = newest(measured)
    times = [f"{name}, ms" for name in RUNTIMES.values()]
    head = ["rung", "from", "status", "reason", *times, "times faster than that", "than the start"]
    head += ["validation IoU", "lost", "IoU", "mIoU", "boundary F", "false person, %"]
    lines = []
    for row in climb:
        speeds = [*(_spread(row, name) for name in RUNTIMES), row["faster"], _times(faster_than_start(row, climb))]
        test = [row["iou"], row["mean_iou"], row["boundary_f"], percent(row["falsely_marked"])]
        words = [row[name] for name in ("rung", "parent", "status", "reason")]
        lines.append([*words, *speeds, row["val_iou"], row["val_lost"], *test])
    return _filled(head, lines, words=4)


def artefacts(measured: list[Row]) -> str:
    """What file each rung gave, and through which passes."""
    head = ["rung", "artefact", "passes", "network", "precision", "SHA-256", "M parameters", "G multiply-adds", "MB"]
    lines = []
    for row in newest(measured):
        words = [row[name] for name in ("rung", "model", "passes", "network", "precision", "sha256")]
        lines.append([*words, mega(row["parameters"], 2), _giga(row["multiply_adds"]), mega(row["bytes"])])
    return _filled(head, lines, words=6)


def refused(measured: list[Row]) -> str:
    """The rungs that were given up, and why."""
    climb = newest(measured)
    lines = [[row["rung"], row["parent"], row["status"], row["reason"]] for row in climb if row["reason"]]
    if climb and not lines:
        return "None was refused, and none failed."
    return _filled(["rung", "from", "status", "reason"], lines, words=4)


def conditions(measured: list[Row]) -> str:
    """Under what each ladder was measured: every value that its rows have."""
    titles = {"cpu": "CPU", "threads": "threads", **RUNTIMES, "runs": "runs", "budget": "budget"}
    titles |= {"val_n": "validation pictures", "set": "test set", "n": "test pictures", "commit": "commit"}
    climb = newest(measured)
    lines = []
    for name in dict.fromkeys(row["ladder"] for row in climb):
        values = ({row[key]: None for row in climb if row["ladder"] == name and row[key]} for key in titles)
        lines.append([name, *(", ".join(value) for value in values)])
    return _filled(["ladder", *titles.values()], lines, words=len(titles) + 1)


def summary(measured: list[Row]) -> str:
    """A line for each ladder, from its first rung to the last that the climb went over."""
    climb = newest(measured)
    lines = []
    for first in (row for row in climb if row["status"] == "start"):
        last = [row for row in climb if row["ladder"] == first["ladder"] and row["status"] in CLIMBED][-1]
        pairs = zip(FIGURES, _our_figures(first), _our_figures(last), strict=True)
        figures = ", ".join(f"{title} {before} → {after}" for title, before, after in pairs)
        speed = _times(faster_than_start(last, climb)) or NOTHING
        lines.append(f"**{first['rung']} → {last['rung']}**: {speed} times faster; {figures}.")
    return "\n\n".join(lines) or NOT_YET


def _check(theirs: dict[str, Row], climb: list[Row]) -> None:
    """Refuse a seed's step that is compared with a rung which nobody measured."""
    titles = [row["rung"] for row in climb]
    for name, row in theirs.items():
        if name not in titles:
            raise LabError(
                f"seed.csv compares {row['step']!r} with {name!r}, which ladder.csv has not; "
                f"write one of these into its column ours: {', '.join(titles)}"
            )


def _mean_cell(measured: list[Row], figure: str) -> str:
    """The mean of a figure over the rows that have it: shares of marked pixels in per cent, a lag in two digits."""
    values = [float(row[figure]) for row in measured if row[figure]]
    if not values:
        return ""
    mean = sum(values) / len(values)
    return {"marked": percent(str(mean)), "lag": f"{mean:.2f}"}.get(figure, f"{mean:.4f}")


def _seed_figures(row: Row) -> list[str]:
    return [row["ms"], _rate(float(row["ms"])), row["megabytes"], row["iou"] or NOTHING]


def _our_figures(row: Row) -> list[str]:
    time = milliseconds(row)
    figures = [three(time), _rate(time)] if time else ["", ""]
    return [figure or NOTHING for figure in (*figures, mega(row["bytes"]), row["iou"])]


def _titled(row: Row) -> str:
    return row["rung"] if row["status"] in CLIMBED else f"{row['rung']} ({row['status']})"


def _spread(row: Row, runtime: str) -> str:
    """The median (95th percentile) of a rung's time on a runtime."""
    p50, p95 = (row[f"{runtime}_p{percentile}_ms"] for percentile in (50, 95))
    return f"{three(float(p50))} ({three(float(p95))})" if p50 and p95 else ""


def _training(row: Row) -> list[str]:
    """All trainings' pictures and minutes together, from a card's lineage."""
    pictures, minutes = (
        sum(map(int, re.findall(pattern, row["training"]))) for pattern in (r"(\d+) pictures", r"(\d+) minutes")
    )
    return [f"{pictures:,}", str(minutes)]


def _rate(time: float) -> str:
    return three(1000 / time)


def _times(ratio: float | None) -> str:
    return three(ratio) if ratio else ""


def three(number: float) -> str:
    """Three digits at the least, at most two of them decimals: 1.45, 14.5, 145."""
    return f"{number:.{2 if number < 10 else 1 if number < 100 else 0}f}"


def percent(share: str) -> str:
    """A share in per cent, one digit behind the point."""
    return f"{100 * float(share):.1f}" if share else ""


def mega(number: str, digits: int = 1) -> str:
    """A count in millions."""
    return f"{int(number) / 1e6:.{digits}f}" if number else ""


def _giga(number: str) -> str:
    return f"{int(number) / 1e9:.2f}" if number else ""


def _filled(head: list[str], lines: list[list[str]], words: int) -> str:
    """A table with a dash in each empty cell; a sentence where there are no lines."""
    return markdown(head, [[cell or NOTHING for cell in line] for line in lines], words) if lines else NOT_YET


def markdown(head: list[str], lines: list[list[str]], words: int) -> str:
    """A table whose first columns are words, the others figures."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *escaped])
