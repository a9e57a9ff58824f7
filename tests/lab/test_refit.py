"""Refitting: what channels took with them is made up for by those that stay."""

import numpy as np
from onnx import helper
from toys import plain_model

from incognito.lab import graph, prune, refit


def distance(model, other, pictures):
    pairs = zip(*(graph.run(each, pictures) for each in (model, other)), strict=True)
    return float(np.mean([np.abs(a[0] - b[0]).mean() for a, b in pairs]))


def test_channels_that_others_can_stand_for_are_made_up_for(monkeypatch):
    """Half of the channels are mixtures of the other half: without them, the fit finds what they gave."""
    rng = np.random.default_rng(4)
    own = rng.standard_normal((4, 3, 1, 1))
    mixed = 0.3 * np.einsum("ab,bcij->acij", rng.standard_normal((4, 4)), own)
    arrays = {
        "w1": np.concatenate([own, mixed]),
        "b1": np.zeros(8),
        "w2": rng.standard_normal((1, 8, 3, 3)) / 255,
        "b2": np.zeros(1),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], "one"),
        helper.make_node("Conv", ["a", "w2", "b2"], ["alpha"], "two", pads=[1, 1, 1, 1]),
    ]
    model = plain_model(nodes, arrays)
    seen = [rng.integers(0, 256, (1, 8, 8, 3), np.uint8) for _ in range(8)]
    fitted = prune.prune(model, seen[:6], 0.5, multiple=4)
    monkeypatch.setattr(prune, "refit", lambda pruned, *_: pruned)
    plain = prune.prune(model, seen[:6], 0.5, multiple=4)
    assert distance(fitted, model, seen[6:]) < 0.3 * distance(plain, model, seen[6:])


def test_a_network_that_lost_nothing_stays_as_it_is(small_model, pictures):
    """There is nothing to fit."""
    names = [name for node in small_model.graph.node for name in node.output]
    kept = {name: np.ones(shape[1], bool) for name, shape in graph.shapes(small_model).items() if name in names}
    found = refit.refit(small_model, small_model, kept, pictures[:2])
    assert distance(found, small_model, pictures) < 1e-4
