"""The light U-Net: this project's own, a MobileNet under a thin decoder that ends at a half or quarter of the size."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Stages = tuple[tuple[tuple[int, int, int, int], ...], ...]  # for each stride: (expansion, width, repeats, stride)


class Conv(nn.Conv2d):
    """A convolution that is computed in float32 where it strides by depth, under autocast too.

    On a CPU the gradient of its input takes 6 to 100 times as long in bfloat16 (PyTorch 2.14, oneDNN), which was two
    fifths of a training step.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) -> (N, outputs, h / stride, w / stride)."""
        if self.groups == 1 or self.stride == (1, 1) or not torch.is_autocast_enabled(x.device.type):
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float()).to(x.dtype)


def conv(
    inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: bool = True, norm: bool = True
) -> nn.Sequential:
    """A convolution, its batch norm or bias and, unless it is linear, ReLU6."""
    layers: list[nn.Module] = [
        Conv(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=not norm),
        *([nn.BatchNorm2d(outputs)] if norm else []),
        *([nn.ReLU6(inplace=True)] if act else []),
    ]
    return nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    """Expand, filter by depth, project; the input is added where the shape allows (Sandler et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, norm: bool) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = [conv(inputs, hidden, norm=norm)] if expansion > 1 else []
        depthwise = conv(hidden, hidden, 3, stride, groups=hidden, norm=norm)
        self.body = nn.Sequential(*expand, depthwise, conv(hidden, outputs, act=False, norm=norm))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) -> (N, outputs, h / stride, w / stride)."""
        return x + self.body(x) if self.adds else self.body(x)


class Context(nn.Module):
    """What is far away in the picture, added: thin, filter widely by depth, mix."""

    def __init__(self, width: int, inner: int = 64, reach: int = 3) -> None:
        """`reach` is how many cells the filter looks to either side, `inner` how many channels it filters."""
        super().__init__()
        filters = conv(inner, inner, 2 * reach + 1, groups=inner, norm=False)
        self.body = nn.Sequential(conv(width, inner, norm=False), filters, nn.Conv2d(inner, width, 1))

    @torch.no_grad()
    def silence(self) -> None:
        """Become the identity: in a network that is filled from one without a context, nothing changes at first."""
        for parameter in self.body[-1].parameters():
            parameter.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, h, w) -> (N, width, h, w)."""
        return x + self.body(x)


class Separable(nn.Sequential):
    """Filter by depth, then mix: MobileNet's first block (Howard et al. 2017)."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: bool) -> None:
        super().__init__(conv(inputs, inputs, 3, stride, groups=inputs, norm=norm), conv(inputs, outputs, norm=norm))


class Encoder(nn.Module):
    """A stem and five stages that give features at strides 2, 4, 8, 16 and 32."""

    def __init__(self, stem: int, stages: Stages, norm: bool) -> None:
        """Build from the stem's width and, for each stride, rows of (expansion, width, repeats, stride).

        An expansion of 0 stands for a separable convolution without one.
        """
        super().__init__()
        self.stem = conv(3, stem, 3, stride=2, norm=norm)
        self.stages = nn.ModuleList()
        self.widths: list[int] = []
        inputs = stem
        for rows in stages:
            blocks: list[nn.Module] = []
            for expansion, width, repeats, stride in rows:
                for repeat in range(repeats):
                    blocks.append(_block(inputs, width, stride if repeat == 0 else 1, expansion, norm))
                    inputs = width
            self.stages.append(nn.Sequential(*blocks))
            self.widths.append(inputs)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, h, w) -> features of h/2, h/4, h/8, h/16 and h/32."""
        features = []
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def _block(inputs: int, outputs: int, stride: int, expansion: int, norm: bool) -> nn.Module:
    if expansion:
        return InvertedResidual(inputs, outputs, stride, expansion, norm)
    return Separable(inputs, outputs, stride, norm)


def mobilenet_v1_half() -> Encoder:
    """MobileNetV1 0.5 without its classifier: 0.8 M parameters, biases in place of batch norms as in its arrays.

    Nothing but 1x1 convolutions and narrow filters: ONNX Runtime runs it at 105 of a core's 110 GFLOP/s here, while
    MobileNetV2's wide, thin layers wait for memory.
    """
    return Encoder(
        16,
        (((0, 32, 1, 1),), ((0, 64, 2, 2),), ((0, 128, 2, 2),), ((0, 256, 6, 2),), ((0, 512, 2, 2),)),
        norm=False,
    )


def mobilenet_v1_half_short() -> Encoder:
    """MobileNetV1 0.5 with four of its six blocks at stride 16, and one of its two at stride 32."""
    return Encoder(
        16,
        (((0, 32, 1, 1),), ((0, 64, 2, 2),), ((0, 128, 2, 2),), ((0, 256, 4, 2),), ((0, 512, 1, 2),)),
        norm=False,
    )


def mobilenet_v2() -> Encoder:
    """MobileNetV2 1.0 without its classifier: 1.8 M parameters.

    It has biases in place of batch norms, as its ImageNet arrays do: they are folded in there, and fresh ones would
    divide the pretrained features by their own spread at the first step, and cost a fifth of the training time.
    """
    return Encoder(
        32,
        (
            ((1, 16, 1, 1),),
            ((6, 24, 2, 2),),
            ((6, 32, 3, 2),),
            ((6, 64, 4, 2), (6, 96, 3, 1)),
            ((6, 160, 3, 2), (6, 320, 1, 1)),
        ),
        norm=False,
    )


