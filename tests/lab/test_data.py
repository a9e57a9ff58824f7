"""Manifests, and the training pictures drawn from them."""

from dataclasses import replace

import numpy as np
import pytest

from incognito.errors import LabError
from incognito.lab import augment, paste
from incognito.lab.data import Sample, read_manifest
from incognito.lab.recipe import Data
from incognito.lab.scenes import Scenes, edge_band

EVEN = Data(photo=1, composite=1, mashup=1, empty=1, groups={})


def test_a_manifest_is_read_by_split_and_kind(toy_data):
    """Samples come in the manifest's order, with their group."""
    assert len(read_manifest(toy_data)) == 34
    cutouts = read_manifest(toy_data, "train", ("cutout",))
    assert [(s.kind, s.split, s.group) for s in cutouts] == [("cutout", "train", "people/studio")] * 4


def test_pixels_to_ignore_are_neither_person_nor_place(toy_data):
    """Where has_ignore is set, 128 is not valid; elsewhere it is half a person."""
    photo, cutout = (read_manifest(toy_data, "train", (kind,))[0].load() for kind in ("photo", "cutout"))
    assert (photo[1][0, 0], photo[2][0, 0]) == (0, 0)
    assert (cutout[1][0, 0], cutout[2][0, 0]) == (128, 255)


def test_an_empty_place_has_an_empty_mask(toy_data):
    """Nobody is there, and that is known everywhere."""
    _, alpha, valid = read_manifest(toy_data, "train", ("empty",))[0].load()
    assert not alpha.any()
    assert valid.all()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("a.webp,,ghost,train,1,1,0,x", "not known"),
        ("a.webp,,photo,tomorrow,1,1,0,x", "not known"),
    ],
)
def test_a_bad_row_is_refused(tmp_path, line, says):
    """Kinds and splits are a closed list."""
    (tmp_path / "manifest.csv").write_text("image,mask,kind,split,width,height,has_ignore,source\n" + line)
    with pytest.raises(LabError, match=says):
        read_manifest(tmp_path)


