"""A comparison: what is shown to whom, how sure a difference is, who is timed, and what is left of it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from incognito import cache, choice, runtime, zoo
from incognito.errors import LabError
from incognito.lab import contest, environment, exhibits, paired, rows, standings
from incognito.lab.child import Child, on_cores
from incognito.lab.compare import compare
from incognito.lab.contestants import PEERS, WORKERS, Contestant, enter, open_all
from incognito.lab.environment import PYTHON
from incognito.lab.peers import wire
from incognito.load import allowed

USERS_CACHE = cache.folder()  # before the tests have one of their own


@pytest.fixture(scope="module")
def clips(toy_data, tmp_path_factory) -> Path:
    """Made clips: the toy portraits as 20 frames of a clip with a person, and the toy rooms as one without."""
    root = tmp_path_factory.mktemp("clips")
    lines = ["image,mask,kind,split,width,height,has_ignore,source"]
    for clip, group, count in (("disc", "people/portraits/train", 20), ("nobody", "empty/rooms/train", 4)):
        (root / clip).mkdir()
        for number in range(count):
            picture = cv2.imread(str(toy_data / f"{group}{number % 4}.webp"))
            mask = cv2.imread(str(toy_data / f"{group}{number % 4}.png"), cv2.IMREAD_GRAYSCALE)
            cv2.imwrite(str(root / clip / f"{number}.webp"), picture)
            cv2.imwrite(str(root / clip / f"{number}.png"), np.zeros((72, 64), np.uint8) if mask is None else mask)
            lines.append(f"{clip}/{number}.webp,{clip}/{number}.png,frame,test,64,72,0,made")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def found(toy_data, clips):
    """The shipped int8 variant beside the fake, timed for as short as can be, and the steps that it took."""
    steps = []
    made = compare(["fast.int8"], ["constant"], toy_data, clips, None, lambda *at: steps.append(at), 2, 0.01)
    return made, steps


def test_the_interval_holds_the_truth():
    """About 95 times of 100, for single pictures of a known mean; and for correlated frames in blocks."""
    rng = np.random.default_rng(1)
    alone = [paired.bootstrap([rng.normal(0.3, 1, 1) for _ in range(60)], seed) for seed in range(60)]
    inside = [each.low < 0.3 < each.high for each in alone]
    assert 50 <= sum(inside) < 60
    frames = [np.full(15, rng.normal(0.3, 1)) for _ in range(60)]  # a block is one value, 15 times
    blocks, single = paired.bootstrap(frames), paired.bootstrap([f[:1] for f in frames for _ in range(15)])
    assert blocks.mean == pytest.approx(single.mean)
    assert blocks.high - blocks.low > 3 * (single.high - single.low)


def test_a_bootstrap_is_the_same_again():
    """The same values, the same interval; the mean counts every value alike, whatever its block's length."""
    blocks = [np.array([1.0, 1.0, 1.0]), np.array([5.0])]
    assert paired.bootstrap(blocks) == paired.bootstrap(blocks)
    assert paired.bootstrap(blocks).mean == 2.0
    assert paired.bootstrap([np.array([0.25, 0.25]), np.array([0.25])]) == paired.Difference(0.25, 0.25, 0.25)


def test_a_single_block_has_no_interval():
    """There is nothing to resample."""
    only = paired.bootstrap([np.array([1.0, 2.0])])
    assert (only.mean, np.isnan(only.low), np.isnan(only.high)) == (1.5, True, True)


@pytest.mark.parametrize("array", [None, np.arange(24, dtype=np.uint8).reshape(2, 4, 3), np.zeros((0, 3), np.float32)])
def test_a_message_arrives_as_it_was_sent(array):
    """Header and array; then nothing, and half a message is nothing too."""
    stream = io.BytesIO()
    wire.send(stream, {"do": "matte", "name": "ä"}, array)
    stream.seek(0)
    header, got = wire.receive(stream)
    assert (header["do"], header["name"]) == ("matte", "ä")
    assert (got is None) == (array is None)
    if array is not None:
        np.testing.assert_array_equal(got, array)
    with pytest.raises(EOFError):
        wire.receive(stream)
    with pytest.raises(EOFError):
        wire.receive(io.BytesIO(stream.getvalue()[:-1]))


