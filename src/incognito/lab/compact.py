"""A model's file made smaller: its weights kept in 8 or 16 bits, its arithmetic as it was.

ONNX Runtime brings the weights back to float32 when it loads the file, so the model computes at its old speed.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from incognito.errors import LabError

SMALL = 1024  # tensors of fewer numbers stay as they are
KINDS = ("float32", "float16", "int8")


def compact(network: bytes, kind: str) -> bytes:
    """Give an ONNX model's large convolution weights as float16, or as int8 with a scale for each output channel."""
    if kind not in KINDS:
        raise LabError(f"there are no {kind!r} weights; choose one of {', '.join(KINDS)}")
    model = onnx.load_from_string(network)
    weights = {node.input[1] for node in model.graph.node if node.op_type == "Conv"}
    large = [t for t in model.graph.initializer if t.name in weights and len(t.dims) == 4 and np.prod(t.dims) >= SMALL]
    for tensor in large if kind != "float32" else []:
        array = numpy_helper.to_array(tensor)
        nodes, tensors = (_as_int8 if kind == "int8" else _as_float16)(tensor.name, array)
        model.graph.initializer.remove(tensor)
        model.graph.initializer.extend(tensors)
        for place, node in enumerate(nodes):
            model.graph.node.insert(place, node)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def restored(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """A model's float32 tensors by name, those that `compact` made smaller among them."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in ("Cast", "Identity") and node.input[0] in arrays:  # equal tensors are kept once
            arrays[node.output[0]] = arrays[node.input[0]].astype(np.float32)
        if node.op_type == "Mul" and all(name in arrays for name in node.input):
            arrays[node.output[0]] = arrays[node.input[0]] * arrays[node.input[1]]
    return arrays


def _as_float16(name: str, array: np.ndarray) -> tuple[list[onnx.NodeProto], list[TensorProto]]:
    small = numpy_helper.from_array(array.astype(np.float16), f"{name}.float16")
    return [helper.make_node("Cast", [small.name], [name], to=TensorProto.FLOAT)], [small]


def _as_int8(name: str, array: np.ndarray) -> tuple[list[onnx.NodeProto], list[TensorProto]]:
    scale = np.maximum(np.abs(array).max((1, 2, 3), keepdims=True), 1e-12) / 127
    small = numpy_helper.from_array(np.rint(array / scale).astype(np.int8), f"{name}.int8")
    scales = numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale")
    wide = f"{name}.wide"
    nodes = [
        helper.make_node("Cast", [small.name], [wide], to=TensorProto.FLOAT),
        helper.make_node("Mul", [wide, scales.name], [name]),
    ]
    return nodes, [small, scales]
