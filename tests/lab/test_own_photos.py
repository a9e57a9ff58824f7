"""The way of docs/training.md: from a folder of one's own photos to a cut-out."""

import re
from pathlib import Path

import cv2
import numpy as np

from incognito.lab.data import read_manifest

ROOT = Path(__file__).parents[2]


def test_own_photos_become_a_model_that_remove_runs(run, tmp_path, monkeypatch, toy_data, portrait_file):
    """Every command of the short way, in its order and as it stands there, with a recipe of fewer pictures."""
    monkeypatch.chdir(tmp_path)
    for folder in ("my-photos/images", "my-photos/masks"):
        Path(folder).mkdir(parents=True)
    for number, sample in enumerate(read_manifest(toy_data, kinds=("photo",))):
        picture, alpha, _ = sample.load()
        cv2.imwrite(f"my-photos/images/{number}.jpg", picture[..., ::-1])
        cv2.imwrite(f"my-photos/masks/{number}.png", alpha)
    recipe = (ROOT / "recipes/own.toml").read_text(encoding="utf-8")
    for key, value in (("pictures", 32), ("warmup", 16), ("validate_every", 16), ("checkpoint_every", 16)):
        recipe, count = re.subn(rf"^{key} = \d+", f"{key} = {value}", recipe, flags=re.M)
        assert count == 1
    Path("recipes").mkdir()
    Path("recipes/own.toml").write_text(recipe.replace("[256, 256]", "[64, 64]"), encoding="utf-8")
    portrait_file.rename("holiday.jpg")
    for command in the_short_way():
        code, _, err = run(*command[1:])
        assert code == 0, (command, err)
    assert Path("worst.jpg").is_file()
    alpha = cv2.imread("holiday.png", cv2.IMREAD_UNCHANGED)[..., 3]
    assert np.ptp(alpha) > 200


def the_short_way() -> list[list[str]]:
    """The document's own commands."""
    text = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    block = text.partition("incognito lab manifest my-photos")[2].partition("```")[0]
    return [line.split() for line in ("incognito lab manifest my-photos" + block).splitlines()]
