"""A batch on a real Ray cluster of three nodes: every file once, whatever dies; files here, in S3 and at HTTP."""

from __future__ import annotations

import functools
import http.server
import logging
import os
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import ray
from making import write_film
from moto.server import ThreadedMotoServer
from ray.cluster_utils import Cluster

from incognito import cluster, storage
from incognito.cluster import NOTE
from incognito.crew import DIED
from incognito.errors import InputError, OutputError, UsageError
from incognito.scripted import made
from incognito.wanted import Wanted

PHOTOS = int(os.environ.get("INCOGNITO_CLUSTER_PHOTOS", "120"))
LOGGER = logging.getLogger(__name__)


def photo(path: Path, number: int) -> Path:
    """A small photo, none like another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), made(number, (96, 128))[..., ::-1])
    return path


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 server with a bucket; gives the bucket's address. Begun before the nodes, which take its environment."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    words = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_DEFAULT_REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in words.items() | {("AWS_ACCESS_KEY_ID", "made"), ("AWS_SECRET_ACCESS_KEY", "up")}:
            patch.setenv(name, value)
        storage._opened("s3://bucket")[0].mkdir("bucket")
        yield "s3://bucket"
    server.stop()


@pytest.fixture(scope="module")
def nodes(s3: str) -> Iterator[Cluster]:
    """A head and two more nodes, each a raylet with workers of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        for _ in range(2):
            found.add_node(num_cpus=1)
        found.wait_for_nodes()
        patch.setenv("RAY_ADDRESS", found.address)
        yield found
        found.shutdown()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Photos in folders, a film, one that is broken and one that is neither."""
    photo(tmp_path / "in" / "one.jpg", 1)
    photo(tmp_path / "in" / "sub" / "two.png", 2)
    write_film(tmp_path / "in" / "film.mp4", [made(k, (96, 128)) for k in range(3)], [0, 40, 80])
    (tmp_path / "in" / "broken.jpg").write_bytes((tmp_path / "in" / "one.jpg").read_bytes()[:500])
    (tmp_path / "in" / "notes.txt").write_text("no photo")
    return tmp_path / "in"


def run(inputs: list[str | Path], output: Path | str, **words) -> tuple[cluster.Outcome, list[dict]]:
    """A batch on the cluster; gives its outcome and its lines."""
    lines: list[dict] = []
    options = {name: words.pop(name) for name in ("listed", "workers", "watch") if name in words}
    wanted = Wanted(output, model="tiny", **words)
    outcome = cluster.run([str(each) for each in inputs], wanted, on_file=lines.append, **options)
    return outcome, lines


run_few = functools.partial(run, workers=1)  # a handful of files, where that is enough: actors take seconds to begin


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != NOTE}


def test_a_tree_goes_through_the_cluster(nodes, tree, tmp_path):
    """Photos and films come out, a broken one is told of and left behind, the originals stay as they were."""
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    outcome, lines = run([tree], tmp_path / "out")
    assert (outcome.done, outcome.before, outcome.failed) == (3, 0, 1)
    assert files_in(tmp_path / "out") == {"one.png", "sub/two.png", "film.webm"}
    problems = {Path(line["source"]).name: line["problem"] for line in lines}
    assert "broken.jpg is a JPEG that breaks off" in problems.pop("broken.jpg") and not any(problems.values())
    assert {path: path.read_bytes() for path in before} == before
    assert cv2.imread(str(tmp_path / "out" / "one.png"), cv2.IMREAD_UNCHANGED).shape == (96, 128, 4)

    outcome, lines = run_few([tree], tmp_path / "out")
    assert (outcome.done, outcome.before, [Path(line["source"]).name for line in lines]) == (0, 3, ["broken.jpg"])
    assert run_few([tmp_path], tmp_path / "out")[0].done == 3  # of the tree alone, though the output lies in there too
    with pytest.raises(UsageError, match="where the results go"):
        run([tmp_path / "out"], tmp_path / "out")
    with pytest.raises(UsageError, match="another background, model or format"):
        run([tree], tmp_path / "out", background="blur")
    assert run_few([tree], tmp_path / "out", background="blur", format=".webp", force=True)[0].done == 3


def test_a_background_is_found_from_wherever_an_actor_runs(nodes, tree, tmp_path, monkeypatch):
    """Its path is counted from where the batch was begun."""
    assert cv2.imwrite(str(tmp_path / "red.png"), np.full((96, 128, 3), (0, 0, 255), np.uint8))
    monkeypatch.chdir(tmp_path)
    assert run_few([tree / "one.jpg"], "out", background="red.png")[0].done == 1
    assert cv2.imread(str(tmp_path / "out" / "one.png"))[0, 0].tolist() == [0, 0, 255]


def test_a_node_dies_in_the_middle(nodes, tmp_path):
    """What it had is done by the others: every photo has one line and one result, and nothing is half-written."""
    for number in range(PHOTOS):
        photo(tmp_path / "in" / f"{number % 20:02d}" / f"{number:05d}.jpg", number)
    doomed = nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    lines: list[dict] = []
    killing = threading.Thread(target=nodes.remove_node, args=(doomed, False))

    def note(line: dict) -> None:
        lines.append(line)
        if len(lines) == PHOTOS // 3:
            killing.start()

    begun = time.monotonic()
    wanted = Wanted(tmp_path / "out", model="tiny")
    (tmp_path / "out").mkdir()
    left = tmp_path / "out" / ".x.0123abcd.part"  # as a killed process leaves it
    left.write_bytes(b"half")
    outcome = cluster.run([str(tmp_path / "in")], wanted, on_file=note)
    LOGGER.info("%d photos, a node of four killed: %.1f a second", PHOTOS, PHOTOS / (time.monotonic() - begun))
    killing.join()
    assert (outcome.done, outcome.failed) == (PHOTOS, 0)
    assert len({line["source"] for line in lines}) == len(lines) == PHOTOS
    expected = {f"{number % 20:02d}/{number:05d}.png" for number in range(PHOTOS)}
    assert files_in(tmp_path / "out") == expected
    alone, _ = run_few([tmp_path / "in" / "00" / "00000.jpg"], tmp_path / "alone")
    same = [cv2.imread(str(tmp_path / name), -1) for name in ("alone/00000.png", "out/00/00000.png")]
    assert alone.done == 1 and np.array_equal(*same)


def test_objects_of_s3_are_read_and_written(nodes, s3, tree, tmp_path):
    """A folder, a pattern and one object; the tree is kept; what is there is not done again."""
    system, _ = storage._opened(s3)
    for path in tree.rglob("*.*"):
        system.put_file(str(path), f"bucket/in/{path.relative_to(tree)}")
    outcome, lines = run([f"{s3}/in"], f"{s3}/out/")
    assert (outcome.done, outcome.failed) == (3, 1)
    assert storage.inside(f"{s3}/out") == {NOTE, "one.png", "sub/two.png", "film.webm"}
    assert f"{s3}/in/broken.jpg" in next(line["problem"] for line in lines if line["problem"])
    storage.fetch(f"{s3}/out/sub/two.png", tmp_path / "two.png")
    assert cv2.imread(str(tmp_path / "two.png"), -1).shape == (96, 128, 4)

    assert run_few([f"{s3}/in/**/*.png", f"{s3}/in/one.jpg"], tmp_path / "near")[0].done == 2
    assert files_in(tmp_path / "near") == {"sub/two.png", "one.png"}
    assert run([f"{s3}/in"], f"{s3}/out")[0].before == 3


def test_a_key_that_leads_out_of_the_output_is_refused(s3, tree, tmp_path):
    """Objects may be called anything; nothing is written beside the output."""
    system, _ = storage._opened(s3)
    system.pipe_file("bucket/trap/../../above.jpg", (tree / "one.jpg").read_bytes())
    with pytest.raises(InputError, match="outside of the output"):
        run([f"{s3}/trap"], tmp_path / "sub" / "out")
    assert not (tmp_path / "above.png").exists()


def test_photos_are_read_from_a_web_server(nodes, tree, tmp_path):
    """Of a list too; an address without a photo fails alone."""
    serve = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tree))
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_address[1]}"
        (tmp_path / "list.csv").write_text(f"path\n{root}/sub/two.png\n{root}/none.jpg\n{tree / 'gone.jpg'}\n")
        outcome, lines = run_few([f"{root}/one.jpg?size=full"], tmp_path / "out", listed=str(tmp_path / "list.csv"))
        server.shutdown()
    assert (outcome.done, files_in(tmp_path / "out")) == (2, {"one.png", "two.png"})
    problems = sorted(line["problem"] for line in lines if line["problem"])
    assert len(problems) == 2 and "gone.jpg does not exist" in problems[0] and "none.jpg is not there" in problems[1]


def test_a_file_that_ends_its_process_fails_alone(tmp_path):
    """The actor stays, and has the next file worked on."""
    worker = cluster.Worker(str(tmp_path / "out"), Wanted(tmp_path / "out", model="tiny"))
    rows = [{"source": str(photo(tmp_path / f"{k}.jpg", k)), "target": f"{k}.png"} for k in range(3)]
    first = worker(rows[0])
    worker._crew._members[0].process.kill()
    lines = [first, worker(rows[1]), worker(rows[2])]
    assert [line["state"] for line in lines] == ["done", "failed", "done"] and DIED in lines[1]["problem"]
    done = (tmp_path / "out" / "0.png").stat().st_mtime_ns
    assert worker(rows[0])["state"] == "done" and (tmp_path / "out" / "0.png").stat().st_mtime_ns == done
    worker._crew.close()


def test_a_network_that_fails_once_is_asked_again(tmp_path, monkeypatch):
    """And one that goes on failing is told of."""
    monkeypatch.setattr(storage, "PAUSE", 0.01)
    answers = iter([OSError("reset"), OSError("reset"), 7])

    def ask() -> int:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    assert storage._tried(ask, "s3://x", InputError) == 7
    answers = iter([OSError("reset")] * 3)
    with pytest.raises(OutputError, match="s3://x cannot be reached"):
        storage._tried(ask, "s3://x", OutputError)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"watch": True}, "for --engine local"),
        ({"delete": True}, "for --engine local"),
        ({"on_collision": "number"}, "for --engine local"),
        ({"output": "ftp://host/out"}, "not written to ftp"),
        ({"inputs": ["nowhere://x/y.jpg"]}, "cannot be opened"),
        ({"inputs": ["none.jpg"]}, "does not exist"),
        ({"background": "none.jpg"}, "none.jpg"),
        ({"format": ".bmp"}, "no format"),
    ],
)
def test_what_cannot_be_is_refused_before_a_cluster_is_asked(tree, tmp_path, words, message):
    """In one line."""
    words = {"inputs": [tree], "output": tmp_path / "out", **words}
    with pytest.raises((UsageError, InputError), match=message):
        run(words.pop("inputs"), words.pop("output"), **words)
    assert not ray.is_initialized()


def test_a_cluster_that_is_not_there(tree, tmp_path, monkeypatch, run):
    """Is told of in a line, and nothing is written."""
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    code, out, err = run("batch", tree, "-o", tmp_path / "out", "--engine", "ray")
    assert code == 2 and not out and "there is no Ray cluster" in err and "RAY_ADDRESS" in err
    assert run("batch", tree, "-o", tmp_path / "out", "--engine", "abacus")[0] == 2
