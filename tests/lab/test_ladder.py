"""The climb, from a network to its artefacts, rows and report; and what stops it."""

import csv
import functools
import shutil
import subprocess
import sys

import cv2
import numpy as np
import onnx
import pytest
import torch
import torchvision
from onnx import TensorProto, helper
from toys import colour_net

from incognito import zoo
from incognito.errors import LabError, OutputError
from incognito.lab import ladder, passes
from incognito.runtime import installed
from incognito.segment import Segmenter

RECIPE = """
[measuring]
judge_on = 8
calibrate_on = 4
gate_rounds = 1
final_rounds = 1
group = "people/portraits"

[tuning]
seed = 1
batch = 4
rate = 1e-3
warmup = 4
ema = 0.9
cross_entropy = 1.0
focal = 0.0
dice = 1.0
boundary = 0.0
distil = 1.0

[data]
photo = 1.0
composite = 0.0
mashup = 0.0
empty = 0.0
groups = {}
"""
RUNGS = """
[[rung]]
title = "graph"
pass = "graph"
aside = true

[[rung]]
title = "impossible"
pass = "prune"
keep = 0.9
multiple = 1024

[[rung]]
title = "half as large"
pass = "resolution"
size = [64, 64]
budget = 1.0

[[rung]]
title = "half of it, tuned"
pass = "prune"
keep = 0.5
part = "encoder"
pictures = 8
budget = 1.0
aside = true

[[rung]]
title = "int8"
pass = "int8"
method = "minmax"
budget = 1.0
aside = true
"""


def recipe(folder, rungs, **changes):
    text = RECIPE + rungs
    for name, value in changes.items():
        text = text.replace(f"{name} = 4", f"{name} = {value}")
    path = folder / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path


def rows_of(folder):
    with (folder / ladder.ROWS).open(newline="", encoding="utf-8") as file:
        return {row["rung"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def lraspp(tmp_path_factory):
    """A network from elsewhere: torchvision's, with random weights, 21 classes, for 128x128."""
    torch.manual_seed(0)
    net = torchvision.models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None).eval()
    plain = torch.nn.Sequential()
    plain.forward = lambda picture: net(picture)["out"]
    plain.net = net
    path = tmp_path_factory.mktemp("elsewhere") / "lraspp.onnx"
    torch.onnx.export(plain, (torch.zeros(1, 3, 128, 128),), str(path), opset_version=17, dynamo=False)
    return path


@pytest.fixture
def colours(tmp_path):
    """A network that finds toy people well, without a card."""
    path = tmp_path / "colours.onnx"
    path.write_bytes(colour_net())
    return path


def test_a_network_from_elsewhere_is_climbed_from(tmp_path, toy_data, lraspp, run, portrait):
    """One command: artefacts that run, cards that tell how they came about, a row a rung, and a report."""
    before = lraspp.read_bytes()
    code, said, wrong = run(
        "lab", "optimize", lraspp, "--data", toy_data, "--recipe", recipe(tmp_path, RUNGS), "--out", tmp_path / "out"
    )
    assert (code, wrong) == (0, "")
    assert str(tmp_path / "out" / "report.md") in said
    rows = rows_of(tmp_path / "out")
    assert list(rows) == ["lraspp", "graph", "impossible", "half as large", "half of it, tuned", "int8"]
    statuses = {title: row["status"] for title, row in rows.items()}
    assert statuses | {"half as large": ""} == {
        "lraspp": "start", "graph": "aside", "impossible": "failed", "half as large": "",
        "half of it, tuned": "aside", "int8": "aside",
    }  # fmt: skip
    assert "no layer has channels to spare" in rows["impossible"]["reason"]
    assert zoo.find(tmp_path / "out" / f"{rows['int8']['model']}.onnx").licence == "not recorded"
    for title, row in rows.items():
        if row["status"] in ("start", "kept", "aside"):
            path = tmp_path / "out" / f"{row['model']}.onnx"
            card = zoo.find(path)
            assert (card.sha256[:12], card.bytes) == (row["sha256"], int(row["bytes"]))
            assert Segmenter(path).raw(portrait).shape == card.size
            assert "found by trial" in card.lineage[0]
            assert card.measured["iou_low"] <= card.measured["iou"] <= card.measured["iou_high"]
            assert row["iou"] and float(row["onnxruntime_p50_ms"]) > 0, title
            assert ("openvino" in installed()) == bool(row["openvino_p50_ms"])
    tuned = zoo.find(tmp_path / "out" / f"{rows['half of it, tuned']['model']}.onnx")
    assert "made (terms not recorded)" in tuned.training_data
    assert rows["int8"]["precision"] == "int8"
    report = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert all(f"| {title} |" in report for title in rows)
    assert lraspp.read_bytes() == before
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir() if path.is_dir()) == []


