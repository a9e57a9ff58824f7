"""The climb: rung after rung from a heavy network to a fast one, each measured, judged and written down.

A rung makes an artefact of the one that was kept last. It must keep within its budget of IoU on validation pictures and
be faster, or it is refused, and the climb goes on from where it was. Test pictures are looked at once, in the end.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnx import ModelProto

from incognito import output, runtime, zoo
from incognito.choice import version
from incognito.errors import IncognitoError, LabError, OutputError, first_line
from incognito.frame import Picture
from incognito.lab import gate, graph, passes, race, rows, tables, tally
from incognito.lab.adopt import AS_IT_IS, adopt
from incognito.lab.data import Sample, read_manifest
from incognito.lab.evaluate import evaluate
from incognito.lab.judge import Judge
from incognito.lab.rows import Row
from incognito.lab.rungs import Ladder, Rung
from incognito.lab.terms import named
from incognito.lab.tidy import tidy
from incognito.lab.tune import Lesson, tune
from incognito.lab.workshop import Past, Workshop
from incognito.machine import cpu

ROWS, REPORT = "ladder.csv", "report.md"
TESTS = "tests"  # what is known of them, beside the rungs
Tell = Callable[[str], None]
Move = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Artefact:
    """A network that the climb has: its file with a card, what it scored, and its row."""

    card: zoo.Card
    figures: gate.Figures
    floating: float  # the IoU of its float parent, or its own where it is float
    row: Row

    @property
    def title(self) -> str:
        """Its rung's title."""
        return self.row["rung"]


def climb(
    model: str, data: Path, recipe: Path | None, budget: float, out: Path, tell: Tell = lambda text: None,
    move: Move = lambda done, total: None,
) -> list[Path]:  # fmt: skip
    """Climb from a model by a recipe, or the default one; gives what was written: rows and a report.

    `out` holds the artefacts with their cards too; begun again with the same one, it goes on where it was. Raises
    LabError where the model, the data or the recipe cannot be used, and OutputError where `out` cannot be written.
    """
    return Climb(data, Ladder.read(recipe), budget, out, tell, move).run(model)


def report(climbed: list[Row]) -> str:
    """A climb in words and tables, Markdown."""
    parts = (
        ("", tables.summary), ("Every rung", tables.rungs), ("The artefacts", tables.artefacts),
        ("What was refused", tables.refused), ("Conditions", tables.conditions),
    )  # fmt: skip
    sections = [f"## {title}\n\n{make(climbed)}" if title else make(climbed) for title, make in parts]
    return "\n\n".join(["# The ladder", *sections]) + "\n"


