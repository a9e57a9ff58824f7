"""How accurate and how steady a model is on clips: its network alone, and the live path with its memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np

from incognito import choice, zoo
from incognito.errors import LabError
from incognito.lab import metrics, steadiness
from incognito.lab.data import Sample, read_manifest
from incognito.lab.rows import Row
from incognito.lab.source import commit
from incognito.segment import Segmenter

PATHS = ("network", "live")  # each frame by itself, brought to the frame's size bilinearly; and what a user sees
UNSAID = ("sha256", "runtime", "commit")  # columns of a row that a terminal need not show
OnFrame = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Figures:
    """A path's figures on a clip; None where the clip cannot tell."""

    n: int
    iou: float | None  # mean over the frames with a person
    mad: float  # mean absolute difference of alpha
    dtssd: float | None
    still_change: float | None
    lag: float | None  # in frames
    boundary_f: float | None  # mean over the frames with a person
    marked: float | None  # mean share of pixels over one half, of the frames without a person

    def texts(self) -> Row:
        """All figures as text, four digits behind the point; empty where there is none."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: "" if v is None else str(v) if name == "n" else f"{v:.4f}" for name, v in found.items()}


def clips(data: Path) -> dict[str, list[Sample]]:
    """The clips of data/manifest.csv by their folders' names, each in the order of its frames' file names."""
    found: dict[str, list[Sample]] = {}
    for sample in sorted(read_manifest(data, kinds=("frame",)), key=lambda sample: sample.image.as_posix()):
        found.setdefault(sample.group, []).append(sample)
    if not found:
        raise LabError(f"{data} has no clips; make some with incognito lab clips")
    return found


def measure(
    models: list[str], data: Path, on_frame: OnFrame = lambda done, total: None, runtime: str = "onnxruntime"
) -> list[Row]:
    """Measure models on every clip of data's manifest, the very files, on one runtime; a row for each clip and path."""
    found = clips(data)
    segmenters = [Segmenter(zoo.find(model).path, runtime=runtime) for model in models]
    total = len(models) * sum(map(len, found.values()))
    rows: list[Row] = []
    done, at = 0, {"commit": commit()}
    for segmenter in segmenters:
        about = _about(segmenter)
        for name, frames in found.items():
            for path, figures in watch(segmenter, frames).items():
                rows.append(about | {"clip": name, "path": path} | figures.texts() | at)
            done += len(frames)
            on_frame(done, total)
    return rows


def watch(segmenter: Segmenter, frames: list[Sample]) -> dict[str, Figures]:
    """Run a model over a clip on both paths, and give each path's figures.

    Pixels of which nothing is known are given their mask's alpha, so that they add no error.
    """
    found: dict[str, list[np.ndarray]] = {path: [] for path in PATHS}
    masks = []
    state = None
    for sample in frames:
        picture, mask, valid = sample.load()
        matte, state = segmenter.step(picture, state)
        alone = cv2.resize(segmenter.raw(picture), mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
        for path, alpha in zip(PATHS, (alone, matte.alpha), strict=True):
            found[path].append(np.where(valid > 0, alpha, mask / np.float32(255)))
        masks.append(mask)
    return {path: figures(alphas, masks) for path, alphas in found.items()}


def figures(found: list[np.ndarray], masks: list[np.ndarray]) -> Figures:
    """All figures of a clip's mattes, float32 (H, W) each, against its masks, uint8 (H, W)."""
    with_person = [bool((mask >= 128).any()) for mask in masks]
    scores = [metrics.score(alpha, mask) for alpha, mask in zip(found, masks, strict=True)]
    there = [score for score, is_there in zip(scores, with_person, strict=True) if is_there]
    marked = [float(np.mean(alpha > 0.5)) for alpha, is_there in zip(found, with_person, strict=True) if not is_there]
    return Figures(
        len(found),
        _mean([score.iou for score in there]),
        float(np.mean([score.mad for score in scores])),
        steadiness.dtssd(found, masks),
        steadiness.still_change(found, masks),
        steadiness.lag(found, masks),
        _mean([score.boundary_f for score in there]),
        _mean(marked),
    )


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _about(segmenter: Segmenter) -> Row:
    """What ran: the columns that all rows of a model have in common."""
    card, runtime = segmenter.card, segmenter.runtime_name
    return {
        "model": card.label,
        "sha256": card.sha256[:12],
        "network": f"{card.width}x{card.height}",
        "runtime": f"{runtime} {choice.version(runtime)}",
    }
