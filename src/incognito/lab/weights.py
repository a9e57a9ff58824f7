"""Where a network begins: plain arrays, an ONNX model's convolutions, a state by name, or a shallower network.

Arrays and ONNX models have their batch norms folded into the convolutions. They are read in the order of execution, and
each convolution's batch norm is made to pass through what it gets, plus the bias.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from incognito import zoo
from incognito.errors import LabError
from incognito.lab.compact import restored
from incognito.lab.light import Context
from incognito.lab.tidy import SHIFT

HUB = "imagenet"  # in a recipe: the hub's weights
Folded = list[tuple[np.ndarray, np.ndarray | None]]  # weight OIHW and bias of each convolution, in order of execution
State = dict[str, Tensor]
WIDE = 7  # pixels that a context's filter is wide, and no other layer's by depth
Layer = tuple[nn.Conv2d, nn.BatchNorm2d | None]  # a convolution and the batch norm behind it


def locate(name: str, backbones: Path) -> Path:
    """Where a recipe's weights lie: a shipped model's name, a file from here on, or one in the backbones' folder."""
    shipped = {card.name: card.path for card in zoo.models()}
    for path in (shipped.get(name, Path(name)), backbones / name):
        if path.is_file():
            return path
    raise LabError(f"{backbones / name} does not exist; name the folder of the encoders' weights with --backbones")


def load_encoder(net: Any, path: Path) -> list[nn.BatchNorm2d]:
    """Fill a network's encoder from a file: .npz (w<i>, b<i>), .onnx, or a PyTorch state by name (.pth, .pt).

    Gives the batch norms that now pass through and wait for calibration.
    """
    if is_folded(path):
        return fill(net.encoder, read_folded(path), path)
    with _one_line(path):
        state = torch.load(path, map_location="cpu", weights_only=True)
    grow(net.encoder, state, path)
    return []


def is_folded(path: Path) -> bool:
    """Whether a file's batch norms are folded into its convolutions, which then come in order of execution."""
    return path.suffix in (".npz", ".onnx")


def read_folded(path: Path) -> Folded:
    """Read the convolutions of an .npz of w<i> and b<i>, or of an .onnx, in order of execution."""
    with _one_line(path):
        return _read_onnx(path) if path.suffix == ".onnx" else _read_arrays(path)


def read_scaling(path: Path) -> dict[str, np.ndarray]:
    """The gain and the offset of an .onnx that was exported from a stock U-Net; nothing of other models."""
    arrays = restored(onnx.load(path))
    names = {name: f"net.{name}" for name in ("gain", "offset")}
    return {name: arrays[stored] for name, stored in names.items() if stored in arrays}


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Say in one line what no reader could make sense of."""
    try:
        yield
    except Exception as error:
        raise LabError(f"{path} holds no weights that can be read ({type(error).__name__}); see --help") from error


def _read_arrays(path: Path) -> Folded:
    with np.load(path) as arrays:
        numbers = sorted(int(name[1:]) for name in arrays.files if name.startswith("w"))
        return [(arrays[f"w{number}"], arrays[f"b{number}"]) for number in numbers]


def _read_onnx(path: Path) -> Folded:
    model = onnx.load(path)
    arrays = restored(model)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    folded = [(arrays[n.input[1]], arrays[n.input[2]] if len(n.input) > 2 else None) for n in convolutions]
    if SHIFT in arrays:  # the scaling of the picture is in the first convolution's weights
        (weight, bias), *rest = folded
        folded = [(weight * -arrays[SHIFT].astype(weight.dtype), bias), *rest]
    return folded


@torch.no_grad()
def fill(part: nn.Module, folded: Folded, path: Path) -> list[nn.BatchNorm2d]:
    """Fill a network, or its encoder, with convolutions in order of execution; gives the norms that now pass through.

    Those beyond the part's last, such as a classifier's or a decoder's, are left out; nine in ten of the part's must
    fit, and after the first that does not (a last layer that the source has not), the rest keep their beginning. A
    context that the source has not begins as the identity, and one that the part has not is left out.
    """
    layers, folded = _of_source(executed(part), part, folded)
    fitting, norms = 0, []
    for (layer, norm), pair in zip_longest(layers, folded[: len(layers)], fillvalue=None):  # type: ignore[misc]
        if pair is None or pair[0].shape != tuple(layer.weight.shape):
            break
        _fill_one(layer, norm, *pair)
        fitting += 1
        norms += [norm] if norm else []
    if fitting < 0.9 * len(layers):
        raise LabError(f"{path} fits {fitting} of the encoder's {len(layers)} convolutions; it is another network's")
    return norms


def _of_source(layers: list[Layer], part: nn.Module, folded: Folded) -> tuple[list[Layer], Folded]:
    """The layers and convolutions without those of contexts that only one of the two has; the part's are silenced."""
    contexts = [module for module in part.modules() if isinstance(module, Context)]
    inside = {layer for context in contexts for layer in context.modules()}
    wide = {tuple(layer.weight.shape) for layer, _ in layers if layer in inside and layer.groups > 1}
    found = [place for place, (weight, _) in enumerate(folded) if weight.shape[1:] == (1, WIDE, WIDE)]
    if wide <= {weight.shape for weight, _ in folded}:
        around = {place + step for place in found for step in (-1, 0, 1)} if not wide else set()
        return layers, [pair for place, pair in enumerate(folded) if place not in around]
    for context in contexts:
        context.silence()
    return [pair for pair in layers if pair[0] not in inside], folded


