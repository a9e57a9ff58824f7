"""What live costs here, as a row: a made film, at its own pace, through the loop that users run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from incognito import demo, scripted, session
from incognito.lab.rows import Row
from incognito.lab.source import commit
from incognito.load import Watch
from incognito.machine import cpu
from incognito.runtime import cores
from incognito.segment import beside
from incognito.tally import LATENCY, LOOP, Tally

STAGES = ("segment", "refine", "composite", LOOP, LATENCY)


def measure(model: str, size: tuple[int, int], seconds: int) -> Row:
    """Show the portrait, swaying before a room, over a blur to nobody; times in milliseconds.

    The film has 30 frames a second of a size (height, width). It is decoded on the same cores meanwhile, which is in no
    stage. The variant is chosen before, as in every call but the first.
    """
    height, width = size
    frame = f"{width}x{height}"
    segmenter = beside(model, None, None)
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        demo.write_film(film, (scripted.made(number, size) for number in range(seconds * demo.RATE)), size)
        watch = Watch()
        watch.calibrate()
        tally = session.run({"camera": str(film), "to": "null", "model": model, "size": frame, "fps": demo.RATE})
    watch.calibrate()
    return {
        "model": segmenter.card.label,
        "sha256": segmenter.card.sha256[:12],
        "runtime": segmenter.runtime_name,
        "frame": frame,
        "cpu": cpu(),
        "threads": str(cores()),
        "commit": commit(),
        **_figures(tally),
        "load": watch.load().verdict,
    }


def _figures(tally: Tally) -> Row:
    counts = {name: str(getattr(tally, name)) for name in ("captured", "processed", "dropped")}
    times = {
        f"{stage.replace(' ', '_')}_p{percentile}_ms": f"{tally.milliseconds(stage, percentile):.2f}"
        for stage in STAGES
        for percentile in (50, 95)
    }
    return {**counts, **times, "cpu_percent": f"{tally.cpu_percent:.0f}"}
