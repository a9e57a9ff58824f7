"""What runs a network: ONNX Runtime, OpenVINO, and the seam between."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from making import toy_card

from incognito import runtime, zoo
from incognito.errors import ModelError, UsageError
from incognito.runtime import OnnxRuntime, OpenVinoRuntime, open_runtime

LISTENER = """
import os, sys
record = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
def listen(event, arguments):
    if event.startswith("socket.") or event in ("os.fork", "os.posix_spawn", "subprocess.Popen"):
        os.write(record, event.encode())
        raise OSError("there is no network in this test")
sys.addaudithook(listen)
"""
RUNS_OPENVINO = """
import numpy as np
from incognito import runtime, zoo
card = zoo.find("fast")
runtime.OpenVinoRuntime(card).run(np.zeros((1, *card.size, 3), np.uint8))
"""


@pytest.fixture(params=sorted(runtime.RUNTIMES))
def name(request) -> str:
    return request.param


def test_runtimes_find_the_same_alpha(portrait):
    """On the shipped model OpenVINO agrees with ONNX Runtime, far within what an eye could see."""
    card = zoo.find("fast")
    tensor = cv2.resize(portrait, (card.width, card.height), interpolation=cv2.INTER_AREA)[None]
    alphas = [open_runtime(card, None, name).run(tensor) for name in runtime.RUNTIMES]
    assert [(alpha.shape, alpha.dtype) for alpha in alphas] == [(card.size, np.float32)] * 2
    assert np.abs(alphas[0] - alphas[1]).max() < 1e-3


def test_threads_rest_soon_after_a_run(name):
    """Between two frames of a stream the machine is quiet: no core is kept waiting for the next one."""
    card = zoo.find("fast")
    network, tensor, spent = open_runtime(card, 2, name), np.zeros((1, *card.size, 3), np.uint8), []
    for _ in range(5):
        network.run(tensor)
        before = time.process_time()
        time.sleep(0.05)
        spent.append(time.process_time() - before)
    assert min(spent) < 0.01


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or runtime.cores() < 2, reason="needs two cores, and a say")
def test_each_thread_has_a_core_of_its_own_where_there_are_as_many(toy_model):
    """A helper stays on its core, the caller off it during a run; fewer threads are the system's to place."""
    card, mine = zoo.find(toy_model), os.sched_getaffinity(0)
    first, *others = sorted(mine)
    assert runtime._cores_of_helpers(len(mine)) == others
    assert runtime._cores_of_helpers(len(mine) - 1) == []
    before = _pinned()
    network = OnnxRuntime(card)
    until = time.monotonic() + 5
    while _pinned() - before != Counter(others):  # a helper binds itself, once it has begun
        assert time.monotonic() < until
        time.sleep(0.01)

    class Breaks:
        def run(self, *_):
            seen.append(os.sched_getaffinity(0))
            raise ValueError("it broke")

    seen: list[set[int]] = []
    network._session = Breaks()
    with pytest.raises(ModelError, match="it broke"):
        network.run(np.zeros((1, 32, 48, 3), np.uint8))
    assert seen == [{first}]
    assert os.sched_getaffinity(0) == mine


def _pinned() -> Counter[int]:
    """The cores that a thread of this process is bound to, and how many are."""
    found: Counter[int] = Counter()
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it may just have ended
            places = os.sched_getaffinity(int(thread.name))
            found.update(places if len(places) == 1 else ())
    return found


def test_an_output_stays_as_it_was(toy_model, name):
    """What a run gave is not changed by the next."""
    network = open_runtime(zoo.find(toy_model), 1, name)
    first = network.run(np.full((1, 32, 48, 3), 255, np.uint8))
    network.run(np.zeros((1, 32, 48, 3), np.uint8))
    assert first.min() == 1


@pytest.mark.parametrize("changes", [{"height": 48}, {"layout": "NCHW"}, {"dtype": "float32"}])
def test_a_network_that_its_card_does_not_describe_is_refused(toy_model, name, changes):
    """By every runtime, before it runs."""
    toy_card(toy_model.read_bytes(), **changes).write(toy_model.with_suffix(".json"))
    with pytest.raises(ModelError, match="mend the card"):
        open_runtime(zoo.find(toy_model), 1, name)


