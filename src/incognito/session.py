"""A live session from its options: the camera, the sinks and the loop that they ask for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from incognito import output, runtime
from incognito.errors import UsageError
from incognito.governor import Governor
from incognito.live import Live, Plan
from incognito.outputs import sink_for
from incognito.sources import camera_for
from incognito.tally import Tally

DEFAULTS: dict[str, Any] = {
    "camera": "0",
    "to": ["window"],
    "background": ["blur"],
    "model": "fast",
    "size": "1280x720",
    "fps": 30.0,
    "side-by-side": False,
    "fullscreen": False,
    "budget": None,
}
LARGEST = 7680  # pixels of a side
SPARE = 0.02  # of the machine, below which a budget is a mistake

Status = Callable[[Live], None]


def run(
    options: Mapping[str, Any],
    seconds: float | None = None,
    stats: Path | None = None,
    force: bool = False,
    tell: Callable[[str], None] = lambda line: None,
    status: Status = lambda live: None,
) -> Tally:
    """Run live with the options of a profile, those left out as in DEFAULTS; gives what it did and cost.

    `tell` gets lines about what is used and what goes wrong, `status` the run once a second. `stats` is written in the
    end, also where an error ended the run. Raises IncognitoError.
    """
    wanted = {**DEFAULTS, **options}
    if stats:
        output.check(stats, force)
    size, fps = _size(wanted["size"]), float(wanted["fps"])
    if not 0 <= fps <= 240:
        raise UsageError(f"--fps {fps:g} cannot be; give 1 to 240, or 0 for a file flat out")
    budget = _budget(wanted["budget"])
    plan = Plan(_listed(wanted["background"]), wanted["model"], size, fps, wanted["side-by-side"], seconds)
    shown = {"fullscreen": wanted["fullscreen"], "side_by_side": wanted["side-by-side"]}
    sinks = [sink_for(word, force=force, **shown) for word in _listed(wanted["to"])]
    camera = camera_for(wanted["camera"], size, fps)
    governor = Governor(budget, fps, plan.model)
    live = Live(camera, sinks, plan, governor, tell=tell, status=status)
    try:
        live.run()
    finally:
        if stats:
            live.tally.write(stats)
    return live.tally


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _size(text: str) -> tuple[int, int]:
    """(height, width) of "1280x720"; even numbers, as codecs and virtual cameras want them."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    width, height = (int(side) for side in match.groups()) if match else (0, 0)
    if not (16 <= width <= LARGEST and 16 <= height <= LARGEST) or width % 2 or height % 2:
        raise UsageError(f"--size {text!r} cannot be; give width and height, even numbers, such as 1280x720")
    return height, width


def _budget(text: str | None) -> float | None:
    """A share of this machine, 0 to 1, of "25%"."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text)
    share = float(match[1]) / 100 if match else 0.0
    if not SPARE <= share <= 1:
        raise UsageError(f"--budget {text!r} cannot be; give a share of all {runtime.cores()} cores, such as 25%")
    return share
