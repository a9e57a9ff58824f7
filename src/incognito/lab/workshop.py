"""A climb's folder: drafts under work, artefacts that passed, and what is known of each rung, for going on later."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

from incognito import output, zoo
from incognito.errors import LabError, OutputError
from incognito.lab.export import write_model

PROGRESS = "progress.json"


class Workshop:
    """A folder in which models are made. Raises OutputError where it cannot be written to."""

    def __init__(self, out: Path) -> None:
        self.out, self._work = out, out / "work"
        try:
            self._work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{out} cannot be made ({error.strerror}); choose another --out") from None
        self.known = self._recall()

    def draft(
        self, name: str, network: bytes, size: tuple[int, int], lineage: list[str], sources: list[str], precision: str
    ) -> zoo.Card:
        """Write a model that must prove itself yet, with its card."""
        try:
            card = write_model(self._work / f"{name}.onnx", network, size, lineage, sources)
        except OSError as error:
            raise OutputError(f"{self._work} cannot be written to ({error.strerror}); make room and go on") from None
        return self.change(card, precision=precision)

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

    def scratch(self, name: str) -> Path:
        """A folder for what is found out on the way to a draft."""
        folder = self._work / f"{name}.ranges"
        folder.mkdir(exist_ok=True)
        return folder

    def checkpoint(self, name: str) -> Path:
        """Where a draft's tuning is saved."""
        return self._work / f"{name}.pt"

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
