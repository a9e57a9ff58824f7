"""Refitting: what channels took with them is made up for by those that stay."""

import numpy as np
import pytest

from incognito.lab import graph, prune, refit


def distance(model, other, pictures):
    pairs = zip(*(graph.run(each, pictures) for each in (model, other)), strict=True)
    return float(np.mean([np.abs(a[0] - b[0]).mean() for a, b in pairs]))


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_pruned_network_is_far_closer_after_it(monkeypatch, small_model, pictures, part):
    """On the pictures that were fitted on, and on others."""
    fitted = prune.prune(small_model, pictures[:4], 0.5, part)
    monkeypatch.setattr(prune, "refit", lambda model, *_: model)
    plain = prune.prune(small_model, pictures[:4], 0.5, part)
    for seen in (pictures[:4], pictures[4:]):
        assert distance(fitted, small_model, seen) < 0.5 * distance(plain, small_model, seen)


def test_a_network_that_lost_nothing_stays_as_it_is(small_model, pictures):
    """There is nothing to fit."""
    names = [name for node in small_model.graph.node for name in node.output]
    kept = {name: np.ones(shape[1], bool) for name, shape in graph.shapes(small_model).items() if name in names}
    found = refit.refit(small_model, small_model, kept, pictures[:2])
    assert distance(found, small_model, pictures) < 1e-4
