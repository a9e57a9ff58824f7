"""Artefacts become variants of a model."""

import shutil

import numpy as np
import pytest

from incognito import zoo
from incognito.errors import LabError, OutputError
from incognito.lab import variant
from incognito.lab.evaluate import evaluate


@pytest.fixture
def artefact(tmp_path, toy_model):
    """What a climb made of the toy model."""
    for suffix in (".onnx", ".json"):
        shutil.copy(toy_model.with_suffix(suffix), tmp_path / f"07-int8{suffix}")
    return tmp_path / "07-int8.onnx"


def test_an_artefact_is_found_as_a_variant(toy_model, artefact, run):
    """Beside its base, with the base's name; the artefact stays."""
    target = toy_model.with_name("toy.int8.onnx")
    code, said, _ = run("lab", "variant", artefact, "--out", target)
    assert (code, said.strip()) == (0, f"toy.int8: {target}")
    assert [card.label for card in zoo.variants(zoo.find(toy_model))] == ["toy", "toy.int8"]
    assert np.array_equal(*(np.frombuffer(zoo.find(path).load(), np.uint8) for path in (artefact, target)))


def test_a_variants_card_says_what_onnx_runtime_gives(toy_model, artefact, toy_data, run):
    """With data it is measured where it lies, on the very file."""
    target = toy_model.with_name("toy.int8.onnx")
    code, _, _ = run("lab", "variant", artefact, "--out", target, "--data", toy_data)
    found = evaluate(target, toy_data)
    assert code == 0
    assert zoo.find(target).measured["iou"] == pytest.approx(found.mean("iou"), abs=1e-4)
    assert zoo.find(target).measured["n"] == len(found.scored)


def test_a_variant_that_is_there_is_kept(toy_model, artefact):
    """Nothing is overwritten."""
    target = toy_model.with_name("toy.int8.onnx")
    variant.put(artefact, target)
    with pytest.raises(OutputError, match="exists"):
        variant.put(artefact, target)


@pytest.mark.parametrize("name", ["other.int8.onnx", "toy.onnx", "toy.int8"])
def test_names_without_a_base_are_refused(toy_model, artefact, name):
    """With an example."""
    with pytest.raises(LabError, match=r"fast\.int8\.onnx beside fast\.onnx"):
        variant.put(artefact, toy_model.with_name(name))
