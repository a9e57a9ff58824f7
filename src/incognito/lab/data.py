"""Manifests: pictures and masks under a root that the caller gives.

A manifest is a CSV with the columns image, mask, kind, split, width, height, has_ignore, source; paths are relative to
its folder. A photo is used as it is; a cutout's picture holds foreground colours and must be composited; an empty
picture has nobody in it; a frame belongs to a clip.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from incognito.errors import LabError

IGNORE = 128  # the mask value that is neither scored nor trained on, where has_ignore is set
KINDS = frozenset({"photo", "cutout", "empty", "frame"})
SPLITS = frozenset({"train", "val", "test"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of a manifest: a picture and, unless it is empty, its mask."""

    image: Path
    mask: Path | None
    kind: str
    split: str
    has_ignore: bool
    group: str  # the folder of its pictures
    source: str

    def load(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read the picture: RGB uint8 (H, W, 3), alpha uint8 (H, W), valid uint8 (H, W), 0 where nothing is known."""
        picture = cv2.imread(str(self.image), cv2.IMREAD_COLOR_RGB)
        if picture is None:
            raise LabError(f"{self.image} cannot be read; mend the file or take its row out of the manifest")
        alpha, valid = self._load_mask(picture.shape[:2])
        return picture, alpha, valid

    def _load_mask(self, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        if self.mask is None:
            return np.zeros(size, np.uint8), np.full(size, 255, np.uint8)
        alpha = cv2.imread(str(self.mask), cv2.IMREAD_GRAYSCALE)
        if alpha is None:
            raise LabError(f"{self.mask} cannot be read; mend the file or take its row out of the manifest")
        if alpha.shape != size:
            raise LabError(f"{self.mask} is {alpha.shape}, its picture {size}; make the mask the picture's size")
        valid = np.full(size, 255, np.uint8)
        if self.has_ignore:
            valid[alpha == IGNORE] = 0
            alpha[alpha == IGNORE] = 0
        return alpha, valid


def read_manifest(root: Path, split: str | None = None, kinds: Iterable[str] = KINDS) -> list[Sample]:
    """List the samples of root/manifest.csv, of one split and of some kinds, in the manifest's order."""
    path = root / "manifest.csv"
    if not path.is_file():
        raise LabError(f"{path} does not exist; give --data a folder that holds a manifest.csv")
    if split is not None and split not in SPLITS:
        raise LabError(f"there is no split {split!r}; choose one of {', '.join(sorted(SPLITS))}")
    with path.open(newline="", encoding="utf-8") as file:
        samples = [_sample(root, row, path) for row in csv.DictReader(file)]
    wanted = frozenset(kinds)
    return [s for s in samples if s.kind in wanted and split in (None, s.split)]


def _sample(root: Path, row: dict[str, str], path: Path) -> Sample:
    try:
        kind, split = row["kind"], row["split"]
        mask = root / row["mask"] if row["mask"] else None
        group = Path(row["image"]).parent.as_posix()
        sample = Sample(root / row["image"], mask, kind, split, row["has_ignore"] == "1", group, row["source"])
    except KeyError as error:
        raise LabError(f"{path} has no column {error}; see the columns in incognito.lab.data") from None
    if kind not in KINDS or split not in SPLITS:
        raise LabError(f"{path}: {row['image']} has kind {kind!r} and split {split!r}, which are not known")
    return sample
