"""Which variant of a model, on which runtime, runs here: the rule, the race, what is remembered, and the override."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from making import add_variant, toy_card

import incognito
from incognito import cache, choice, runtime, zoo
from incognito.errors import ModelError, UsageError
from incognito.runtime import ConstantRuntime
from incognito.segment import Segmenter, beside
from incognito.timing import FakeClock, Stopwatch

ORT, OPENVINO = "onnxruntime", "openvino"


@pytest.fixture
def races(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The races that were run, by the names of who ran; times are those of `medians`, in milliseconds."""
    held: list[list[str]] = []
    rests.clear()

    def race(runs, stopwatch, pause):
        held.append([*runs])
        rests.append(*pause.args)
        return {name: medians.get(name, 9.0) for name in runs}

    monkeypatch.setattr(choice, "race", race)
    return held


rests: list[float] = []  # before a run of each race
medians = {"toy onnxruntime": 5.0, "toy.int8 onnxruntime": 2.0, "toy openvino": 3.0, "toy.int8 openvino": 1.0}


def verdicts(name: str | None = None) -> dict[str, str]:
    chosen = choice.choose(zoo.find("toy"), None, name)
    return {each.name: chosen.verdict(each) for each in chosen.candidates}


def running(**asked: object) -> tuple[str, str]:
    segmenter = Segmenter("toy", **asked)
    return segmenter.card.label, segmenter.runtime_name


def test_a_single_candidate_is_not_timed(toys, races):
    """There is nothing to choose, nothing to load and nothing to keep."""
    assert verdicts() == {"toy onnxruntime": "chosen"}
    assert running() == ("toy", ORT)
    assert not races
    assert not (toys / "cache").exists()


@pytest.mark.parametrize(
    ("iou", "verdict"),
    [
        (0.96, "chosen"),
        (0.947, "chosen"),
        (0.9469, "loses 0.0031 IoU"),
        (0.5, "loses 0.4500 IoU"),
        (float("nan"), "IoU not measured"),
    ],
)
def test_a_variant_may_lose_three_thousandths_of_iou(toys, races, iou, verdict):
    """And no more, however fast; one that was not measured is never chosen."""
    add_variant(toys, **({} if np.isnan(iou) else {"iou": iou}))
    assert verdicts()["toy.int8 onnxruntime"] == verdict
    assert running()[0] == ("toy.int8" if verdict == "chosen" else "toy")


def test_a_base_that_was_not_measured_has_no_rival(toys, races):
    """There is nothing that a variant could be held against."""
    toy_card((toys / "toy.onnx").read_bytes()).write(toys / "toy.json")
    add_variant(toys, iou=0.99)
    assert verdicts() == {"toy onnxruntime": "chosen", "toy.int8 onnxruntime": "IoU not measured"}


def test_a_variant_that_finds_another_alpha_is_not_chosen(toys, races):
    """Whatever its card says: on the portrait it must agree with the base on ONNX Runtime."""
    add_variant(toys, most=200.0, iou=0.95)
    assert verdicts()["toy.int8 onnxruntime"].startswith("moves alpha by 0.1")
    assert races == [["toy onnxruntime"]]


def test_a_variant_that_cannot_be_run_is_not_chosen(toys, races):
    """The base still is."""
    add_variant(toys, iou=0.95)
    (toys / "toy.int8.onnx").write_bytes(b"not a network")
    assert verdicts() == {"toy onnxruntime": "chosen", "toy.int8 onnxruntime": "cannot be run here"}


