"""The climb: rung after rung from a heavy network to a fast one, each measured, judged and written down.

A rung makes an artefact of the one that was kept last. It must keep within its budget of IoU on validation pictures and
be faster, or it is refused, and the climb goes on from where it was. Test pictures are looked at once, in the end.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnx import ModelProto

from incognito import choice, output, runtime, zoo
from incognito.errors import IncognitoError, LabError, OutputError
from incognito.frame import Picture
from incognito.lab import gate, graph, passes, race, rows, tables
from incognito.lab.adopt import adopt
from incognito.lab.cost import cost
from incognito.lab.data import Sample, read_manifest
from incognito.lab.evaluate import evaluate
from incognito.lab.export import write_model
from incognito.lab.judge import Judge
from incognito.lab.rows import Row
from incognito.lab.rungs import Ladder, Rung
from incognito.lab.source import commit
from incognito.lab.terms import named
from incognito.lab.tidy import tidy
from incognito.lab.tune import Lesson, tune
from incognito.machine import cpu

ROWS, REPORT, PROGRESS = "ladder.csv", "report.md", "progress.json"
Tell = Callable[[str], None]
Move = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Artefact:
    """A network that the climb has: its file with a card, what it scored, and how it came about."""

    title: str
    card: zoo.Card
    figures: gate.Figures
    floating: float  # the IoU of its float parent, or its own where it is float
    passes: str

    def model(self) -> ModelProto:
        """The network, read from its file."""
        return graph.parse(self.card.load(), str(self.card.path))


def climb(
    model: str, data: Path, recipe: Path | None, budget: float, out: Path, tell: Tell = lambda text: None,
    move: Move = lambda done, total: None,
) -> list[Path]:  # fmt: skip
    """Climb from a model by a recipe, or the default one; gives what was written: rows and a report.

    `out` holds the artefacts with their cards too; begun again with the same one, it goes on where it was. Raises
    LabError where the model, the data or the recipe cannot be used, and OutputError where `out` cannot be written.
    """
    return Climb(model, data, Ladder.read(recipe), budget, out, tell, move).run()


def report(climbed: list[Row]) -> str:
    """A climb in words and tables, Markdown."""
    parts = (
        ("", tables.summary), ("Every rung", tables.rungs), ("The artefacts", tables.artefacts),
        ("What was refused", tables.refused), ("Conditions", tables.conditions),
    )  # fmt: skip
    sections = [f"## {title}\n\n{make(climbed)}" if title else make(climbed) for title, make in parts]
    return "\n\n".join(["# The ladder", *sections]) + "\n"


class Climb:
    """A climb under way, in its folder: artefacts with cards, and what is known of each rung, for going on later."""

    def __init__(
        self, model: str, data: Path, ladder: Ladder, budget: float, out: Path, tell: Tell, move: Move
    ) -> None:
        self._data, self._ladder, self._budget, self._out = data, ladder, budget, out
        self._tell, self._move = tell, move
        self._samples = read_manifest(data, "train", ("photo", "cutout", "empty"))
        self._judge = Judge.of(data, ladder.measuring.judge_on)
        self._pictures = _for_calibration(self._samples, ladder.measuring.calibrate_on)
        self._work = out / "work"
        try:
            self._work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{out} cannot be made ({error.strerror}); choose another --out") from None
        self._known = self._recall()
        self._artefacts: dict[str, Artefact] = {}
        self._rows: list[Row] = []
        self._start(model)

    def run(self) -> list[Path]:
        """Climb all rungs, time everything that was kept in one race, test it, and write rows and report."""
        last = next(iter(self._artefacts.values()))
        for number, rung in enumerate(self._ladder.rungs, 1):
            parent = self._artefacts.get(rung.start) if rung.start else last
            if not parent:
                self._tell(f"{rung.title}: left out, for {rung.start} was not kept")
                continue
            found = self._step(number, rung, parent)
            if found and not rung.aside:
                last = found
        self._race()
        self._test()
        shutil.rmtree(self._work)
        return self._write()

    def _start(self, model: str) -> None:
        """Take in the first network."""
        path = _path_of(model)
        card = zoo.find(path) if path.with_suffix(".json").is_file() else None
        taken, words = adopt(graph.parse(_read(path, card), model), card, self._judge)
        lineage = [*(card.lineage if card else []), words]
        sources = card.training_data if card else named({path.name})
        title = self._ladder.start or path.stem
        draft = self._draft(f"00-{_slug(title)}", taken.SerializeToString(), passes.size_of(taken), lineage, sources)
        found = self._measured(title, draft, None, "")
        self._tell(
            f"{title}: IoU {found.figures.iou:.4f} on {len(self._judge.samples)} pictures for validation; {words}"
        )
        self._artefacts[title] = dataclasses.replace(found, card=self._place(draft))
        self._rows.append(self._row(self._artefacts[title], None, "start", "", self._budget))

    def _step(self, number: int, rung: Rung, parent: Artefact) -> Artefact | None:
        """Climb one rung, or remember how that went; gives the artefact where it was kept."""
        key = _key(rung, parent, self._ladder)
        known = self._known.get(rung.title)
        if not known or known["key"] != key:
            known = {"key": key, **self._attempt(number, rung, parent)}
            self._known[rung.title] = known
            self._remember()
        self._rows.append(known["row"])
        status, reason = known["row"]["status"], known["row"]["reason"]
        self._tell(f"{rung.title}: {status}{f', {reason}' if reason else ''}; {known['said']}")
        if not known["artefact"]:
            return None
        card = zoo.read_card(self._out / f"{known['artefact']['name']}.json")
        figures = gate.Figures(**known["artefact"]["figures"])
        found = Artefact(rung.title, card, figures, known["artefact"]["floating"], known["row"]["passes"])
        self._artefacts[rung.title] = found
        return found

    def _attempt(self, number: int, rung: Rung, parent: Artefact) -> dict[str, Any]:
        """Make, prove and measure a rung's artefact, and let the gate decide."""
        budget = self._budget if rung.budget is None else rung.budget
        chain = rung.title if rung.is_model else " > ".join([*filter(None, [parent.passes]), rung.action])
        name = f"{number:02}-{_slug(rung.title)}"
        try:
            draft = self._swapped(name, rung) if rung.is_model else self._made(name, rung, parent)
            found = self._measured(rung.title, draft, parent, chain, is_new=rung.is_model)
        except OutputError:  # a full disk fails every rung
            raise
        except IncognitoError as error:
            row = self._row(None, parent, "failed", str(error), budget, rung, chain)
            return {"row": row, "artefact": None, "said": "nothing was made"}
        before, after = self._raced(parent, found)
        found = dataclasses.replace(found, figures=after)
        reason = gate.refusal(before, parent.floating, after, budget, rung.aim)
        status = "aside" if rung.aside else "refused" if reason else "kept"
        kept = status != "refused"
        card = self._place(draft) if kept else draft
        row = self._row(dataclasses.replace(found, card=card), parent, status, reason, budget, rung, chain)
        row["faster"] = f"{gate.faster(before, after):.3f}"
        said = f"IoU {after.iou:.4f} (lost {parent.floating - after.iou:.4f}), {gate.faster(before, after):.2f} times as fast"
        held = (
            {"name": card.path.stem, "figures": dataclasses.asdict(after), "floating": found.floating} if kept else None
        )
        return {"row": row, "artefact": held, "said": said}

    def _made(self, name: str, rung: Rung, parent: Artefact) -> zoo.Card:
        """Apply a pass to the parent, prove it, and write a draft."""
        step, notes = passes.PASSES[rung.action], list[str]()
        before = tidy(parent.model())
        context = passes.Context(
            self._pictures,
            self._judge,
            parent.floating,
            rung.budget or self._budget,
            self._scratch(name),
            self._tuner(name, before),
            notes.append,
        )
        after = step.apply(before, context, **rung.options)
        moved = passes.prove(before, after)
        if moved > step.tolerance:
            raise LabError(f"alpha moves by {moved:.3f} on the portrait, over {step.tolerance:g}")
        settings = ", ".join(f"{key} {value}" for key, value in rung.options.items())
        words = [f"{rung.action}{f' ({settings})' if settings else ''}, alpha moved by {moved:.1e}", *notes]
        sources = parent.card.training_data
        if rung.pictures:
            sources = sorted({*sources, *named({sample.source for sample in self._samples})})
        card = self._draft(
            name, after.SerializeToString(), passes.size_of(after), [*parent.card.lineage, *words], sources
        )
        return self._with(card, precision=step.precision or parent.card.precision)

    def _swapped(self, name: str, rung: Rung) -> zoo.Card:
        """Take another network to go on with."""
        card = zoo.find(_path_of(rung.action))
        copy = self._draft(name, card.load(), card.size, card.lineage, card.training_data)
        return self._with(copy, precision=card.precision)

    def _tuner(self, name: str, teacher: ModelProto) -> Callable[[ModelProto, int, graph.Arrays | None], ModelProto]:
        def tuned(model: ModelProto, pictures: int, masters: graph.Arrays | None) -> ModelProto:
            ladder, checkpoint = self._ladder, self._work / f"{name}.pt"
            lesson = Lesson(self._samples, ladder.mixture, ladder.tuning, pictures, checkpoint, self._move)
            return tune(model, teacher, lesson, masters)

        return tuned

    def _measured(
        self, title: str, draft: zoo.Card, parent: Artefact | None, chain: str, is_new: bool = False
    ) -> Artefact:
        """Judge a draft on every runtime that can run it; the lowest IoU counts."""
        found = []
        for name in race.runtimes_for(draft):
            runner = runtime.open_runtime(draft, runtime.cores(), name)
            found.append(self._judge.iou(runner.run, draft.size))
        figures = gate.Figures(min(found), float("nan"), draft.bytes)
        own = parent is None or is_new or draft.precision == "float32"
        if parent is None:
            (times,) = race.race([draft], runtime.cores(), self._ladder.measuring.gate_rounds)
            figures = dataclasses.replace(figures, milliseconds=race.fastest(times))
        return Artefact(title, draft, figures, figures.iou if own or parent is None else parent.floating, chain)

    def _raced(self, parent: Artefact, found: Artefact) -> tuple[gate.Figures, gate.Figures]:
        """Parent and artefact, timed against each other."""
        times = race.race([parent.card, found.card], runtime.cores(), self._ladder.measuring.gate_rounds)
        before, after = (
            dataclasses.replace(each.figures, milliseconds=race.fastest(own))
            for each, own in zip((parent, found), times, strict=True)
        )
        return before, after

    def _race(self) -> None:
        """Time all that was kept in one race, and put the times into the rows."""
        artefacts = list(self._artefacts.values())
        self._tell(f"timing {len(artefacts)} networks against each other")
        measuring = self._ladder.measuring
        found = race.race([each.card for each in artefacts], runtime.cores(), measuring.final_rounds)
        for artefact, times in zip(artefacts, found, strict=True):
            row = next(row for row in self._rows if row["rung"] == artefact.title)
            row.update(_timed(times))

    def _test(self) -> None:
        """Measure all that was kept on the test pictures, once."""
        group = self._ladder.measuring.group
        if not any(s.group == group for s in read_manifest(self._data, "test", ("photo",))):
            self._tell(f"{self._data} has no test photos in {group!r}: validation figures only")
            return
        for artefact in self._artefacts.values():
            row = next(row for row in self._rows if row["rung"] == artefact.title)
            known = self._known.setdefault("", {}).get(artefact.card.sha256)
            if not known:
                self._tell(f"testing {artefact.title}")
                result = evaluate(
                    artefact.card.path, self._data, "test", group, self._move, race.runtimes_for(artefact.card)[0]
                )
                known = {"set": group, "n": str(len(result.scored)), **result.figures()}
                self._known[""][artefact.card.sha256] = known
                self._remember()
                self._with(
                    artefact.card,
                    measured={name: float(known[name]) for name in ("iou", "mean_iou", "boundary_f")}
                    | {"n": len(result.scored)},
                )
            row.update({name: known[name] for name in ("set", "n", "iou", "mean_iou", "boundary_f", "falsely_marked")})

    def _row(
        self, found: Artefact | None, parent: Artefact | None, status: str, reason: str, budget: float,
        rung: Rung | None = None, chain: str = "",
    ) -> Row:  # fmt: skip
        title = rung.title if rung else found.title if found else ""
        row = dict.fromkeys(COLUMNS, "") | {
            "ladder": self._ladder.name, "rung": title, "parent": parent.title if parent else "", "passes": chain,
            "status": status, "reason": reason, "budget": f"{budget:g}", "cpu": cpu(), "commit": commit(),
            "threads": str(runtime.cores()),
        }  # fmt: skip
        if not found:
            return row
        card, spent = found.card, cost(found.card.path)
        lost = (parent.floating if parent else found.figures.iou) - found.figures.iou
        return row | {
            "model": card.name, "sha256": card.sha256[:12], "network": f"{card.width}x{card.height}",
            "precision": card.precision, "val_n": str(len(self._judge.samples)),
            "val_iou": f"{found.figures.iou:.4f}", "val_lost": f"{lost:.4f}", "parameters": str(spent.parameters),
            "multiply_adds": str(spent.multiply_adds), "bytes": str(card.bytes),
        }  # fmt: skip

    def _draft(
        self, name: str, network: bytes, size: tuple[int, int], lineage: list[str], sources: list[str]
    ) -> zoo.Card:
        try:
            return write_model(self._work / f"{name}.onnx", network, size, lineage, sources)
        except OSError as error:
            raise OutputError(f"{self._work} cannot be written to ({error.strerror}); make room and go on") from None

    def _with(self, card: zoo.Card, **changes: Any) -> zoo.Card:
        card = dataclasses.replace(card, **changes)
        with output.beside(card.path.with_suffix(".json")) as part:
            card.write(part)
        return card

    def _place(self, draft: zoo.Card) -> zoo.Card:
        """Put a draft that passed where artefacts are."""
        for path in (draft.path, draft.path.with_suffix(".json")):
            path.replace(self._out / path.name)
        return dataclasses.replace(draft, folder=self._out)

    def _scratch(self, name: str) -> Path:
        folder = self._work / f"{name}.ranges"
        folder.mkdir(exist_ok=True)
        return folder

    def _recall(self) -> dict[str, Any]:
        path = self._out / PROGRESS
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def _remember(self) -> None:
        with output.beside(self._out / PROGRESS) as part:
            part.write_text(json.dumps(self._known, indent=1), encoding="utf-8")

    def _write(self) -> list[Path]:
        path, page = self._out / ROWS, self._out / REPORT
        rows.keep(path, self._rows)
        with output.beside(page) as part:
            part.write_text(report(self._rows), encoding="utf-8")
        return [path, page]


