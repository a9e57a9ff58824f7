"""The gate: what loses more IoU than its budget, or wins too little, is refused, with the figure that decided."""

from __future__ import annotations

from dataclasses import dataclass

GAIN = 1.05  # times as fast, or as small, that an artefact must be at least
AIMS = ("time", "bytes")


@dataclass(frozen=True, slots=True)
class Figures:
    """What the gate looks at: IoU on validation pictures, milliseconds on the fastest runtime, bytes of the file."""

    iou: float
    milliseconds: float
    bytes: int


def refusal(parent: Figures, floating: float, found: Figures, budget: float, aim: str) -> str:
    """Why an artefact is refused; empty where it may pass. `floating` is the IoU of its float parent."""
    reasons = []
    if floating - found.iou > budget:
        reasons.append(f"loses {floating - found.iou:.4f} IoU, {floating - found.iou - budget:.4f} over its budget")
    times = faster(parent, found)
    if aim == "time" and times < GAIN:
        reasons.append(f"{times:.2f} times as fast, not {GAIN}")
    if aim == "bytes" and parent.bytes < GAIN * found.bytes:
        reasons.append(f"{parent.bytes / found.bytes:.2f} times as small, not {GAIN}")
    return "; ".join(reasons)


def faster(parent: Figures, found: Figures) -> float:
    """How many times faster than its parent an artefact is."""
    return parent.milliseconds / found.milliseconds
