"""Many files through the same work: each once, none lost, none half-written."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from making import mutated, write_film
from PIL import Image

from incognito import batch, gathering
from incognito.batch import JOURNAL
from incognito.crew import DIED, HUNG, Crew
from incognito.errors import InputError, OutputError, UsageError
from incognito.scripted import made
from incognito.wanted import Wanted


def photo(path: Path, number: int = 0) -> Path:
    """A small photo, none like another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), made(number, (96, 128))[..., ::-1])
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three photos in two folders, a film, and files that are neither."""
    photo(tmp_path / "in" / "one.jpg", 1)
    photo(tmp_path / "in" / "sub" / "two.png", 2)
    photo(tmp_path / "in" / "sub" / "deep" / "three.webp", 3)
    write_film(tmp_path / "in" / "film.mp4", [made(k, (96, 128)) for k in range(3)], [0, 40, 80])
    (tmp_path / "in" / "notes.txt").write_text("no photo")
    photo(tmp_path / "in" / ".hidden.jpg")
    return tmp_path / "in"


def run(inputs: Path | list[str], output: Path, **words) -> tuple[batch.Outcome, list[dict]]:
    """A batch; gives its outcome and its lines."""
    lines: list[dict] = []
    options = {name: words.pop(name) for name in ("listed", "workers") if name in words}
    named = [str(inputs)] if isinstance(inputs, Path) else inputs
    outcome = batch.run(named, Wanted(output, model="tiny", **words), on_file=lines.append, **options)
    return outcome, lines


def files_in(folder: Path) -> set[str]:
    """All files, those of hidden folders too; what goes meanwhile is passed over, unlike in rglob."""
    paths = (Path(root, name) for root, _, names in os.walk(folder) for name in names)
    return {str(path.relative_to(folder)) for path in paths if path.name != JOURNAL}


def test_a_tree_comes_out_as_a_tree(tree, tmp_path):
    """Photos and films, each with a line; what is neither is passed over; originals are as they were."""
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    outcome, lines = run(tree, tmp_path / "out")
    assert files_in(tmp_path / "out") == {"one.png", "sub/two.png", "sub/deep/three.png", "film.webm"}
    assert (outcome.done, outcome.failed, {line["state"] for line in lines}) == (4, 0, {"done"})
    assert {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()} == before
    assert cv2.imread(str(tmp_path / "out" / "one.png"), cv2.IMREAD_UNCHANGED).shape == (96, 128, 4)


def test_what_was_done_is_not_done_again(tree, tmp_path):
    """Unless its file changed, its result is gone, or something else is wanted."""
    run(tree, tmp_path / "out")
    outcome, lines = run(tree, tmp_path / "out")
    assert (outcome.done, outcome.before, lines) == (0, 4, [])
    photo(tree / "one.jpg", 9)
    (tmp_path / "out" / "sub" / "two.png").unlink()
    outcome, lines = run(tree, tmp_path / "out", force=True)
    assert sorted(line["target"] for line in lines) == ["one.png", "sub/two.png"] and outcome.before == 2
    assert run(tree, tmp_path / "out", background="blur", force=True)[0].done == 4


def test_an_error_concerns_its_own_file(tree, tmp_path):
    """It is told in a line, nothing of it is written, and the rest goes on."""
    (tree / "broken.jpg").write_bytes((tree / "one.jpg").read_bytes()[:500])
    outcome, lines = run(tree, tmp_path / "out")
    failed = [line for line in lines if line["state"] == "failed"]
    assert (outcome.done, outcome.failed, len(failed)) == (4, 1, 1)
    assert "broken.jpg is a JPEG that breaks off" in failed[0]["problem"]
    assert "broken.png" not in files_in(tmp_path / "out")
    states = [json.loads(line)["state"] for line in (tmp_path / "out" / JOURNAL).read_text().splitlines()]
    assert (states.count("begun"), states.count("done"), states.count("failed")) == (5, 4, 1)


def test_a_file_that_is_there_already_is_not_overwritten(tree, tmp_path):
    """Unless that is asked for."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "one.png").write_text("mine")
    outcome, _ = run(tree, tmp_path / "out")
    assert outcome.failed == 1 and (tmp_path / "out" / "one.png").read_text() == "mine"
    outcome, _ = run(tree, tmp_path / "out", force=True)
    assert outcome.failed == 0 and (tmp_path / "out" / "one.png").read_bytes().startswith(b"\x89PNG")


