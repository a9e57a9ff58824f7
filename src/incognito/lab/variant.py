"""An artefact put beside its base as a variant, with a card that says so."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from incognito import output, zoo
from incognito.errors import LabError
from incognito.lab.evaluate import measure


def put(model: Path, target: Path, data: Path | None = None, group: str = "people/portraits") -> zoo.Card:
    """Copy a model and its card to BASE.KIND.onnx, beside BASE.onnx, whose name it takes.

    With data, the card says what ONNX Runtime gives on the photos of one group in its test split. Raises LabError where
    there is no such base, and OutputError where the target exists.
    """
    base = target.with_name(f"{target.name.partition('.')[0]}.onnx")
    if target.suffix != ".onnx" or target.stem == base.stem or not base.is_file():
        raise LabError(f"{target} must be named as its base with a word more, such as fast.int8.onnx beside fast.onnx")
    output.check(target)
    card, name = zoo.find(model), zoo.find(base).name
    network = card.load()
    if data is not None:
        card = dataclasses.replace(card, measured=measure(card, data, group))
    card = dataclasses.replace(card, name=name, file=target.name, folder=target.parent)
    with output.beside(target) as part:
        part.write_bytes(network)
    with output.beside(target.with_suffix(".json")) as part:
        card.write(part)
    return card
