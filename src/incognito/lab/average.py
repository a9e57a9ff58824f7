"""The mean of several trainings' weights: better than any of them where they began from one another.

A "model soup" (Wortsman et al. 2022): weights in one valley of the loss average to its middle.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from incognito import zoo
from incognito.errors import LabError
from incognito.lab import weights
from incognito.lab.begin import is_model
from incognito.lab.checkpoint import State, read, save
from incognito.lab.recipe import Recipe
from incognito.lab.train import make_network


def average(members: list[Path], target: Path) -> None:
    """Write the last checkpoint with the mean of all members' weights; all must be of one network.

    A member is a checkpoint or a model (.onnx); the last is a checkpoint. Where one is a model, whose batch norms are
    in its convolutions, those of the others are brought there too.
    """
    if len(members) < 2 or is_model(members[-1]):
        raise LabError("an average is of two or more checkpoints or models, the last a checkpoint; name such ones")
    has_model = any(is_model(path) for path in members)
    state = _mean_of_models(members) if has_model else _mean_of_states(members)
    state["network"] = state["averaged"]
    what = "networks" if has_model else "checkpoints"
    state["after"] = [*state["after"], f"mean of the weights of {len(members)} {what}, this the last"]
    save(target, state)


def _mean_of_states(members: list[Path]) -> State:
    states = [read(path) for path in members]
    if any(_network(state) != _network(states[0]) for state in states):
        raise LabError("an average is of the same network; name checkpoints of one")
    state = states[-1]
    for name, value in state["averaged"].items():
        if value.is_floating_point():
            value.copy_(sum(other["averaged"][name] for other in states) / len(states))
    return state


def _mean_of_models(members: list[Path]) -> State:
    state = read(members[-1])
    layers = [weights.read_folded(zoo.find(path).path) if is_model(path) else _folded(read(path)) for path in members]
    shapes = [[weight.shape for weight, _ in each] for each in layers]
    if any(each != shapes[-1] for each in shapes):
        raise LabError("an average is of the same network; name models and checkpoints of one")
    mean: weights.Folded = [
        (np.mean([weight for weight, _ in layer], 0), np.mean([0 if bias is None else bias for _, bias in layer], 0))
        for layer in zip(*layers, strict=True)
    ]
    net = make_network(Recipe.from_dict(state["recipe"]))
    weights.fill(net, mean, members[-1])
    state["averaged"] = net.state_dict()
    return state


def _folded(state: State) -> weights.Folded:
    """A checkpoint's convolutions, their batch norms folded in."""
    net = make_network(Recipe.from_dict(state["recipe"]))
    net.load_state_dict(state["averaged"])
    return weights.fold(net)


def _network(state: State) -> tuple[str, str, tuple[int, ...]]:
    network = state["recipe"]["network"]
    return network["architecture"], network["encoder"], tuple(network["decoder"])