def test_a_file_that_is_no_network_is_refused(toy_model, name):
    """In one line that says which file."""
    toy_model.write_bytes(b"not a network" * 50)
    toy_card(toy_model.read_bytes()).write(toy_model.with_suffix(".json"))
    with pytest.raises(ModelError, match=r"toy\.onnx cannot be run") as error:
        open_runtime(zoo.find(toy_model), 1, name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("threads", [0, 100_000])
def test_threads_that_cannot_be_had_are_refused(toy_model, name, threads):
    """Asked is got, or an error."""
    with pytest.raises(UsageError, match="threads"):
        open_runtime(zoo.find(toy_model), threads, name)


def test_an_unknown_runtime_is_refused(toy_model):
    """With the names of those that are known."""
    with pytest.raises(UsageError, match="'abacus'; choose one of onnxruntime, openvino"):
        open_runtime(zoo.find(toy_model), name="abacus")


def test_a_runtime_that_is_not_installed_is_refused_with_the_remedy(toy_model, monkeypatch):
    """Nothing takes its place in silence."""
    monkeypatch.setattr(runtime, "is_installed", lambda name: name == "onnxruntime")
    assert runtime.installed() == ["onnxruntime"]
    for refused in (OpenVinoRuntime, lambda card: open_runtime(card, None, "openvino")):
        with pytest.raises(UsageError, match=r"pip install openvino, or"):
            refused(zoo.find(toy_model))


def test_bf16_is_computed_where_the_cpu_has_it_and_else_refused(portrait):
    """Where the card says so only; the matte then moves by little, but it moves."""
    card = zoo.find("fast")
    wanted = dataclasses.replace(card, precision="bf16")
    if "BF16" not in runtime._openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with pytest.raises(ModelError, match="bf16"):
            OpenVinoRuntime(wanted)
        return
    tensor = cv2.resize(portrait, (card.width, card.height), interpolation=cv2.INTER_AREA)[None]
    moved = np.abs(OpenVinoRuntime(wanted).run(tensor) - OnnxRuntime(card).run(tensor))
    assert 0 < moved.mean() < 0.01


def attempts_of(program: str, folder: Path) -> str:
    """The connections and processes that a program tried to make, in a home and process of its own."""
    record = folder / "record"
    subprocess.run([sys.executable, "-c", LISTENER + program, str(record)], env=away(folder), check=True)
    return record.read_text()


def away(folder: Path) -> dict[str, str]:
    """The environment of a program that is no test, with a home and a place for temporary files of its own."""
    hints = {"CI", "TF_BUILD", "JENKINS_URL", "PYTEST_CURRENT_TEST", "PYTEST_VERSION", "ORT_DISABLE_TELEMETRY"}
    environment = {key: value for key, value in os.environ.items() if key not in hints}
    (folder / "home").mkdir()
    return environment | {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "home"),
        "https_proxy": "http://127.0.0.1:9",
    }


def test_openvino_tells_nobody_that_it_runs(tmp_path):
    """Loading and running it makes no connection and no process, and leaves no identity in the home directory."""
    assert attempts_of(RUNS_OPENVINO, tmp_path) == ""
    assert not list((tmp_path / "home").iterdir())


def test_openvino_would_tell_if_it_were_imported_plainly(tmp_path):
    """The listener hears what the guard is there for; when this fails, the guard may go."""
    assert attempts_of("import openvino", tmp_path)
    assert (tmp_path / "home" / "intel").is_dir()


def test_threads_that_ask_at_once_share_one_core():
    """A second core would end the program at its next signal; a second import would find the guard half taken down."""
    program = """
import threading
from incognito import runtime
start, cores = threading.Barrier(6), []
def ask():
    start.wait()
    cores.append(runtime._openvino_core())
threads = [threading.Thread(target=ask) for _ in range(6)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(cores), len({id(core) for core in cores}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["6", "1"]


def test_onnx_runtime_tells_nobody_that_it_runs(tmp_path):
    """It leaves neither an identity nor events that wait to be sent."""
    program = (
        "import incognito, numpy; incognito.Segmenter('fast', runtime='onnxruntime')(numpy.zeros((9, 9, 3), 'u1'))"
    )
    subprocess.run([sys.executable, "-c", program], env=away(tmp_path), check=True)
    left = [path for path in (tmp_path / "home").rglob("*") if path.is_file() and "incognito" not in str(path)]
    assert not left


def test_onnx_runtime_would_tell_if_it_were_imported_plainly(tmp_path):
    """What the guard is there for; when this fails, the guard may go."""
    environment = away(tmp_path)
    environment["ORT_DISABLE_TELEMETRY"] = "0"
    subprocess.run([sys.executable, "-c", "import onnxruntime"], env=environment, check=True)
    assert list((tmp_path / "home").rglob("*deviceid*"))


def test_the_telemetry_is_there_again_for_the_programs_own_use():
    """The guard closes the door for one import only."""
    program = (
        "from incognito import runtime; runtime._import_openvino(); import openvino_telemetry as t; print(t.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "openvino_telemetry"


def test_a_card_and_its_file_are_checked_by_every_runtime(toy_model, name):
    """A network that is not the one its card describes is not loaded."""
    card = dataclasses.replace(zoo.find(toy_model), sha256="0" * 64)
    with pytest.raises(ModelError, match="SHA-256"):
        open_runtime(card, 1, name)


def test_signals_arrive_after_networks_came_and_went():
    """With AMX, a second core of OpenVINO left a stack for signals that was gone: a child's end ended the program."""
    if not runtime.is_installed("openvino"):
        pytest.skip("OpenVINO is not installed")
    program = """
import gc, signal, subprocess
import numpy as np
from incognito import zoo
from incognito.runtime import OpenVinoRuntime
signal.signal(signal.SIGCHLD, lambda *_: print("a child ended"))
card = zoo.find("fast")
for _ in range(3):
    runners = [OpenVinoRuntime(card) for _ in range(2)]
    runners[0].run(np.zeros((1, *card.size, 3), np.uint8))
    del runners
    gc.collect()
    subprocess.run(["true"], check=True, stdout=subprocess.PIPE)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (0, ["a child ended"] * 3)
