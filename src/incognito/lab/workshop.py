"""A climb's folder: drafts under work, artefacts that passed, and what is known of each rung, for going on later."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incognito import output, zoo
from incognito.errors import LabError, OutputError
from incognito.lab.export import write_model
from incognito.lab.terms import named

PROGRESS, WORK = "progress.json", ".climbing"


@dataclass(frozen=True, slots=True)
class Past:
    """Where a model is from: what was done, what it was trained on, and its licence."""

    lineage: list[str]
    sources: list[str]
    licence: str

    @classmethod
    def of(cls, card: zoo.Card | None, path: Path) -> Past:
        """What a card says; of a model without one nothing is known."""
        if card is None:
            return cls([], named({path.name}), "not recorded")
        return cls(card.lineage, card.training_data, card.licence)

    def then(self, lineage: list[str], sources: list[str] | None = None) -> Past:
        """The same with what was done since, and what was learnt from."""
        return Past([*self.lineage, *lineage], sorted({*self.sources, *(sources or [])}), self.licence)


class Workshop:
    """A folder in which models are made. Raises OutputError where it cannot be written to."""

    def __init__(self, out: Path) -> None:
        self.out, self._work = out, out / WORK
        if out.is_dir() and any(out.iterdir()) and not (self._work.is_dir() or (out / PROGRESS).is_file()):
            raise OutputError(f"{out} holds other files; choose an empty folder, or a new one, for --out")
        try:
            self._work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{out} cannot be made ({error.strerror}); choose another --out") from None
        self.known = self._recall()

    def draft(self, name: str, network: bytes, size: tuple[int, int], past: Past, precision: str) -> zoo.Card:
        """Write a model that must prove itself yet, with its card."""
        path = self._work / f"{name}.onnx"
        try:
            card = write_model(path, network, size, past.lineage, past.sources, past.licence)
            return self.change(card, precision=precision)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise OutputError(f"{self._work} cannot be written to ({error.strerror}); make room and go on") from None

    def change(self, card: zoo.Card, **changes: Any) -> zoo.Card:
        """Write a card anew, with changes."""
        card = dataclasses.replace(card, **changes)
        with output.beside(card.path.with_suffix(".json")) as part:
            card.write(part)
        return card

    def place(self, draft: zoo.Card) -> zoo.Card:
        """Put a draft that passed where artefacts are."""
        for path in (draft.path, draft.path.with_suffix(".json")):
            path.replace(self.out / path.name)
        return dataclasses.replace(draft, folder=self.out)

    def placed(self, name: str) -> zoo.Card:
        """The card of an artefact that was put there before."""
        return zoo.read_card(self.out / f"{name}.json")

    def discard(self, name: str) -> None:
        """Take an artefact away that an earlier attempt put there."""
        for suffix in (".onnx", ".json"):
            (self.out / f"{name}{suffix}").unlink(missing_ok=True)

    def scratch(self, key: str) -> Path:
        """A folder for what is found out on the way to a draft, for one attempt alone."""
        folder = self._work / key
        folder.mkdir(exist_ok=True)
        return folder

    def remember(self, title: str, fact: dict[str, Any]) -> None:
        """Keep what is known under a title."""
        self.known[title] = fact
        with output.beside(self.out / PROGRESS) as part:
            part.write_text(json.dumps(self.known, indent=1), encoding="utf-8")

    def finish(self) -> None:
        """Clear the drafts away."""
        shutil.rmtree(self._work)

    def _recall(self) -> dict[str, Any]:
        path = self.out / PROGRESS
        try:
            return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
        except ValueError:
            raise LabError(f"{path} is damaged; delete it, and the climb begins anew") from None