COLUMNS = (
    "ladder", "rung", "model", "sha256", "parent", "passes", "network", "precision", "status", "reason", "budget",
    "val_n", "val_iou", "val_lost", "set", "n", "iou", "mean_iou", "boundary_f", "falsely_marked", "parameters",
    "multiply_adds", "bytes", "cpu", "threads", "onnxruntime", "onnxruntime_p50_ms", "onnxruntime_p95_ms", "openvino",
    "openvino_p50_ms", "openvino_p95_ms", "runs", "faster", "commit",
)  # fmt: skip


def _timed(times: list[race.Times]) -> Row:
    row = {"runs": str(times[0].runs)}
    for time in times:
        row |= {
            time.runtime: choice.version(time.runtime),
            f"{time.runtime}_p50_ms": f"{time.half:.3f}",
            f"{time.runtime}_p95_ms": f"{time.most:.3f}",
        }
    return row


def _for_calibration(samples: list[Sample], count: int) -> list[Picture]:
    """So many photos with people, evenly drawn."""
    photos = [sample for sample in samples if sample.kind == "photo"]
    if not photos:
        raise LabError("the data has no photos for training, so there is nothing to calibrate on; check its manifest")
    step = max(1, len(photos) // count)
    return [sample.load()[0] for sample in photos[::step][:count]]


def _key(rung: Rung, parent: Artefact, ladder: Ladder) -> str:
    """What a rung's outcome depends on."""
    told = [dataclasses.asdict(rung), parent.card.sha256, dataclasses.asdict(ladder.measuring)]
    if rung.pictures:
        told += [dataclasses.asdict(ladder.tuning), dataclasses.asdict(ladder.mixture)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _path_of(model: str) -> Path:
    """Where a model lies: a shipped one by its name, or any .onnx."""
    if zoo.is_name(model):
        return zoo.find(model).path
    path = Path(model)
    if not path.is_file():
        raise LabError(f"{path} does not exist; name an .onnx file, or a shipped model")
    return path


def _read(path: Path, card: zoo.Card | None) -> bytes:
    return card.load() if card else path.read_bytes()


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
