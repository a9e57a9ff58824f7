"""Tuning: a thinned network comes back to its teacher, and a broken tuning goes on as if it had not been."""

import numpy as np
import pytest
import torch

from incognito.errors import LabError
from incognito.frame import resize as shrink
from incognito.lab import graph, quantise
from incognito.lab.data import read_manifest
from incognito.lab.passes import masters_of, resized
from incognito.lab.recipe import Data
from incognito.lab.tune import Lesson, Pupil, Tuning, tune

TUNING = Tuning(
    seed=1, batch=4, rate=1e-3, warmup=8, ema=0.9, cross_entropy=1e-3, focal=0.0, dice=0.0, boundary=0.0, distil=1.0
)


def lesson(toy_data, folder, pictures=32, on_batch=lambda done, total: None):
    samples = read_manifest(toy_data, "train", ("photo", "cutout", "empty"))
    mixture = Data(photo=0.7, composite=0.2, mashup=0.0, empty=0.1, groups={})
    return Lesson(samples, mixture, TUNING, pictures, folder / "tune.pt", on_batch)


def distance(model, other, pictures):
    pairs = zip(*(graph.run(each, pictures) for each in (model, other)), strict=True)
    return float(np.mean([np.abs(a[0] - b[0]).mean() for a, b in pairs]))


def disturbed(model):
    """A model with noise on every weight."""
    rng, found = np.random.default_rng(3), graph.clone(model)
    for node in model.graph.node:
        if node.op_type == "Conv":
            weight = graph.arrays_of(model)[node.input[1]]
            graph.put(found, node.input[1], weight + rng.normal(0, weight.std(), weight.shape).astype(np.float32))
    return found


def test_a_disturbed_network_comes_closer_to_its_teacher(toy_data, tmp_path, small_model):
    """What was broken is mended in part, on pictures of the kind, and the bar moves to the end."""
    photos = read_manifest(toy_data, "val", ("photo",))
    pictures = [shrink(sample.load()[0], (64, 64))[None] for sample in photos]
    broken, seen = disturbed(small_model), []
    tuned = tune(broken, small_model, lesson(toy_data, tmp_path, 96, lambda done, total: seen.append((done, total))))
    assert distance(tuned, small_model, pictures) < 0.8 * distance(broken, small_model, pictures)
    assert seen[0] == (4, 96) and seen[-1] == (96, 96)


def test_a_quantised_network_is_tuned_with_its_rounding(toy_data, tmp_path, small_model, pictures):
    """Weights change, and stay whole numbers of the same steps."""
    int8 = quantise.static(small_model, quantise.Calibration(pictures, tmp_path))
    tuned = tune(int8, small_model, lesson(toy_data, tmp_path), masters_of(small_model, int8))
    before, after = graph.arrays_of(int8), graph.arrays_of(tuned)
    assert any((after[name] != array).any() for name, array in before.items() if array.dtype == np.int8)
    assert {name: array.dtype for name, array in after.items()} == {name: array.dtype for name, array in before.items()}
    assert distance(tuned, small_model, pictures) < 0.05


def test_a_smaller_network_learns_from_a_larger_teacher(toy_data, tmp_path, small_model):
    """Pictures are drawn at the teacher's size and shrunk for the pupil."""
    small = resized(small_model, None, [32, 32])
    assert graph.shape_of(graph.input_of(tune(small, small_model, lesson(toy_data, tmp_path)))) == [1, 32, 32, 3]


def test_a_broken_tuning_goes_on_where_it_was(toy_data, tmp_path, small_model, monkeypatch):
    """Bit for bit what an unbroken one gives."""
    monkeypatch.setattr("incognito.lab.tune.CHECKPOINT", 16)
    (tmp_path / "whole").mkdir()
    whole = tune(small_model, small_model, lesson(toy_data, tmp_path / "whole"))

    def stop(done, total):
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(small_model, small_model, lesson(toy_data, tmp_path, on_batch=stop))
    assert torch.load(tmp_path / "tune.pt", weights_only=True)["seen"] == 16
    again = tune(small_model, small_model, lesson(toy_data, tmp_path))
    for name, array in graph.arrays_of(whole).items():
        np.testing.assert_array_equal(array, graph.arrays_of(again)[name])


def test_counts_that_no_batch_divides_are_refused(toy_data, tmp_path, small_model):
    """With the batch."""
    with pytest.raises(LabError, match="multiple of the batch, 4"):
        tune(small_model, small_model, lesson(toy_data, tmp_path, pictures=30))


def test_a_loss_that_is_no_number_stops_the_tuning(toy_data, tmp_path, small_model):
    """In one line that says what to do."""
    pupil = Pupil(small_model, small_model, lesson(toy_data, tmp_path), None)
    planes = torch.ones(1, 1, 64, 64)
    with pytest.raises(LabError, match="lower the rate"):
        pupil.step((torch.full((1, 3, 64, 64), float("nan")), planes, planes, planes))
