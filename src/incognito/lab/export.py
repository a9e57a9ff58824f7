"""From a checkpoint to an ONNX model and its card. Refuses when ONNX Runtime and PyTorch disagree."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from incognito.demo import portrait
from incognito.errors import LabError
from incognito.frame import resize
from incognito.lab import checkpoint as checkpoints
from incognito.lab.compact import compact
from incognito.lab.evaluate import measure
from incognito.lab.recipe import Recipe
from incognito.lab.train import make_network
from incognito.runtime import OnnxRuntime
from incognito.zoo import Card

TOLERANCE = 1e-4  # of alpha, between PyTorch and ONNX Runtime
LOSS = 0.02  # of alpha on average, between PyTorch and ONNX Runtime with weights made smaller
OPSET = 17
LICENCE = "MIT for the weights; what they were trained on has terms of its own"


class Deployed(nn.Module):
    """A network as it is shipped: uint8 (1, h, w, 3) in, finished alpha float32 (1, h, w) out."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, picture: Tensor) -> Tensor:
        """uint8 (1, h, w, 3) -> float32 (1, h, w) in [0, 1]."""
        x = picture.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1
        return torch.sigmoid(self.net(x))[:, 0]


def export(
    checkpoint: Path,
    target: Path,
    data: Path | None = None,
    group: str = "people/portraits",
    weights: str = "float32",
) -> Card:
    """Write target (.onnx) and its card (.json beside it), with weights as "float32", "float16" or "int8".

    With data, the card says the IoU on the photos of one group in its test split. Raises
    LabError where ONNX Runtime and PyTorch differ by more than TOLERANCE (of weights made smaller: more than LOSS on
    average); then nothing is written.
    """
    if target.suffix != ".onnx" or not target.parent.is_dir():
        raise LabError(f"{target} must end in .onnx and be in a folder that exists; name the model so")
    state = checkpoints.read(checkpoint)
    recipe = Recipe.from_dict(state["recipe"])
    net = make_network(recipe)
    net.load_state_dict(state["averaged"])
    deployed = Deployed(net).eval()
    height, width = recipe.training.phases[-1].size
    network = to_onnx(deployed, height, width)
    lineage = [*checkpoints.lineage_of(state), f"exported, opset {OPSET}"]
    if weights != "float32":
        lineage.append(f"weights kept as {weights}")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export.") as folder:
        path = Path(folder) / target.name
        card = write_model(path, network, (height, width), lineage, state["sources"])
        difference = disagreement(deployed, OnnxRuntime(card), (height, width)).max()
        if difference > TOLERANCE:
            raise LabError(f"ONNX Runtime and PyTorch differ by {difference:.1e}, over {TOLERANCE:g}; nothing written")
        if weights != "float32":
            card = write_model(path, compact(network, weights), (height, width), lineage, state["sources"])
            lost = disagreement(deployed, OnnxRuntime(card), (height, width)).mean()
            if lost > LOSS:
                raise LabError(f"with {weights} weights alpha moves by {lost:.1e}, over {LOSS:g}; nothing written")
        if data is not None:
            card = dataclasses.replace(card, measured=measure(card, data, group))
            card.write(card.path.with_suffix(".json"))
        for path in (card.path, card.path.with_suffix(".json")):
            path.replace(target.parent / path.name)
    return dataclasses.replace(card, folder=target.parent)


def to_onnx(deployed: nn.Module, height: int, width: int) -> bytes:
    """The deployed network as an ONNX file of fixed size, batch norms folded into their convolutions."""
    blank = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            deployed, (blank,), str(path), input_names=["picture"], output_names=["alpha"],
            opset_version=OPSET, dynamo=False,
        )  # fmt: skip
        return path.read_bytes()


def disagreement(deployed: nn.Module, runtime: OnnxRuntime, size: tuple[int, int]) -> np.ndarray:
    """How far alpha differs between PyTorch and ONNX Runtime, on the portrait and on noise: float32 (3, h, w)."""
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    differences = []
    for picture in (resize(portrait().pixels, size), cv2.GaussianBlur(noise, (0, 0), 2), noise):
        tensor = np.ascontiguousarray(picture)[None]
        with torch.inference_mode():
            expected = deployed(torch.from_numpy(tensor))[0].numpy()
        differences.append(np.abs(runtime.run(tensor) - expected))
    return np.stack(differences)


def write_model(
    path: Path, network: bytes, size: tuple[int, int], lineage: list[str], sources: list[str], licence: str = LICENCE
) -> Card:
    """Write a deployed network of an input size (height, width), and its card beside it."""
    path.write_bytes(network)
    card = Card(
        name=path.stem,
        file=path.name,
        bytes=len(network),
        sha256=hashlib.sha256(network).hexdigest(),
        licence=licence,
        training_data=sources,
        height=size[0],
        width=size[1],
        layout="NHWC",
        colour="RGB",
        dtype="uint8",
        mean=[],
        deviation=[],
        resize="stretch",
        activation="none",
        measured={},
        lineage=lineage,
        folder=path.parent,
    )
    card.write(path.with_suffix(".json"))
    return card
