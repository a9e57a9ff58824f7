"""The shape of the house: arrows run one way, heavy imports wait, the wheel works without its source."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "incognito"

LAYERS = [  # each may import from those above it only
    {"buffers", "errors", "graphs", "hands", "header", "machine", "overlap", "plot", "timing", "v4l2"},
    {"captions", "containers", "extent", "extras", "frame", "load", "metadata", "output"},
    {"progress", "sound", "span", "zoo"},
    {"film"},
    {"cache", "camera", "foreground", "photo", "profile", "record", "refine", "runtime", "sink", "video"},
    {"monitor", "network", "page", "playback", "recording", "scripted", "still", "virtual", "webcam", "window"},
    {"choice"},
    {"background", "segment"},
    {"composite", "finish"},
    {"api", "cutout", "pipeline"},
    {"aside", "crew", "demo", "follow", "gathering", "governor", "guard", "loading", "mailbox"},
    {"joining", "outputs", "sequence", "sources", "tally"},
    {"parts"},
    {"capture", "files", "storage", "wanted"},
    {"batch"},
    {"cluster"},
    {"live"},
    {"doctor", "session"},
    {"benchmark"},
    {"studio"},
    {"lab"},
    {"cli"},
    {"__init__", "__main__"},
]
HEAVY = {"av", "fastapi", "fsspec", "cv2", "onnxruntime", "openvino", "numpy", "ray", "rich.progress", "torch"}


def imports_of(path: Path) -> set[str]:
    """The modules of this package that a file imports, types only left out."""
    found = set()
    for node in ast.walk(without_type_checking(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Import):
            found |= {
                parts[1] for alias in node.names if (parts := alias.name.split("."))[0] == "incognito" and parts[1:]
            }
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "incognito":
            parts = (node.module or "").split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return found - {"__version__"}


def without_type_checking(tree: ast.AST) -> ast.AST:
    class Drop(ast.NodeTransformer):
        def visit_If(self, node: ast.If) -> ast.AST | None:
            return None if ast.unparse(node.test) == "TYPE_CHECKING" else node

    return Drop().visit(tree)


def test_arrows_run_one_way():
    """Every module stands in a layer and imports from layers above it only; the laboratory is imported by cli alone."""
    height = {name: level for level, layer in enumerate(LAYERS) for name in layer}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE).parts
        name = parts[0] if len(parts) > 1 else path.stem
        for imported in imports_of(path):
            if not (name == imported and name in ("lab", "studio")):
                assert height[imported] < height[name], f"{name} imports {imported}"


def loaded_after(statement: str) -> set[str]:
    program = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_incognito_loads_nothing_heavy():
    """Import incognito costs next to nothing: not even numpy is loaded."""
    assert not loaded_after("import incognito") & HEAVY


def test_the_command_line_loads_nothing_heavy_until_it_must():
    """--version and --help read no frame, so they load nothing that could."""
    assert not loaded_after("import incognito.cli") & HEAVY


def test_a_segmenter_needs_neither_pyav_nor_pytorch():
    """Who only segments pays for ONNX Runtime and OpenCV alone."""
    assert not loaded_after("import incognito; incognito.Segmenter") & {"av", "torch"}


def test_pytorch_lives_in_the_laboratory_only():
    """No other module so much as names it."""
    for path in SOURCE.glob("*.py"):
        assert not re.search(r"^\s*(import|from) torch", path.read_text(encoding="utf-8"), re.M), path


def test_every_public_name_is_there():
    """The names that others measure through, and no attribute else."""
    import incognito

    for name in incognito.__all__:
        assert getattr(incognito, name) is not None
    with pytest.raises(AttributeError):
        _ = incognito.nothing


def test_the_built_wheel_works_with_the_source_out_of_sight(tmp_path):
    """Models, portrait and types are in the wheel, and the demonstration's photo can be made with it alone."""
    project = tmp_path / "project"
    project.mkdir()
    for name in ("src", "pyproject.toml", "README.md", "LICENSE"):
        part = ROOT / name
        copy = shutil.copytree if part.is_dir() else shutil.copy
        copy(part, project / name)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=project, check=True, capture_output=True
    )
    (wheel,) = (project / "dist").glob("*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    for name in (
        "models/fast.onnx",
        "models/fast.json",
        "models/fast.int8.onnx",
        "models/fast.int8.json",
        "models/tiny.onnx",
        "models/tiny.int8.onnx",
        "models/best.onnx",
        "assets/astronaut.jpg",
        "assets/CREDITS.md",
        "py.typed",
    ):
        assert (site / "incognito" / name).is_file()
    shutil.rmtree(project)
    program = f"""
import sys; sys.path.insert(0, {str(site)!r})
import incognito, incognito.demo
assert incognito.__file__.startswith({str(site)!r}), incognito.__file__
assert incognito.remove(incognito.demo.portrait().pixels, "blur").shape == (512, 512, 3)
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