def test_two_that_would_have_one_name_are_refused_or_numbered(tree, tmp_path):
    """Also where only the letters' case differs; a number stays a file's own."""
    photo(tree / "one.png", 5)
    photo(tree / "ONE.webp", 6)
    with pytest.raises(UsageError, match="would both become"):
        run(tree, tmp_path / "out")
    outcome, lines = run(tree, tmp_path / "out", on_collision="number")
    given = {Path(line["source"]).name: line["target"] for line in lines}
    assert outcome.done == 6 and len(set(given.values())) == 6
    assert {given[name] for name in ("one.jpg", "one.png", "ONE.webp")} >= {"ONE.png"}
    photo(tree / "aaa" / "one.jpg", 7)
    assert run(tree, tmp_path / "out", on_collision="number")[0].before == 6


def test_patterns_lists_and_files(tree, tmp_path):
    """A pattern keeps the tree below the folder that it begins in; a list may be lines or a CSV."""
    run([str(tree / "**" / "*.png")], tmp_path / "a")
    assert files_in(tmp_path / "a") == {"sub/two.png"}
    (tmp_path / "list.txt").write_text(f"{tree / 'one.jpg'}\n\n{tree / 'sub'}\n")
    run([], tmp_path / "b", listed=str(tmp_path / "list.txt"))
    assert files_in(tmp_path / "b") == {"one.png", "two.png", "deep/three.png"}
    (tmp_path / "list.csv").write_text(f'name,path\nx,"{tree / "one.jpg"}"\n')
    run([], tmp_path / "c", listed=str(tmp_path / "list.csv"))
    assert files_in(tmp_path / "c") == {"one.png"}


def test_what_is_not_there_is_said_before_anything_is_done(tmp_path):
    """One line, and no output."""
    with pytest.raises(InputError, match="does not exist"):
        run([str(tmp_path / "nothing")], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no photo or film"):
        run(tmp_path / "empty", tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"format": ".bmp"}, "there is no format"),
        ({"format": ".jpg"}, "cannot be transparent"),
        ({"background": "nothing"}, "there is no background"),
    ],
)
def test_what_cannot_be_is_refused(tree, tmp_path, words, message):
    """Before a process is begun."""
    with pytest.raises(UsageError, match=message):
        run(tree, tmp_path / "out", **words)


def test_originals_are_deleted_once_their_pictures_were_read_back(tree, tmp_path):
    """Those that failed stay."""
    (tree / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    outcome, _ = run(tree, tmp_path / "out", delete=True)
    assert (outcome.done, outcome.failed) == (4, 1)
    assert files_in(tree) == {"broken.jpg", "notes.txt", ".hidden.jpg"}


def test_a_result_that_is_not_whole_keeps_its_original(tree, tmp_path):
    """A smaller picture or a shorter film is not what was wanted."""
    with pytest.raises(OutputError, match="was left where it is"):
        batch.verify(tree / "one.jpg", photo_of(tmp_path / "small.png", (50, 50)))
    write_film(tmp_path / "short.mp4", [made(k, (96, 128)) for k in range(2)], [0, 40])
    with pytest.raises(OutputError, match="was left where it is"):
        batch.verify(tree / "film.mp4", tmp_path / "short.mp4")
    assert (tree / "one.jpg").exists()


def photo_of(path: Path, size: tuple[int, int]) -> Path:
    cv2.imwrite(str(path), np.zeros((*size, 3), np.uint8))
    return path


def test_one_batch_at_a_time_writes_into_a_folder(tree, tmp_path):
    """The second is refused."""
    with batch._journal(make(tmp_path / "out")), pytest.raises(UsageError, match="another batch writes"):
        run(tree, tmp_path / "out")


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "incognito", "batch", *map(str, words), "--model", "tiny"]


def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path):
    """Kill -9: what is there is whole, and the next run does the rest; every photo once."""
    for number in range(60):
        photo(tmp_path / "in" / f"{number % 7}" / f"{number}.jpg", number)
    process = subprocess.Popen(command(tmp_path / "in", "-o", tmp_path / "out"), stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(list((tmp_path / "out").rglob("*.png"))) < 10 and time.monotonic() < until:
        time.sleep(0.01)
    process.kill()
    process.wait()
    part = tmp_path / "out" / "3" / ".x.01234567.part"  # as a killed worker leaves it
    part.parent.mkdir(exist_ok=True)
    part.touch()
    time.sleep(1)  # workers end with their file once nobody hears them
    done = subprocess.run(command(tmp_path / "in", "-o", tmp_path / "out", "--json"), capture_output=True, check=False)
    results = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != JOURNAL]
    assert len(results) == 60 and not part.exists()
    assert all(cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape == (96, 128, 4) for path in results)
    assert done.returncode == 0  # also of what was written before the journal heard of it
    assert not [line for line in map(json.loads, done.stdout.splitlines()) if line["state"] != "done"]


