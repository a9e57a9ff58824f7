"""What the processor is called and can do, as each system tells it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from incognito import machine

LINUX = {
    "processor\t: 0\nmodel name\t: An EPYC\nflags\t\t: sse avx2 avx512_vnni avx512_bf16\npower management:\n": (
        "x86_64",
        "An EPYC",
        ["avx2", "avx512_vnni", "avx512_bf16"],
    ),
    "processor\t: 0\nmodel name\t: An old one\nflags\t\t: sse\n": ("x86_64", "An old one", []),
    "processor\t: 0\nFeatures\t: fp asimd\n": ("aarch64", "aarch64", ["neon"]),
    "processor\t: 0\nmodel name\t: ARMv7\nFeatures\t: half vfp neon\n": ("armv7l", "ARMv7", ["neon"]),
    "processor\t: 0\n": ("riscv64", "riscv64", None),
}


@pytest.mark.parametrize("info", LINUX)
def test_linux_tells_in_a_file(tmp_path: Path, monkeypatch, info):
    """Under other names for other kinds of processors; what is not told is not guessed."""
    kind, name, flags = LINUX[info]
    monkeypatch.setattr(machine, "INFO", tmp_path / "cpuinfo")
    machine.INFO.write_text(info, encoding="utf-8")
    monkeypatch.setattr(machine.platform, "machine", lambda: kind)
    assert (machine.name(), machine.flags()) == (name, flags)
    assert machine.cpu() == " ".join([name, *(flags or [])])


@pytest.mark.parametrize(
    ("kind", "name", "flags"),
    [("arm64", "Apple M4", ["neon"]), ("x86_64", "Intel Core i9", ["avx2", "avx512f", "avx512_vnni"])],
)
def test_macos_tells_by_a_program(monkeypatch, kind, name, flags):
    """Whose names for flags have no underscores."""
    told = {
        ("machdep.cpu.brand_string",): f"{name}\n",
        ("machdep.cpu.features", "machdep.cpu.leaf7_features"): "SSE4.2 AVX1.0\nAVX2 AVX512F AVX512VNNI\n",
    }
    monkeypatch.setattr(machine, "INFO", Path("none"))
    monkeypatch.setattr(machine, "platform", SimpleNamespace(machine=lambda: kind, system=lambda: "Darwin"))
    monkeypatch.setattr(subprocess, "run", lambda asked, **_: SimpleNamespace(stdout=told[tuple(asked[2:])]))
    assert (machine.name(), machine.flags()) == (name, flags)


def test_windows_tells_no_flags(monkeypatch):
    """Nor is any program started to ask for them."""
    system = SimpleNamespace(machine=lambda: "AMD64", system=lambda: "Windows", processor=lambda: "AMD64 Family 25")
    monkeypatch.setattr(machine, "INFO", Path("none"))
    monkeypatch.setattr(machine, "platform", system)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a program was started"))
    assert (machine.cpu(), machine.flags()) == ("AMD64 Family 25", None)