def test_a_turn_counts_no_warm_up_and_some_runs_however_short():
    """Wall time of each run, CPU time of one: work takes both, waiting takes wall time alone."""
    busy = wire.turn(lambda: sum(range(50_000)), 0.05)
    idle = wire.turn(lambda: wire.time.sleep(0.03), 0.0)
    assert len(idle["wall"]) == wire.FEWEST
    assert min(idle["wall"]) >= 30
    assert idle["cpu"] < 10
    assert busy["cpu"] <= 1.1 * np.mean(busy["wall"]) + 0.1
    assert busy["cpu"] > 0.1


def test_our_worker_finds_what_the_segmenter_finds(portrait, segmenter):
    """The same alpha from the same file; it tells what it runs, and times all works."""
    (mine,) = enter([str(zoo.find("fast").path)], [])
    told, child = mine.open(1)
    with child:
        _, alpha = child.ask("matte", portrait)
        child.ask("show", np.stack([cv2.resize(portrait, (320, 180))] * 3))
        took = [child.ask("time", work=work, seconds=0.0)[0] for work in wire.WORKS]
        assert child.spent() > 0
    assert (told.name, told.model, told.network) == ("fast", "fast", "256x224")
    assert told.runtime in told.versions
    assert (told.stream, told.streamed) == ("", f"fast {told.runtime}")
    assert np.abs(alpha - segmenter.raw(portrait)).mean() < 1e-3
    assert all(len(each["wall"]) >= wire.FEWEST and each["cpu"] > 0 for each in took)


def test_a_shipped_models_frames_are_streamed_as_live_does():
    """On a variant and runtime of theirs that were raced for with rests, and told, whatever the network is timed on."""
    (mine,) = enter(["fast"], [])
    told, child = mine.open(1)
    child.close()
    card = zoo.find("fast")
    assert told.stream == "fast"
    assert told.streamed in {f"{each.label} {name}" for each in zoo.variants(card) for name in runtime.installed()}
    raced = [json.loads(path.read_text(encoding="utf-8"))["key"] for path in cache.folder().glob("fast-*.json")]
    assert choice.REST in [key["rest"] for key in raced if key["cores"] == 1]


def test_workers_end_with_the_block_even_when_a_later_one_cannot_be_opened():
    """Those that were started before it are closed."""
    mine, wrong = *enter(["fast.int8"], []), Contestant("wrong", False, ("/nowhere/python",), "fast")
    started: list[Child] = []

    class Stack(ExitStack):
        def enter_context(self, child):
            started.append(child)
            return super().enter_context(child)

    with pytest.raises(LabError, match="cannot be started"), Stack() as stack:
        open_all([mine, wrong], 1, stack)
    assert [child._process.poll() for child in started] == [0]


