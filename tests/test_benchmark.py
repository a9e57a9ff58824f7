"""What the models cost on this machine."""

from __future__ import annotations

import csv
import functools
import io
import itertools
import json
from html.parser import HTMLParser
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from incognito import benchmark, page, plot, record, zoo
from incognito.benchmark import Candidate, Work, network_alone, rows_of, turn, whole_path
from incognito.errors import ModelError, OutputError, UsageError
from incognito.hands import pinned
from incognito.load import Load, Watch
from incognito.record import COLUMNS, Record, Row
from incognito.runtime import ConstantRuntime, cores, installed
from incognito.timing import FakeClock, Stopwatch

VOID = {"meta", "br", "link", "img", "input", "hr"}


class SlowRuntime:
    """A network that takes the times it is told, on a fake clock; after them, the last for ever."""

    def __init__(self, clock: FakeClock, *seconds: float) -> None:
        self.clock, self.seconds, self.runs = clock, list(seconds), 0
        self.threads = set()

    def run(self, tensor):
        self.threads.add(cv2.getNumThreads())
        self.clock.advance(self.seconds[min(self.runs, len(self.seconds) - 1)])
        self.runs += 1
        return np.ones((64, 64), np.float32)


def slow_work(clock: FakeClock, *seconds: float, threads: int = 1) -> tuple[Work, SlowRuntime]:
    network = SlowRuntime(clock, *seconds)
    return network_alone(Candidate(zoo.find("fast"), "onnxruntime", threads, network), Stopwatch(clock)), network


def row(**changes) -> Row:
    """A network's row, with changes."""
    about = {
        "model": "fast", "precision": "float32", "network": "256x256", "runtime": "onnxruntime", "threads": 1,
        "frame": "", "stage": "network", "n": 12, "p50_ms": 10.0, "p95_ms": 12.0, "spread": 0.1, "fps": 100.0,
        "bytes": 7_500_000, "iou": 0.9557, "cpu": "a <fast> CPU", "versions": "incognito 0", "status": "ok",
    }  # fmt: skip
    return Row(**(about | changes))


def path_rows(**changes) -> list[Row]:
    return [row(frame="1280x720", stage=stage, **changes) for stage in (*record.STAGES, record.PATH)]


@pytest.fixture
def made() -> Record:
    """A record of two models, one without IoU, and of one that could not be run."""
    rows = [row(), row(threads=4, p50_ms=4.0), row(model="a&b", iou=None), *path_rows(), *path_rows(model="a&b")]
    failed = row(runtime="openvino", stage="", n=0, p50_ms=None, p95_ms=None, spread=None, fps=None, status="no <such>")
    machine = {"cpu": "a <fast> CPU", "cores": 4, "system": "Linux x86_64", "versions": {"incognito": "0"}}
    return Record(machine, Load(None, 0.25, 1.0), {"Threads": "pinned in number"}, [*rows, failed])


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> tuple[Record, dict]:
    """A real run of the shipped models in the shortest time, and all that it wrote."""
    folder = tmp_path_factory.mktemp("benchmark")
    outputs = {kind: folder / f"out.{kind}" for kind in benchmark.WRITERS}
    turns = []
    before = cv2.getNumThreads()
    result = benchmark.run(outputs=outputs, seconds=0.1, on_turn=lambda done, count: turns.append((done, count)))
    assert cv2.getNumThreads() == before
    assert turns[0][0] == 1
    return result, {kind: path.read_text(encoding="utf-8") for kind, path in outputs.items()}


def test_every_stage_of_every_candidate_is_timed(found):
    """Each model, runtime and number of threads: the network, and each stage at both sizes, some times at least."""
    timed = {(r.runtime, r.threads, r.frame, r.stage) for r in found[0].rows if r.model == "fast"}
    stages = [("", "network")]
    stages += [(frame, stage) for frame in ("1280x720", "1920x1080") for stage in (*record.STAGES, "path")]
    wanted = {(name, n, *stage) for name in installed() for n in {1, cores()} for stage in stages}
    assert timed == wanted
    assert {r.model for r in found[0].rows} == {card.label for base in zoo.models() for card in zoo.variants(base)}
    for r in found[0].rows:
        assert r.n >= 2 * benchmark.FEWEST
        assert 0 < r.p50_ms <= r.p95_ms
        assert r.spread >= 0
        assert (r.fps is not None) == (r.stage in ("network", "path"))


