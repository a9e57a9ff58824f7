"""How the rate moves, and when a training gives up."""

import dataclasses

import pytest

from incognito.lab.recipe import Recipe
from incognito.lab.schedule import CUT, Progress, pace


def test_a_cosine_rises_and_falls(recipe):
    """From almost nothing over the warm-up to the peak, then to 1 %."""
    training = dataclasses.replace(recipe.training, warmup=4)
    shares = [pace(training, seen, Progress()) for seen in range(training.pictures + 1)]
    assert shares[:4] == sorted(shares[:4])
    assert max(shares) == pytest.approx(1.0)
    assert shares[-1] == pytest.approx(0.01)


def test_a_plateau_cuts_the_rate_where_validation_no_longer_improves(recipe):
    """Every `patience` validations without a better IoU."""
    training = dataclasses.replace(recipe.training, schedule="plateau", warmup=0, patience=2)
    progress = Progress()
    shares = []
    for iou in (0.5, 0.6, 0.6, 0.6, 0.7, 0.6, 0.6):
        progress.judge(iou, training.patience)
        shares.append(pace(training, 10, progress))
    assert shares == pytest.approx([1, 1, 1, CUT, CUT, CUT, CUT**2])
    assert progress.best == 0.7


def test_every_word_of_a_choice_is_known(tables):
    """A schedule, optimiser or architecture of another name is refused."""
    from incognito.errors import LabError

    for table, key in (("training", "schedule"), ("training", "optimiser"), ("network", "architecture")):
        wrong = {name: dict(part) for name, part in tables.items()}
        wrong[table][key] = "magic"
        with pytest.raises(LabError, match=f"{key} must be one of"):
            Recipe.from_dict(wrong)
