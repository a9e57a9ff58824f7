"""Model cards: JSON beside each .onnx that says what goes in, what comes out, and where the model is from.

A model NAME has its base in NAME.onnx and its variants beside it, in NAME.int8.onnx and the like; each has a card.
"""

from __future__ import annotations

import builtins
import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incognito.errors import ModelError, UnknownModelError, first_line

SHIPPED = Path(__file__).parent / "models"

_CHOICES = {
    "layout": ("NHWC", "NCHW"),
    "colour": ("RGB", "BGR"),
    "dtype": ("uint8", "float32"),
    "resize": ("stretch",),
    "activation": ("none", "sigmoid"),
    "precision": ("float32", "float16", "bf16", "int8"),
}


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a model. Preprocessing is read from here and from nowhere else.

    `activation` is what is still to be applied to the network's output: none, where the graph gives alpha itself.
    `mean` and `deviation` are per channel, in units of the picture (0 to 255); both are empty where the graph
    normalises. `measured` holds figures by name, such as iou. `precision` is what the network computes in; variants
    share the name of their base. A `mirrored` network looks at a picture's mirror image too, by itself.
    """

    name: str
    file: str
    bytes: int
    sha256: str
    licence: str
    training_data: list[str]
    height: int
    width: int
    layout: str
    colour: str
    dtype: str
    mean: list[float]
    deviation: list[float]
    resize: str
    activation: str
    measured: dict[str, float]
    lineage: list[str]
    precision: str = "float32"
    mirrored: bool = False
    folder: Path = dataclasses.field(default=SHIPPED, compare=False)

    @property
    def size(self) -> tuple[int, int]:
        """The network's input, height and width."""
        return self.height, self.width

    @property
    def iou(self) -> float:
        """The person's IoU on the card's test list; NaN where it was not measured."""
        return self.measured.get("iou", float("nan"))

    @property
    def label(self) -> str:
        """What tells a variant from its base: "fast.int8" of "fast"; a base's is its name."""
        stem = Path(self.file).stem
        return stem if stem.startswith(f"{self.name}.") else self.name

    @property
    def path(self) -> Path:
        """Where the network lies."""
        return self.folder / self.file

    def load(self) -> builtins.bytes:
        """Read the network and check it against the card; raises ModelError where they differ."""
        try:
            network = self.path.read_bytes()
        except OSError as error:
            raise ModelError(f"{self.path} cannot be read ({error.strerror}); install the model again") from None
        if hashlib.sha256(network).hexdigest() != self.sha256:
            raise ModelError(f"{self.path} is not the file its card describes (SHA-256); install the model again")
        return network

    def write(self, path: Path) -> None:
        """Write the card as JSON."""
        fields = dataclasses.asdict(self)
        del fields["folder"]
        path.write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_card(path: Path) -> Card:
    """Read and check a card; raises ModelError where it is damaged, incomplete or says what is not known."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        card = Card(**fields, folder=path.parent)
    except OSError:
        raise ModelError(f"{path} is missing; every model needs its card beside it") from None
    except (ValueError, TypeError) as error:
        raise ModelError(
            f"{path} is no model card ({first_line(error)}); write it again with incognito lab export"
        ) from None
    _check(card, path)
    return card


def models() -> list[Card]:
    """The shipped models' cards, in the order of their names; of each its base only."""
    return [read_card(path) for name, path in sorted(_shipped().items()) if is_name(name)]


def variants(card: Card) -> list[Card]:
    """A base's variants: its own card, then those of NAME.*.json in its folder, in the order of their names."""
    beside = sorted(path for path in card.folder.glob("*.json") if path.stem.startswith(f"{card.path.stem}."))
    return [card, *map(read_card, beside)]


def is_name(model: str | Path) -> bool:
    """Whether this is a shipped model's name, which leaves the variant open; "fast.int8" and paths do not."""
    return str(model) in _shipped() and "." not in str(model)


def find(model: str | Path) -> Card:
    """Find a card by a shipped model's name, as "fast" or, for a variant, "fast.int8"; or by the path of an .onnx."""
    shipped = _shipped()
    if str(model) in shipped:
        return read_card(shipped[str(model)])
    path = Path(model)
    if path.is_file():
        return dataclasses.replace(read_card(path.with_suffix(".json")), file=path.name)
    names = ", ".join(sorted(shipped))
    raise UnknownModelError(f"there is no model {str(model)!r}; choose one of {names}, or name an .onnx file")


def _shipped() -> dict[str, Path]:
    return {path.stem: path for path in SHIPPED.glob("*.json")}


def _check(card: Card, path: Path) -> None:
    for field in dataclasses.fields(card):
        value: Any = getattr(card, field.name)
        if field.name != "folder" and not isinstance(value, _TYPES[str(field.type)]):
            raise ModelError(f"{path}: {field.name} must be a {field.type}, not {value!r}")
    for name, choices in _CHOICES.items():
        if getattr(card, name) not in choices:
            raise ModelError(f"{path}: {name} is {getattr(card, name)!r}; known are {', '.join(choices)}")
    if card.height < 1 or card.width < 1:
        raise ModelError(f"{path}: the size must be positive, not {card.width}x{card.height}")
    numbers = [*card.mean, *card.deviation, *card.measured.values()]
    if not all(isinstance(number, int | float) for number in numbers):
        raise ModelError(f"{path}: mean, deviation and measured hold numbers only")
    if {len(card.mean), len(card.deviation)} != ({3} if card.mean else {0}) or not all(card.deviation):
        raise ModelError(f"{path}: mean and deviation are both empty, or three numbers each and no deviation 0")
    if card.mean and card.dtype == "uint8":
        raise ModelError(f"{path}: bytes cannot be normalised; empty mean and deviation, or say dtype float32")


_TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "bool": bool,
    "list[str]": list,
    "list[float]": list,
    "dict[str, float]": dict,
}
