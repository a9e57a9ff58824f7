"""Where networks begin: folded arrays and models, states by name, shallower relatives."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from incognito.errors import LabError
from incognito.lab import export, light, tidy, weights
from incognito.lab.compact import compact
from incognito.lab.nets import build

DECODER = [32, 32, 32, 16, 16]


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def net(architecture: str, encoder: str, seed: int = 0):
    torch.manual_seed(seed)
    made = build(architecture, encoder, DECODER)
    for module in made.modules():  # as after training: no batch norm is the identity
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.5, 0.5)
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
    return made.eval()


@pytest.mark.parametrize("row", [("unet", "resnet18"), ("unet", "efficientnet-b0"), ("light", "tiny")], ids="-".join)
def test_a_network_begins_from_a_models_convolutions(tmp_path, x, row):
    """Exported, folded and read back into another network of its kind, it gives what it gave."""
    source, target = net(*row), net(*row, seed=1)
    path = tmp_path / "source.onnx"
    path.write_bytes(export.to_onnx(export.Deployed(source).eval(), 64, 64))
    weights.fill(target, weights.read_folded(path), path)
    with torch.no_grad():
        assert torch.allclose(target(x), source(x), atol=2e-3)


SLIM, CONTEXT = "mobilenet_v2_slim", "mobilenet_v2_slim_context"


@pytest.mark.parametrize("source", [SLIM, CONTEXT])
def test_a_context_begins_as_the_identity_or_from_one(tmp_path, x, source):
    """A network that has one begins with what a model without it gives, and with all of a model that has one."""
    given, target = net("light", source), net("light", CONTEXT, seed=1)
    for context in (module for module in given.modules() if isinstance(module, light.Context)):
        torch.nn.init.normal_(context.body[-1].weight, std=0.1)
    path = tmp_path / "source.onnx"
    path.write_bytes(export.to_onnx(export.Deployed(given).eval(), 64, 64))
    weights.fill(target, weights.read_folded(path), path)
    with torch.no_grad():
        assert torch.allclose(target(x), given(x), atol=2e-3)
    if source == CONTEXT:
        assert any(module.body[-1].weight.any() for module in target.modules() if isinstance(module, light.Context))


def test_a_context_that_the_network_has_not_is_left_out(tmp_path, x):
    """What is not in it is filled from around the source's context; a silent one was the identity."""
    given, target = net("light", CONTEXT), net("light", SLIM, seed=1)
    (context,) = (module for module in given.modules() if isinstance(module, light.Context))
    context.silence()
    path = tmp_path / "source.onnx"
    path.write_bytes(export.to_onnx(export.Deployed(given).eval(), 64, 64))
    weights.fill(target, weights.read_folded(path), path)
    with torch.no_grad():
        assert torch.allclose(target(x), given(x), atol=2e-3)


def test_a_context_is_silent_beside_a_checkpoints_weights_too(x):
    """A network that has one begins with what a checkpoint without it gives."""
    given, target = net("light", SLIM), net("light", CONTEXT, seed=1)
    weights.grow(target, given.state_dict(), Path("slim.pt"))
    with torch.no_grad():
        assert torch.equal(target(x), given(x))


def test_a_tidied_models_scaling_is_taken_out_of_its_weights(tmp_path, x):
    """There the first convolution takes 0 to 255; a network under training takes -1 to 1."""
    source, target = net("light", "tiny"), net("light", "tiny", seed=1)
    path = tmp_path / "tidied.onnx"
    model = onnx.load_from_string(export.to_onnx(export.Deployed(source).eval(), 64, 64))
    onnx.save(tidy.tidy(model), path)
    weights.fill(target, weights.read_folded(path), path)
    with torch.no_grad():
        assert torch.allclose(target(x), source(x), atol=2e-3)


def test_smaller_weights_are_read_back_too(tmp_path):
    """An int8 file's convolutions are near those it was made of, in their order."""
    network = export.to_onnx(export.Deployed(net("unet", "resnet18")).eval(), 64, 64)
    paths = [tmp_path / "float.onnx", tmp_path / "int8.onnx"]
    paths[0].write_bytes(network)
    paths[1].write_bytes(compact(network, "int8"))
    whole, small = (weights.read_folded(path) for path in paths)
    for (one, _), (two, _) in zip(whole, small, strict=True):
        assert np.abs(one - two).max() <= np.abs(one).max() / 127


