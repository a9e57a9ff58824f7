"""A training as data: a TOML file, checked key by key."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from incognito.errors import LabError

T = TypeVar("T")
CHOICES = {  # what a key may say
    "architecture": ("light", "unet"),
    "optimiser": ("adamw", "adam"),
    "schedule": ("cosine", "plateau"),
}
STRIDE = 32  # of every network's deepest features: what the sides of its pictures must be multiples of


@dataclass(frozen=True, slots=True)
class Network:
    """Which network, and where it begins."""

    architecture: str
    encoder: str
    decoder: list[int]
    weights: str  # of the encoder: a file in the backbones' folder, a shipped model, "imagenet" for the hub's, or empty
    frozen_stages: int


@dataclass(frozen=True, slots=True)
class Data:
    """What is drawn, relative to each other: kinds of pictures, and groups of photos and places (1 if not named)."""

    photo: float
    composite: float
    mashup: float
    empty: float
    groups: dict[str, float]
    window: float = 0.3  # the smallest window that is cut out, of a picture's area: 1 shows it whole, as a user would
    change: float = 1.0  # how much light and colour are changed, and how often a picture is turned or spoilt
    lent: float = 0.0  # how often who is pasted comes out of an everyday photo: in any pose, near or far, alone or not
    dummy: float = 0.0  # how often a composite has a thing in the shape of somebody upside down, which is nobody
    pasted: dict[str, float] = field(default_factory=dict)  # of whoever is pasted: groups, as above
    beside: float = 0.0  # how often a place is cut out of a photo with people, beside them, and not an empty one


@dataclass(frozen=True, slots=True)
class Phase:
    """So many pictures at one size (height, width)."""

    pictures: int
    size: list[int]


@dataclass(frozen=True, slots=True)
class Training:
    """How the loop runs. Rates are the peaks of a schedule; counts are pictures, patience is in validations."""

    seed: int
    batch: int  # of all processes together
    phases: list[Phase]
    optimiser: str
    encoder_rate: float
    decoder_rate: float
    weight_decay: float
    schedule: str
    warmup: int
    patience: int  # without a better IoU: then "plateau" cuts the rate
    stop_after: int  # without a better IoU: then the training ends early; 0 never
    ema: float
    clip: float
    bf16: bool
    cross_entropy: float  # this and the next three: the weights of the losses
    focal: float
    dice: float
    boundary: float
    teacher: str  # whose features are hints: a file of MobileNetV2's convolutions, a shipped model, or empty
    hint: float  # what they weigh
    distil: float  # what the mattes of another network weigh, the one that --distil-from names; 0 for none
    steady: float  # what it weighs that a shifted, relit picture has the same matte, shifted
    checkpoint_every: int
    validate_every: int
    validate_on: int  # so many pictures, evenly drawn; all where there are fewer

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
        training = tables["training"]
        if isinstance(training, dict) and isinstance(training.get("phases"), list):
            phases = [make(Phase, phase, "[[training.phases]]") for phase in training["phases"]]
            training = training | {"phases": phases}
        recipe = cls(
            make(Network, tables["network"], "[network]"),
            make(Data, tables["data"], "[data]"),
            make(Training, training, "[training]"),
        )
        _check_sense(recipe.training)
        if recipe.network.architecture == "light" and recipe.network.weights == "imagenet":
            raise LabError('the hub has no weights for the light networks; name a file, or weights = ""')
        return recipe

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a recipe from a TOML file."""
        try:
            return cls.from_dict(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise LabError(f"{path} cannot be read ({error.strerror}); the recipes are in recipes/") from None
        except ValueError as error:  # of TOML, or of the encoding
            raise LabError(f"{path} is not valid TOML: {error}") from None

    def as_dict(self) -> dict[str, Any]:
        """The recipe as plain tables, for a checkpoint."""
        return dataclasses.asdict(self)


def make(kind: type[T], table: Any, where: str) -> T:
    """Make one table's dataclass; every value must be of its field's type, and no number negative."""
    if not isinstance(table, dict):
        raise LabError(f"{where} must be a table, not {table!r}")
    _check_keys(kind, table, where)
    for held in dataclasses.fields(kind):  # type: ignore[arg-type]
        if held.name not in table:
            continue
        value = table[held.name]
        if not fits(value, str(held.type)):
            raise LabError(f"{where} {held.name} must be a {held.type} without negative numbers, not {value!r}")
        if value not in CHOICES.get(held.name, (value,)):
            raise LabError(f"{where} {held.name} must be one of {', '.join(CHOICES[held.name])}, not {value!r}")
    return kind(**table)


def fits(value: Any, wanted: str) -> bool:
    """Whether a value is of a type, by its name in an annotation, and no number in it negative."""
    if wanted in ("int", "float"):
        numbers = int if wanted == "int" else (int, float)
        return isinstance(value, numbers) and not isinstance(value, bool) and value >= 0
    if wanted == "bool":
        return isinstance(value, bool)
    if wanted.startswith("list[int]"):
        return isinstance(value, list) and all(fits(item, "int") for item in value)
    if wanted.startswith("dict"):
        return isinstance(value, dict) and all(fits(item, "float") for item in value.values())
    return isinstance(value, str if wanted == "str" else list)


def _check_sense(training: Training) -> None:
    """Refuse what has the right type and cannot be trained."""
    counts = ("batch", "phases", "checkpoint_every", "validate_every", "validate_on")
    for name in counts:
        if not getattr(training, name):
            raise LabError(f"{name} must be at least 1; see recipes/ for what others chose")
    if not training.clip:
        raise LabError("clip must be more than 0: at 0 nothing is learnt; 1 is a usual value")
    if training.schedule == "plateau" and not training.patience:
        raise LabError("a plateau schedule needs a patience of at least 1 validation")
    if bool(training.teacher) != bool(training.hint):
        raise LabError("teacher and hint go together: name a teacher and what its hints weigh, or neither")
    if not training.cross_entropy + training.focal + training.dice:
        raise LabError("one of the losses cross_entropy, focal and dice must weigh more than 0")
    for phase in training.phases:
        if not phase.pictures or phase.pictures % training.batch:
            raise LabError(f"every phase's pictures must be a multiple of the batch, {training.batch}")
        if len(phase.size) != 2 or any(not side or side % STRIDE for side in phase.size):
            raise LabError(f"a phase's size is [height, width], multiples of {STRIDE}, not {phase.size}")


def _check_keys(kind: type, table: dict[str, Any], where: str) -> None:
    fields = dataclasses.fields(kind)
    names = {held.name for held in fields}
    needed = {held.name for held in fields if held.default is held.default_factory is dataclasses.MISSING}
    for problem, keys in (("unknown", table.keys() - names), ("missing", needed - table.keys())):
        if keys:
            known = ", ".join(sorted(names))
            raise LabError(f"{where} has {problem} keys: {', '.join(sorted(keys))}; known are {known}")
