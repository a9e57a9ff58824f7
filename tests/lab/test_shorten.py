"""Shortening: the residual block that is missed least leaves, and what stays makes up for it."""

import numpy as np
import pytest
from onnx import helper
from toys import plain_model

from incognito.errors import LabError
from incognito.lab import graph, shorten


@pytest.fixture
def three_blocks():
    """Two residual blocks whose parts are of very different weight, and a sum of two branches, which is none."""
    rng = np.random.default_rng(2)
    shapes = {"enter": (4, 3, 1, 1), "loud": (4, 4, 3, 3), "faint": (4, 4, 3, 3), "side": (4, 4, 1, 1)}
    arrays = {name: rng.standard_normal(shape) / 100 for name, shape in shapes.items()}
    arrays["faint"] /= 100
    arrays["leave"] = rng.standard_normal((1, 4, 1, 1))
    arrays |= {f"{name}.bias": np.zeros(len(weight)) for name, weight in arrays.items()}

    def conv(given, name, made):
        pads = [1, 1, 1, 1] if arrays[name].shape[2] == 3 else [0, 0, 0, 0]
        return helper.make_node("Conv", [given, name, f"{name}.bias"], [made], f"{name} of {given}", pads=pads)

    nodes = [
        conv("x", "enter", "a"),
        conv("a", "loud", "b"),
        helper.make_node("Add", ["a", "b"], ["c"], "loud.add"),
        conv("c", "faint", "d"),
        helper.make_node("Add", ["d", "c"], ["e"], "faint.add"),
        conv("e", "side", "f"),
        conv("c", "side", "g"),
        helper.make_node("Add", ["f", "g"], ["h"], "branches"),
        conv("h", "leave", "alpha"),
    ]
    return plain_model(nodes, arrays)


def names(model):
    return {node.name for node in model.graph.node if node.name}


def test_only_what_adds_to_its_own_input_is_a_residual_block(three_blocks):
    """On either side of the sum; two branches of something are no block of their own."""
    found = [(add.name, given) for add, given in shorten.residuals(three_blocks)]
    assert found == [("loud.add", "a"), ("faint.add", "c")]


def test_the_block_that_is_missed_least_leaves_first(three_blocks):
    """The faint one goes, then the other; alpha has hardly moved after the first."""
    rng = np.random.default_rng(3)
    pictures = [rng.integers(0, 256, (1, 8, 8, 3), np.uint8) for _ in range(6)]
    shorter = shorten.shorten(three_blocks, pictures[:4], 1)
    assert names(three_blocks) - names(shorter) == {"faint of c", "faint.add"}
    was, now = (graph.run(model, pictures[4:]) for model in (three_blocks, shorter))
    np.testing.assert_allclose(now, was, atol=0.02 * np.abs(was).max())
    assert names(shorten.shorten(three_blocks, pictures[:4], 2)).isdisjoint({"loud of a", "faint of c"})


@pytest.mark.parametrize(("blocks", "why"), [(3, "has 2 residual blocks to spare, not 3"), (0, "1 or more, not 0")])
def test_senseless_numbers_are_refused(three_blocks, blocks, why):
    """More than there are, and none."""
    with pytest.raises(LabError, match=why):
        shorten.shorten(three_blocks, [np.zeros((1, 8, 8, 3), np.uint8)], blocks)
