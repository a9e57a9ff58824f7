"""What is computed on: the processor, by its name and the flags that matter to networks."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "neon")
INFO = Path("/proc/cpuinfo")


def cpu() -> str:
    """The processor's name and those of its flags that matter to networks."""
    return " ".join([name(), *(flags() or ())])


def name() -> str:
    """The processor's name; its kind where the system does not tell."""
    if INFO.exists():
        return _info().get("model name", platform.machine())
    return _sysctl("machdep.cpu.brand_string") or platform.processor() or platform.machine()


def flags() -> list[str] | None:
    """Those of the processor's flags that matter to networks; None where the system does not tell."""
    if platform.machine().lower() in ("arm64", "aarch64"):
        return ["neon"]  # all of this kind have it, under several names
    told = _info() if INFO.exists() else {"flags": _sysctl("machdep.cpu.features", "machdep.cpu.leaf7_features")}
    there = told.get("flags", told.get("Features", "")).lower().replace("_", "").split()  # macOS: AVX512VNNI
    return [flag for flag in FLAGS if flag.replace("_", "") in there] if there else None


def _info() -> dict[str, str]:
    """What Linux tells of the last processor, by name."""
    lines = dict(line.split(":", 1) for line in INFO.read_text(encoding="utf-8").splitlines() if ":" in line)
    return {field.strip(): value.strip() for field, value in lines.items()}


def _sysctl(*names: str) -> str:
    """What macOS tells under some names; empty on other systems, and where it has none of them."""
    if platform.system() != "Darwin":
        return ""
    asked = subprocess.run(["/usr/sbin/sysctl", "-n", *names], capture_output=True, text=True, check=False)
    return " ".join(asked.stdout.split())
