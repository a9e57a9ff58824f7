"""From rows to documents: rewrites their marked blocks and the plot, so that no figure in them was typed by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from incognito.errors import LabError
from incognito.lab import rows, standings, tables
from incognito.lab.rows import Row

PLOT = Path("docs/images/ladder.svg")
UNMEASURED = ("ladder", "clips", "live", *standings.FILES)  # files of rows that need not be there yet

BLOCKS: dict[str, tuple[Callable[..., str], tuple[str, ...]]] = {  # what makes each, of which files of rows
    "stages": (tables.stages, ("stages",)),
    "live": (tables.live, ("live",)),
    "networks": (tables.networks, ("networks",)),
    "steadiness": (tables.steadiness, ("clips",)),
    "seed": (tables.seed, ("seed",)),
    "ladder": (tables.ladder, ("seed", "ladder")),
    "summary": (tables.summary, ("ladder",)),
    "rungs": (tables.rungs, ("ladder",)),
    "artefacts": (tables.artefacts, ("ladder",)),
    "refused": (tables.refused, ("ladder",)),
    "conditions": (tables.conditions, ("ladder",)),
    "compare": (standings.compare, standings.FILES),
}


def report_all(results: Path, root: Path) -> list[Path]:
    """Rewrite every document with marked blocks, the models' pages and the plot; give what was written.

    Raises LabError where there is no such document under the root.
    """
    from incognito.lab import cards

    written = {path: report(results, path.read_text(encoding="utf-8")).encode() for path in documents(root)}
    if not written:
        raise LabError("there is no README.md with marked blocks here; go to the repository's root, or name a document")
    if (root / cards.FOLDER).is_dir():
        written |= {path: text.encode() for path, text in cards.pages(results, root / cards.FOLDER).items()}
    written[root / PLOT] = plot(results)
    for path, data in written.items():
        path.write_bytes(data)
    return list(written)


def documents(root: Path) -> list[Path]:
    """README.md and whatever Markdown in docs has marked blocks."""
    paths = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    return [path for path in paths if path.is_file() and _marked(path.read_text(encoding="utf-8"))]


def report(results: Path, document: str) -> str:
    """Rewrite every marked block of a document; raises LabError where no block is marked, or rows are missing."""
    marked = _marked(document)
    if not marked:
        marks = " or ".join(f"<!-- {name} --> ... <!-- /{name} -->" for name in BLOCKS)
        raise LabError(f"the document has no {marks}; add such lines where a table belongs")
    for name in marked:
        make, files = BLOCKS[name]
        document = rewrite(document, name, make(*(_rows(results, file) for file in files)))
    return document


def plot(results: Path) -> bytes:
    """Draw every rung that has both figures, as an SVG."""
    from incognito.lab import plot as plotting

    return plotting.draw(_rows(results, "ladder"))


def rewrite(document: str, name: str, table: str) -> str:
    """Put a table between a document's marks; raises LabError where the second is missing."""
    first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, begin, rest = document.partition(first)
    _, end, after = rest.partition(last)
    if not (begin and end):
        raise LabError(f"the document has no {first} ... {last}; add these lines where the table belongs")
    return f"{before}{first}\n{table}\n{last}{after}"


def _marked(document: str) -> list[str]:
    return [name for name in BLOCKS if f"<!-- {name} -->" in document]


def _rows(results: Path, name: str) -> list[Row]:
    """Read a file of rows; what nobody climbed, watched or compared yet has none."""
    path = results / f"{name}.csv"
    if not path.is_file():
        if name in UNMEASURED:
            return []
        raise LabError(f"{path} does not exist; measure it with incognito lab bench or lab evaluate")
    return rows.read(path)
