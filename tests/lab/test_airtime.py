"""What live costs here, as a row."""

from incognito.lab import airtime, rows, tables
from incognito.lab.airtime import STAGES


def test_a_row_of_the_loop_on_a_made_film(run, tmp_path):
    """A second of small film: every frame is accounted for, and every stage was timed."""
    out = tmp_path / "live.csv"
    code, told, _ = run("lab", "live", "--model", "tiny", "--size", "256x144", "--seconds", "1", "-o", out)
    assert code == 0 and "frame: 256x144" in told
    (row,) = rows.read(out)
    assert int(row["captured"]) == int(row["processed"]) + int(row["dropped"]) == 30
    for stage in (name.replace(" ", "_") for name in STAGES):
        assert 0 < float(row[f"{stage}_p50_ms"]) <= float(row[f"{stage}_p95_ms"]), stage
    assert row["load"].startswith(("quiet", "disturbed"))


def test_a_size_that_no_film_has_is_refused(run, tmp_path):
    """Before anything is filmed."""
    code, _, err = run("lab", "live", "--size", "720p", "-o", tmp_path / "live.csv")
    assert code != 0 and "write WIDTHxHEIGHT" in err
    assert not (tmp_path / "live.csv").exists()


def test_the_newest_row_of_each_size_and_processor_is_shown():
    """With what went out, and the loop's time."""
    times = {f"{s.replace(' ', '_')}_p{p}_ms": "9" for s in airtime.STAGES for p in (50, 95)}
    counts = {"captured": "300", "processed": "299", "dropped": "1", "cpu_percent": "60", "threads": "2", "cpu": "Xeon"}
    old = {"model": "fast", "frame": "1280x720"} | counts | times
    new = old | {"loop_p50_ms": "7.77"}
    lines = tables.live([old, new, old | {"frame": "1920x1080"}]).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| fast | 1280x720 | 2 x Xeon | 299 of 300 | 1 | 9.0 (9.0) |")
    assert " 7.8 (9.0) |" in lines[2]
