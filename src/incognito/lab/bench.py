"""Time over the path that the user runs, as rows of a table that only grows."""

from __future__ import annotations

import csv
import platform
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

from incognito import demo, zoo
from incognito.errors import LabError

STAGES = ("decode", "segment", "refine", "composite", "encode")
Row = dict[str, str]


def bench(model: str, threads: int) -> Row:
    """Run the demonstration's film and give its times: p50 and p95 in milliseconds for each stage."""
    card = zoo.find(model)
    with tempfile.TemporaryDirectory() as folder:
        result = demo.run(Path(folder), model, threads=threads)
    stopwatch = result.stopwatch
    row = {
        "model": card.name,
        "sha256": card.sha256[:12],
        "network": f"{card.width}x{card.height}",
        "frame": f"{demo.SIZE[1]}x{demo.SIZE[0]}",
        "background": "blur",
        "cpu": _cpu(),
        "threads": str(threads),
        "runtime": f"onnxruntime {version('onnxruntime')}",
        "commit": _commit(),
        "n": str(stopwatch.count("segment")),
    }
    for stage in STAGES:
        for percentile in (50, 95):
            row[f"{stage}_p{percentile}_ms"] = f"{stopwatch.milliseconds(stage, percentile):.2f}"
    row["film_fps"] = f"{result.frames_per_second:.1f}"
    row["iou"] = f"{card.iou:.4f}"
    row["bytes"] = str(card.bytes)
    return row


def append(path: Path, row: Row) -> None:
    """Add a row to a CSV, which is begun if need be; a file with other columns is refused."""
    is_new = not path.exists()
    if not is_new:
        with path.open(newline="", encoding="utf-8") as file:
            if next(csv.reader(file), None) != list(row):
                raise LabError(f"{path} has other columns; name a new file with -o")
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def _cpu() -> str:
    """The processor's name and the flags that matter to networks."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    lines = dict(line.split(":", 1) for line in info.read_text(encoding="utf-8").splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in lines.items()}
    flags = [
        flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16") if flag in fields.get("flags", "").split()
    ]
    return " ".join([fields.get("model name", platform.machine()), *flags])


def _commit() -> str:
    """The commit that this package's source is at, with + where it differs from that; empty outside a clone."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=12", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
