"""Where a training begins: from nothing, the hub, an encoder's file, another training, or a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from incognito import zoo
from incognito.errors import LabError
from incognito.lab import checkpoint, nets, weights
from incognito.lab.recipe import Recipe
from incognito.lab.terms import named


@dataclass(slots=True)
class Beginning:
    """A network as it begins, and where that came from."""

    net: Any
    lineage: list[str] = field(default_factory=list)  # what its weights went through before
    sources: list[str] = field(default_factory=list)  # what they were trained on, with the terms
    norms: list[nn.BatchNorm2d] = field(default_factory=list)  # those that pass through, and wait for calibration


def begin(recipe: Recipe, backbones: Path, path: Path | None) -> Beginning:
    """Build a recipe's network and fill it from `path`, a checkpoint or a model, or else its encoder as it says."""
    start = _fill(recipe, backbones, path)
    if recipe.training.teacher:
        start.sources += origin(weights.locate(recipe.training.teacher, backbones))[1]
    return start


def _fill(recipe: Recipe, backbones: Path, path: Path | None) -> Beginning:
    network = recipe.network
    if network.frozen_stages and not (path or network.weights):
        raise LabError("frozen_stages would hold an encoder that knows nothing; begin with --from, or name weights")
    start = "" if path else network.weights
    from_hub = start == weights.HUB
    net = nets.build(network.architecture, network.encoder, network.decoder, start if from_hub else "")
    if path:
        return _from_model(net, path) if is_model(path) else _from_training(net, path)
    if from_hub or not start:
        return Beginning(net, sources=named({f"{network.encoder} of the hub" if from_hub else ""}))
    return _from_encoder(net, weights.locate(start, backbones))


def is_model(path: Path) -> bool:
    """Whether a path is an .onnx, or a shipped model's name."""
    return path.suffix == ".onnx" or str(path) in [card.name for card in zoo.models()]


def origin(path: Path) -> tuple[list[str], list[str]]:
    """The lineage and the sources of weights in a file: of its card, where it has one."""
    if path.with_suffix(".json").is_file():
        card = zoo.find(path)
        return card.lineage, [*card.training_data]
    return [], named({path.name})


def _from_encoder(net: Any, path: Path) -> Beginning:
    norms = weights.load_encoder(net, path)
    lineage, sources = origin(path)
    return Beginning(net, [f"encoder: {line}" for line in lineage], sources, norms)


def _from_model(net: Any, path: Path) -> Beginning:
    card = zoo.find(path)
    norms = weights.fill(net, weights.read_folded(card.path), card.path)
    _scale_like(net, card.path)
    return Beginning(net, card.lineage, [*card.training_data], norms)


@torch.no_grad()
def _scale_like(net: Any, path: Path) -> None:
    """Give a stock U-Net the input scaling of a model: the hub's weights have one of their own."""
    for name, array in weights.read_scaling(path).items():
        getattr(net, name).copy_(torch.tensor(array))


def _from_training(net: Any, path: Path) -> Beginning:
    state = checkpoint.read(path)
    weights.grow(net, state["averaged"], path)
    return Beginning(net, checkpoint.lineage_of(state), [*state["sources"]])
