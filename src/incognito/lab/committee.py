"""A committee: one model that is the mean of several, each asked about a picture and its mirror image."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from incognito import zoo
from incognito.errors import LabError
from incognito.lab import graph, tidy
from incognito.lab.compact import compact
from incognito.lab.evaluate import measure
from incognito.lab.export import OPSET, write_model
from incognito.zoo import Card

PICTURE, ALPHA = "picture", "alpha"  # the tensors of a model as it is shipped
STRIDE = 32  # of a network's deepest features: sides that it does not divide have skips that do not meet


def seat(
    members: Sequence[tuple[str, float]],
    target: Path,
    size: tuple[int, int],
    data: Path | None = None,
    weights: str = "float32",
) -> Card:
    """Write the committee of models, each with its weight, for pictures of size (height, width), and its card.

    A member is a model's name or path, with "@256" after it for one that is asked at 256x256 in place of its own size.
    With data, the card says the IoU on the test portraits. Raises UnknownModelError, ModelError, and LabError for a
    model that is not as this laboratory ships them.
    """
    if target.suffix != ".onnx" or not target.parent.is_dir():
        raise LabError(f"{target} must end in .onnx and be in a folder that exists; name the model so")
    seats = [_Seat.of(model) for model, _ in members]
    cards = [each.card for each in seats]
    total = sum(weight for _, weight in members)
    shares = [weight / total for _, weight in members]
    network = compact(join([each.opened() for each in seats], shares, size).SerializeToString(), weights)
    lineage = [*dict.fromkeys(f"{card.name}: {line}" for card in cards for line in card.lineage)]
    names = ", ".join(f"{share:.2f} of {each.name}" for each, share in zip(seats, shares, strict=True))
    lineage.append(f"mean of {names}, each of the picture and of its mirror image")
    sources = sorted({source for card in cards for source in card.training_data})
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".committee.") as folder:
        card = write_model(Path(folder) / target.name, network, size, lineage, sources)
        card = dataclasses.replace(card, mirrored=True)
        if data is not None:
            card = dataclasses.replace(card, measured=measure(card, data, "people/portraits"))
        card.write(card.path.with_suffix(".json"))
        for path in (card.path, card.path.with_suffix(".json")):
            path.replace(target.parent / path.name)
    return dataclasses.replace(card, folder=target.parent)


def join(models: Sequence[ModelProto], shares: Sequence[float], size: tuple[int, int]) -> ModelProto:
    """One graph of all, uint8 (1, h, w, 3) -> float32 (1, h, w): the members' alphas times their shares, added."""
    joint = _Joint(size)
    for number, (model, share) in enumerate(zip(models, shares, strict=True)):
        joint.add(model, f"member{number}.", share)
    return joint.finish()