def test_interrupted_it_leaves_nothing_half_written(tree, tmp_path):
    """Watching, it takes what comes, and ends when told to."""
    process = subprocess.Popen(command(tree, "-o", tmp_path / "out", "--watch"), stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path / "out", 4)
    photo(tree / "late.jpg", 8)
    wait_for(tmp_path / "out", 5)
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 128 + signal.SIGINT
    assert process.stderr.read() == "incognito: stopped; what was half-written is gone\n"
    process.stderr.close()
    assert files_in(tmp_path / "out") >= {"late.png", "one.png"} and not list((tmp_path / "out").rglob("*.part*"))


def wait_for(folder: Path, count: int, seconds: float = 40.0) -> None:
    """Until so many results are there; what is half-written has a hidden name."""
    until = time.monotonic() + seconds
    while sum(not name.startswith(".") for name in files_in(folder)) < count:
        assert time.monotonic() < until, files_in(folder)
        time.sleep(0.05)


def test_a_summary_and_an_exit_code(tree, tmp_path, run):
    """Zero where all went well, one where a file did not."""
    code, out, err = run("batch", tree, "-o", tmp_path / "out", "--model", "tiny")
    assert (code, out) == (0, "") and err.startswith("4 done, 0 done before, 0 failed; ")
    (tree / "broken.jpg").write_bytes(b"nothing")
    code, out, err = run("batch", tree, "-o", tmp_path / "out", "--model", "tiny", "--json")
    assert code == 1 and json.loads(out)["state"] == "failed" and "0 done, 4 done before, 1 failed" in err


def worker(mark: str):
    """For the crew: a job is a word."""

    def work(job: str) -> str:
        if job == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if job == "hang":
            time.sleep(60)
        if job == "where":
            return str(os.sched_getaffinity(0))
        return mark + hashlib.sha256(job.encode()).hexdigest()[:4]

    return work


def test_a_crew_loses_only_what_killed_or_held_it_up():
    """Every other job is done, once."""
    crew = Crew(worker, ("m",), 2, patience=lambda job: 3)
    jobs = [f"job {number}" for number in range(20)]
    jobs[3:3], jobs[9:9] = ["die"], ["hang"]
    found = list(crew.work(jobs))
    crew.close()
    assert sorted(job for job, _, _ in found) == sorted(jobs)
    problems = {job: problem for job, _, problem in found if problem}
    assert problems == {"die": DIED, "hang": HUNG}
    assert all(result.startswith("m") for _, result, problem in found if not problem)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("Process")]


def test_only_photos_and_films_are_taken_from_folders(tree):
    """By their names; hidden files and folders are somebody else's."""
    photo(tree / ".thumbnails" / "one.jpg")
    assert [str(inside) for _, inside in gathering.gather([str(tree)], [])] == [
        "film.mp4",
        "one.jpg",
        "sub/deep/three.webp",
        "sub/two.png",
    ]


def test_films_may_take_longer_than_photos():
    """A photo that takes ten minutes hangs; a film of hours does not."""
    assert gathering.patience_with("a.jpg") == 600 and gathering.patience_with("B.MOV") > 12 * 3600


@pytest.mark.parametrize("output", ["in/out", "in"])
def test_results_are_no_inputs(tmp_path, output):
    """Though the output lies in the folder of the inputs, or is that; else watching would never end."""
    photo(tmp_path / "in" / "one.jpg", 1)
    assert run(tmp_path / "in", tmp_path / output)[0].done == 1
    outcome, lines = run(tmp_path / "in", tmp_path / output)
    assert (outcome.done, outcome.before, lines) == (0, 1, [])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have text for names")
def test_a_name_that_is_no_text_is_a_name(tmp_path, run):
    """Linux takes any bytes."""
    named = photo(tmp_path / "in" / "one.jpg", 1)
    named.rename(tmp_path / "in" / os.fsdecode(b"\xff\xe9.jpg"))
    for state in ("done", "before"):
        code, out, err = run("batch", tmp_path / "in", "-o", tmp_path / "out", "--model", "tiny", "--json")
        assert code == 0 and ("1 done, 0 done before" if state == "done" else "0 done, 1 done before") in err
        assert [json.loads(line)["state"] for line in out.splitlines()] == (["done"] if state == "done" else [])


