"""Sheets of pictures to look at: the worst of an evaluation with what was found laid over, and samples of a set."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from incognito.errors import LabError
from incognito.lab.augment import resize
from incognito.lab.evaluate import Evaluation
from incognito.lab.metrics import outline
from incognito.output import beside
from incognito.segment import Segmenter

FOUND, TRUTH = (255, 60, 60), (60, 255, 60)  # RGB: a tint for what the model found, a line for the mask's edge
WORST, COLUMNS, TILE = 24, 6, 256
FORMATS = (".jpg", ".png", ".webp")


def worst(evaluation: Evaluation) -> np.ndarray:
    """The 24 worst pictures of an evaluation: found tinted red, the mask's edge green, the IoU in the corner.

    RGB uint8, rows of six.
    """
    segmenter = Segmenter(evaluation.card.path)
    tiles = []
    for sample, score in sorted(evaluation.scored, key=lambda pair: pair[1].iou)[:WORST]:
        picture, mask, _ = sample.load()
        tile = overlay(picture, resize(segmenter.raw(picture), mask.shape), mask)
        tiles.append(caption(tile, f"{score.iou:.3f} {sample.image.stem}"))
    return grid(tiles, COLUMNS)


def overlay(picture: np.ndarray, alpha: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Tint what was found and draw the mask's edge; all of one size, the result RGB uint8 (TILE, TILE, 3)."""
    tint = (0.4 * alpha)[..., None].astype(np.float32)
    shown = np.rint(picture * (1 - tint) + np.array(FOUND, np.float32) * tint).astype(np.uint8)
    shown[outline(mask >= 128) > 0] = TRUTH
    return resize(shown, (TILE, TILE))


def caption(tile: np.ndarray, text: str) -> np.ndarray:
    """Write a line into a picture's lower left corner, white on black."""
    tile = tile.copy()
    tile[-18:] //= 3
    cv2.putText(tile, text, (5, len(tile) - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
    return tile


def grid(tiles: list[np.ndarray], columns: int) -> np.ndarray:
    """Set pictures of one size into rows; what is missing from the last stays grey."""
    blank = np.full_like(tiles[0], 128)
    tiles = tiles + [blank] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)])


def read(path: Path) -> np.ndarray:
    """Read a picture for a sheet, RGB uint8 (H, W, 3)."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB))


def check(path: Path) -> None:
    """Refuse a name that is no image's."""
    if path.suffix not in FORMATS:
        raise LabError(f"{path} is no name for a sheet; end it in one of {', '.join(FORMATS)}")


def write(path: Path, picture: np.ndarray) -> None:
    """Write a sheet as an image file of its name's format, beside its place first."""
    check(path)
    _, data = cv2.imencode(path.suffix, picture[..., ::-1])
    with beside(path) as part:
        part.write_bytes(np.asarray(data).tobytes())