def test_a_climb_goes_on_where_it_was(tmp_path, toy_data, colours, monkeypatch):
    """What was climbed is remembered; only what is new is done."""
    out, rungs = tmp_path / "out", RUNGS.split("[[rung]]")
    first = recipe(tmp_path, "[[rung]]" + rungs[1])
    ladder.climb(str(colours), toy_data, first, 0.003, out)
    done = []
    for name, step in passes.PASSES.items():
        monkeypatch.setitem(
            passes.PASSES, name, passes.Pass(noting(done, name, step.apply), step.tolerance, step.precision)
        )
    second = recipe(tmp_path, "[[rung]]" + rungs[1] + "[[rung]]" + rungs[5])
    ladder.climb(str(colours), toy_data, second, 0.003, out)
    assert done == ["int8"]
    assert list(rows_of(out)) == ["colours", "graph", "int8"]


def noting(done, name, apply):
    @functools.wraps(apply)
    def applied(*arguments, **options):
        done.append(name)
        return apply(*arguments, **options)

    return applied


@pytest.fixture
def dark_data(tmp_path, toy_data):
    """The toy pictures, but the photos that are calibrated on are black."""
    root = tmp_path / "dark"
    shutil.copytree(toy_data, root)
    for path in root.rglob("people/**/train*.webp"):
        cv2.imwrite(str(path), np.zeros((72, 64, 3), np.uint8), [cv2.IMWRITE_WEBP_QUALITY, 101])
    return root


