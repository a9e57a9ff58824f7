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
from incognito.lab.nets import ENCODERS, build, load_arrays
from incognito.segment import resize

for _encoder in ENCODERS:
    globals()[f"Test_{_encoder}"] = type(f"Test_{_encoder}", (NetContract,), {"encoder": _encoder})


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
    encoder = build("mobilenet_v2", DECODER).encoder
    load_arrays(encoder, arrays)
    pad_like_tensorflow(encoder)
    with torch.no_grad(), np.load(arrays) as source:
        wanted = plain_forward(arrays, x)
        numbers = sorted(int(name[1:]) for name in source.files if name.startswith("w"))[-2:]
        (head, head_bias), (last, last_bias) = (
            (torch.from_numpy(source[f"w{i}"]), torch.from_numpy(source[f"b{i}"])) for i in numbers
        )
        features = F.conv2d(encoder(x)[-1], head, head_bias).clamp(0, 6).mean((2, 3), keepdim=True)
        got = F.conv2d(features, last, last_bias).flatten()
    assert torch.allclose(got, wanted, atol=1e-3)
    assert got.topk(3).indices.tolist() == wanted.topk(3).indices.tolist()


def test_arrays_that_do_not_fit_are_refused(tmp_path):
    """A wrong shape and a missing file each say so."""
    encoder = build("mobilenet_v2", DECODER).encoder
    np.savez(tmp_path / "bad.npz", w1=np.zeros((8, 3, 3, 3), np.float32), b1=np.zeros(8, np.float32))
    with pytest.raises(LabError, match="1 arrays"):
        load_arrays(encoder, tmp_path / "bad.npz")
    many = {f"{kind}{i}": np.zeros(8, np.float32) for i in range(60) for kind in "wb"}
    np.savez(tmp_path / "many.npz", **many)
    with pytest.raises(LabError, match="does not fit"):
        load_arrays(encoder, tmp_path / "many.npz")
    with pytest.raises(LabError, match="--backbones"):
        load_arrays(encoder, tmp_path / "nowhere.npz")


def test_an_unknown_encoder_is_refused():
    """The error lists the table; a decoder of another length is refused too."""
    with pytest.raises(LabError, match="5 widths"):
        build("tiny", [16, 16])
    with pytest.raises(LabError, match="mobilenet_v2"):
        build("mobilenet_v9", DECODER)
