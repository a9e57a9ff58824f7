"""What the tests share: the portrait, a toy model, and the data where there is some."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from making import toy_card
from onnx import TensorProto, helper

from incognito import cli, runtime, zoo
from incognito.segment import Segmenter


@pytest.hookimpl(tryfirst=True)  # before the one that reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where two processes share tests out: keep a file's together, and all that need both cores in one of the two."""
    for item in items:
        needs_both = "studio" in item.path.parts or item.path.name == "test_cluster.py"
        item.add_marker(pytest.mark.xdist_group("both cores" if needs_both else item.path.name))


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """The public-domain NASA portrait, RGB (512, 512, 3)."""
    from skimage.data import astronaut

    return astronaut()


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One cache for all tests, so that none writes into the user's, and a choice is made once."""
    os.environ["INCOGNITO_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    """The shipped default model's base, whatever would be chosen here."""
    return Segmenter(zoo.find("fast").path)


@pytest.fixture
def portrait_file(tmp_path: Path, portrait: np.ndarray) -> Path:
    """The portrait as a JPEG."""
    path = tmp_path / "portrait.jpg"
    cv2.imwrite(str(path), portrait[..., ::-1])
    return path


@pytest.fixture(scope="session")
def data() -> Path:
    """The labelled pictures; the test is skipped where there are none."""
    root = Path(os.environ.get("INCOGNITO_DATA", "../shared/data"))
    if not (root / "manifest.csv").is_file():
        pytest.skip("skipped: no data")
    return root


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Run a command line; gives its exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["incognito", *map(str, arguments)])
        capfd.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def toy_model(tmp_path: Path) -> Path:
    """A network that takes a 32x48 picture and calls its red channel alpha, with its card beside it."""
    nodes = [
        helper.make_node("Gather", ["picture", "channel"], ["red"], axis=3),
        helper.make_node("Cast", ["red"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["wide", "most"], ["alpha"]),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, 32, 48, 3])],
        [helper.make_tensor_value_info("alpha", TensorProto.FLOAT, [1, 32, 48])],
        [
            helper.make_tensor("channel", TensorProto.INT64, [], [0]),
            helper.make_tensor("most", TensorProto.FLOAT, [], [255.0]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    network = onnx.ModelProto.SerializeToString(model)
    path = tmp_path / "toy.onnx"
    path.write_bytes(network)
    toy_card(network).write(tmp_path / "toy.json")
    return path


@pytest.fixture
def toys(toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo that ships one model, toy, whose IoU is 0.9500; a cache of its own; ONNX Runtime alone."""
    toy_card(toy_model.read_bytes(), measured={"iou": 0.95}).write(tmp_path / "toy.json")
    monkeypatch.setattr(zoo, "SHIPPED", tmp_path)
    monkeypatch.setattr(runtime, "installed", lambda: ["onnxruntime"])
    monkeypatch.setenv("INCOGNITO_CACHE", str(tmp_path / "cache"))
    return tmp_path