def test_what_a_worker_cannot_do_is_one_line_and_ends_it():
    """A refused request tells why; a worker that is no worker, or none at all, is an error too."""
    wrong = Contestant("fast", False, (sys.executable, str(WORKERS / "ours_worker.py")), "fast", "x")
    with pytest.raises(LabError, match=r"^fast cannot be measured: there is no runtime 'x'"):
        wrong.open(1)
    with (
        pytest.raises(LabError, match=r"broken ended \(NameError.*mend its environment"),
        Child("broken", (sys.executable, "-c", "oops"), 1) as child,
    ):
        child.ask("open")
    with pytest.raises(LabError, match="cannot be started"):
        Child("none", ("/nowhere/python",), 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_a_worker_has_its_cores_and_we_have_ours():
    """One thread is one core, whatever a library would take."""
    before = allowed()
    with on_cores(1):
        assert len(allowed()) == 1
    assert allowed() == before
    with pytest.raises(LabError, match="ask for fewer"), on_cores(len(before) + 1):
        pass


def test_every_picture_counts_once_in_its_set(found):
    """Portraits, scenes and empty places; clips with a person together and alone; those without among the empty."""
    made, _ = found
    counts = {row["set"]: int(row["n"]) for row in made.accuracy if row["contestant"] == "constant"}
    assert counts == {
        "people/portraits": 2, "people/scenes": 4, "empty": 4, "made": 20, "made/disc": 20, "made/nobody": 4
    }  # fmt: skip
    by_set = {row["set"]: row for row in made.accuracy if row["contestant"] == "constant"}
    assert (by_set["empty"]["falsely_marked"], by_set["made/nobody"]["over_one_percent"]) == ("1.00000", "1.0000")
    assert (by_set["empty"]["iou"], by_set["made"]["falsely_marked"]) == ("", "")
    assert 0 < float(by_set["made"]["iou"]) < 0.5


def test_frames_are_resampled_in_blocks_of_their_clip(toy_data, clips):
    """Twenty frames of one clip are a block of 15 and one of 5; photos stand alone."""
    shown = exhibits.read(toy_data, clips)
    fared = [exhibits.score(*[np.zeros((4, 4), np.float32)] * 2, *each.sample.load()[1:]) for each in shown]
    blocks = {each.name: [len(block) for block in each.blocks] for each in exhibits.sets(shown, fared)}
    assert (blocks["made"], blocks["made/disc"], blocks["people/scenes"]) == ([15, 5], [15, 5], [1, 1, 1, 1])


def test_a_pair_is_the_difference_of_its_means(found):
    """Ours less the peer's on the same pictures, in its interval."""
    made, _ = found
    means = {(row["contestant"], row["set"]): row for row in made.accuracy}
    assert {(row["contestant"], row["peer"]) for row in made.pairs} == {("fast.int8", "constant")}
    for row in made.pairs:
        ours, peer = (float(means[name, row["set"]][row["figure"]]) for name in ("fast.int8", "constant"))
        assert float(row["difference"]) == pytest.approx(ours - peer, abs=2e-5)
        if row["low"]:
            assert float(row["low"]) <= float(row["difference"]) <= float(row["high"])


def test_all_are_timed_on_each_number_of_threads(found):
    """A row for each, with every work's times; steps count pictures and turns."""
    made, steps = found
    threads = contest.threads_here()
    assert [(r["contestant"], int(r["threads"])) for r in made.speed] == [
        (name, count) for count in threads for name in ("fast.int8", "constant")
    ]
    for row in made.speed:
        assert all(float(row[f"{work}_wall_p50_ms"]) > 0 for work in wire.WORKS)
        assert int(row["runs"]) >= 2 * wire.FEWEST
        assert row["load"] == "quiet" or row["load"].startswith("disturbed")
        assert row["streamed"] == ("" if row["contestant"] == "constant" else f"fast.int8 {row['runtime']}")
    fake = [row for row in made.speed if row["contestant"] == "constant"]
    assert all(1 <= float(row["network_wall_p50_ms"]) < 30 for row in fake)
    assert steps[-1] == (len(steps), len(steps))


def test_turns_go_there_and_back(monkeypatch):
    """Work by work, all contestants one after another; then the other way round."""
    asked = []

    class Asked:
        def __init__(self, name):
            self.name = name

        def ask(self, do, work, seconds):
            asked.append((self.name, work))
            return {"wall": [1.0], "cpu": 1.0}, None

    class Quiet:
        def calibrate(self):
            asked.append("calibrate")

    contest._take_turns([Asked("a"), Asked("b")], 2, 0.0, Quiet(), lambda: None)
    there = [(name, work) for work in wire.WORKS for name in "ab"]
    assert asked == ["calibrate", *there, "calibrate", *there[::-1], "calibrate"]


def test_contestants_are_not_among_the_other_programs(monkeypatch):
    """What the workers took is not held against the machine; where it does not tell, nothing is."""

    class Spent:
        def spent(self):
            return 3.0

    monkeypatch.setattr(contest, "read_busy", lambda stat: 10.0)
    assert contest._busy_beside([Spent(), Spent()]) == 4.0
    monkeypatch.setattr(contest, "read_busy", lambda stat: None)
    assert contest._busy_beside([Spent()]) is None


def test_rows_are_added_and_the_last_run_is_shown(found, tmp_path):
    """Both runs stay in the files; the tables have one line for each contestant and pair, with its interval."""
    made, _ = found
    for _ in range(2):
        paths = made.append(tmp_path)
    assert [path.stem for path in paths] == list(standings.FILES)
    assert len(rows.read(paths[0])) == 2 * len(made.accuracy)
    older = [[row | {"run": "older"} for row in table] for table in (made.accuracy, made.speed, made.pairs)]
    tables = (old + new for old, new in zip(older, (made.accuracy, made.speed, made.pairs), strict=True))
    text = standings.compare(*tables)
    accuracy, pairs, speed, conditions = text.split("\n\n")
    assert accuracy.splitlines()[0] == (
        "| network | variant | size | MB | EG1800 IoU | as a photo | scenes IoU | as a photo | made clips IoU "
        "| as a photo | empty places, % marked | pictures over 1 %, % | made/nobody, % marked | pictures over 1 %, % |"
    )
    assert [line.split(" | ")[0] for line in accuracy.splitlines()[2:]] == ["| fast.int8", "| constant"]
    assert " to " in pairs.splitlines()[2]
    assert len(speed.splitlines()) == 2 + 2 * len(contest.threads_here())
    assert "made/disc 20" in conditions
    for table in (accuracy, pairs, speed):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_before_the_first_comparison_there_is_a_sentence():
    """And no table."""
    assert standings.compare([], [], []) == "*Not measured yet.*"


def test_who_takes_part():
    """Every shipped model where none is named; strangers and two of one name are refused."""
    assert [each.name for each in enter([], ["constant"])] == [*(card.name for card in zoo.models()), "constant"]
    with pytest.raises(LabError, match="choose one of mediapipe, constant"):
        enter([], ["nobody"])
    with pytest.raises(LabError, match="two models are called 'fast'"):
        enter(["fast", str(zoo.find("fast").path)], [])


def test_nothing_to_compare_on_is_an_error(tmp_path):
    """A manifest without any of the sets."""
    (tmp_path / "manifest.csv").write_text("image,mask,kind,split,width,height,has_ignore,source\n", encoding="utf-8")
    with pytest.raises(LabError, match="no pictures to compare on"):
        exhibits.read(tmp_path)


def test_an_environment_that_cannot_be_made_leaves_nothing(tmp_path, monkeypatch):
    """One line with what to do; the next attempt begins anew."""
    monkeypatch.setenv("INCOGNITO_CACHE", str(tmp_path / "cache"))
    with pytest.raises(LabError, match=r"the environment of mediapipe cannot be made \(.*--environment$") as caught:
        environment.find_or_make("mediapipe", [str(tmp_path / "no-such-1.0-py3-none-any.whl")])
    assert "\n" not in str(caught.value)
    assert list(cache.folder().iterdir()) == []


def test_an_environment_is_made_once_and_holds_what_it_needs(tmp_path, monkeypatch):
    """The second time it is only found; other requirements are another environment."""
    monkeypatch.setenv("INCOGNITO_CACHE", str(tmp_path / "cache"))
    wheel = tmp_path / "toy_peer-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("toy_peer.py", "")
        file.writestr("toy_peer-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy-peer\nVersion: 1.0\n")
        file.writestr("toy_peer-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("toy_peer-1.0.dist-info/RECORD", "")
    python = environment.find_or_make("toy", [str(wheel)])
    subprocess.run([python, "-c", "import toy_peer"], check=True)
    monkeypatch.setattr(environment, "_make", None)
    assert environment.find_or_make("toy", [str(wheel)]) == python
    assert [path.suffix for path in cache.folder().iterdir()] == [""]


def test_a_named_environment_must_be_one(tmp_path):
    """A folder without a Python is refused before anything is measured."""
    with pytest.raises(LabError, match="is no environment"):
        enter(["fast"], ["mediapipe"], tmp_path)


def test_the_command_adds_rows(run, toy_data, tmp_path, monkeypatch):
    """It names its files; a folder that is not there is refused at once."""
    monkeypatch.setattr("incognito.lab.compare.compare", partial(compare, rounds=2, seconds=0.01))
    options = ("--peers", "constant", "--data", toy_data)
    code, printed, _ = run("lab", "compare", "fast.int8", *options, "--out", tmp_path)
    assert (code, [Path(line).stem for line in printed.split()]) == (0, list(standings.FILES))
    code, printed, stderr = run("lab", "compare", "fast.int8", *options, "--out", tmp_path / "nowhere")
    assert (code, printed, stderr.count("\n")) == (1, "", 1)


def test_mediapipes_networks_find_the_portrait(portrait, segmenter):
    """The real ones, where their environment was made already: they agree with ours about her, and are timed."""
    made = sorted(USERS_CACHE.glob(f"mediapipe-*/{PYTHON}"))
    if not made:
        pytest.skip("skipped: no mediapipe environment")
    peers = enter(["fast"], ["mediapipe"], made[0].parents[1])[1:]
    assert [each.name for each in peers] == list(PEERS["mediapipe"].models)
    for each, size in zip(peers, ((256, 256), (144, 256)), strict=True):
        told, child = each.open(1)
        with child:
            _, alpha = child.ask("matte", portrait)
            child.ask("show", np.stack([cv2.resize(portrait, (320, 180))] * 3))
            took = [child.ask("time", work=work, seconds=0.0)[0]["cpu"] for work in wire.WORKS]
        assert alpha.shape == size
        theirs, ours = (cv2.resize(each, (256, 256)) > 0.5 for each in (alpha, segmenter.raw(portrait)))
        assert (theirs & ours).sum() > 0.65 * (theirs | ours).sum()  # 0.77 and 0.75: she sits before a shuttle
        assert "mediapipe 0.10.21" in told.versions
        assert all(milliseconds > 0 for milliseconds in took)