def test_a_path_takes_as_long_as_its_stages(found):
    """What lies between the stages costs next to nothing."""
    for path in found[0].paths("1280x720"):
        parts = sum(path[stage].p50_ms for stage in record.STAGES)
        assert 0.5 * parts < path["path"].p50_ms < 2 * parts + 2


def test_json_is_a_document_of_machine_load_conditions_and_rows(found):
    """Rows have all columns, of the right kinds; the load has its verdict."""
    document = json.loads(found[1]["json"])
    assert list(document) == ["machine", "load", "conditions", "rows"]
    assert set(document["machine"]) == {"cpu", "cores", "system", "versions"}
    assert set(document["load"]) == {"average", "others", "jitter", "verdict"}
    assert "pinned in number" in document["conditions"]["Threads"]
    for values in document["rows"]:
        assert tuple(values) == COLUMNS
        assert all(isinstance(values[name], float) for name in ("p50_ms", "p95_ms", "spread", "iou"))
        assert all(isinstance(values[name], int) for name in ("threads", "n", "bytes"))
        assert "onnxruntime" in values["versions"] or values["runtime"] != "onnxruntime"


def test_csv_has_fixed_columns_and_the_verdict(found):
    """One line a row, and in each whether the machine was quiet."""
    rows = list(csv.DictReader(io.StringIO(found[1]["csv"])))
    assert tuple(rows[0]) == (*COLUMNS, "load")
    assert len(rows) == len(found[0].rows)
    assert {r["load"] for r in rows} == {found[0].load.verdict}


def test_what_is_unknown_is_null_or_empty(made):
    """Never NaN, never 0."""
    (values,) = [values for values in json.loads(record.to_json(made))["rows"] if values["status"] != "ok"]
    assert (values["n"], values["p50_ms"], values["fps"]) == (0, None, None)
    last = list(csv.DictReader(io.StringIO(record.to_csv(made))))[-1]
    assert (last["n"], last["p50_ms"], last["status"]) == ("0", "", "no <such>")


def test_markdown_is_tables(made):
    """Every line of a table has as many cells as its head; the load and what failed are said."""
    text = record.to_markdown(made)
    assert "| fast | float32 | onnxruntime | 256x256 | 1 | 10.0 | 12.0 | 10% | 12 | 7.5 | 0.956 |" in text
    assert "## The whole path at 1280x720" in text
    for table in text.split("\n\n"):
        if table.startswith("|"):
            assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "- The machine was disturbed: other processes took 25% of the cores" in text
    assert "- Not timed: fast float32, openvino, 1 thread: no <such>." in text


def test_text_is_aligned(made):
    """Figures end below one another."""
    lines = record.aligned(record.tables(made)[0]).splitlines()
    assert len({len(line.rstrip()) for line in lines[:2]}) == 1
    assert "disturbed" in record.to_text(made)


