"""One model of several."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from incognito import Segmenter, zoo
from incognito.errors import LabError, UnknownModelError
from incognito.frame import resize
from incognito.lab.committee import seat
from incognito.lab.cost import cost


def test_a_committee_is_the_mean_of_its_members_and_their_mirrors(tmp_path, portrait):
    """Of tiny and fast at fast's size, by their weights; what it weighs is about what they weigh."""
    card = seat([("tiny", 1.0), ("fast", 3.0)], tmp_path / "both.onnx", (256, 256))
    small = resize(portrait, (256, 256))
    expected = np.zeros((256, 256))
    for model, share in (("tiny", 0.25), ("fast", 0.75)):
        member = Segmenter(zoo.find(model).path)
        for picture, step in ((small, 1), (small[:, ::-1], -1)):
            expected += share / 2 * resize(member.raw(np.ascontiguousarray(picture)), (256, 256))[:, ::step]
    found = Segmenter(card.path).raw(portrait)
    assert np.abs(found - expected).mean() < 0.004
    assert card.bytes < 1.3 * (zoo.find("tiny").bytes + zoo.find("fast").bytes)
    assert card.lineage[-1].startswith("mean of 0.25 of tiny, 0.75 of fast")
    assert set(zoo.find("tiny").training_data) <= set(card.training_data)


def test_a_member_may_be_asked_at_another_size(tmp_path, portrait):
    """Its second seat finds what a committee of it alone finds at that size, and weighs a graph, but no weights."""
    alone = Segmenter(seat([("tiny@256", 1.0)], tmp_path / "large.onnx", (256, 256)).path)
    own = Segmenter(seat([("tiny", 1.0)], tmp_path / "own.onnx", (256, 256)).path)
    card = seat([("tiny", 3.0), ("tiny@256", 1.0)], tmp_path / "both.onnx", (256, 256))
    expected = 0.75 * own.raw(portrait) + 0.25 * alone.raw(portrait)
    assert np.abs(alone.raw(portrait) - own.raw(portrait)).max() > 0.1
    assert np.abs(Segmenter(card.path).raw(portrait) - expected).max() < 1e-4
    assert card.bytes < 1.2 * own.card.bytes and cost(card.path).parameters == cost(zoo.find("tiny").path).parameters
    assert card.lineage[-1].startswith("mean of 0.75 of tiny, 0.25 of tiny at 256x256, each")


def test_a_committee_is_symmetric(tmp_path, portrait):
    """A mirrored picture has the mirrored matte."""
    size = zoo.find("tiny").height, zoo.find("tiny").width
    card = seat([("tiny", 1.0)], tmp_path / "one.onnx", size, weights="int8")
    assert zoo.read_card(tmp_path / "one.json").mirrored
    small = resize(portrait, size)
    segmenter = Segmenter(card.path)
    assert np.abs(segmenter.raw(small) - segmenter.raw(np.ascontiguousarray(small[:, ::-1]))[:, ::-1]).max() < 1e-4


def test_a_model_from_elsewhere_is_no_member(tmp_path):
    """Nor is one that is not there, or asked at a size that no network takes; nothing is written."""
    card = zoo.find("tiny")
    (tmp_path / card.file).write_bytes(card.path.read_bytes())
    dataclasses.replace(card, activation="sigmoid").write(tmp_path / "tiny.json")
    with pytest.raises(LabError, match="cannot be a member"):
        seat([("fast", 1.0), (str(tmp_path / card.file), 1.0)], tmp_path / "both.onnx", (64, 64))
    for side in (0, 200):
        with pytest.raises(LabError, match="give a multiple of 32"):
            seat([(f"fast@{side}", 1.0)], tmp_path / "both.onnx", (64, 64))
    with pytest.raises(UnknownModelError):
        seat([("nobody", 1.0)], tmp_path / "both.onnx", (64, 64))
    assert not (tmp_path / "both.onnx").exists()