def test_calibration_changes_statistics_and_not_the_answer(x):
    """Batch norms that passed through have the batch's statistics, and give what they gave."""
    source = net("unet", "mobilenet_v2")
    norms = [module for module in source.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
    with torch.no_grad():
        before = source(x)
        weights.calibrate(source, norms, x)
        after, training = source(x), source.train()(x)
    assert torch.allclose(before, after, atol=1e-3)
    assert torch.allclose(before, training, atol=1e-3)
    assert not torch.allclose(source.encoder.features[0][1].running_var, torch.ones(32))


@pytest.mark.parametrize(
    ("small", "large", "share"), [("resnet18", "resnet34", 1e-5), ("efficientnet-b0", "efficientnet-b1", 0.25)]
)
def test_a_deeper_network_begins_with_what_a_shallower_one_gives(x, small, large, share):
    """Blocks that the shallower one has not begin as the identity.

    Nearly so for EfficientNets: B1 takes one skip from a later block, and pads for another picture size.
    """
    source, target = net("unet", small), net("unet", large, seed=1)
    weights.grow(target, source.state_dict(), Path(small))
    with torch.no_grad():
        given, wanted = target(x), source(x)
    assert (given - wanted).std() < share * wanted.std()


def test_a_network_of_another_family_is_refused():
    """Too little of it fits."""
    with pytest.raises(LabError, match="another network's"):
        weights.grow(net("unet", "resnet18"), net("unet", "efficientnet-b0").state_dict(), Path("b0.pt"))


def test_only_what_was_filled_waits_for_calibration(tmp_path):
    """An encoder's norms pass through; those of the fresh decoder stay as they begin."""
    source, target = net("unet", "mobilenet_v2"), build("unet", "mobilenet_v2", DECODER)
    path = tmp_path / "source.onnx"
    path.write_bytes(export.to_onnx(export.Deployed(source).eval(), 64, 64))
    norms = weights.load_encoder(target, path)
    encoder = [module for module in target.encoder.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert {id(norm) for norm in norms} == {id(norm) for norm in encoder}


@pytest.mark.parametrize("suffix", [".npz", ".onnx", ".pth"])
def test_a_file_that_is_broken_is_one_line(tmp_path, suffix):
    """Whatever its reader says."""
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(b"no weights")
    with pytest.raises(LabError, match="holds no weights that can be read"):
        weights.load_encoder(build("light", "mobilenet_v2", DECODER), path)


def test_gates_that_the_source_has_not_begin_open():
    """EfficientNet's Lite kin have none."""
    source = {k: v for k, v in net("unet", "efficientnet-b0").encoder.state_dict().items() if "_se_" not in k}
    target = net("unet", "efficientnet-b0", seed=1)
    weights.grow(target.encoder, source, Path("lite0.pth"))
    gate = target.encoder._blocks[3]._se_expand
    assert not gate.weight.any()
    assert torch.sigmoid(gate.bias).min() > 0.9


def test_arrays_that_do_not_fit_are_refused(tmp_path):
    """Too few, of a wrong shape, and none at all: each says so."""
    made = build("light", "mobilenet_v2", DECODER)
    np.savez(tmp_path / "few.npz", w1=np.zeros((32, 3, 3, 3), np.float32), b1=np.zeros(32, np.float32))
    with pytest.raises(LabError, match="fits 1 of"):
        weights.load_encoder(made, tmp_path / "few.npz")
    np.savez(tmp_path / "many.npz", **{f"{kind}{i}": np.zeros(8, np.float32) for i in range(60) for kind in "wb"})
    with pytest.raises(LabError, match="fits 0 of"):
        weights.load_encoder(made, tmp_path / "many.npz")
    with pytest.raises(LabError, match="--backbones"):
        weights.locate("nowhere.npz", tmp_path)
    assert weights.locate("fast", tmp_path).name == "fast.onnx"
