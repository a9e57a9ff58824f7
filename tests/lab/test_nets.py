"""The networks: the contract over the table, and the ImageNet arrays."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from contract_nets import DECODER, NetContract

from incognito.errors import LabError
from incognito.frame import resize
from incognito.lab.light import conv
from incognito.lab.nets import ROWS, build
from incognito.lab.unet import IMAGENET
from incognito.lab.weights import load_encoder

for _architecture, _encoders in ROWS.items():
    for _encoder in _encoders:
        _name = f"Test_{_architecture}_{_encoder}".replace("-", "_")
        globals()[_name] = type(_name, (NetContract,), {"architecture": _architecture, "encoder": _encoder})


@pytest.fixture(scope="module")
def arrays() -> Path:
    path = Path(os.environ.get("INCOGNITO_BACKBONES", "../shared/backbones")) / "mobilenet_v2_1.0.npz"
    if not path.is_file():
        pytest.skip("skipped: no data")
    return path


def plain_forward(arrays: Path, x: torch.Tensor) -> torch.Tensor:
    """The source's own network, from its records: SAME padding, ReLU6, and a residual where the shape allows."""
    with np.load(arrays) as source:
        records = json.loads(str(source["meta"]))
        numbers = sorted(int(name[1:]) for name in source.files if name.startswith("w"))
        block = x
        for record, number in zip(records, numbers, strict=True):
            weight, bias = (torch.from_numpy(source[f"{kind}{number}"]) for kind in "wb")
            if number == numbers[-1]:
                x = x.mean((2, 3), keepdim=True)
            deep = record["kind"].startswith("DEPTHWISE")
            if weight.shape[-1] == 3:
                x = F.pad(x, (0, 1, 0, 1) if record["stride"] == 2 else (1, 1, 1, 1))
            x = F.conv2d(x, weight, bias, record["stride"], groups=len(weight) if deep else 1)
            if record["act"]:
                x = x.clamp(0, 6)
            elif number != numbers[-1]:  # the end of a block
                x = x + block if x.shape == block.shape else x
                block = x
    return x.flatten()


def pad_like_tensorflow(encoder: torch.nn.Module) -> None:
    """Pad right and bottom only at stride 2; trained networks pad evenly, and absorb the half pixel."""
    for layer in encoder.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.stride == (2, 2):
            layer.padding = (0, 0)
            layer.register_forward_pre_hook(lambda _, inputs: (F.pad(inputs[0], (0, 1, 0, 1)),))


def test_the_arrays_networks_verdict_on_the_portrait_is_kept(arrays, portrait):
    """The converted encoder, under the source's padding and classifier, has the source's top three."""
    x = torch.from_numpy(resize(portrait, (224, 224)).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    net = build("light", "mobilenet_v2", DECODER)
    load_encoder(net, arrays)
    pad_like_tensorflow(net.encoder)
    with torch.no_grad(), np.load(arrays) as source:
        wanted = plain_forward(arrays, x)
        numbers = sorted(int(name[1:]) for name in source.files if name.startswith("w"))[-2:]
        (head, head_bias), (last, last_bias) = (
            (torch.from_numpy(source[f"w{i}"]), torch.from_numpy(source[f"b{i}"])) for i in numbers
        )
        features = F.conv2d(net.encoder(x)[-1], head, head_bias).clamp(0, 6).mean((2, 3), keepdim=True)
        got = F.conv2d(features, last, last_bias).flatten()
    assert torch.allclose(got, wanted, atol=1e-3)
    assert got.topk(3).indices.tolist() == wanted.topk(3).indices.tolist()


def test_the_stock_encoder_has_the_arrays_verdict_too(arrays, portrait):
    """With batch norms that pass through: segmentation_models_pytorch's MobileNetV2 has the source's top three."""
    x = torch.from_numpy(resize(portrait, (224, 224)).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    net = build("unet", "mobilenet_v2", DECODER).eval()
    load_encoder(net, arrays)
    pad_like_tensorflow(net.encoder)
    with torch.no_grad(), np.load(arrays) as source:
        wanted = plain_forward(arrays, x)
        last = max(int(name[1:]) for name in source.files if name.startswith("w"))
        features = net.encoder(x)[-1].mean((2, 3), keepdim=True)
        got = F.conv2d(features, *(torch.from_numpy(source[f"{kind}{last}"]) for kind in "wb")).flatten()
    assert got.topk(3).indices.tolist() == wanted.topk(3).indices.tolist()


class TestShallowDecoder(NetContract):
    """A decoder that ends at a quarter of the size keeps the contract too."""

    architecture, encoder, decoder = "light", "tiny", DECODER[:4]

    def test_each_pixel_is_unfolded_into_sixteen(self):
        """The head gives a block of four by four logits."""
        assert self.net().head.out_channels == 16


def test_what_is_not_in_the_table_is_refused():
    """The error lists the table; a decoder of another length is refused too."""
    with pytest.raises(LabError, match="4 or 5 widths"):
        build("light", "tiny", [16, 16])
    with pytest.raises(LabError, match="has 5 widths"):
        build("unet", "resnet18", DECODER[:4])
    with pytest.raises(LabError, match="mobilenet_v2"):
        build("light", "mobilenet_v9", DECODER)
    with pytest.raises(LabError, match="light, unet"):
        build("heavy", "tiny", DECODER)


def test_a_hub_out_of_reach_is_an_error_with_the_remedy(monkeypatch):
    """Not a traceback of the hub's client."""
    import segmentation_models_pytorch as smp

    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(smp, "Unet", refuse)
    with pytest.raises(LabError, match="train with network, name a file"):
        build("unet", "resnet18", DECODER, "imagenet")


def test_the_hubs_weights_get_the_pictures_that_they_expect(monkeypatch):
    """[-1, 1] becomes ImageNet's normalised values, inside the network."""
    import segmentation_models_pytorch as smp

    honest = smp.Unet
    monkeypatch.setattr(smp, "Unet", lambda encoder, **rest: honest(encoder, **rest | {"encoder_weights": None}))
    net = build("unet", "resnet18", DECODER, "imagenet")
    white = torch.ones(1, 3, 1, 1) * net.gain + net.offset
    assert white.flatten().tolist() == pytest.approx([(1 - m) / d for m, d in zip(*IMAGENET, strict=True)], rel=1e-5)


def test_a_filter_that_strides_learns_in_float32():
    """Under autocast it gives half-width answers, as its neighbours do, and the gradient that it has without."""
    torch.manual_seed(0)
    filter_, picture = conv(16, 16, 3, stride=2, groups=16, act=False, norm=False), torch.randn(2, 16, 12, 10)
    found = []
    for halved in (False, True):
        x = picture.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=halved):
            y = filter_(x.bfloat16() if halved else x)
        y.float().square().sum().backward()
        found.append((y, x.grad))
    assert [y.dtype for y, _ in found] == [torch.float32, torch.bfloat16]
    assert [tuple(y.shape) for y, _ in found] == [(2, 16, 6, 5)] * 2
    for whole, half in zip(*found, strict=True):
        assert torch.allclose(whole, half.float(), atol=0.05, rtol=0.02)
