"""Manifests for a folder of one's own."""

import cv2
import numpy as np
import pytest

from incognito.errors import LabError
from incognito.lab import manifest
from incognito.lab.data import read_manifest


@pytest.fixture
def own(tmp_path):
    for folder in ("images", "masks", "empty"):
        (tmp_path / folder).mkdir()
    for number in range(10):
        cv2.imwrite(str(tmp_path / f"images/{number}.jpg"), np.full((30, 40, 3), 9 * number, np.uint8))
        cv2.imwrite(str(tmp_path / f"masks/{number}.png"), np.full((30, 40), 255, np.uint8))
    cv2.imwrite(str(tmp_path / "empty/room.png"), np.zeros((30, 40, 3), np.uint8))
    return tmp_path


def test_a_folder_becomes_a_manifest(own, run):
    """Eight of ten are for training, one each for validation and test; empty places have no mask."""
    code, out, _ = run("lab", "manifest", own)
    assert (code, out) == (0, f"{own / 'manifest.csv'}\n")
    samples = read_manifest(own)
    assert [len([s for s in samples if (s.kind, s.split) == ("photo", name)]) for name in ("train", "val", "test")] == [
        8,
        1,
        1,
    ]
    assert [s.mask for s in samples if s.kind == "empty"] == [None]
    assert {s.group for s in samples} == {"images", "empty"}
    assert samples[0].load()[1].all()


def test_names_alone_decide_the_split(own, tmp_path):
    """Described again, it is the same manifest; one that is there is not overwritten."""
    first = manifest.describe(own).read_bytes()
    with pytest.raises(LabError, match="exists"):
        manifest.describe(own)
    (own / "manifest.csv").unlink()
    assert manifest.describe(own).read_bytes() == first


def test_what_does_not_fit_is_refused(own):
    """A picture without a mask, a mask of another size, what is no picture, too few of them: nothing is written."""
    cv2.imwrite(str(own / "masks/3.png"), np.zeros((31, 40), np.uint8))
    with pytest.raises(LabError, match="differ in size"):
        manifest.describe(own)
    (own / "masks/3.png").unlink()
    with pytest.raises(LabError, match=r"put 3\.png into masks"):
        manifest.describe(own)
    (own / "images/3.jpg").write_bytes(b"no picture")
    (own / "masks/3.png").write_bytes(b"no picture")
    with pytest.raises(LabError, match="cannot be read"):
        manifest.describe(own)
    with pytest.raises(LabError, match="at least three"):
        manifest.describe(own / "empty")
    assert not (own / "manifest.csv").exists()
