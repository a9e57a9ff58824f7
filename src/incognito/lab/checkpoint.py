"""Checkpoints: everything that a training needs to go on, and where its weights came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from incognito.errors import LabError
from incognito.lab.recipe import Recipe

State = dict[str, Any]
KEYS = {"recipe", "network", "averaged", "optimiser", "seen", "minutes", "device", "lineage", "sources", "after"}


def save(path: Path, state: State) -> None:
    """Write a checkpoint beside its place, then put it there at once."""
    if not path.parent.is_dir():
        raise LabError(f"{path.parent} is no directory; make it first or name another file")
    beside = path.with_suffix(".part")
    torch.save(state, beside)
    beside.replace(path)


def read(path: Path) -> State:
    """Read a checkpoint that this trainer wrote."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise LabError(
            f"{path} does not exist; name a checkpoint that lab train wrote, or train without --resume"
        ) from None
    except Exception as error:
        raise LabError(f"{path} is no checkpoint of this trainer ({type(error).__name__})") from error
    if not isinstance(state, dict) or not state.keys() >= KEYS:
        raise LabError(f"{path} is no checkpoint of this trainer; name a best.pt or last.pt that lab train wrote")
    return state


def lineage_of(state: State) -> list[str]:
    """What a checkpoint's weights went through, one line a training."""
    recipe = Recipe.from_dict(state["recipe"])
    network, training = recipe.network, recipe.training
    own = f"trained on {state['seen']} pictures, {network.architecture} {network.encoder}, seed {training.seed}"
    start = f", encoder from {network.weights}" if network.weights and not state["lineage"] else ""
    hints = f", hints from {training.teacher}" if training.teacher else ""
    spent = f", {state['minutes']:.0f} minutes on {state['device']}"
    return [*state["lineage"], own + start + hints + spent, *state["after"]]
