"""A rung's row: what was made of what, what it cost and scored, and what became of it."""

from __future__ import annotations

from incognito import choice, runtime, zoo
from incognito.lab import race
from incognito.lab.cost import cost
from incognito.lab.rows import Row
from incognito.lab.source import commit
from incognito.machine import cpu

COLUMNS = (
    "ladder", "rung", "model", "sha256", "parent", "passes", "network", "precision", "status", "reason", "budget",
    "val_n", "val_iou", "val_lost", "set", "n", "iou", "mean_iou", "boundary_f", "falsely_marked", "parameters",
    "multiply_adds", "bytes", "cpu", "threads", "onnxruntime", "onnxruntime_p50_ms", "onnxruntime_p95_ms", "openvino",
    "openvino_p50_ms", "openvino_p95_ms", "runs", "faster", "commit",
)  # fmt: skip
TESTED = ("set", "n", "iou", "mean_iou", "boundary_f", "falsely_marked")


def row(ladder: str, rung: str, parent: str, passes: str, budget: float) -> Row:
    """A row for a rung of which nothing is known yet but where it starts from."""
    known = {
        "ladder": ladder, "rung": rung, "parent": parent, "passes": passes, "budget": f"{budget:g}", "cpu": cpu(),
        "threads": str(runtime.cores()), "commit": commit(),
    }  # fmt: skip
    return dict.fromkeys(COLUMNS, "") | known


def describe(card: zoo.Card) -> Row:
    """What a model is, and what it costs."""
    spent = cost(card.path)
    return {
        "model": card.path.stem, "sha256": card.sha256[:12], "network": f"{card.width}x{card.height}",
        "precision": card.precision, "parameters": str(spent.parameters), "multiply_adds": str(spent.multiply_adds),
        "bytes": str(card.bytes),
    }  # fmt: skip


def judged(pictures: int, iou: float, lost: float) -> Row:
    """What it scored on pictures for validation."""
    return {"val_n": str(pictures), "val_iou": f"{iou:.4f}", "val_lost": f"{lost:.4f}"}


def timed(times: list[race.Times]) -> Row:
    """Its times on each runtime, with their versions."""
    found = {"runs": str(times[0].runs)}
    for time in times:
        found |= {
            time.runtime: choice.version(time.runtime),
            f"{time.runtime}_p50_ms": f"{time.half:.3f}",
            f"{time.runtime}_p95_ms": f"{time.most:.3f}",
        }
    return found
