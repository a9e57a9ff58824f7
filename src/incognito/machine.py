"""What is computed on: the processor, by its name and the flags that matter to networks."""

from __future__ import annotations

import platform
from pathlib import Path

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8")


def cpu() -> str:
    """The processor's name and those of its flags that matter to networks."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    lines = dict(line.split(":", 1) for line in info.read_text(encoding="utf-8").splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in lines.items()}
    there = fields.get("flags", "").split()
    return " ".join([fields.get("model name", platform.machine()), *(flag for flag in FLAGS if flag in there)])
