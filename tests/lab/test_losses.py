"""What training minimises."""

import pytest
import torch

from incognito.lab import losses


def planes(person: float, shape=(2, 1, 16, 16)) -> tuple[torch.Tensor, torch.Tensor]:
    target = torch.zeros(shape)
    target[..., : round(16 * person)] = 1
    return target, torch.ones(shape)


@pytest.mark.parametrize("person", [0.0, 0.25, 1.0])
def test_the_right_answer_costs_almost_nothing(person):
    """With people, without, and with nothing else."""
    target, valid = planes(person)
    right = (target * 2 - 1) * 20
    assert losses.total(right, target, valid, valid, 1.0, 1.0) < 0.01


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
    one, two = (losses.total(x, target, valid, valid, 1.0, 1.0) for x in (logits, wild))
    assert torch.allclose(one, two)


def test_the_boundary_term_is_zero_without_an_edge():
    """A picture without an edge has no band to err in."""
    target, valid = planes(0.0)
    assert losses.boundary(torch.ones_like(target), target, torch.zeros_like(valid)) == 0