def mobilenet_v2_lean() -> Encoder:
    """MobileNetV2 1.0 with fewer repeats at strides 8 and 16 and without its widest block: 1.0 M parameters.

    What is left out are residual blocks, whose input goes on without them, and the last one.
    """
    return Encoder(
        32,
        (
            ((1, 16, 1, 1),),
            ((6, 24, 2, 2),),
            ((6, 32, 2, 2),),
            ((6, 64, 3, 2), (6, 96, 2, 1)),
            ((6, 160, 3, 2),),
        ),
        norm=False,
    )


def mobilenet_v2_slim() -> Encoder:
    """The lean MobileNetV2 with half its channels at stride 2, where they cost most and know least of people.

    Its first block adds no input, as in the lean one, where the widths differ.
    """
    encoder = Encoder(
        16,
        (
            ((1, 16, 1, 1),),
            ((3, 24, 1, 2), (6, 24, 1, 1)),
            ((6, 32, 2, 2),),
            ((6, 64, 3, 2), (6, 96, 2, 1)),
            ((6, 160, 3, 2),),
        ),
        norm=False,
    )
    return _starting_plain(encoder)


def mobilenet_v2_thin() -> Encoder:
    """The slim MobileNetV2 with a third fewer channels inside its blocks down to stride 4, and one block less at 32."""
    encoder = Encoder(
        16,
        (
            ((1, 16, 1, 1),),
            ((2, 24, 1, 2), (4, 24, 1, 1)),
            ((4, 32, 1, 2), (6, 32, 1, 1)),
            ((6, 64, 3, 2), (6, 96, 2, 1)),
            ((6, 160, 2, 2),),
        ),
        norm=False,
    )
    return _starting_plain(encoder)


def mobilenet_v2_slim_context() -> Encoder:
    """The slim MobileNetV2 with a context behind its last block: at stride 32, where cells see most of a picture."""
    encoder = mobilenet_v2_slim()
    encoder.stages[-1] = nn.Sequential(*encoder.stages[-1].children(), Context(encoder.widths[-1]))
    return encoder


def _starting_plain(encoder: Encoder) -> Encoder:
    """The same, whose first block adds no input."""
    next(part for part in encoder.modules() if isinstance(part, InvertedResidual)).adds = False
    return encoder


def tiny() -> Encoder:
    """A tiny encoder, all widths multiples of 16: narrower ones ran slower on two cores, not faster."""
    return Encoder(
        16,
        (
            ((1, 16, 1, 1),),
            ((3, 32, 1, 2),),
            ((3, 32, 2, 2),),
            ((3, 64, 3, 2),),
            ((3, 128, 2, 2),),
        ),
        norm=True,
    )


ENCODERS: dict[str, Callable[[], Encoder]] = {
    "mobilenet_v1_half": mobilenet_v1_half,
    "mobilenet_v1_half_short": mobilenet_v1_half_short,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v2_lean": mobilenet_v2_lean,
    "mobilenet_v2_slim": mobilenet_v2_slim,
    "mobilenet_v2_thin": mobilenet_v2_thin,
    "mobilenet_v2_slim_context": mobilenet_v2_slim_context,
    "tiny": tiny,
}


class Up(nn.Module):
    """Thin deep features, bring them to a skip's size and mix the two by a depthwise separable convolution."""

    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.thin = conv(inputs, outputs)
        self.filter = conv(outputs + skip, outputs + skip, 3, groups=outputs + skip)
        self.mix = conv(outputs + skip, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(N, inputs, h, w), (N, skip, 2h, 2w) -> (N, outputs, 2h, 2w)."""
        x = F.interpolate(self.thin(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.mix(self.filter(torch.cat([x, skip], 1)))


class LightUNet(nn.Module):
    """An encoder, a light decoder up to a half or a quarter of the size, and a head that unfolds each of its pixels."""

    def __init__(self, encoder: Encoder, decoder: list[int]) -> None:
        super().__init__()
        self.encoder = encoder
        self.neck = conv(encoder.widths[-1], decoder[0])
        skips = encoder.widths[-2::-1]
        self.ups = nn.ModuleList(Up(i, s, o) for i, s, o in zip(decoder, skips, decoder[1:], strict=False))
        self.unfold = 2 ** (6 - len(decoder))  # the stride that the decoder ends at
        self.head = nn.Conv2d(decoder[-1], self.unfold**2, 3, padding=1)

    def stages(self) -> list[list[nn.Module]]:
        """The encoder's parts from the picture on: the stem, then one for each stride."""
        return [[self.encoder.stem], *([stage] for stage in self.encoder.stages)]

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, h, w) in [-1, 1] -> logits (N, 1, h, w)."""
        *skips, deepest = self.encoder(x)  # (N, C, h/2, w/2) ... (N, C, h/32, w/32)
        x = self.neck(deepest)
        for up, skip in zip(self.ups, reversed(skips), strict=False):
            x = up(x, skip)
        return F.pixel_shuffle(self.head(x), self.unfold)  # (N, 4, h/2, w/2) -> (N, 1, h, w)


def build(encoder: str, decoder: list[int]) -> LightUNet:
    """Build from an encoder's name and the decoder's widths at strides 32, 16, 8, 4 and, if it goes there, 2."""
    return LightUNet(ENCODERS[encoder](), decoder)
