"""Exhibits: the labelled pictures that a comparison shows to all, how each fared, and the sets they make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from incognito.errors import LabError
from incognito.lab import metrics
from incognito.lab.data import Sample, read_manifest

PORTRAITS, SCENES, EMPTY, CLIPS, MADE = "people/portraits", "people/scenes", "empty", "clips", "made"
PHOTOS = ((PORTRAITS, "test"), (SCENES, "val"))
BLOCK = 15  # frames of a clip that are resampled as one: half a second of most, in which little changes
PHOTO = "photo_"  # before the name of a figure of the matte that a photo gets in the end; others are the network's
FIGURES = ("iou", "mean_iou", "boundary_f", "mad", "photo_iou", "photo_boundary_f")
MARKED = "falsely_marked"


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A labelled picture of a set, and the clip whose frame it is, if it is one."""

    sample: Sample
    set: str
    clip: str = ""


@dataclass(frozen=True, slots=True)
class Fared:
    """How a contestant fared on a picture: its network, and what a photo gets in the end.

    `marked` is the share of the network's alpha over one half; `has_person` whether there is anybody.
    """

    score: metrics.Score
    photo: metrics.Score
    marked: float
    has_person: bool

    def figure(self, name: str) -> float:
        """A figure by its name, of FIGURES or MARKED."""
        if name == MARKED:
            return self.marked
        score = self.photo if name.startswith(PHOTO) else self.score
        return float(getattr(score, name.removeprefix(PHOTO)))


@dataclass(frozen=True, slots=True)
class Set:
    """A set by its name: places of its pictures among the exhibits, in blocks; nobody is in those of an empty one."""

    name: str
    is_empty: bool
    blocks: list[list[int]]

    @property
    def figures(self) -> tuple[str, ...]:
        """What is measured on it."""
        return (MARKED,) if self.is_empty else FIGURES

    @property
    def count(self) -> int:
        """How many pictures it has."""
        return sum(map(len, self.blocks))

    def values(self, fared: Sequence[Fared], figure: str) -> list[np.ndarray]:
        """A figure of each picture, in blocks."""
        return [np.array([fared[place].figure(figure) for place in block]) for block in self.blocks]


def read(data: Path, clips: Path | None = None) -> list[Exhibit]:
    """Portraits of the test split, scenes and empty places of validation, clips of data and of a folder of made ones.

    What is not there is left out; raises LabError where nothing is.
    """
    exhibits = [Exhibit(s, group, "") for group, split in PHOTOS for s in _photos(data, group, split)]
    exhibits += [Exhibit(sample, EMPTY) for sample in read_manifest(data, "val", ("empty",))]
    exhibits += _frames(data, CLIPS)
    if clips:
        exhibits += _frames(clips, MADE)
    if not exhibits:
        groups = ", ".join(f"{group} ({split})" for group, split in PHOTOS)
        raise LabError(f"{data} has no pictures to compare on; its manifest needs photos in {groups}, or clips")
    return exhibits


def score(alpha: np.ndarray, photo: np.ndarray, mask: np.ndarray, valid: np.ndarray) -> Fared:
    """Score a network's alpha and a photo's, float32 (h, w), against mask and valid, uint8 (H, W).

    Both are stretched to their size, bilinear.
    """
    network, whole = (
        metrics.score(cv2.resize(each, mask.shape[::-1], interpolation=cv2.INTER_LINEAR), mask, valid)
        for each in (alpha, photo)
    )
    return Fared(network, whole, float(np.mean(alpha > 0.5)), bool((mask >= 128).any()))


def sets(exhibits: Sequence[Exhibit], fared: Sequence[Fared]) -> list[Set]:
    """Photos and empty places by set; then all clips with a person together, made ones apart, and each clip.

    A clip without a person in any frame is a set of empty places of its own.
    """
    made = []
    for name, places in _grouped(each.set for each in exhibits).items():
        if name not in (CLIPS, MADE):
            made.append(Set(name, name == EMPTY, [[place] for place in places]))
            continue
        clips = [
            Set(clip, not any(fared[p].has_person for p in inside), _blocks(inside))
            for clip, inside in _grouped(each.clip for each in exhibits).items()
            if exhibits[inside[0]].set == name
        ]
        peopled = [block for clip in clips if not clip.is_empty for block in clip.blocks]
        made += [*([Set(name, False, peopled)] if peopled else []), *clips]
    return made


def _photos(data: Path, group: str, split: str) -> list[Sample]:
    return [sample for sample in read_manifest(data, split, ("photo",)) if sample.group == group]


def _frames(root: Path, name: str) -> list[Exhibit]:
    frames = [sample for sample in read_manifest(root, kinds=("frame",)) if sample.split != "train"]
    return [Exhibit(sample, name, f"{name}/{Path(sample.group).name}") for sample in frames]


def _grouped(names: Iterable[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    return places


def _blocks(places: list[int]) -> list[list[int]]:
    return [places[start : start + BLOCK] for start in range(0, len(places), BLOCK)]