class Climb:
    """A climb under way: what it is measured with, the artefacts so far, and a row for each rung."""

    def __init__(self, data: Path, ladder: Ladder, budget: float, out: Path, tell: Tell, move: Move) -> None:
        self._data, self._ladder, self._budget = data, ladder, budget
        self._tell, self._move = tell, move
        self._samples = read_manifest(data, "train", ("photo", "cutout", "empty"))
        self._judge = Judge.of(data, ladder.measuring.judge_on)
        self._pictures = _for_calibration(self._samples, ladder.measuring.calibrate_on)
        self._workshop = Workshop(out)
        self._kept: dict[str, Artefact] = {}
        self._rows: list[Row] = []
        self._runtimes: dict[str, str] = {}  # the fastest for each artefact

    def run(self, model: str) -> list[Path]:
        """Climb all rungs, time everything that was kept in one race, test it, and write rows and report."""
        last = self._start(model)
        for number, rung in enumerate(self._ladder.rungs, 1):
            parent = self._kept.get(rung.start) if rung.start else last
            if not parent:
                self._leave_out(rung)
                continue
            found = self._step(number, rung, parent)
            if found and not rung.aside:
                last = found
        self._race()
        self._test()
        self._workshop.finish()
        return self._write()

    def _start(self, model: str) -> Artefact:
        """Take in the first network."""
        title = self._ladder.start or _path_of(model).stem
        draft, words = self._taken(f"00-{_slug(title)}", model)
        iou = self._judge.iou_on(draft)
        row = tally.row(self._ladder.name, title, "", "", self._budget) | {"status": "start"}
        row |= tally.describe(draft) | tally.judged(len(self._judge.samples), iou, 0.0)
        self._tell(f"{title}: IoU {iou:.4f} on {len(self._judge.samples)} pictures for validation; {words}")
        return self._keep(Artefact(self._workshop.place(draft), gate.Figures(iou, float("nan"), draft.bytes), iou, row))

    def _taken(self, name: str, model: str) -> tuple[zoo.Card, str]:
        """Draft a network that was made elsewhere, as the ladder wants it; also says what it was taken for."""
        path = _path_of(model)
        card = zoo.find(path) if path.with_suffix(".json").is_file() else None
        taken, words = adopt(graph.parse(card.load() if card else path.read_bytes(), model), card, self._judge)
        precision = card.precision if card else "float32"
        if precision == "float32":
            taken = tidy(taken)  # weights that the file keeps in fewer bits are float32 again, as they are computed
        past = Past.of(card, path).then([] if words == AS_IT_IS else [words])
        return self._workshop.draft(name, taken.SerializeToString(), passes.size_of(taken), past, precision), words

    def _leave_out(self, rung: Rung) -> None:
        """Note that a rung's own start is missing."""
        reason = f"{rung.start!r}, which it starts from, was not kept"
        row = tally.row(self._ladder.name, rung.title, rung.start, "", self._budget)
        self._rows.append(row | {"status": "failed", "reason": reason})
        self._tell(f"{rung.title}: failed, {reason}")

    def _step(self, number: int, rung: Rung, parent: Artefact) -> Artefact | None:
        """Climb one rung, or remember how that went; gives the artefact where it was kept."""
        key = self._key(rung, parent)
        known = self._workshop.known.get(rung.title, {})
        if known.get("key") != key:
            known = {"key": key, **self._attempt(f"{number:02}-{_slug(rung.title)}", key, rung, parent)}
            if known["row"]["status"] != "failed":  # what stood in the way may be gone the next time
                self._workshop.remember(rung.title, known)
        row = dict(known["row"])
        won = f"lost {row['val_lost']}, {row['faster']} times as fast" if row["faster"] else "nothing was made"
        self._tell(f"{rung.title}: {row['status']}{row['reason'] and ', '}{row['reason']}; {won}")
        if row["status"] not in ("kept", "aside"):
            self._rows.append(row)
            return None
        card, figures = self._workshop.placed(row["model"]), gate.Figures(**known["figures"])
        return self._keep(Artefact(card, figures, known["floating"], row))

    def _keep(self, artefact: Artefact) -> Artefact:
        self._kept[artefact.title] = artefact
        self._rows.append(artefact.row)
        return artefact

    def _attempt(self, name: str, key: str, rung: Rung, parent: Artefact) -> dict:
        """Make, prove and measure a rung's artefact, and let the gate decide."""
        budget = self._budget if rung.budget is None else rung.budget
        chain = rung.title if rung.is_model else " > ".join([*filter(None, [parent.row["passes"]]), rung.action])
        row = tally.row(self._ladder.name, rung.title, parent.title, chain, budget)
        try:
            self._workshop.discard(name)
            draft = self._taken(name, rung.action)[0] if rung.is_model else self._made(name, key, rung, parent, budget)
            iou = self._judge.iou_on(draft)
        except OutputError:  # a full disk would fail every rung
            raise
        except IncognitoError as error:
            return {"row": row | {"status": "failed", "reason": str(error)}}
        before, after = self._raced(parent, draft, iou)
        reason = gate.refusal(before, parent.floating, after, budget, rung.aim)
        row |= tally.describe(draft) | tally.judged(len(self._judge.samples), iou, parent.floating - iou)
        row |= {"status": "aside" if rung.aside else "refused" if reason else "kept", "reason": reason}
        row["faster"] = f"{gate.faster(before, after):.2f}"
        if row["status"] != "refused":
            self._workshop.place(draft)
        floating = iou if rung.is_model or draft.precision == "float32" else parent.floating
        return {"row": row, "figures": dataclasses.asdict(after), "floating": floating}

    def _made(self, name: str, key: str, rung: Rung, parent: Artefact, budget: float) -> zoo.Card:
        """Apply a pass to the parent, prove it, and write a draft."""
        step, scratch, notes = passes.PASSES[rung.action], self._workshop.scratch(key), list[str]()
        before = graph.parse(parent.card.load(), str(parent.card.path))
        before = before if parent.card.precision == "int8" else tidy(before)

        def learn(model: ModelProto, pictures: int, masters: graph.Arrays | None) -> ModelProto:
            ladder = self._ladder
            lesson = Lesson(self._samples, ladder.mixture, ladder.tuning, pictures, scratch / "tuning.pt", self._move)
            return tune(model, before, lesson, masters)

        context = passes.Context(self._pictures, self._judge, parent.floating, budget, scratch, learn, notes.append)
        try:
            after = step.apply(before, context, **rung.options)
        except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:  # a graph nobody foresaw
            raise LabError(f"{rung.action} does not know what to do with it ({first_line(error)})") from error
        moved = passes.prove(before, after)
        if moved > step.tolerance:
            raise LabError(f"alpha moves by {moved:.3f} on the portrait, over {step.tolerance:g}")
        settings = "".join(f", {key} {value}" for key, value in rung.options.items())
        done = [f"{rung.action}{settings}, alpha moved by {moved:.1e}", *notes]
        learnt = named({sample.source for sample in self._samples}) if step.learns else []
        past = Past.of(parent.card, parent.card.path).then(done, learnt)
        precision = step.precision or parent.card.precision
        return self._workshop.draft(name, after.SerializeToString(), passes.size_of(after), past, precision)

    def _raced(self, parent: Artefact, draft: zoo.Card, iou: float) -> tuple[gate.Figures, gate.Figures]:
        """Parent and draft, timed against each other."""
        before, after = race.race([parent.card, draft], runtime.cores(), self._ladder.measuring.gate_rounds)
        was = dataclasses.replace(parent.figures, milliseconds=race.fastest(before).half)
        return was, gate.Figures(iou, race.fastest(after).half, draft.bytes)

    def _race(self) -> None:
        """Time all that was kept in one race, and put the times into the rows."""
        kept = list(self._kept.values())
        self._tell(f"timing {len(kept)} networks against each other")
        cards = [artefact.card for artefact in kept]
        found = race.race(cards, runtime.cores(), self._ladder.measuring.final_rounds)
        for artefact, times in zip(kept, found, strict=True):
            artefact.row.update(tally.timed(times))
            self._runtimes[artefact.title] = race.fastest(times).runtime

    def _test(self) -> None:
        """Measure all that was kept on the test pictures, once, each on the runtime that is the fastest for it."""
        group = self._ladder.measuring.group
        if not any(sample.group == group for sample in read_manifest(self._data, "test", ("photo",))):
            self._tell(f"{self._data} has no test photos in {group!r}: validation figures only")
            return
        known = dict(self._workshop.known.get(TESTS, {}))
        for artefact in self._kept.values():
            card, runs_on = artefact.card, self._runtimes[artefact.title]
            key = f"{card.sha256} {card.precision} {runs_on} {group}"
            if key not in known:
                self._tell(f"testing {artefact.title}")
                found = evaluate(card.path, self._data, "test", group, self._move, runs_on)
                ends = {name: str(end) for name, end in found.sure().items()}
                known[key] = {"set": group, "n": str(len(found.scored)), **found.figures(), **ends}
                self._workshop.remember(TESTS, known)
            figures = known[key]
            artefact.row.update({name: figures[name] for name in tally.TESTED})
            named = ("n", "iou", "mean_iou", "boundary_f", "iou_low", "iou_high")
            measured = {name: float(figures[name]) for name in named if name in figures}
            self._workshop.change(card, measured=measured)

    def _key(self, rung: Rung, parent: Artefact) -> str:
        """What a rung's outcome depends on, as one word."""
        ladder = self._ladder
        told: list[Any] = [dataclasses.asdict(each) for each in (rung, ladder.measuring, ladder.tuning, ladder.mixture)]
        told += [parent.card.sha256, parent.card.precision, parent.floating, self._budget]
        told += [cpu(), runtime.cores(), {name: version(name) for name in runtime.installed()}]
        told += [(self._data / "manifest.csv").read_text(encoding="utf-8")]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def _write(self) -> list[Path]:
        path, page = self._workshop.out / ROWS, self._workshop.out / REPORT
        rows.keep(path, self._rows)
        with output.beside(page) as part:
            part.write_text(report(self._rows), encoding="utf-8")
        return [path, page]


def _for_calibration(samples: list[Sample], count: int) -> list[Picture]:
    """So many photos with people, evenly drawn."""
    photos = [sample for sample in samples if sample.kind == "photo"]
    if not photos:
        raise LabError("the data has no photos for training, so there is nothing to calibrate on; check its manifest")
    step = max(1, len(photos) // count)
    return [sample.load()[0] for sample in photos[::step][:count]]


def _path_of(model: str) -> Path:
    """Where a model lies: a shipped one by its name, or any .onnx."""
    if zoo.is_name(model):
        return zoo.find(model).path
    path = Path(model)
    if not path.is_file():
        raise LabError(f"{path} does not exist; name an .onnx file, or a shipped model")
    return path


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
