"""Recipes: training as data."""

from pathlib import Path

import pytest

from incognito.errors import LabError
from incognito.lab.nets import build
from incognito.lab.recipe import Recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_is_parsed_and_its_network_built(path):
    """No recipe in the tree is out of date."""
    network = Recipe.read(path).network
    assert build(network.encoder, network.decoder) is not None


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


def test_files_that_are_no_recipes_are_refused(tmp_path):
    """Missing files and bad TOML are one line."""
    with pytest.raises(LabError, match="cannot be read"):
        Recipe.read(tmp_path / "nowhere.toml")
    (tmp_path / "bad.toml").write_text("[network\n")
    with pytest.raises(LabError, match="not valid TOML"):
        Recipe.read(tmp_path / "bad.toml")
