"""Time over the path that the user runs, as a row."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path

from incognito import demo, zoo
from incognito.lab.rows import Row
from incognito.lab.source import commit
from incognito.machine import cpu

STAGES = ("decode", "segment", "refine", "composite", "encode")


def bench(model: str, threads: int) -> Row:
    """Run the demonstration's film and give its times: p50 and p95 in milliseconds for each stage."""
    card = zoo.find(model)
    with tempfile.TemporaryDirectory() as folder:
        result = demo.run(Path(folder), card.path, threads=threads)
    stopwatch = result.stopwatch
    row = {
        "model": card.label,
        "sha256": card.sha256[:12],
        "network": f"{card.width}x{card.height}",
        "frame": f"{demo.SIZE[1]}x{demo.SIZE[0]}",
        "background": "blur",
        "cpu": cpu(),
        "threads": str(threads),
        "runtime": f"onnxruntime {version('onnxruntime')}",
        "commit": commit(),
        "n": str(stopwatch.count("segment")),
    }
    for stage in STAGES:
        for percentile in (50, 95):
            row[f"{stage}_p{percentile}_ms"] = f"{stopwatch.milliseconds(stage, percentile):.2f}"
    row["film_fps"] = f"{result.frames_per_second:.1f}"
    row["iou"] = f"{card.iou:.4f}"
    row["bytes"] = str(card.bytes)
    return row
