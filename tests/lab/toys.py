"""Recipes that the tests of the laboratory share."""

from __future__ import annotations

import json


def toy_tables() -> dict:
    """A recipe small enough to train in a test."""
    return {
        "network": {
            "architecture": "light", "encoder": "tiny", "decoder": [32, 32, 16, 16, 16],
            "weights": "", "frozen_stages": 0,
        },
        "data": {"photo": 0.5, "composite": 0.2, "mashup": 0.1, "empty": 0.2, "groups": {}},
        "training": {
            "seed": 3, "batch": 4, "phases": [{"pictures": 12, "size": [32, 32]}, {"pictures": 8, "size": [64, 64]}],
            "optimiser": "adamw", "encoder_rate": 0.002, "decoder_rate": 0.002, "weight_decay": 0.01,
            "schedule": "cosine", "warmup": 4, "patience": 0, "stop_after": 0, "ema": 0.9, "clip": 1.0, "bf16": True,
            "cross_entropy": 1.0, "focal": 0.0, "dice": 1.0, "boundary": 0.5, "teacher": "", "hint": 0.0,
            "checkpoint_every": 8, "validate_every": 8, "validate_on": 100,
        },
    }  # fmt: skip


def as_toml(tables: dict) -> str:
    """A recipe's tables as the file that they would be read from."""
    training = dict(tables["training"])
    phases = training.pop("phases")
    lines = []
    for name, table in (("network", tables["network"]), ("data", tables["data"]), ("training", training)):
        lines += [
            f"[{name}]",
            *(f"{key} = {json.dumps(value)}" for key, value in table.items()),
        ]
    for phase in phases:
        lines += ["[[training.phases]]", f"pictures = {phase['pictures']}", f"size = {phase['size']}"]
    return "\n".join(lines)
