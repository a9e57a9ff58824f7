"""Ladders as data: those that come with the project are read, and what makes no sense is refused."""

from pathlib import Path

import pytest

from incognito.errors import LabError
from incognito.lab.passes import PASSES
from incognito.lab.rungs import DEFAULT, Ladder

NAMES = ("ladder", "int8", "shipped", "slim", "thin")
SHIPPED = [DEFAULT, *(Path(__file__).parents[2] / "recipes" / f"{name}.toml" for name in NAMES)]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_ladders_are_read(path):
    """Every rung is a pass with its options, or a model."""
    ladder = Ladder.read(path)
    assert ladder.name == path.stem
    assert all(rung.is_model or rung.action in PASSES for rung in ladder.rungs)


def test_without_a_recipe_the_default_is_climbed():
    """It needs no recipe, and every option has its default."""
    ladder = Ladder.read(None)
    assert ladder == Ladder.read(DEFAULT)
    assert {"graph", "dynamic", "resolution", "int8"} <= {rung.action for rung in ladder.rungs}


def changed(tmp_path, old, new):
    text = DEFAULT.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "ladder.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('pass = "graph"', 'pass = "magic"', "there is no pass 'magic'; choose one of graph"),
        ('pass = "graph"', "", "needs a title, and either a pass or a model"),
        ('title = "graph"', "", "needs a title"),
        ("size = [224, 224]", "", "lacks size"),
        ("size = [224, 224]", "size = [224, 224]\nshape = 3", "does not know shape"),
        ('title = "int8"', 'title = "graph"', "two rungs have the title 'graph'"),
        ('title = "int8"', 'title = "int8"\nfrom = "nowhere"', "starts from 'nowhere'"),
        ('aim = "bytes"', 'aim = "glory"', "aim is one of time, bytes"),
        ("judge_on = 200", "judge_on = true", "judge_on"),
        ("judge_on = 200", "", "judge_on"),
        ("judge_on = 200", "judge_on = 0", "at least one picture"),
        ("size = [224, 224]", "size = 224", r"size must be a list\[int\]"),
        ('aim = "bytes"', 'budget = "x"', "the budget is IoU"),
        ("[measuring]", "[measures]", "and nothing else|at most start"),
        ("[measuring]", "[measuring", "not valid TOML"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, old, new, said):
    """Before anything is done, and with what would."""
    with pytest.raises(LabError, match=said):
        Ladder.read(changed(tmp_path, old, new))


def test_a_ladder_that_is_not_there_is_refused(tmp_path):
    """With its path."""
    with pytest.raises(LabError, match=r"none\.toml cannot be read"):
        Ladder.read(tmp_path / "none.toml")