class _Joint:
    """A graph under construction."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._kept: dict[bytes, str] = {}  # the name of a member's constant by what it holds
        self._alphas: list[str] = []

    def add(self, model: ModelProto, prefix: str, share: float) -> None:
        """Seat a model: asked twice, its constants kept once, also where it has another seat."""
        shape = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim]
        constants = {tensor.name: self._keep(tensor, prefix) for tensor in model.graph.initializer}
        picture = self._fitted(prefix, (shape[1], shape[2]))
        for side, mirrored in (("left.", False), ("right.", True)):
            asked = self._mirror(picture, prefix + side + "in", shape[2]) if mirrored else picture
            self._copy(model, prefix, side, constants, asked)
            found = prefix + side + ALPHA
            found = self._mirror(found, prefix + side + "out", shape[2]) if mirrored else found
            self._alphas.append(self._weighed(found, prefix + side, (shape[1], shape[2]), share / 2))

    def finish(self) -> ModelProto:
        """Add up what was found."""
        self._nodes.append(helper.make_node("Sum", self._alphas, ["sum"]))
        self._nodes.append(
            helper.make_node("Clip", ["sum", self._constant("zero", 0.0), self._constant("one", 1.0)], [ALPHA])
        )
        height, width = self._size
        taken = helper.make_tensor_value_info(PICTURE, TensorProto.UINT8, [1, height, width, 3])
        given = helper.make_tensor_value_info(ALPHA, TensorProto.FLOAT, [1, height, width])
        whole = helper.make_graph(self._nodes, "committee", [taken], [given], self._constants)
        model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(model)
        return model

    def _keep(self, tensor: TensorProto, prefix: str) -> str:
        """The name here of a member's constant."""
        kept = TensorProto()
        kept.CopyFrom(tensor)
        kept.name = ""
        content = kept.SerializeToString()
        if content not in self._kept:
            kept.name = self._kept[content] = prefix + tensor.name
            self._constants.append(kept)
        return self._kept[content]

    def _copy(self, model: ModelProto, prefix: str, side: str, constants: dict[str, str], picture: str) -> None:
        def renamed(name: str) -> str:
            if not name or name == PICTURE:
                return picture if name else ""
            return constants.get(name, prefix + side + name)

        for node in model.graph.node:
            copy = NodeProto()
            copy.CopyFrom(node)
            copy.name = node.name and prefix + side + node.name
            copy.input[:] = [renamed(name) for name in node.input]
            copy.output[:] = [renamed(name) for name in node.output]
            self._nodes.append(copy)

    def _fitted(self, prefix: str, size: tuple[int, int]) -> str:
        """The picture at a member's size."""
        if size == self._size:
            return PICTURE
        wide, fit, back, whole, small = (prefix + part for part in ("wide", "fit", "back", "whole", "small"))
        self._nodes += [
            helper.make_node("Cast", [PICTURE], [wide], to=TensorProto.FLOAT),
            helper.make_node("Transpose", [wide], [wide + ".planes"], perm=[0, 3, 1, 2]),
            self._resize(wide + ".planes", fit, (1, 3, *size)),
            helper.make_node("Transpose", [fit], [back], perm=[0, 2, 3, 1]),
            helper.make_node("Round", [back], [whole]),
            helper.make_node("Cast", [whole], [small], to=TensorProto.UINT8),
        ]
        return small

    def _mirror(self, name: str, result: str, width: int) -> str:
        """Columns (axis 2) from right to left."""
        columns = self._constant(f"columns{width}", np.arange(width - 1, -1, -1))
        self._nodes.append(helper.make_node("Gather", [name, columns], [result], axis=2))
        return result

    def _weighed(self, name: str, prefix: str, size: tuple[int, int], share: float) -> str:
        """Alpha at the committee's size, times a share."""
        axis, full = self._constant("axis", np.array([1])), name
        if size != self._size:
            plane, large, full = (prefix + part for part in ("plane", "large", "full"))
            self._nodes += [
                helper.make_node("Unsqueeze", [name, axis], [plane]),
                self._resize(plane, large, (1, 1, *self._size)),
                helper.make_node("Squeeze", [large, axis], [full]),
            ]
        weighed = prefix + "weighed"
        self._nodes.append(helper.make_node("Mul", [full, self._constant(f"share{share:.6f}", share)], [weighed]))
        return weighed

    def _resize(self, name: str, result: str, shape: tuple[int, ...]) -> NodeProto:
        sizes = self._constant("sizes" + "x".join(map(str, shape)), np.array(shape))
        mode = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return helper.make_node("Resize", [name, "", "", sizes], [result], **mode)

    def _constant(self, name: str, value: float | np.ndarray) -> str:
        if name not in {tensor.name for tensor in self._constants}:
            array = value.astype(np.int64) if isinstance(value, np.ndarray) else np.array(value, np.float32)
            self._constants.append(numpy_helper.from_array(array, name))
        return name


@dataclasses.dataclass(frozen=True, slots=True)
class _Seat:
    """A member's card, and the side of the square that it is asked at; None for the size that is its own."""

    card: Card
    side: int | None

    @classmethod
    def of(cls, text: str) -> _Seat:
        found = re.fullmatch(r"(.+)@(\d+)", text)
        if not found:
            return cls(zoo.find(text), None)
        side = int(found[2])
        if not side or side % STRIDE:
            raise LabError(f"{text} cannot be asked so; give a multiple of {STRIDE} as its side, such as @256")
        return cls(zoo.find(found[1]), side)

    @property
    def name(self) -> str:
        return f"{self.card.name} at {self.side}x{self.side}" if self.side else self.card.name

    def opened(self) -> ModelProto:
        """The member's graph, which must be as this laboratory ships them."""
        card = self.card
        model = graph.parse(card.load(), str(card.path))
        names = ([each.name for each in model.graph.input], [each.name for each in model.graph.output])
        if names != ([PICTURE], [ALPHA]) or card.dtype != "uint8" or card.activation != "none":
            raise LabError(f"{card.path} is no model of this laboratory's (lab export); it cannot be a member")
        return tidy.fix(model, [1, self.side, self.side, 3]) if self.side else model
