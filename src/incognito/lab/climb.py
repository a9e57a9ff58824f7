"""A climb as its rows tell it: the newest one of each ladder, and how fast its rungs are."""

from __future__ import annotations

from collections.abc import Iterable

from incognito.lab.rows import Row

RUNTIMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
CLIMBED = ("start", "kept")  # the rungs that the climb went over
LEFT = ("refused", "failed")  # the rungs that were given up


def newest(measured: Iterable[Row]) -> list[Row]:
    """The rungs of each ladder since it was last begun, each as it was last measured."""
    rungs: dict[tuple[str, str], Row] = {}
    for row in measured:
        if row["status"] == "start":
            rungs = {key: rung for key, rung in rungs.items() if key[0] != row["ladder"]}
        rungs[row["ladder"], row["rung"]] = row
    return list(rungs.values())


def milliseconds(row: Row) -> float | None:
    """The median time of a rung's network on the faster of the runtimes that it was measured on."""
    return min((float(time) for name in RUNTIMES if (time := row[f"{name}_p50_ms"])), default=None)


def faster_than_start(row: Row, climb: list[Row]) -> float | None:
    """How many times faster than its ladder's first a rung is, each on the runtime that is faster for it."""
    start = next((rung for rung in climb if rung["ladder"] == row["ladder"] and rung["status"] == "start"), None)
    before, after = (milliseconds(start) if start else None), milliseconds(row)
    return before / after if before and after else None
