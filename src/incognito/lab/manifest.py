"""Manifests written: the table that tells the laboratory which picture has which mask, and what it is for."""

from __future__ import annotations

import csv
from hashlib import sha256
from pathlib import Path

import cv2

from incognito.errors import LabError
from incognito.output import beside

NAME = "manifest.csv"
COLUMNS = ("image", "mask", "kind", "split", "width", "height", "has_ignore", "source")
IMAGES, MASKS, EMPTY = "images", "masks", "empty"  # the folders of one's own pictures
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
HELD_OUT = 0.1  # the share of the pictures for validation, and again for test


def describe(root: Path, source: str = "own pictures") -> Path:
    """Write root/manifest.csv for root/images, root/masks (the same names) and, if there is one, root/empty.

    A tenth of each, at least one picture, is kept for validation and a tenth for test; which, depends on the names
    alone. Raises LabError for a picture without a mask or a mask of another size; then nothing is written.
    """
    path = root / NAME
    if path.exists():
        raise LabError(f"{path} exists; take it away first to have it written anew")
    photos, empties = _pictures(root / IMAGES), _pictures(root / EMPTY)
    masks = {mask.stem: mask for mask in _pictures(root / MASKS)}
    if len(photos) < 3:
        raise LabError(f"{root / IMAGES} has {len(photos)} pictures; put in at least three, for three splits")
    rows = [_row(root, image, split, _mask_of(image, masks), source) for image, split in deal(photos)]
    rows += [_row(root, image, split, None, source) for image, split in deal(empties)]
    write(path, rows)
    return path


def deal(pictures: list[Path]) -> list[tuple[Path, str]]:
    """Deal pictures to splits in the order of their names' hashes, so that neighbours in a series come apart."""
    shuffled = sorted(pictures, key=lambda path: sha256(path.stem.encode()).digest())
    held = max(1, round(HELD_OUT * len(pictures)))
    names = ["val"] * held + ["test"] * held + ["train"] * len(pictures)
    return list(zip(shuffled, names, strict=False))


def write(path: Path, rows: list[dict[str, str]]) -> None:
    """Write a manifest beside its place, then put it there at once."""
    with beside(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)


def _mask_of(image: Path, masks: dict[str, Path]) -> Path:
    if image.stem not in masks:
        raise LabError(f"{image} has no mask; put {image.stem}.png into {MASKS}/, or move the picture to {EMPTY}/")
    return masks[image.stem]


def _row(root: Path, image: Path, split: str, mask: Path | None, source: str) -> dict[str, str]:
    height, width = _size(image)
    if mask is not None and _size(mask) != (height, width):
        raise LabError(f"{mask} and {image} differ in size; make the mask the picture's size")
    names = [path.relative_to(root).as_posix() if path else "" for path in (image, mask)]
    kind = "photo" if mask else "empty"
    return dict(zip(COLUMNS, [*names, kind, split, str(width), str(height), "0", source], strict=True))


def _size(path: Path) -> tuple[int, int]:
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise LabError(f"{path} cannot be read; mend it or take it away")
    return picture.shape[0], picture.shape[1]
