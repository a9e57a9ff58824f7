"""Recipes: training as data."""

from pathlib import Path

import pytest

from incognito.errors import LabError
from incognito.lab.nets import build
from incognito.lab.recipe import Recipe

LADDERS = {"ladder", "int8", "shipped", "slim", "thin"}
RECIPES = sorted(path for path in (Path(__file__).parents[2] / "recipes").glob("*.toml") if path.stem not in LADDERS)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_is_parsed_and_its_network_built(path):
    """No recipe in the tree is out of date."""
    network = Recipe.read(path).network
    assert build(network.architecture, network.encoder, network.decoder) is not None


def test_there_are_recipes():
    """The list above is not empty."""
    assert RECIPES


def test_a_recipe_comes_back_from_its_tables(recipe):
    """What a checkpoint holds is the recipe."""
    assert Recipe.from_dict(recipe.as_dict()) == recipe


@pytest.mark.parametrize("table", ["network", "data", "training"])
def test_unknown_and_missing_keys_are_refused(tables, table):
    """A misspelt key is an error that names it and the known ones."""
    tables[table]["learning_rte"] = 1
    with pytest.raises(LabError, match=r"unknown keys: learning_rte; known are"):
        Recipe.from_dict(tables)
    del tables[table]["learning_rte"]
    missing = sorted(tables[table])[0]
    del tables[table][missing]
    with pytest.raises(LabError, match=f"missing keys: {missing}"):
        Recipe.from_dict(tables)


def test_a_missing_table_is_refused(tables):
    """Half a recipe names the table that is not there."""
    del tables["data"]
    with pytest.raises(LabError, match="missing keys: data"):
        Recipe.from_dict(tables)


def test_a_phase_that_batches_do_not_divide_is_refused(tables):
    """Otherwise a resumed training would draw other batches."""
    tables["training"]["phases"][0]["pictures"] = 13
    with pytest.raises(LabError, match="multiple of the batch"):
        Recipe.from_dict(tables)


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("training", "batch", 0),
        ("training", "batch", "16"),
        ("training", "batch", -4),
        ("training", "seed", 1.5),
        ("training", "phases", []),
        ("training", "phases", 3),
        ("training", "phases", [{"pictures": 8, "size": [32]}]),
        ("training", "phases", [{"pictures": 8, "size": [32, 40]}]),
        ("training", "phases", [{"pictures": 0, "size": [32, 32]}]),
        ("training", "clip", 0),
        ("training", "schedule", "plateau"),
        ("training", "hint", 1.0),
        ("training", "teacher", "fast"),
        ("training", "bf16", 1),
        ("network", "weights", "imagenet"),
        ("network", "encoder", 5),
        ("network", "decoder", [16, "wide"]),
        ("data", "groups", {"people": "many"}),
        ("data", "photo", True),
    ],
)
def test_values_that_make_no_sense_are_refused(tables, table, key, value):
    """Every value is checked before the first picture is drawn."""
    tables[table][key] = value
    with pytest.raises(LabError):
        Recipe.from_dict(tables)


def test_a_table_that_is_a_number_is_refused(tables):
    """Also where a whole table is something else."""
    for name in list(tables):
        with pytest.raises(LabError, match="must be a table"):
            Recipe.from_dict(tables | {name: 3})


def test_files_that_are_no_recipes_are_refused(tmp_path):
    """Missing files and bad TOML are one line."""
    with pytest.raises(LabError, match="cannot be read"):
        Recipe.read(tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(LabError, match="not valid TOML"):
        Recipe.read(tmp_path / "latin.toml")
    (tmp_path / "bad.toml").write_text("[network\n")
    with pytest.raises(LabError, match="not valid TOML"):
        Recipe.read(tmp_path / "bad.toml")
