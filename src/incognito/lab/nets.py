"""The networks, a row each: an architecture and an encoder; the widths of the decoder are the recipe's.

Every network takes float32 (N, 3, h, w) scaled to [-1, 1], h and w multiples of 32, and gives logits (N, 1, h, w).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from incognito.errors import LabError
from incognito.lab import light
from incognito.lab.recipe import STRIDE

ROWS = {  # architecture: encoders
    "light": tuple(light.ENCODERS),
    "unet": (
        "resnet18", "resnet34", "mobilenet_v2",
        "efficientnet-b0", "efficientnet-b1", "efficientnet-b2", "efficientnet-b3",
    ),
}  # fmt: skip
DEPTHS = {"light": (4, 5), "unet": (5,)}  # how many widths a decoder has


def build(architecture: str, encoder: str, decoder: list[int], weights: str = "") -> Any:
    """Build a network from a row and the decoder's widths at strides 32, 16, 8, 4 and 2 ("unet": 16, 8, 4, 2, 1).

    A "light" decoder may end at stride 4, with four widths.

    `weights` may be "imagenet": then the stock encoders' weights come from the hub, which must be reached. The network
    has an `encoder`, and `stages()` for `freeze`.
    """
    if architecture not in ROWS:
        raise LabError(f"there is no architecture {architecture!r}; choose one of {', '.join(ROWS)}")
    if encoder not in ROWS[architecture]:
        raise LabError(f"{architecture!r} has no encoder {encoder!r}; choose one of {', '.join(ROWS[architecture])}")
    if len(decoder) not in DEPTHS[architecture]:
        allowed = " or ".join(map(str, DEPTHS[architecture]))
        raise LabError(f"a decoder has {allowed} widths, from the deepest to the finest, not {len(decoder)}")
    net = _stock(encoder, decoder, weights) if architecture == "unet" else light.build(encoder, decoder)
    net.register_forward_pre_hook(_check_input)
    return net


def freeze(net: Any, stages: int) -> list[nn.Module]:
    """Hold the stem and the first stages as they are; their backward pass, the dearest, is saved. Gives these parts.

    Their batch norms must be put to rest, by eval(), after each train() of the network.
    """
    held = [part for stage in net.stages()[: stages + 1] for part in stage] if stages else []
    for parameter in (p for part in held for p in part.parameters()):
        parameter.requires_grad_(False)
    return held


def check_size(height: int, width: int) -> None:
    """Refuse a size that the strides do not divide, and name the next one that they do."""
    if height % STRIDE or width % STRIDE:
        legal = f"{-(-height // STRIDE) * STRIDE}x{-(-width // STRIDE) * STRIDE}"
        raise LabError(f"{height}x{width} is no multiple of {STRIDE} on both sides; the next legal size is {legal}")


def _stock(encoder: str, decoder: list[int], weights: str) -> nn.Module:
    from incognito.lab.unet import StockUNet  # segmentation_models_pytorch takes seconds to import

    return StockUNet(encoder, decoder, weights)


def _check_input(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    if not torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]
        check_size(*inputs[0].shape[2:])
