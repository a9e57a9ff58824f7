"""The mean of several trainings' weights: better than any of them where they began from one another.

A "model soup" (Wortsman et al. 2022): weights in one valley of the loss average to its middle.
"""

from __future__ import annotations

from pathlib import Path

from incognito.errors import LabError
from incognito.lab.checkpoint import State, read, save


def average(checkpoints: list[Path], target: Path) -> None:
    """Write the last checkpoint with the mean of all checkpoints' averaged weights; all must be of one network."""
    states = [read(path) for path in checkpoints]
    if len(states) < 2 or any(_network(state) != _network(states[0]) for state in states):
        raise LabError("an average is of two or more checkpoints of the same network; name such ones")
    state = states[-1]
    for name, value in state["averaged"].items():
        if value.is_floating_point():
            value.copy_(sum(other["averaged"][name] for other in states) / len(states))
    state["network"] = state["averaged"]
    state["after"] = [*state["after"], f"mean of the weights of {len(states)} checkpoints, this the last"]
    save(target, state)


def _network(state: State) -> tuple[str, str, tuple[int, ...]]:
    network = state["recipe"]["network"]
    return network["architecture"], network["encoder"], tuple(network["decoder"])
