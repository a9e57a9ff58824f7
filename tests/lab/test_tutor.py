"""Learning from another network's mattes, and from pictures that hardly differ."""

from __future__ import annotations

import pytest
import torch

from incognito.errors import LabError
from incognito.lab import checkpoint, train
from incognito.lab.recipe import Recipe
from incognito.lab.tutor import Tutor, nudge, unsteadiness


def test_a_tutors_mattes_are_learnt_and_named(tmp_path, toy_data, tables):
    """With a checkpoint as tutor, the loss holds its mattes; the lineage and the sources say so."""
    first = train.train(Recipe.from_dict(tables), toy_data, tmp_path, tmp_path / "first")
    tables["training"] |= {"distil": 1.0, "steady": 0.5}
    second = train.train(Recipe.from_dict(tables), toy_data, tmp_path, tmp_path / "second", tutor=first)
    state = checkpoint.read(second)
    assert state["lineage"] == [f"teacher: {line}" for line in checkpoint.lineage_of(checkpoint.read(first))]
    losses = [(tmp_path / name / "steps.csv").read_text().splitlines()[1] for name in ("first", "second")]
    assert losses[0] != losses[1]


def test_a_network_agrees_with_itself_as_tutor(tmp_path, toy_data, tables):
    """Its own mattes cost no more than their entropy; others cost more."""
    path = train.train(Recipe.from_dict(tables), toy_data, tmp_path, tmp_path / "run")
    tutor, picture = Tutor(path), torch.rand(2, 3, 64, 64) * 2 - 1
    own, batch = tutor._net(picture), (picture, *[torch.ones(2, 1, 64, 64)] * 3)
    assert tutor.distance(batch, own) < tutor.distance(batch, own + 1)
    assert tutor.distance(batch, own) < tutor.distance(batch, own - 1)


def test_one_without_the_other_is_refused(tmp_path, toy_data, tables):
    """A tutor that weighs nothing, and a weight without a tutor."""
    with pytest.raises(LabError, match="--distil-from go together"):
        train.train(Recipe.from_dict(tables), toy_data, tmp_path, tmp_path / "run", tutor=tmp_path / "best.pt")
    tables["training"]["distil"] = 1.0
    with pytest.raises(LabError, match="name a checkpoint"):
        train.train(Recipe.from_dict(tables), toy_data, tmp_path, tmp_path / "run")


def test_a_matte_that_follows_the_picture_is_steady():
    """A matte that is the shifted one costs nothing, one that stayed behind does."""
    logits = torch.randn(8, 1, 64, 64)
    assert unsteadiness(logits, torch.roll(logits[:2], (3, -2), (2, 3)), (3, -2)) == 0
    assert unsteadiness(logits, logits[:2], (3, -2)) > 0.01


def test_a_nudged_picture_is_the_same_one_a_little_beside():
    """An eighth of the batch, shifted by no more than a few pixels; the same seed nudges the same way."""
    picture = torch.rand(8, 3, 64, 64)
    nudged, shift = nudge(picture, 1)
    assert nudged.shape == (1, 3, 64, 64)
    assert max(map(abs, shift)) <= 4
    assert (torch.roll(nudged, (-shift[0], -shift[1]), (2, 3)) - picture[:1]).abs().mean() < 0.1
    assert torch.equal(nudged, nudge(picture, 1)[0])
    assert not torch.equal(nudged, nudge(picture, 2)[0])
