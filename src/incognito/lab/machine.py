"""What a row of results says about where it came from: the processor and the commit."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path


def cpu() -> str:
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


def commit() -> str:
    """The commit that this package's source is at, with + where it differs from that; empty outside a clone."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=12", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