def test_a_base_that_cannot_be_run_is_an_error(toys, races):
    """A variant does not hide that the installation is broken."""
    add_variant(toys, iou=0.95)
    (toys / "toy.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelError, match=r"toy\.onnx"):
        Segmenter("toy")


def test_the_fastest_of_variants_and_runtimes_is_chosen(toys, races, monkeypatch):
    """Every variant on every runtime is in the race."""
    monkeypatch.setattr(runtime, "installed", lambda: [ORT, OPENVINO])
    add_variant(toys, iou=0.95)
    assert running() == ("toy.int8", OPENVINO)
    assert races == [["toy onnxruntime", "toy openvino", "toy.int8 onnxruntime", "toy.int8 openvino"]]
    assert set(verdicts().values()) == {"chosen", "slower"}


def test_who_names_a_runtime_gets_the_fastest_variant_on_it(toys, races, monkeypatch):
    """Asked is got, and nothing else is loaded."""
    add_variant(toys, iou=0.95)
    for name in (ORT, OPENVINO):
        assert running(runtime=name) == ("toy.int8", name)
    assert races == [[f"toy {name}", f"toy.int8 {name}"] for name in (ORT, OPENVINO)]
    monkeypatch.setattr(choice, "TOLERANCE", -1)
    shutil.rmtree(toys / "cache")
    assert running(runtime=OPENVINO) == ("toy", OPENVINO)


def test_who_names_a_variant_or_a_file_gets_it(toys, races):
    """On ONNX Runtime, unless another is named; without a race."""
    add_variant(toys, precision="int8", iou=0.5)
    for model in ("toy.int8", toys / "toy.int8.onnx", str(toys / "toy.int8.onnx")):
        assert Segmenter(model).card.label == "toy.int8"
        assert Segmenter(model).runtime_name == ORT
    assert Segmenter("toy.int8", runtime=OPENVINO).runtime_name == OPENVINO
    assert Segmenter(zoo.find("toy").path).card.label == "toy"
    assert not races


def test_an_object_may_still_take_a_runtimes_place(toys, races):
    """With the base's card, and a name to tell."""
    add_variant(toys, iou=0.95)
    segmenter = Segmenter("toy", runtime=ConstantRuntime(0.5))
    assert (segmenter.card.label, segmenter.runtime_name) == ("toy", "constant")

    class Own:
        def run(self, tensor):
            return np.ones((32, 48), np.float32)

    assert Segmenter("toy", runtime=Own()).runtime_name == "Own"
    assert not races


@pytest.mark.parametrize("model", ["toy", "toy.int8"])
def test_a_runtime_that_is_not_there_is_refused(toys, model, monkeypatch):
    """Whether unknown or not installed."""
    add_variant(toys, iou=0.95)
    with pytest.raises(UsageError, match="no runtime 'abacus'"):
        Segmenter(model, runtime="abacus")
    monkeypatch.setattr(runtime, "is_installed", lambda name: False)
    with pytest.raises(UsageError, match="pip install"):
        Segmenter(model, runtime=OPENVINO)


def test_remove_takes_what_was_chosen(toys, races, monkeypatch):
    """A name leaves it open, a file does not; each is loaded once."""
    add_variant(toys, most=254.0, iou=0.95)
    frame = np.full((32, 48, 3), (64, 9, 9), np.uint8)
    found = {model: incognito.remove(frame, "transparent", model) for model in ("toy", "toy.int8", toys / "toy.onnx")}
    assert np.array_equal(found["toy"], found["toy.int8"])
    incognito.remove(frame, "transparent", "toy")
    assert len(races) == 1


def test_a_choice_is_made_once(toys, races):
    """The next program finds it in the cache."""
    add_variant(toys, iou=0.95)
    assert running() == running() == ("toy.int8", ORT)
    assert len(races) == 1
    assert len(list((toys / "cache").iterdir())) == 1


def retrain(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_variant(folder, most=255.5, iou=0.95)


def measure_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_variant(folder, iou=0.951)


def move(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("incognito.machine.cpu", lambda: "Abacus avx_vnni")


def upgrade(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "version_of", lambda name: "9.9")


def damage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (folder / "cache").iterdir():
        path.write_text(path.read_text(encoding="utf-8")[:-40], encoding="utf-8")


def forge(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (folder / "cache").iterdir():
        path.write_text(path.read_text(encoding="utf-8").replace("2.0", '"soon"'), encoding="utf-8")


def rename(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (folder / "cache").iterdir():
        path.write_text(path.read_text(encoding="utf-8").replace('"toy onnx', '"boy onnx'), encoding="utf-8")


@pytest.mark.parametrize("change", [retrain, measure_again, move, upgrade, damage, forge, rename])
def test_a_choice_is_made_again_when_what_it_rests_on_changes(toys, races, monkeypatch, change):
    """Files, figures, processor, runtime, or a cache that cannot be read; and then that is kept."""
    add_variant(toys, iou=0.95)
    running()
    change(toys, monkeypatch)
    assert running() == running() == ("toy.int8", ORT)
    assert len(races) == 2


@pytest.mark.skipif(runtime.cores() < 2, reason="needs two cores")
def test_other_threads_are_another_choice(toys, races):
    """One network may win with one thread, another with two; the default is all cores."""
    add_variant(toys, iou=0.95)
    for threads in (1, None, runtime.cores()):
        running(threads=threads)
    assert len(races) == 2


def test_a_streams_choice_is_another(toys, races):
    """Its network rests between two frames, and another variant or runtime may then be the fastest."""
    add_variant(toys, iou=0.95)
    for rest in (0.0, choice.REST, choice.REST):
        choice.choose(zoo.find("toy"), rest=rest)
    assert len(races) == 2 and rests == [0.0, choice.REST]


def test_a_cache_that_cannot_be_written_is_no_error(toys, races):
    """The choice is made each time."""
    add_variant(toys, iou=0.95)
    (toys / "cache").write_bytes(b"in the way")
    assert running() == running() == ("toy.int8", ORT)
    assert len(races) == 2


def test_a_runtime_without_a_package_has_no_version(monkeypatch):
    """As one that was built from source."""
    assert choice.version("no-such-package") == ""
    assert choice.version(ORT)


class Machine:
    """Two candidates on a clock moved by hand; the other's threads spin on for 20 ms after a run of it."""

    def __init__(self, **seconds: float) -> None:
        self.clock = FakeClock()
        self.runs = {name: (lambda name=name: self.run(name)) for name in seconds}
        self.order: list[str] = []
        self._seconds, self._last = seconds, dict.fromkeys(seconds, -1.0)

    def run(self, name: str) -> None:
        disturbed = any(self.clock.now - at < 0.02 for other, at in self._last.items() if other != name)
        self.clock.advance(self._seconds[name] * (2 if disturbed else 1))
        self._last[name] = self.clock.now
        self.order.append(name)


def test_a_race_takes_two_seconds_in_turns():
    """Neither loses time to the other, both run early and late."""
    machine = Machine(slow=0.012, quick=0.005)
    times = choice.race(machine.runs, Stopwatch(machine.clock))
    assert times == {"slow": pytest.approx(12.0), "quick": pytest.approx(5.0)}
    assert 1.95 < machine.clock.now < choice.BUDGET + 0.02
    switches = sum(a != b for a, b in zip(machine.order, machine.order[1:], strict=False))
    assert switches == 2 * choice.ROUNDS - 1


def test_a_race_with_rests_times_runs_alone():
    """A rest comes before each run but a turn's first, and is in no time."""
    machine, rests = Machine(slow=0.012, quick=0.005), []

    def rest() -> None:
        rests.append(len(machine.order))
        machine.clock.advance(0.02)

    times = choice.race(machine.runs, Stopwatch(machine.clock), rest)
    assert times == {"slow": pytest.approx(12.0), "quick": pytest.approx(5.0)}
    assert len(rests) == len(set(rests)) == len(machine.order) - 2 * choice.ROUNDS


def test_a_very_slow_candidate_is_timed_once():
    """Though the two seconds are over; and the next is still warmed up first."""
    machine = Machine(slow=3.0, quick=0.01)
    times = choice.race(machine.runs, Stopwatch(machine.clock))
    assert times == {"slow": pytest.approx(3000.0), "quick": pytest.approx(10.0)}
    assert machine.order.count("slow") == 2


def beside_int8(folder: Path, on: str = ORT) -> tuple[str, str]:
    """What toy is in a stream in which an int8 variant of another model runs."""
    other = dataclasses.replace(zoo.find("toy.int8"), name="other", file="other.int8.onnx")
    found = choice.akin(zoo.find("toy"), None, other, on)
    return found.card.label, found.runtime


def test_beside_a_running_model_nothing_is_raced(toys, races, monkeypatch):
    """The variant of its kind on its runtime is taken; what was chosen before is better known."""
    monkeypatch.setattr(runtime, "installed", lambda: [ORT, OPENVINO])
    add_variant(toys, iou=0.95)
    assert [beside_int8(toys, on) for on in (ORT, OPENVINO)] == [("toy.int8", ORT), ("toy.int8", OPENVINO)]
    assert not races and not (toys / "cache").exists()
    beside("toy", None, None)
    assert beside_int8(toys, ORT) == ("toy.int8", OPENVINO)


@pytest.mark.parametrize(("most", "iou"), [(200.0, 0.95), (255.0, 0.9)])
def test_beside_a_running_model_the_rules_hold(toys, races, most, iou):
    """A variant that finds another alpha, or loses too much, is not taken: the base is."""
    add_variant(toys, most=most, iou=iou)
    assert beside_int8(toys) == ("toy", ORT)


def test_a_stream_takes_what_is_beside(toys, races):
    """The first model of a stream is raced for, and the next one is not."""
    add_variant(toys, iou=0.95)
    first = beside("toy", None, None)
    assert (first.card.label, len(races), rests) == ("toy.int8", 1, [choice.REST])
    shutil.rmtree(toys / "cache")
    second = beside("toy", 1, first)
    assert (second.card.label, second.runtime_name, len(races)) == ("toy.int8", ORT, 1)
    assert beside(str(toys / "toy.onnx"), 1, first).card.label == "toy"


def test_a_real_race_chooses_among_what_is_here(tmp_path, monkeypatch):
    """The shipped model, measured and remembered; what is chosen is the fastest that was timed."""
    monkeypatch.setenv("INCOGNITO_CACHE", str(tmp_path))
    monkeypatch.setattr(choice, "BUDGET", 0.3)
    chosen = choice.choose(zoo.find("fast"))
    timed = [each.milliseconds for each in chosen.candidates if each.milliseconds]
    assert len(timed) >= len(runtime.installed())
    assert chosen.best.milliseconds == min(timed)
    assert choice.choose(zoo.find("fast")) == chosen
    assert len(list(tmp_path.iterdir())) == 1


def test_models_verbose_says_who_was_chosen_and_why(run, toys, races, monkeypatch):
    """Precision, size, IoU, milliseconds, verdict for each candidate; without --verbose, none of it."""
    monkeypatch.setattr(runtime, "installed", lambda: [ORT, OPENVINO])
    add_variant(toys, iou=0.95)
    add_variant(toys, precision="float16", iou=0.9)
    code, plain, err = run("models")
    assert (code, err, races) == (0, "", [])
    code, out, err = run("models", "--verbose")
    assert (code, err) == (0, "")
    assert out.startswith(plain)
    lines = [" ".join(line.split()) for line in out[len(plain) :].splitlines()]
    assert str(cache.folder()) in lines[0]
    versions = {name: choice.version(name) for name in (ORT, OPENVINO)}
    assert f"toy float32 0.0 MB IoU 0.9500 onnxruntime {versions[ORT]} 5.0 slower" in lines
    assert f"toy.int8 int8 0.0 MB IoU 0.9500 openvino {versions[OPENVINO]} 1.0 chosen" in lines
    assert f"toy.float16 float16 0.0 MB IoU 0.9000 openvino {versions[OPENVINO]} - loses 0.0500 IoU" in lines
    assert len(lines) == 7


@pytest.mark.parametrize("command", ["remove", "matte"])
def test_the_command_line_names_a_runtime(run, portrait_file, tmp_path, monkeypatch, command):
    """--runtime reaches the segmenter, and one that is not there is refused in one line."""
    asked = []
    monkeypatch.setattr(
        "incognito.files.Segmenter",
        lambda model, runtime: asked.append((model, runtime)) or Segmenter(model, runtime=runtime),
    )
    options = ("--model", zoo.find("fast").path, "--runtime", OPENVINO)
    assert run(command, portrait_file, "-o", tmp_path / "out.png", *options) == (0, "", "")
    assert asked == [(str(zoo.find("fast").path), OPENVINO)]
    code, _, err = run(command, portrait_file, "-o", tmp_path / "new.png", "--runtime", "abacus")
    assert (code, err.count("\n")) == (2, 1)
    assert not (tmp_path / "new.png").exists()