def test_the_gate_refuses_a_bad_calibration(tmp_path, toy_data, dark_data, colours):
    """Calibrated on black pictures, int8 finds nobody: refused with its loss, and no artefact is left."""
    rungs = '[[rung]]\ntitle = "int8"\npass = "int8"\nmethod = "minmax"\n'
    ladder.climb(str(colours), dark_data, recipe(tmp_path, rungs), 0.003, tmp_path / "bad")
    row = rows_of(tmp_path / "bad")["int8"]
    assert row["status"] in ("refused", "failed")
    assert float(row["val_lost"] or 1) > 0.1 or "alpha moves" in row["reason"]
    assert [path.name for path in (tmp_path / "bad").glob("*.onnx")] == ["00-colours.onnx"]
    ladder.climb(str(colours), toy_data, recipe(tmp_path, rungs), 0.003, tmp_path / "good")
    assert float(rows_of(tmp_path / "good")["int8"]["val_lost"]) < 0.05


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda path: path.unlink(), "does not exist"),
        (lambda path: path.write_bytes(b"not a network"), "is no ONNX model"),
        (lambda path: path.write_bytes(b""), "is no ONNX model|holds no network"),
    ],
)
def test_what_is_no_network_is_refused(tmp_path, toy_data, colours, prepare, said):
    """Before any rung, and nothing is written but an empty folder."""
    prepare(colours)
    with pytest.raises(LabError, match=said):
        ladder.climb(str(colours), toy_data, recipe(tmp_path, RUNGS), 0.003, tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def open_sides(model):
    for value in (*model.graph.input, *model.graph.output):
        for place in (2, 3):
            value.type.tensor_type.shape.dim[place].dim_param = "side"


def new_opset(model):
    model.opset_import[0].version = 99


def classes(model):
    model.graph.node.append(helper.make_node("GlobalAveragePool", ["y"], ["class"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("class", TensorProto.FLOAT, [1, 1, 1, 1]))


@pytest.mark.parametrize(
    ("change", "said"),
    [(open_sides, "put a card beside it"), (new_opset, "export it again"), (classes, "no segmentation network")],
)
def test_a_network_that_cannot_be_taken_in_is_one_line(tmp_path, toy_data, colours, run, change, said):
    """With what to do, and an exit code; the folder holds no file."""
    model = onnx.load(colours)
    change(model)
    colours.write_bytes(model.SerializeToString())
    code, _, wrong = run("lab", "optimize", colours, "--data", toy_data, "--out", tmp_path / "out")
    assert code == 1
    assert said in wrong and len(wrong.strip().splitlines()) == 1
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_a_rung_that_starts_from_a_refused_one_says_so(tmp_path, toy_data, colours):
    """Its row stays, failed; and what a rung depends on is asked again when the order changes."""
    rungs = """
[[rung]]
title = "smaller"
pass = "resolution"
size = [32, 32]
budget = 0.0

[[rung]]
title = "after it"
from = "smaller"
pass = "graph"
"""
    ladder.climb(str(colours), toy_data, recipe(tmp_path, rungs), 0.003, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert rows["smaller"]["status"] == "refused" and "over its budget" in rows["smaller"]["reason"]
    assert rows["after it"]["status"] == "failed" and "'smaller', which it starts from" in rows["after it"]["reason"]
    eased = recipe(tmp_path, rungs.replace("budget = 0.0", "budget = 1.0\naside = true"))
    ladder.climb(str(colours), toy_data, eased, 0.003, tmp_path / "out")
    assert rows_of(tmp_path / "out")["smaller"]["status"] == "aside"


def test_data_without_photos_to_calibrate_on_is_refused(tmp_path, toy_data, colours):
    """An empty folder, and a manifest without photos for training."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(LabError, match=r"manifest\.csv does not exist"):
        ladder.climb(str(colours), tmp_path / "empty", recipe(tmp_path, RUNGS), 0.003, tmp_path / "out")
    shutil.copytree(toy_data, tmp_path / "data")
    lines = (toy_data / "manifest.csv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if ",photo,train," not in line]
    (tmp_path / "data" / "manifest.csv").write_text("\n".join(kept) + "\n", encoding="utf-8")
    with pytest.raises(LabError, match="nothing to calibrate on"):
        ladder.climb(str(colours), tmp_path / "data", recipe(tmp_path, RUNGS), 0.003, tmp_path / "out")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path, toy_data, colours):
    """A file is in its place."""
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    with pytest.raises(OutputError, match="choose another --out"):
        ladder.climb(str(colours), toy_data, recipe(tmp_path, RUNGS), 0.003, tmp_path / "out")


def test_another_folder_is_left_alone(tmp_path, toy_data, colours):
    """What is in it is the user's."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.md").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="holds other files"):
        ladder.climb(str(colours), toy_data, recipe(tmp_path, RUNGS), 0.003, tmp_path / "out")
    assert (tmp_path / "out" / "report.md").read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on file sizes there")
def test_a_full_disk_stops_the_climb_with_nothing_half_written(tmp_path, toy_data, colours):
    """Files may not grow beyond 300 bytes, really: one line, an exit code, and no artefact, row or report."""
    program = (
        "import resource, sys; from incognito import cli;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)); cli.main()"
    )
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", program, "lab", "optimize", str(colours), "--data", str(toy_data),
         "--recipe", str(recipe(tmp_path, RUNGS)), "--out", str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1 and "make room" in done.stderr
    assert list(out.rglob("*.onnx")) == []