@torch.no_grad()
def fold(part: nn.Module) -> Folded:
    """A network's convolutions in order of execution, with the batch norms behind them folded in; what `fill` takes."""
    folded: Folded = []
    for layer, norm in executed(part):
        weight = layer.weight
        bias = torch.zeros(len(weight)) if layer.bias is None else layer.bias
        if norm is not None:
            assert norm.running_mean is not None and norm.running_var is not None
            gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            weight = weight * gain.reshape(-1, 1, 1, 1)
            bias = norm.bias + (bias - norm.running_mean) * gain
        folded.append((weight.numpy().copy(), bias.numpy().copy()))
    return folded


def _fill_one(layer: nn.Conv2d, norm: nn.BatchNorm2d | None, weight: np.ndarray, bias: np.ndarray | None) -> None:
    layer.weight.copy_(torch.tensor(weight))
    shift = torch.zeros(len(weight)) if bias is None else torch.tensor(bias)
    if layer.bias is not None:
        layer.bias.copy_(shift)
    elif norm is not None:
        norm.reset_running_stats()
        norm.weight.fill_((1 + norm.eps) ** 0.5)
        norm.bias.copy_(shift)


def executed(part: nn.Module) -> list[Layer]:
    """A part's convolutions in the order in which a picture passes them, each with the batch norm behind it."""
    calls: list[nn.Module] = []
    kinds = (nn.Conv2d, nn.BatchNorm2d)
    hooks = [
        m.register_forward_hook(lambda module, *_: calls.append(module)) for m in part.modules() if isinstance(m, kinds)
    ]
    was_training = part.training
    with torch.no_grad():
        part.eval()(torch.zeros(1, 3, 64, 64))
    part.train(was_training)
    for hook in hooks:
        hook.remove()
    pairs = []
    for call, after in zip_longest(calls, calls[1:]):
        if isinstance(call, nn.Conv2d):
            pairs.append((call, after if isinstance(after, nn.BatchNorm2d) else None))
    return pairs


@torch.no_grad()
def calibrate(net: nn.Module, norms: list[nn.BatchNorm2d], picture: Tensor) -> None:
    """Give norms that pass through the statistics of a batch (N, 3, h, w), without a change of what they give.

    Filled from folded arrays, a batch norm has mean 0 and variance 1; in training it would divide the features by their
    own spread at the first step. With their spread for its scale, and their mean in its bias, it gives them back.
    """

    def settle(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        shift = norm.bias - norm.running_mean * scale
        variance, mean = torch.var_mean(inputs[0].float(), (0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.bias.copy_(shift + mean * scale)

    hooks = [norm.register_forward_pre_hook(settle) for norm in norms]
    net.eval()(picture)
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def grow(part: nn.Module, source: State, path: Path) -> None:
    """Fill a part from a network of its family that may be shallower; blocks that it has not begin as the identity.

    After Net2Net (Chen et al. 2016): a residual block whose last batch norm scales by 0 adds nothing, so the deeper
    network begins with what the shallower one gives. EfficientNet's gates that the source has not (its Lite kin have
    none) begin open.
    """
    state = part.state_dict()
    places = dict(zip(_places(source), source, strict=True))
    found = {}
    for place, name in zip(_places(state), state, strict=True):
        if place in places and source[places[place]].shape == state[name].shape:
            found[name] = source[places[place]]
    if len(found) < 0.5 * len(state):
        raise LabError(f"{path} fits {len(found)} of {len(state)} tensors; it is another network's")
    part.load_state_dict(found, strict=False)
    for name, module in part.named_modules():
        fresh = not any(key.startswith(f"{name}.") for key in found)
        if fresh and re.search(r"(layer\d\.\d+\.bn2|_blocks\.\d+\._bn2)$", name):
            module.weight.zero_()
            module.bias.zero_()
        if fresh and isinstance(module, Context):
            module.silence()
        if fresh and name.endswith("_se_expand"):
            module.weight.zero_()
            module.bias.fill_(3.0)  # a sigmoid of 0.95


def _places(state: State) -> list[str]:
    """The names of a state's tensors with EfficientNet's blocks counted within their stages, as ResNet's are."""
    widths = {name.split("_blocks.")[1].split(".")[0]: len(state[name]) for name in state if "_project_conv.w" in name}
    stage, repeat, last, renamed = 0, 0, None, {}
    for number, width in widths.items():
        stage, repeat = (stage, repeat + 1) if width == last else (stage + 1, 0)
        renamed[number], last = f"_blocks.{stage}-{repeat}.", width
    return [re.sub(r"_blocks\.(\d+)\.", lambda match: renamed[match[1]], name) for name in state]
