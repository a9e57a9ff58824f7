"""A ladder as data: a TOML file of rungs, checked key by key, and what they share."""

from __future__ import annotations

import inspect
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incognito.errors import LabError
from incognito.lab.gate import AIMS
from incognito.lab.passes import PASSES
from incognito.lab.recipe import Data, fits, make
from incognito.lab.tune import Tuning

DEFAULT = Path(__file__).parent / "default.toml"


@dataclass(frozen=True, slots=True)
class Measuring:
    """What every rung is measured with: so many pictures, and rounds of the race."""

    judge_on: int
    calibrate_on: int
    gate_rounds: int
    final_rounds: int
    group: str  # of the test pictures; empty where the data has no test split


@dataclass(frozen=True, slots=True)
class Rung:
    """A step: a pass with its options, or another model to go on with."""

    title: str
    action: str  # a pass's name, or a model's name or path
    is_model: bool
    options: dict[str, Any]
    start: str  # the title of the rung that it starts from; empty for the last one that was kept
    aside: bool  # measured and kept, but the climb goes on from where this began
    aim: str
    budget: float | None

    @property
    def pictures(self) -> int:
        """So many are learnt from."""
        return int(self.options.get("pictures", 0))


@dataclass(frozen=True, slots=True)
class Ladder:
    """A climb, whole."""

    name: str
    start: str  # what the first network is called in the rows; empty for its file's name
    measuring: Measuring
    tuning: Tuning
    mixture: Data
    rungs: list[Rung]

    @classmethod
    def read(cls, path: Path | None) -> Ladder:
        """Read a ladder from a TOML file; the default one where none is named."""
        path = path or DEFAULT
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise LabError(f"{path} cannot be read ({error.strerror}); the ladders are in recipes/") from None
        except ValueError as error:
            raise LabError(f"{path} is not valid TOML: {error}") from None
        if tables.keys() - {"start"} != {"measuring", "tuning", "data", "rung"}:
            raise LabError(f"{path} must hold [measuring], [tuning], [data] and [[rung]], and at most start besides")
        rungs = [_rung(table) for table in tables["rung"]]
        measuring = make(Measuring, tables["measuring"], "[measuring]")
        if not all((measuring.judge_on, measuring.calibrate_on, measuring.gate_rounds, measuring.final_rounds)):
            raise LabError("[measuring] needs at least one picture and one round of each kind")
        _check_titles(rungs)
        return cls(
            path.stem,
            str(tables.get("start", "")),
            measuring,
            make(Tuning, tables["tuning"], "[tuning]"),
            make(Data, tables["data"], "[data]"),
            rungs,
        )


def _rung(table: dict[str, Any]) -> Rung:
    """Check one rung: one of `pass` and `model`, its title, and the options that the pass knows."""
    title, options = str(table.get("title", "")), dict(table)
    where = f"[[rung]] {title!r}"
    if not title or ("pass" in table) == ("model" in table):
        raise LabError(f"{where} needs a title, and either a pass or a model")
    shared = {name: options.pop(name, value) for name, value in (("from", ""), ("aside", False), ("aim", "time"))}
    budget = options.pop("budget", None)
    if budget is not None and not fits(budget, "float"):
        raise LabError(f"{where}: the budget is IoU that may be lost, such as 0.003, not {budget!r}")
    for name in ("title", "pass", "model"):
        options.pop(name, None)
    if shared["aim"] not in AIMS or not isinstance(shared["aside"], bool):
        raise LabError(f"{where}: aim is one of {', '.join(AIMS)}, and aside is true or false")
    action = str(table.get("pass", table.get("model")))
    _check_options(where, action if "pass" in table else "", options)
    return Rung(title, action, "model" in table, options, shared["from"], shared["aside"], shared["aim"], budget)


def _check_options(where: str, action: str, options: dict[str, Any]) -> None:
    if action and action not in PASSES:
        raise LabError(f"{where}: there is no pass {action!r}; choose one of {', '.join(PASSES)}")
    known = inspect.signature(PASSES[action].apply).parameters.values() if action else []
    own = {each.name: each.default for each in list(known)[2:]}
    missing = {name for name, default in own.items() if default is inspect.Parameter.empty} - options.keys()
    unknown = options.keys() - own.keys()
    kinds = {each.name: str(each.annotation) for each in list(known)[2:]}
    for name in options.keys() & kinds.keys():
        if not fits(options[name], kinds[name]):
            raise LabError(f"{where}: {name} must be a {kinds[name]} without negative numbers, not {options[name]!r}")
    if missing or unknown:
        wrong = ", ".join(sorted(missing or unknown))
        raise LabError(
            f"{where} {'lacks' if missing else 'does not know'} {wrong}; known are {', '.join(own) or 'none'}"
        )


def _check_titles(rungs: list[Rung]) -> None:
    seen = {""}
    for rung in rungs:
        if rung.title in seen:
            raise LabError(f"two rungs have the title {rung.title!r}; rows are found by it")
        if rung.start not in seen:
            raise LabError(f"[[rung]] {rung.title!r} starts from {rung.start!r}, which is no rung before it")
        seen.add(rung.title)
    if not rungs:
        raise LabError("the ladder has no rungs; see recipes/ladder.toml")