def test_a_missing_manifest_column_or_picture_is_refused(tmp_path):
    """Each says which, and what to do."""
    with pytest.raises(LabError, match="--data"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.csv").write_text("image,mask\na.webp,\n")
    with pytest.raises(LabError, match="no column 'kind'"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.csv").write_text("image,mask,kind,split,has_ignore,source\na.webp,,empty,train,0,made\n")
    with pytest.raises(LabError, match=r"a\.webp cannot be read"):
        read_manifest(tmp_path)[0].load()


def test_a_picture_depends_on_seed_and_number_alone(toy_data):
    """Drawn again, in another order, it is the same; under another seed it is another."""
    samples = read_manifest(toy_data, "train")
    scenes, again, other = (Scenes(samples, EVEN, (48, 64), seed, 30) for seed in (1, 1, 2))
    backwards = [again[i] for i in reversed(range(30))][::-1]
    for index, drawn in enumerate(backwards):
        assert all(np.array_equal(a, b) for a, b in zip(scenes[index], drawn, strict=True))
    assert not np.array_equal(scenes[0][0], other[0][0])


def test_pictures_and_planes_have_the_networks_size(toy_data):
    """RGB and three planes of bytes, whatever was drawn."""
    scenes = Scenes(read_manifest(toy_data, "train"), EVEN, (48, 64), 1, 40)
    for index in range(40):
        picture, *planes = scenes[index]
        assert (picture.shape, picture.dtype) == ((48, 64, 3), np.uint8)
        assert [(p.shape, p.dtype) for p in planes] == [((48, 64), np.uint8)] * 3


@pytest.mark.parametrize(("kind", "people"), [("photo", True), ("composite", True), ("mashup", True), ("empty", False)])
def test_a_mixture_of_one_kind_draws_that_kind(toy_data, kind, people):
    """People are in photos and composites, and never in empty places."""
    odds = {"photo": 0.0, "composite": 0.0, "mashup": 0.0, "empty": 0.0} | {kind: 1.0}
    scenes = Scenes(read_manifest(toy_data, "train"), Data(**odds, groups={}), (48, 48), 1, 20)
    assert any(scenes[i][1].any() for i in range(20)) == people


@pytest.mark.parametrize("kind", ["photo", "composite", "mashup", "empty"])
def test_a_mixture_that_the_split_cannot_make_is_refused(toy_data, kind):
    """The error names what to set to 0, or to add."""
    odds = {"photo": 0.0, "composite": 0.0, "mashup": 0.0, "empty": 0.0} | {kind: 1.0}
    lacking = [
        s for s in read_manifest(toy_data, "train") if s.kind not in ({"photo"} if kind == "photo" else {"empty"})
    ]
    with pytest.raises(LabError, match=f"{kind} > 0 in"):
        Scenes(lacking, Data(**odds, groups={}), (48, 48), 1, 20)
    with pytest.raises(LabError, match="must be more than 0"):
        Scenes(lacking, Data(**odds | {kind: 0.0}, groups={}), (48, 48), 1, 20)


def test_photos_alone_can_train(toy_data):
    """A folder of one's own photos needs neither cutouts nor empty places."""
    alone = Data(photo=1, composite=0, mashup=0, empty=0, groups={})
    assert Scenes(read_manifest(toy_data, "train", ("photo",)), alone, (48, 48), 1, 20)[3][1].any()


def test_the_band_surrounds_the_edge():
    """Pixels near an edge are in it, pixels far from it and unknown ones are not."""
    alpha = np.zeros((40, 40), np.uint8)
    alpha[:, 20:] = 255
    valid = np.full_like(alpha, 255)
    valid[:5] = 0
    band = edge_band(alpha, valid)
    assert band[10, 17:23].all()
    assert not band[10, :16].any()
    assert not band[:5].any()


@pytest.mark.parametrize(
    "step", [augment.relight, augment.recolour, augment.soften, augment.add_noise, augment.compress, augment.degrade]
)
def test_picture_transforms_keep_shape_and_follow_the_generator(portrait, step):
    """The same generator gives the same picture."""
    one, two = (step(portrait, np.random.default_rng(5)) for _ in range(2))
    assert (one.shape, one.dtype) == (portrait.shape, np.uint8)
    assert np.array_equal(one, two)


@pytest.mark.parametrize("seed", range(8))
def test_pictures_and_masks_move_together(seed):
    """After flip, turn and crop the mask still covers what it covered."""
    picture = np.zeros((90, 120, 3), np.uint8)
    picture[30:70, 40:90] = 255
    mask = picture[..., 0].copy()
    rng = np.random.default_rng(seed)
    layers = augment.rotate(augment.flip([picture, mask], rng), rng)
    moved, covered = augment.crop(layers, rng, (64, 64), smallest=0.5)
    assert np.abs(moved[..., 0].astype(int) - covered).max() <= 1


def test_empty_places_of_a_folder_can_be_left_out(toy_data):
    """The odds of groups are those of empty places too."""
    samples = read_manifest(toy_data, "train")
    (group,) = {sample.group for sample in samples if sample.kind == "empty"}
    mixture = Data(photo=0, composite=0, mashup=0, empty=1, groups={group: 0.0})
    with pytest.raises(LabError, match="empty > 0"):
        Scenes(samples, mixture, (32, 32), 1, 4)


def test_whose_cut_outs_are_pasted_is_chosen_by_folder(toy_data):
    """Where every folder is left out nobody can be pasted; one that is not there is refused by name."""
    samples = read_manifest(toy_data, "train")
    folders = {sample.group for sample in samples if sample.kind != "empty"}
    for pasted, problem in (
        (dict.fromkeys(folders, 0.0), "composite > 0"),
        ({"people/nowhere": 1.0}, "people/nowhere"),
    ):
        mixture = Data(photo=0, composite=1, mashup=0, empty=1, groups={}, pasted=pasted)
        with pytest.raises(LabError, match=problem):
            Scenes(samples, mixture, (32, 32), 1, 4)


@pytest.mark.parametrize(("step", "most"), [("_hang", 0.2), ("_stand", 0.9)])
def test_a_picture_on_the_wall_or_a_thing_in_somebodys_shape_is_nobody(toy_data, step, most):
    """It covers a part of the place, and the place that is given stays."""
    scenes = Scenes(read_manifest(toy_data, "train"), EVEN, (64, 64), 1, 8)
    place = np.full((64, 64, 3), 90, np.uint8)
    changed = getattr(scenes, step)(place, np.random.default_rng(3))
    assert 0.01 < (changed != place).any(2).mean() < most
    assert (place == 90).all()


def test_a_thing_before_a_person_is_no_person(toy_data):
    """Where it is, alpha falls to 0 and the picture changes; elsewhere both stay."""
    scenes = Scenes(read_manifest(toy_data, "train"), EVEN, (64, 64), 1, 8)
    picture, alpha = np.full((64, 64, 3), 90, np.uint8), np.full((64, 64), 255, np.uint8)
    held, left = scenes._hold(picture, alpha, np.random.default_rng(3))
    hidden = left == 0
    assert 0.005 < hidden.mean() < 0.3
    assert (held[left == 255] == 90).all()


@pytest.fixture
def everyday(toy_data) -> list[Sample]:
    """A training split whose photos are of everyday scenes, in which everybody is marked."""
    samples = read_manifest(toy_data, "train")
    return [replace(s, group="people/scenes") if s.kind == "photo" else s for s in samples]


def test_a_place_is_cut_out_beside_people(everyday):
    """Nobody is in it, and nothing that is not to be scored."""
    mixture = Data(photo=0, composite=0, mashup=0, empty=1, beside=1, groups={})
    scenes = Scenes(everyday, mixture, (48, 48), 1, 20)
    found = [place for seed in range(30) if (place := scenes._beside(np.random.default_rng(seed)))]
    assert found
    assert not any(alpha.any() or (valid == 0).any() for _, alpha, valid in found)
    assert not any(scenes[index][1].any() for index in range(20))


def test_people_of_everyday_photos_are_lent(everyday):
    """Whoever is pasted is one of them, cut to the box around them, and stays a person."""
    mixture = Data(photo=0, composite=1, mashup=0, empty=0, lent=1, groups={})
    scenes = Scenes(everyday, mixture, (48, 48), 1, 20)
    assert any(scenes[index][1].any() for index in range(20))
    picture, matte, _ = scenes._complete[0].load()
    near, shape = paste.around(picture, matte)
    assert near.shape[:2] == shape.shape != matte.shape
    assert (shape >= 128).any(0).all()
    assert (shape >= 128).any(1).all()
    assert paste.around(picture, np.zeros_like(matte))[0] is picture


@pytest.mark.parametrize("key", ["beside", "lent"])
def test_without_everyday_photos_nothing_comes_out_of_them(toy_data, key):
    """The error names the key and the folders."""
    samples = [s for s in read_manifest(toy_data, "train") if s.kind != "photo"]
    mixture = Data(photo=0, composite=1, mashup=0, empty=1, groups={}, **{key: 0.5})
    with pytest.raises(LabError, match=f"{key} > 0 in .* needs photos in people/pets or people/scenes"):
        Scenes(samples, mixture, (48, 48), 1, 20)
