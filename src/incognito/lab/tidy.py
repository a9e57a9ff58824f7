"""The graph pass: shapes fixed, constants folded, batch norms and scalings inside convolutions, nothing left over.

onnxslim and ONNX Runtime's offline optimiser do the known work, in this order: the first simplifies what exporters
leave behind, the second folds what became constant. What they leave alone, the scaling of the picture, is done here.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import onnxslim
from onnx import ModelProto, NodeProto, TensorProto, helper, version_converter

from incognito.errors import LabError, OutputError, first_line
from incognito.lab import graph

OLDEST, OPSET = 13, 17  # scales for each channel came with 13; what is older is brought to 17
SHIFT = "picture.shift"  # what a picture is shifted by once its scaling is in the convolutions


def tidy(model: ModelProto) -> ModelProto:
    """Give a model of fixed size in its shortest form; what it computes stays the same to rounding."""
    model = modern(graph.clone(model))
    model = _optimised(onnxslim.slim(model))
    return _named(graph.strip(fold_scaling(by_factors(model))))


def modern(model: ModelProto) -> ModelProto:
    """Bring a model to an opset that the passes know; raises LabError where that cannot be done."""
    opset = next((held.version for held in model.opset_import if held.domain in ("", "ai.onnx")), 0)
    if opset >= OLDEST:
        return model
    try:
        return version_converter.convert_version(model, OPSET)
    except Exception as error:  # a node that the converter does not know
        raise LabError(f"opset {opset} cannot be brought to {OPSET} ({first_line(error)}); export it again") from None


def fix(model: ModelProto, batch_and_picture: list[int]) -> ModelProto:
    """Give the input a fixed shape, and forget the shapes that were declared behind it."""
    model = graph.clone(model)
    given = graph.input_of(model)
    graph.set_shape(given, batch_and_picture)
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return model


def fold_scaling(model: ModelProto) -> ModelProto:
    """Put the scaling of the picture into the convolutions that read it; only a shift stays before them.

    A picture u is scaled as a u + b, for each channel. With w for a convolution's weights, w * (a u + b) is
    (w a) * (u + b / a), at the border too, where both hold zeros: the result is exact.
    """
    chain = _scaling_chain(model)
    if len(chain) < 2:
        return model
    start, end = chain[0].input[0], chain[-1].output[0]
    readers = graph.consumers(model)[end]
    if any(node.op_type != "Conv" or graph.attribute(node, "group", 1) != 1 for node in readers):
        return model
    arrays = graph.arrays_of(model)
    offset, one = _run_chain(chain, arrays)
    gain = one - offset
    if not np.all(gain):
        return model
    for number, node in enumerate(readers):
        scaled = arrays[node.input[1]] * gain.reshape(1, -1, 1, 1)
        graph.put(model, f"{node.input[1]}.scaled{number}", scaled.astype(np.float32))
        node.input[1] = f"{node.input[1]}.scaled{number}"
    graph.put(model, SHIFT, _at_once((offset / gain).astype(np.float32)))
    place = list(model.graph.node).index(chain[0])
    for node in chain:
        model.graph.node.remove(node)
    model.graph.node.insert(place, helper.make_node("Add", [start, SHIFT], [end], "picture.shifted"))
    return model


def by_factors(model: ModelProto) -> ModelProto:
    """Say how many times larger each Resize makes its input, instead of how large: so that other sizes fit too."""
    sizes = graph.shapes(model)
    for node in model.graph.node:
        if node.op_type == "Resize" and len(node.input) > 3 and node.input[3]:
            have, get = (np.array(sizes[name], np.float32) for name in (node.input[0], node.output[0]))
            factors, name = get / have, f"{node.output[0]}.factors"
            short = np.floor(have * factors) < get  # 11 times 26/11 is 25.999998 in float32
            graph.put(model, name, np.where(short, np.nextafter(factors, np.float32(np.inf)), factors))
            given = node.input[0]
            del node.input[:]
            node.input.extend([given, "", name])
    return model


def _scaling_chain(model: ModelProto) -> list[NodeProto]:
    """The nodes that scale a picture (1, 3, h, w) for each channel, between its cast to float and the convolutions."""
    takers, arrays = graph.consumers(model), graph.arrays_of(model)
    cast = [node for node in model.graph.node if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT]
    if len(cast) != 1:
        return []
    chain: list[NodeProto] = []
    tensor = cast[0].output[0]
    while len(takers[tensor]) == 1:
        node = takers[tensor][0]
        others = [name for name in node.input if name != tensor]
        if node.op_type not in ("Add", "Sub", "Mul", "Div") or node.input[0] != tensor or others[0] not in arrays:
            break
        if not _is_for_channels(arrays[others[0]]):
            break
        chain.append(node)
        tensor = node.output[0]
    return chain


def _is_for_channels(array: np.ndarray) -> bool:
    """Whether a constant is one number, or one for each channel of (1, C, h, w)."""
    return array.size == 1 or (array.ndim in (3, 4) and array.size == 3 and array.shape[-3] == 3)


def _run_chain(chain: list[NodeProto], arrays: graph.Arrays) -> np.ndarray:
    """What the chain makes of 0 and of 1, for each channel: float64 (2, 3)."""
    steps = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}
    value: np.ndarray = np.repeat(np.array([[0.0], [1.0]]), 3, axis=1)
    for node in chain:
        value = steps[node.op_type](value, arrays[node.input[1]].astype(np.float64).reshape(1, -1))
    return value


def _at_once(shifts: np.ndarray) -> np.ndarray:
    """One number where all channels have the same: three, to pixels laid side by side, take a layer's time."""
    return np.array(shifts[0]) if np.all(shifts == shifts[0]) else shifts.reshape(1, -1, 1, 1)


def _named(model: ModelProto) -> ModelProto:
    """Give every node a name that no other has."""
    taken: set[str] = set()
    for number, node in enumerate(model.graph.node):
        node.name = node.name if node.name and node.name not in taken else f"{node.op_type}.{number}"
        taken.add(node.name)
    return model


def _optimised(model: ModelProto) -> ModelProto:
    """What ONNX Runtime's offline optimiser makes of a model, with standard operators only."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 4
        try:
            onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            if "serialization failed" in str(error):  # of the file that it writes
                raise OutputError(f"{folder} cannot be written to; make room and go on") from None
            raise LabError(f"ONNX Runtime cannot run the network ({first_line(error)}); export it again") from None
        done = onnx.load(path)
    used = {node.domain for node in done.graph.node}
    imports = [held for held in done.opset_import if held.domain in used]
    del done.opset_import[:]
    done.opset_import.extend(imports)
    return done