def test_what_a_list_names_in_vain_fails_alone(tmp_path):
    """One missing path of thousands is no reason to do nothing."""
    listed = tmp_path / "list.txt"
    listed.write_text(f"{photo(tmp_path / 'one.jpg', 1)}\n{tmp_path / 'gone.jpg'}\n")
    outcome, lines = run([], tmp_path / "out", listed=str(listed))
    assert (outcome.done, outcome.failed) == (1, 1)
    assert "does not exist" in next(line["problem"] for line in lines if line["state"] == "failed")


def test_a_file_named_twice_is_done_once(tmp_path):
    """However its path is spelt."""
    named = photo(tmp_path / "in" / "one.jpg", 1)
    outcome, _ = run([str(named), f"{tmp_path}/in/../in/one.jpg"], tmp_path / "out")
    assert (outcome.done, outcome.failed) == (1, 0)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux says which cores a process may use")
def test_a_crew_of_as_many_as_there_are_cores_keeps_to_them():
    """Each process has one of its own; with more or fewer the system decides."""
    usable = sorted(os.sched_getaffinity(0))
    assert batch._own_cores(len(usable)) == usable and batch._own_cores(len(usable) + 1) == []
    crew = Crew(worker, ("m",), 1, patience=lambda job: 30, cores=usable[-1:])
    mine = str({usable[-1]})
    assert [result for _, result, _ in crew.work(["where", "die", "where"])] == [mine, None, mine]
    crew.close()


@pytest.mark.parametrize("torn", [b'{"source": "\xff', b"7\n", b'{"source": "x"}'])
def test_a_torn_line_of_the_journal_costs_nothing_else(tmp_path, torn):
    """What stands before and after it counts."""
    inputs = [str(photo(tmp_path / f"{number}.jpg", number)) for number in range(2)]
    run(inputs[:1], tmp_path / "out")
    with (tmp_path / "out" / JOURNAL).open("ab") as file:
        file.write(torn)
    assert run(inputs, tmp_path / "out")[0] == batch.Outcome(done=1, before=1)
    assert run(inputs, tmp_path / "out")[0] == batch.Outcome(before=2)


def test_an_original_that_changed_meanwhile_is_not_deleted(tmp_path, monkeypatch, segmenter):
    """Its result shows another picture."""
    source = photo(tmp_path / "one.jpg", 1)
    real = batch.verify

    def verify(source: Path, target: Path) -> None:
        real(source, target)
        photo(source, 2)

    monkeypatch.setattr(batch, "verify", verify)
    item = gathering.Item(source, Path("one.png"))
    with pytest.raises(OutputError, match="was changed while"):
        batch._do(item, Wanted(tmp_path / "out", delete=True), segmenter)
    assert source.exists()


MUTATIONS = int(os.environ.get("INCOGNITO_MUTATIONS", "60"))
ENDINGS = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".avif": "AVIF", ".tif": "TIFF"}


def test_mutated_photos_are_taken_or_refused(tmp_path, capfd):
    """No process of the batch ends or hangs, nothing is half-written or printed, originals are as they were."""
    folder = make(tmp_path / "in")
    for number in range(MUTATIONS):
        ending = list(ENDINGS)[number % len(ENDINGS)]
        target = io.BytesIO()
        Image.fromarray(made(number, (64, 80))).save(target, ENDINGS[ending], exif=noted(), xmp=b"<x:xmpmeta/>")
        (folder / f"{number}{ending}").write_bytes(mutated(target.getvalue(), number))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    outcome, lines = run(folder, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert outcome.done + outcome.failed == MUTATIONS == len({line["source"] for line in lines}) and outcome.failed
    assert not [line for line in lines if DIED in line["problem"] or HUNG in line["problem"]]
    assert not [line for line in lines if "\n" in line["problem"] or line["seconds"] > 30]
    assert files_in(tmp_path / "out") == {line["target"] for line in lines if line["state"] == "done"}
    for name in files_in(tmp_path / "out"):
        Image.open(tmp_path / "out" / name).load()
    assert capfd.readouterr() == ("", "")


def noted() -> Image.Exif:
    """EXIF with a maker, an upright orientation and a place."""
    block = Image.Exif()
    block[271], block[274] = "Maker", 1
    block.get_ifd(34853)[1] = "N"
    return block