class Page(HTMLParser):
    """Read a page: its tags must close in order; keeps what it names and what it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.references, self.tags = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.references += [value for name, value in attributes if name in ("src", "href", "xlink:href", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def svgs(text: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring("<svg" + part.split("</svg>")[0] + "</svg>") for part in text.split("<svg")[1:]]


def test_the_page_needs_nothing_but_itself(found, made):
    """Well-formed, without scripts, links or anything from a network; light and dark."""
    for text in (found[1]["html"], page.to_html(made)):
        read = Page(text)
        assert read.references == []
        assert "script" not in read.tags
        assert "://" not in text
        assert "url(" not in text
        assert "prefers-color-scheme: dark" in text
        assert svgs(text)


def test_the_page_shows_every_model_and_what_was_wrong(made):
    """Models, verdict and failure are there, with their letters escaped."""
    text = page.to_html(made)
    for part in ("fast float32", "a&amp;b", "a &lt;fast&gt; CPU", "no &lt;such&gt;", "disturbed: other processes"):
        assert part in text
    assert "Without IoU on their cards: a&amp;b." in text


def test_plots_have_labelled_axes_and_a_mark_for_each(made):
    """IoU against latency with two marks; bars of three stages for two models; axes with units."""
    drawn = [svg for svg in svgs(page.to_html(made)) if svg.get("viewBox")]
    labels = [{text.text for text in svg.iter("text") if text.get("class") == "label"} for svg in drawn]
    assert labels == [
        {"latency of the network, median, ms", "person IoU, from the card"},
        {"milliseconds a frame, medians"},
    ]
    assert [len(list(svg.iter("title"))) for svg in drawn] == [2, 6]


def test_a_page_without_any_iou_says_so(made):
    """No card with IoU, no plot of it."""
    bare = Record(made.machine, made.load, made.conditions, [row(iou=None), *path_rows(iou=None)])
    assert "Without IoU on their cards: fast." in page.to_html(bare)


@pytest.mark.parametrize(("low", "high"), [(0, 0.4), (0, 7), (0, 33.3), (0, 99), (0.9457, 0.9657), (0, 1234)])
def test_ticks_are_few_round_and_around(low, high):
    """3 to 9 even steps that hold both ends."""
    at = plot.ticks(low, high)
    assert 3 <= len(at) <= 9
    assert at[0] <= low + 1e-9
    assert at[-1] >= high - 1e-9
    assert np.allclose(np.diff(at), at[1] - at[0])


def test_a_turn_warms_up_first():
    """The first run of a turn is not counted; then it goes on until its time is over."""
    clock = FakeClock()
    work, network = slow_work(clock, 5.0, 0.25)
    turn(work, 6.0)
    assert network.runs == 5
    (r,) = rows_of(work)
    assert (r.n, r.p50_ms, r.p95_ms, r.spread, r.fps) == (4, 250, 250, 0, 4)


def test_a_turn_has_some_runs_however_short():
    """A slow network is run as often as a p95 needs."""
    work, network = slow_work(FakeClock(), 10.0)
    turn(work, -1.0)
    assert network.runs == 1 + benchmark.FEWEST


def test_spread_is_the_interquartile_range_over_the_median():
    """Of times 1, 2, 3, 4, 5: (4 - 2) / 3."""
    clock = FakeClock()
    work, _ = slow_work(clock, 1.0, *(1.0, 2.0, 3.0, 4.0, 5.0))
    turn(work, 15.5)
    assert rows_of(work)[0].spread == pytest.approx(2 / 3)


def test_works_take_turns_there_and_back(monkeypatch):
    """Whoever was first is last in the next round, with calibration before each and after all."""
    order, watch = [], Watch()
    monkeypatch.setattr(watch, "calibrate", lambda: order.append("calibrate"))
    monkeypatch.setattr(benchmark, "turn", lambda work, seconds: order.append(work))
    benchmark.measure(["a", "b"], 60.0, watch)
    assert order == ["calibrate", *"ab", "calibrate", *"ba", "calibrate", *"ab", "calibrate", *"ba", "calibrate"]


def test_no_further_rounds_when_the_time_is_over(monkeypatch):
    """There and back once is the least."""
    turns = []
    monkeypatch.setattr(benchmark, "turn", lambda work, seconds: turns.append(seconds))
    benchmark.measure(["a", "b"], 0.0, Watch())
    assert len(turns) == 4


def test_threads_are_pinned_and_put_back():
    """OpenCV has the threads that the network has, and its own afterwards, even if a run fails."""
    before = cv2.getNumThreads()
    work, network = slow_work(FakeClock(), 1.0, threads=1)
    turn(work, 0.0)
    assert network.threads == {1}
    with pytest.raises(ZeroDivisionError), pinned(1):
        _ = 1 / 0
    assert cv2.getNumThreads() == before


def test_the_path_is_a_stream_of_different_frames():
    """Frames move, have the size that was asked for, and go to and fro."""
    frames = benchmark.film((90, 160))
    assert {frame.shape for frame in frames} == {(90, 160, 3)}
    assert all(np.any(a != b) for a, b in itertools.pairwise(frames))
    work = whole_path(Candidate(zoo.find("fast"), "onnxruntime", 1, ConstantRuntime(0.5)), frames)
    work.once()
    assert work.frame == "160x90"
    assert work.stopwatch.stages == ["segment", "refine", "composite", "path"]


def test_a_model_of_ones_own_is_timed_from_its_path(toy_model, monkeypatch):
    """An .onnx with its card beside it; without IoU."""
    monkeypatch.setattr(benchmark, "SIZES", ((72, 128),))
    result = benchmark.run([toy_model], seconds=0.0)
    assert {(r.model, r.network, r.iou) for r in result.rows} == {("toy", "48x32", None)}
    assert "toy" in page.to_html(result)


def test_what_a_runtime_cannot_run_is_a_row(monkeypatch):
    """The others are timed all the same; only when nothing can be run is it an error."""
    monkeypatch.setattr(benchmark, "installed", lambda: ["onnxruntime", "openvino"])
    works = benchmark.open_runtime

    def some(card, threads, name):
        if name == "openvino":
            raise ModelError("this CPU is too old; choose onnxruntime")
        return works(card, threads, name)

    monkeypatch.setattr(benchmark, "open_runtime", some)
    monkeypatch.setattr(benchmark, "_versions", lambda runtimes: {})  # OpenVINO may be missing here
    opened, failed = benchmark.open_all([zoo.find("fast")])
    assert {candidate.runtime for candidate in opened} == {"onnxruntime"}
    assert {(r.runtime, r.n, r.status) for r in failed} == {("openvino", 0, "this CPU is too old; choose onnxruntime")}
    monkeypatch.setattr(benchmark, "installed", lambda: ["openvino"])
    with pytest.raises(ModelError, match="too old"):
        benchmark.open_all([zoo.find("fast")])


def test_outputs_are_checked_before_anything_is_timed(tmp_path, monkeypatch):
    """An existing file, a missing folder and one name for two are refused at once."""
    monkeypatch.setattr(benchmark, "open_all", lambda cards: pytest.fail("it began"))
    there = tmp_path / "there.json"
    there.touch()
    with pytest.raises(OutputError, match="--force"):
        benchmark.run(outputs={"json": there})
    with pytest.raises(OutputError, match="no directory"):
        benchmark.run(outputs={"csv": tmp_path / "none" / "out.csv"})
    with pytest.raises(UsageError, match="one file"):
        benchmark.run(outputs={"csv": tmp_path / "out", "json": tmp_path / "out"})


def test_the_command_prints_its_table_and_writes_its_files(run, tmp_path, monkeypatch, toy_model):
    """Tables, conditions and verdict on standard output; a second run does not replace the files unasked."""
    monkeypatch.setattr(benchmark, "run", functools.partial(benchmark.run, seconds=0.0))
    monkeypatch.setattr(benchmark, "SIZES", ((72, 128),))
    targets = {kind: tmp_path / f"out.{kind}" for kind in ("json", "csv", "markdown", "html")}
    options = [part for kind, path in targets.items() for part in (f"--{kind}", path)]
    code, out, err = run("benchmark", toy_model, *options)
    assert (code, err) == (0, "")
    for part in ("The network alone", "128x72", "segment", "toy", "p95", "The machine was "):
        assert part in out
    assert all(path.stat().st_size > 500 for path in targets.values())
    code, _, err = run("benchmark", toy_model, *options)
    assert code == 2
    assert "--force" in err
    assert run("benchmark", toy_model, *options, "--force")[0] == 0
    assert run("benchmark", "nothing")[0] == 2
