"""The race and the workshop: times of networks in turns, and the folder that they are made in."""

import json

import pytest

from incognito import runtime
from incognito.errors import LabError, ModelError, OutputError
from incognito.lab import race, tally
from incognito.lab.export import write_model
from incognito.lab.workshop import PROGRESS, Past, Workshop

PAST = Past(["made"], ["own pictures (terms not recorded)"], "CC0")


@pytest.fixture
def card(tmp_path, small_model):
    return write_model(tmp_path / "small.onnx", small_model.SerializeToString(), (64, 64), [], [])


def test_each_network_is_timed_on_every_runtime(card):
    """As often as was said, medians below the 95th percentiles, and a row has them all."""
    first, second = race.race([card, card], 1, 2)
    for times in (first, second):
        assert [time.runtime for time in times] == runtime.installed()
        assert all(0 < time.half <= time.most and time.runs == 2 * race.BURST for time in times)
    assert race.fastest(first).half == min(time.half for time in first)
    row = tally.timed(first)
    assert float(row["onnxruntime_p50_ms"]) == pytest.approx(first[0].half, abs=1e-3)
    assert set(row) <= set(tally.COLUMNS)


def test_a_runtime_that_cannot_run_a_network_is_left_out(card, monkeypatch):
    """But ONNX Runtime must."""

    def broken(card, threads=None):
        raise ModelError("no")

    monkeypatch.setattr(runtime, "is_installed", lambda name: True)
    monkeypatch.setitem(runtime.RUNTIMES, "openvino", broken)
    assert [runner.name for runner in race.open_all(card)] == ["onnxruntime"]
    monkeypatch.setitem(runtime.RUNTIMES, "onnxruntime", broken)
    with pytest.raises(ModelError):
        race.open_all(card)


def test_drafts_become_artefacts_or_nothing(tmp_path, small_model):
    """A draft lies apart until it is placed; its card keeps what was before it; in the end drafts are gone."""
    workshop = Workshop(tmp_path / "out")
    network = small_model.SerializeToString()
    for name in ("good", "bad"):
        draft = workshop.draft(name, network, (64, 64), PAST.then(["thinned"], ["more (free)"]), "int8")
        assert draft.path.is_file() and not (tmp_path / "out" / f"{name}.onnx").exists()
    placed = workshop.place(workshop.draft("good", network, (64, 64), PAST.then(["thinned"]), "int8"))
    workshop.finish()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["good.json", "good.onnx"]
    assert workshop.placed("good") == placed
    assert (placed.licence, placed.precision, placed.lineage) == ("CC0", "int8", ["made", "thinned"])
    workshop.discard("good")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_known_is_known_the_next_time(tmp_path):
    """And a damaged memory is an error with the remedy."""
    Workshop(tmp_path / "out").remember("int8", {"key": "1"})
    assert Workshop(tmp_path / "out").known == {"int8": {"key": "1"}}
    assert json.loads((tmp_path / "out" / PROGRESS).read_text(encoding="utf-8"))
    (tmp_path / "out" / PROGRESS).write_text("{", encoding="utf-8")
    with pytest.raises(LabError, match="delete it"):
        Workshop(tmp_path / "out")


def test_a_folder_with_other_files_is_refused(tmp_path):
    """It is not ours."""
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(OutputError, match="holds other files"):
        Workshop(tmp_path)
