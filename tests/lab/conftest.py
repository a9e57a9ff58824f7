"""A small set of pictures that the tests make: discs are people, stripes are places."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from toys import small_net, toy_tables

from incognito.lab.recipe import Recipe

os.environ.setdefault("OMP_NUM_THREADS", "1")  # of PyTorch: two test files run side by side, on two cores

ROWS = [
    ("photo", "people/portraits"),
    ("photo", "people/scenes"),
    ("cutout", "people/studio"),
    ("empty", "empty/rooms"),
]


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest with four pictures of each kind, for training and validation, and two portraits as a test."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    lines = ["image,mask,kind,split,width,height,has_ignore,source"]
    for split, kinds in (("train", ROWS), ("val", ROWS), ("test", ROWS[:1])):
        for kind, group in kinds:
            (root / group).mkdir(parents=True, exist_ok=True)
            for number in range(2 if split == "test" else 4):
                lines.append(write_sample(root, f"{group}/{split}{number}", kind, split, rng))
    (root / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def write_sample(root: Path, name: str, kind: str, split: str, rng: np.random.Generator) -> str:
    picture = np.zeros((72, 64, 3), np.uint8)
    picture[:, :: int(rng.integers(2, 6))] = rng.integers(60, 255, 3)
    mask = np.zeros((72, 64), np.uint8)
    if kind != "empty":
        centre = (int(rng.integers(22, 42)), int(rng.integers(30, 50)))
        cv2.circle(mask, centre, int(rng.integers(14, 22)), 255, -1)
        picture[mask > 0] = (40, 60, 220)
        mask[0, 0] = 128
        cv2.imwrite(str(root / f"{name}.png"), mask)
    cv2.imwrite(str(root / f"{name}.webp"), picture, [cv2.IMWRITE_WEBP_QUALITY, 101])
    return f"{name}.webp,{name + '.png' if kind != 'empty' else ''},{kind},{split},64,72,{int(kind == 'photo')},made"


@pytest.fixture
def tables() -> dict:
    """A recipe small enough to train in a test."""
    return toy_tables()


@pytest.fixture
def recipe(tables: dict) -> Recipe:
    """The small recipe, parsed."""
    return Recipe.from_dict(tables)


@pytest.fixture(scope="session")
def small_model():
    """A light network as it is exported for 64x64 pictures, tidied."""
    from incognito.lab import export, graph, tidy

    network = export.to_onnx(export.Deployed(small_net()).eval(), 64, 64)
    return tidy.tidy(graph.parse(network, "small"))


@pytest.fixture(scope="session")
def pictures() -> list[np.ndarray]:
    """Inputs of the small model: uint8 (1, 64, 64, 3), smooth."""
    rng = np.random.default_rng(5)
    return [cv2.GaussianBlur(rng.integers(0, 256, (64, 64, 3), np.uint8), (0, 0), 3)[None] for _ in range(6)]
