"""Recipes that the tests of the laboratory share."""

from __future__ import annotations

import json


def toy_tables() -> dict:
    """A recipe small enough to train in a test."""
    return {
        "network": {
            "architecture": "light", "encoder": "tiny", "decoder": [32, 32, 16, 16, 16],
            "weights": "", "frozen_stages": 0,
        },
        "data": {"photo": 0.5, "composite": 0.2, "mashup": 0.1, "empty": 0.2, "groups": {}},
        "training": {
            "seed": 3, "batch": 4, "phases": [{"pictures": 12, "size": [32, 32]}, {"pictures": 8, "size": [64, 64]}],
            "optimiser": "adamw", "encoder_rate": 0.002, "decoder_rate": 0.002, "weight_decay": 0.01,
            "schedule": "cosine", "warmup": 4, "patience": 0, "stop_after": 0, "ema": 0.9, "clip": 1.0, "bf16": True,
            "cross_entropy": 1.0, "focal": 0.0, "dice": 1.0, "boundary": 0.5, "teacher": "", "hint": 0.0,
            "distil": 0.0, "steady": 0.0,
            "checkpoint_every": 8, "validate_every": 8, "validate_on": 100,
        },
    }  # fmt: skip


def as_toml(tables: dict) -> str:
    """A recipe's tables as the file that they would be read from."""
    training = dict(tables["training"])
    phases = training.pop("phases")
    lines = []
    for name, table in (("network", tables["network"]), ("data", tables["data"]), ("training", training)):
        lines += [
            f"[{name}]",
            *(f"{key} = {json.dumps(value)}" for key, value in table.items()),
        ]
    for phase in phases:
        lines += ["[[training.phases]]", f"pictures = {phase['pictures']}", f"size = {phase['size']}"]
    return "\n".join(lines)


def small_net(seed: int = 0):
    """A light network, at rest, whose alpha differs from place to place."""
    import torch

    from incognito.lab.nets import build

    torch.manual_seed(seed)
    net = build("light", "tiny", [32, 32, 32, 16, 16])
    with torch.no_grad():
        net.head.weight.mul_(20)  # a fresh head hardly leaves one half
    return net.eval()


def colour_net(size: tuple[int, int] = (64, 64), planes: int = 1, colour: str = "RGB", scale: float = 255.0) -> bytes:
    """A network from elsewhere: float NCHW in, and a plane that is high where red outweighs blue, as on toy people.

    Pictures come in as 0 to `scale`. With more planes than one it gives logits for a softmax, the person last.
    """
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    red = np.zeros((8, 3, 3, 3), np.float32)
    red[:, :, 1, 1] = np.array([1.0, 0.0, -1.0] if colour == "RGB" else [-1.0, 0.0, 1.0]) * 255 / scale
    gather = np.zeros((planes, 8, 1, 1), np.float32)
    gather[-1] = 0.05
    weights = {"first": red / 8, "second": gather, "shift": np.full(planes, -1.0 if planes == 1 else 1.0, np.float32)}
    weights["shift"][-1] = -1.0
    weights["factors"] = np.array([1, 1, 2, 2], np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["a"], "first", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("Conv", ["b", "second", "shift"], ["c"], "second"),
        helper.make_node("Resize", ["c", "", "factors"], ["y"], "up", mode="linear"),
    ]
    height, width = size
    graph = helper.make_graph(
        nodes, "colour",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, height, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, planes, height, width])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnx.ModelProto.SerializeToString(model)


def plain_model(nodes, arrays):
    """A graph over bytes of 8x8 pixels, from "x" to "alpha"."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    first = [
        helper.make_node("Transpose", ["picture"], ["p"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["p"], ["x"], to=TensorProto.FLOAT),
    ]
    given = helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, 8, 8, 3])
    made = helper.make_tensor_value_info("alpha", TensorProto.FLOAT, [1, 1, 8, 8])
    held = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()]
    return helper.make_model(
        helper.make_graph([*first, *nodes], "plain", [given], [made], held),
        opset_imports=[helper.make_opsetid("", 17)],
    )
