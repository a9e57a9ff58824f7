"""From a frame to its matte."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from incognito import choice, refine, zoo
from incognito.errors import UsageError
from incognito.frame import Frame, Matte, Picture, Plane
from incognito.network import Network
from incognito.runtime import OnnxRuntime, OpenVinoRuntime, Runtime, open_runtime
from incognito.timing import Stages, Stopwatch
from incognito.zoo import Card

STRIDE = 32  # of a U-Net: what its sides are multiples of


@dataclass(frozen=True, slots=True, eq=False)
class StreamState:
    """What a stream remembers from one frame to the next; made by Segmenter.step, and never changed."""

    frame_size: tuple[int, int]
    memory: refine.Memory


class Segmenter:
    """A network and what surrounds it: frames in, mattes out. It holds no state of any stream.

    `model` is a shipped model's name, whose fastest variant here is chosen (`incognito.choice`), or one variant: a name
    such as "fast.int8", or the path of an .onnx with its card beside it. `threads` defaults to the machine's cores.
    `runtime` is "onnxruntime", "openvino", or an object that takes their place; without it a name's is chosen too, and
    a variant's is ONNX Runtime. `card` and `runtime_name` say what runs. `share` of the card's height and width is what
    the network sees, in multiples of 32; less than 1 needs OpenVINO. Raises UnknownModelError, UsageError and
    ModelError.
    """

    def __init__(
        self,
        model: str | Path = "fast",
        threads: int | None = None,
        runtime: str | Runtime | None = None,
        share: float = 1.0,
    ) -> None:
        self._network, self._threads = _open(model, threads, runtime, share), threads
        self._given = None if isinstance(runtime, str) else runtime
        self.card, self.runtime_name = self._network.card, self._network.runtime_name

    def __call__(self, frame: Any) -> Matte:
        """Find the matte of a still, uint8 RGB (H, W, 3), at its size; grey and RGBA are taken too."""
        frame = Frame.of(frame)
        small = self._shrink(frame)
        return Matte(refine.upsample_still(self._both_ways(small), small, frame))

    def step(
        self, frame: Any, state: StreamState | None, stopwatch: Stages | None = None, patient: bool = False
    ) -> tuple[Matte, StreamState]:
        """Find the matte of a stream's next frame, steadied by the stream's state; None begins a stream.

        A frame of another size begins anew. A stopwatch gets the stages "segment" and "refine". With `patient` the
        network is asked as for a still: a film waits, a camera does not.
        """
        stopwatch = stopwatch or Stopwatch()
        frame = Frame.of(frame)
        with stopwatch.stage("segment"):
            small = self._shrink(frame)
            alpha = self._both_ways(small) if patient else self._network(small)
        with stopwatch.stage("refine"):
            begun = state is not None and (state.frame_size, state.memory.alpha.shape) == (frame.size, alpha.shape)
            guide = refine.guide_of(small, alpha.shape)
            memory = refine.steady(alpha, guide, state.memory if begun and state else None)
            matte = Matte.of_levels(refine.upsample(memory.alpha, guide, frame))
        return matte, StreamState(frame.size, memory)

    def state_after(self, frame: Frame, alpha: Plane) -> StreamState:
        """What a stream remembers after a frame whose steadied alpha, float32 (h, w), is known."""
        guide = refine.guide_of(self._shrink(frame), alpha.shape)
        return StreamState(frame.size, refine.Memory(alpha, guide))

    def on(self, threads: int | None, share: float = 1.0) -> Segmenter:
        """Make a segmenter of the same variant with other threads, or with its own for None; nothing is raced.

        It stays on its runtime, but for a share below 1 OpenVINO takes ONNX Runtime's place. Raises UsageError where
        that is not installed, and ModelError where it finds another alpha.
        """
        threads, runtime = threads or self._threads, self._given or self.runtime_name
        if share == 1 or runtime != OnnxRuntime.name:
            return Segmenter(self.card.path, threads, runtime, share)
        choice.check_alike(self.card, threads, OpenVinoRuntime.name, self._network)
        return Segmenter(self.card.path, threads, OpenVinoRuntime.name, share)

    def raw(self, frame: Any) -> Plane:
        """The network's own output for a frame, float32 (h, w) in [0, 1], before any refinement."""
        return self._network(self._shrink(Frame.of(frame)))

    def _both_ways(self, small: Picture) -> Plane:
        """The mean of what is found in a picture and in its mirror image, for what has the time."""
        alpha = self._network(small)
        if self.card.mirrored:
            return alpha
        return (alpha + self._network(np.ascontiguousarray(small[:, ::-1]))[:, ::-1]) * np.float32(0.5)

    def _shrink(self, frame: Frame) -> Picture:
        return frame.shrunk(self.card.size)


def beside(model: str, threads: int | None, running: Segmenter | None) -> Segmenter:
    """Open a model for a stream: the fastest at its pace; where another one runs in it, at once, without a race."""
    if not zoo.is_name(model):
        return Segmenter(model, threads)
    card = zoo.find(model)
    if running is None:
        found = choice.choose(card, threads, rest=choice.REST).best
    else:
        found = choice.akin(card, threads, running.card, running.runtime_name)
    return Segmenter(found.card.path, threads, found.runtime)


def _open(model: str | Path, threads: int | None, runtime: str | Runtime | None, share: float) -> Network:
    """What was asked for; the choice where a shipped model's name leaves it open."""
    card = zoo.find(model)
    if zoo.is_name(model) and (runtime is None or isinstance(runtime, str)):
        best = choice.choose(card, threads, runtime).best
        card, runtime = best.card, best.runtime
    runtime = OnnxRuntime.name if runtime is None else runtime
    if share != 1:
        return _narrowed(card, threads, runtime, share)
    return Network(card, open_runtime(card, threads, runtime) if isinstance(runtime, str) else runtime)


def _narrowed(card: Card, threads: int | None, runtime: str | Runtime, share: float) -> Network:
    """A network that sees a share of its card's height and width."""
    if runtime != OpenVinoRuntime.name:
        raise UsageError(f"{card.label} sees another size on openvino only; choose that, or its own size")
    height, width = (max(STRIDE, round(side * share / STRIDE) * STRIDE) for side in card.size)
    narrow = replace(card, height=height, width=width)
    return Network(narrow, OpenVinoRuntime(narrow, threads, reshaped=True))
