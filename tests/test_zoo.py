"""Models, their variants and their cards."""

from __future__ import annotations

import dataclasses

import pytest
from making import add_variant, toy_card

from incognito import zoo
from incognito.errors import ModelError, UnknownModelError


def test_variants_lie_beside_their_base(toys):
    """Models are listed by their bases; a variant is found by its own name, and has its base's."""
    add_variant(toys, iou=0.95)
    add_variant(toys, precision="float16")
    assert [card.label for card in zoo.models()] == ["toy"]
    assert [card.label for card in zoo.variants(zoo.find("toy"))] == ["toy", "toy.float16", "toy.int8"]
    assert [card.label for card in zoo.variants(zoo.find(toys / "toy.onnx"))] == ["toy", "toy.float16", "toy.int8"]
    variant = zoo.find("toy.int8")
    assert (variant.name, variant.precision, variant.path) == ("toy", "int8", toys / "toy.int8.onnx")
    assert (zoo.find("toy").precision, zoo.is_name("toy"), zoo.is_name("toy.int8")) == ("float32", True, False)
    with pytest.raises(UnknownModelError, match=r"toy, toy.float16, toy.int8"):
        zoo.find("toy.int4")


def test_shipped_variants_take_and_give_what_their_base_does():
    """One may stand in for the other without a word to the caller."""
    for base in zoo.models():
        for card in zoo.variants(base):
            assert card.name == base.name
            assert (card.size, card.licence, card.training_data) == (base.size, base.licence, base.training_data)


def test_a_card_of_an_unknown_precision_is_refused(toys):
    """Known are float32, float16, bf16 and int8; a card from before says nothing, and means float32."""
    toy_card((toys / "toy.onnx").read_bytes(), precision="int4").write(toys / "toy.json")
    with pytest.raises(ModelError, match="precision is 'int4'; known are float32, float16, bf16, int8"):
        zoo.find("toy")


def test_a_label_tells_a_variant_from_its_base():
    """A file under a new name keeps the name on its card."""
    card = zoo.find("fast")
    labels = [dataclasses.replace(card, file=name).label for name in ("fast.onnx", "fast.int8.onnx", "mine.onnx")]
    assert labels == ["fast", "fast.int8", "fast"]
