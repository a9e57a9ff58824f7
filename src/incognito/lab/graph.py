"""An ONNX graph, to look into and to change: constants, producers, consumers, shapes, and runs of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, helper, numpy_helper

from incognito.errors import LabError, first_line

Arrays = dict[str, np.ndarray]


def parse(network: bytes, name: str) -> ModelProto:
    """Read a model from a file's bytes; raises LabError, with the file's name, where that is no ONNX model."""
    try:
        model = onnx.load_from_string(network)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and onnx's errors have no common base
        raise LabError(f"{name} is no ONNX model that can be read ({first_line(error)}); export it again") from None
    if not model.graph.node:
        raise LabError(f"{name} holds no network; export it again")
    return model


def arrays_of(model: ModelProto) -> Arrays:
    """The constants of a model by name: its initializers and Constant nodes."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            arrays[node.output[0]] = _constant(node)
    return arrays


def _constant(node: NodeProto) -> np.ndarray:
    """What a Constant node holds: a tensor, or numbers as such."""
    (held,) = node.attribute
    value = helper.get_attribute_value(held)
    if held.name == "value":
        return numpy_helper.to_array(value)
    return np.array(value, np.float32 if held.name.startswith("value_float") else np.int64)


def rename(model: ModelProto, names: dict[str, str]) -> ModelProto:
    """Call tensors by other names, wherever they are."""
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for held in (*model.graph.input, *model.graph.output, *model.graph.initializer, *model.graph.value_info):
        held.name = names.get(held.name, held.name)
    return model


def put(model: ModelProto, name: str, array: np.ndarray) -> None:
    """Replace or add a constant."""
    tensor = numpy_helper.from_array(np.asarray(array, order="C"), name)
    for held in model.graph.initializer:
        if held.name == name:
            held.CopyFrom(tensor)
            return
    model.graph.initializer.append(tensor)


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """An attribute of a node as a Python value."""
    for held in node.attribute:
        if held.name == name:
            value = helper.get_attribute_value(held)
            return value.decode() if isinstance(value, bytes) else value
    return default


def producers(model: ModelProto) -> dict[str, NodeProto]:
    """The node that gives each tensor."""
    return {name: node for node in model.graph.node for name in node.output}


def consumers(model: ModelProto) -> dict[str, list[NodeProto]]:
    """The nodes that take each tensor."""
    found: dict[str, list[NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            found[name].append(node)
    return found


def input_of(model: ModelProto) -> onnx.ValueInfoProto:
    """The graph's one input; raises LabError where it has more."""
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [given for given in model.graph.input if given.name not in held]
    if len(inputs) != 1:
        raise LabError(f"the network takes {len(inputs)} inputs; a segmentation network takes one, the picture")
    return inputs[0]


def shape_of(value: onnx.ValueInfoProto) -> list[int | None]:
    """A declared shape; None where a side is left open."""
    return [side.dim_value or None for side in value.type.tensor_type.shape.dim]


def set_shape(value: onnx.ValueInfoProto, shape: Iterable[int]) -> None:
    """Declare a shape."""
    kind = value.type.tensor_type.elem_type
    value.CopyFrom(helper.make_tensor_value_info(value.name, kind, list(shape)))


def session(model: ModelProto, threads: int = 0) -> onnxruntime.InferenceSession:
    """Load a model into ONNX Runtime, quietly; raises LabError where it cannot be run."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise LabError(f"ONNX Runtime cannot run the network ({first_line(error)}); export it again") from None


def run(model: ModelProto, tensors: Iterable[np.ndarray], names: list[str] | None = None) -> list[list[np.ndarray]]:
    """Run a model on inputs, one after the other; gives the named tensors of each, or else its outputs."""
    return list(runs(model, tensors, names))


def runs(
    model: ModelProto, tensors: Iterable[np.ndarray], names: list[str] | None = None
) -> Iterator[list[np.ndarray]]:
    """The same, one input at a time, for when all that it gives would not fit into memory."""
    if names:
        there = {output.name for output in model.graph.output}
        model = clone(model)
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in there)
    loaded = session(model)
    given = loaded.get_inputs()[0].name
    for tensor in tensors:
        try:
            found = loaded.run(names, {given: tensor})
        except Exception as error:  # ONNX Runtime's own errors have no common base
            raise LabError(f"the network does not run ({first_line(error)}); export it again") from None
        yield found


def shapes(model: ModelProto) -> dict[str, list[int]]:
    """Every tensor's shape, seen in a run on a blank picture: sizes that a graph computes defeat shape inference."""
    found = {name: list(array.shape) for name, array in arrays_of(model).items()}
    names = [name for node in model.graph.node for name in node.output if name and name not in found]
    given = input_of(model)
    blank = np.zeros(
        [side or 1 for side in shape_of(given)], helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type)
    )
    seen = run(model, [blank], names)[0]
    return {**found, given.name: list(blank.shape)} | {
        name: list(array.shape) for name, array in zip(names, seen, strict=True)
    }


def strip(model: ModelProto) -> ModelProto:
    """Drop nodes and constants that no output needs."""
    needed = {output.name for output in model.graph.output}
    nodes = []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            nodes.append(node)
            needed |= set(node.input)
    kept = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
    model.graph.node.extend(reversed(nodes))
    model.graph.initializer.extend(kept)
    return model


def clone(model: ModelProto) -> ModelProto:
    """A copy, to be changed."""
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy
