"""A training as data: a TOML file, checked key by key."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from incognito.errors import LabError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Network:
    """Which network, and where it begins."""

    encoder: str
    decoder: list[int]
    weights: str  # a file of arrays in the backbones' folder; empty begins from scratch
    frozen_stages: int


@dataclass(frozen=True, slots=True)
class Data:
    """What is drawn, relative to each other: kinds of pictures, and groups of photos (1 where a group is not named)."""

    photo: float
    composite: float
    empty: float
    groups: dict[str, float]


@dataclass(frozen=True, slots=True)
class Phase:
    """So many pictures at one size (height, width)."""

    pictures: int
    size: list[int]


@dataclass(frozen=True, slots=True)
class Training:
    """How the loop runs. Rates are the peaks of a cosine; counts are pictures."""

    seed: int
    batch: int
    phases: list[Phase]
    encoder_rate: float
    decoder_rate: float
    weight_decay: float
    warmup: int
    ema: float
    clip: float
    dice: float
    boundary: float
    validate_every: int

    @property
    def pictures(self) -> int:
        """All phases' pictures together."""
        return sum(phase.pictures for phase in self.phases)


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training, whole."""

    network: Network
    data: Data
    training: Training

    @classmethod
    def from_dict(cls, tables: dict[str, Any]) -> Recipe:
        """Check the tables of a parsed recipe; unknown and missing keys are refused."""
        _check_keys(cls, tables, "the recipe")
        training = dict(tables["training"])
        training["phases"] = [_make(Phase, phase, "[[training.phases]]") for phase in training.get("phases", [])]
        recipe = cls(
            _make(Network, tables["network"], "[network]"),
            _make(Data, tables["data"], "[data]"),
            _make(Training, training, "[training]"),
        )
        if any(phase.pictures % recipe.training.batch for phase in recipe.training.phases):
            raise LabError(f"every phase's pictures must be a multiple of the batch, {recipe.training.batch}")
        return recipe

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a recipe from a TOML file."""
        try:
            return cls.from_dict(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise LabError(f"{path} cannot be read ({error.strerror}); the recipes are in recipes/") from None
        except tomllib.TOMLDecodeError as error:
            raise LabError(f"{path} is not valid TOML: {error}") from None

    def as_dict(self) -> dict[str, Any]:
        """The recipe as plain tables, for a checkpoint."""
        return dataclasses.asdict(self)


def _make(kind: type[T], table: dict[str, Any], where: str) -> T:
    _check_keys(kind, table, where)
    return kind(**table)


def _check_keys(kind: type, table: dict[str, Any], where: str) -> None:
    names = {field.name for field in dataclasses.fields(kind)}
    for problem, keys in (("unknown", table.keys() - names), ("missing", names - table.keys())):
        if keys:
            raise LabError(
                f"{where} has {problem} keys: {', '.join(sorted(keys))}; known are {', '.join(sorted(names))}"
            )
