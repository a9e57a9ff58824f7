"""What training minimises."""

from types import SimpleNamespace

import pytest
import torch

from incognito.lab import losses

ALL = SimpleNamespace(cross_entropy=1.0, focal=1.0, dice=1.0, boundary=1.0)


def planes(person: float, shape=(2, 1, 16, 16)) -> tuple[torch.Tensor, torch.Tensor]:
    target = torch.zeros(shape)
    target[..., : round(16 * person)] = 1
    return target, torch.ones(shape)


@pytest.mark.parametrize("person", [0.0, 0.25, 1.0])
def test_the_right_answer_costs_almost_nothing(person):
    """With people, without, and with nothing else."""
    target, valid = planes(person)
    right = (target * 2 - 1) * 20
    assert losses.total(right, target, valid, valid, ALL) < 0.01


def test_an_empty_room_teaches():
    """Dice on an empty mask has a value and a slope: the more is falsely marked, the higher it is."""
    target, valid = planes(0.0)
    logits = torch.full_like(target, -2.0, requires_grad=True)
    few, many = losses.dice(logits, target, valid), losses.dice(logits + 4, target, valid)
    assert 0 < few < many < 1
    few.backward()
    assert (logits.grad > 0).all()


def test_pixels_that_are_not_valid_count_for_nothing():
    """Whatever is said there, the loss is the same."""
    target, valid = planes(0.5)
    valid[..., :4, :] = 0
    logits = torch.zeros_like(target)
    wild = logits.clone()
    wild[..., :4, :] = 15
    one, two = (losses.total(x, target, valid, valid, ALL) for x in (logits, wild))
    assert torch.allclose(one, two)


def test_the_boundary_term_is_zero_without_an_edge():
    """A picture without an edge has no band to err in."""
    target, valid = planes(0.0)
    assert losses.boundary(torch.ones_like(target), target, torch.zeros_like(valid)) == 0


def test_the_total_is_the_weighted_sum():
    """A loss that weighs 0 adds nothing."""
    target, valid = planes(0.5)
    logits = torch.linspace(-2, 2, target.numel()).view_as(target)
    weights = SimpleNamespace(cross_entropy=0.0, focal=2.0, dice=1.0, boundary=0.5)
    expected = 2 * losses.focal(logits, target, valid) + losses.dice(logits, target, valid)
    expected += 0.5 * losses.boundary(logits, target, valid)
    assert torch.allclose(losses.total(logits, target, valid, valid, weights), expected)


def test_focal_weighs_by_the_miss():
    """With half a miss everywhere it is a quarter of the cross-entropy; what is right weighs next to nothing."""
    target, valid = planes(0.5)
    even = torch.zeros_like(target)
    assert torch.allclose(losses.focal(even, target, valid), losses.cross_entropy(even, target, valid) / 4)
    right = (target * 2 - 1) * 3
    assert losses.focal(right, target, valid) < 0.01 * losses.cross_entropy(right, target, valid)
