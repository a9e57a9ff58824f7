"""Learning from a peer's mattes; the peer is the public fake, which finds 0.7 everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from incognito.errors import LabError
from incognito.lab import checkpoint, train
from incognito.lab.contestants import is_peers, one_of_peers
from incognito.lab.guest import Guest, agreement
from incognito.lab.recipe import Recipe


@pytest.fixture
def guest():
    """The fake as a guest."""
    with Guest(one_of_peers("constant")) as guest:
        yield guest


def batch_of(alpha):
    """A batch of grey pictures with these masks (N, 1, h, w), valid everywhere."""
    picture = torch.zeros(len(alpha), 3, *alpha.shape[2:])
    return picture, alpha, torch.ones_like(alpha), torch.zeros_like(alpha)


def test_a_guest_is_learnt_from_where_it_agrees(guest):
    """Somebody everywhere is what the fake finds: its own alpha costs the least, surer and less sure ones more."""
    batch = batch_of(torch.ones(2, 1, 48, 64))
    own = torch.logit(torch.full((2, 1, 48, 64), 0.7))
    assert guest.distance(batch, own) == pytest.approx(0.611, abs=0.001)  # the entropy of 0.7, in nats
    assert guest.distance(batch, own + 1) > guest.distance(batch, own)
    assert guest.distance(batch, own - 1) > guest.distance(batch, own)


def test_a_guest_is_not_heard_where_it_is_wrong(guest):
    """Where nobody is the fake finds somebody, and teaches nothing; of two pictures it is heard on the right one."""
    nobody, somebody = torch.zeros(1, 1, 64, 64), torch.ones(1, 1, 64, 64)
    assert guest.distance(batch_of(nobody), nobody) == 0
    logits = torch.cat([torch.full_like(nobody, -9.0), torch.zeros_like(somebody)])
    both = guest.distance(batch_of(torch.cat([nobody, somebody])), logits)
    assert both == pytest.approx(guest.distance(batch_of(somebody), logits[1:]))


def test_agreement_is_iou_over_what_is_valid():
    """Half found is a half, what is not valid counts nowhere, and nobody found where nobody is agrees."""
    mask = torch.ones(3, 1, 8, 8)
    found, valid = mask.clone(), mask.clone()
    found[:2, ..., :4], valid[1, ..., :4] = 0, 0
    found[2], mask[2] = 0.1, 0
    assert agreement(found, mask, valid).flatten().tolist() == [0.5, 1, 1]


def test_a_training_names_its_guest(tmp_path, toy_data, tables):
    """The lineage and the sources, with their terms, say whose mattes were learnt from."""
    tables["training"] |= {"distil": 1.0}
    state = checkpoint.read(
        train.train(Recipe.from_dict(tables), toy_data, tmp_path, tmp_path / "run", tutor=Path("constant"))
    )
    assert [line for line in state["lineage"] if line.startswith("teacher: constant, numpy")]
    assert "constant (terms not recorded)" in state["sources"]


def test_a_peers_environment_must_exist(tmp_path):
    """A peer's name is known, and the folder that is named for it is looked into."""
    assert is_peers("mediapipe-selfie")
    assert not is_peers("runs/best/last.pt")
    with pytest.raises(LabError, match="is no environment"):
        one_of_peers("mediapipe-selfie", tmp_path)
