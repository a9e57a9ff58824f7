"""The stock U-Net: segmentation_models_pytorch's, over the encoders that the first system was built with."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn

from incognito.errors import LabError
from incognito.lab.weights import HUB

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation that the hub's weights expect


class StockUNet(nn.Module):
    """A segmentation_models_pytorch U-Net that takes pictures in [-1, 1], as every network here does."""

    gain: Tensor
    offset: Tensor

    def __init__(self, encoder: str, decoder: list[int], weights: str = "") -> None:
        """Build over a named encoder; `weights` may be "imagenet", which the hub must be reached for."""
        super().__init__()
        self.unet = _from_hub(encoder, decoder) if weights == HUB else _blank(encoder, decoder)
        mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in IMAGENET)
        own = weights == HUB  # else the encoder learns, or learnt, on [-1, 1] itself
        self.register_buffer("gain", 0.5 / deviation if own else torch.ones(1, 3, 1, 1))
        self.register_buffer("offset", (0.5 - mean) / deviation if own else torch.zeros(1, 3, 1, 1))
        _tidy(self.encoder)

    @property
    def encoder(self) -> Any:
        """The part that is pretrained, and that `encoder_rate` is for."""
        return self.unet.encoder

    def stages(self) -> list[list[nn.Module]]:
        """The encoder's parts from the picture on: the stem's, then those of each stride."""
        encoder = self.encoder
        if hasattr(encoder, "layer1"):
            return [[encoder.conv1, encoder.bn1], *([getattr(encoder, f"layer{i}")] for i in (1, 2, 3, 4))]
        stem = [encoder._conv_stem, encoder._bn0] if hasattr(encoder, "_blocks") else []
        blocks = list(encoder._blocks if hasattr(encoder, "_blocks") else encoder.features)
        ends = [0, *(index + 1 for index in encoder._out_indexes[:4]), len(blocks)]
        return [stem, *(blocks[start:end] for start, end in pairwise(ends) if end > start)]

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, h, w) in [-1, 1] -> logits (N, 1, h, w)."""
        return self.unet(x * self.gain + self.offset)


def _blank(encoder: str, decoder: list[int]) -> Any:
    return smp.Unet(encoder, encoder_weights=None, decoder_channels=decoder)


def _from_hub(encoder: str, decoder: list[int]) -> Any:
    try:
        return smp.Unet(encoder, encoder_weights=HUB, decoder_channels=decoder)
    except Exception as error:
        raise LabError(
            f"the hub's weights of {encoder} could not be had ({type(error).__name__}); "
            f'train with network, name a file in the recipe, or begin from scratch with weights = ""'
        ) from None


def _tidy(encoder: Any) -> None:
    """Take out what a classifier needs and a U-Net does not, and the random skipping of blocks.

    EfficientNet carries a last convolution whose output nobody reads. It skips blocks at random in training, which
    slows a short training down, and would make a resumed one differ.
    """
    for name in ("_conv_head", "_bn1"):
        if hasattr(encoder, name):
            delattr(encoder, name)
    if hasattr(encoder, "_drop_connect_rate"):
        encoder._drop_connect_rate = 0.0
