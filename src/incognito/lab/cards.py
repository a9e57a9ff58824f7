"""Model cards for readers: a page for each shipped model, made from its JSON card and from measured rows."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from incognito import output, zoo
from incognito.errors import LabError
from incognito.lab import evidence, failures, graph
from incognito.lab.cost import cost
from incognito.lab.tables import markdown
from incognito.zoo import Card

FOLDER = Path("docs/models")
PURPOSES = Path(__file__).with_name("purposes.toml")
FAMILY = "family"  # whose limits are said of every model
RESIZE = {
    "stretch": "A frame of any shape is stretched to that size, its shape not kept: halved as far as that "
    "goes, each pixel an average, then sampled bilinearly (`incognito.frame.resize`)."
}
ACTIVATION = {"none": "finished in the graph", "sigmoid": "after a sigmoid that is still to be applied"}
TERMS = {  # a word of a source's terms, and what that makes of it; the first that fits counts
    "non-commercial": "Non-commercial research only",
    "research": "Research",
    "": "Other terms",
}


def write(folder: Path, results: Path) -> list[Path]:
    """Write NAME.md and NAME.webp of every shipped model into a folder, which is made; gives the files.

    Raises LabError where a model has no purpose, ModelError where it is damaged, OutputError where the folder cannot be
    written into.
    """
    written = pages(results, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"{folder} cannot be made ({error.strerror}); name another with --out") from None
    for path, text in written.items():
        with output.beside(path) as part:
            part.write_text(text, encoding="utf-8")
    pictures = {folder / f"{card.name}.webp": card for card in zoo.models()}
    for path, card in pictures.items():
        failures.write(card, path)
    return sorted([*written, *pictures])


def pages(results: Path, folder: Path) -> dict[Path, str]:
    """The text of every shipped model's page, by the path that it belongs to."""
    measured = evidence.read(results)
    return {folder / f"{card.name}.md": page(card, measured) for card in zoo.models()}


def page(base: Card, measured: evidence.Results) -> str:
    """A model's page, its variants in it; raises LabError where nobody said what the model is for."""
    cards, told = zoo.variants(base), purpose(base.name)
    sections = {
        "Limits": _bullets(told["limits"]),
        "Files": _files(cards),
        "In and out": _tensors(base),
        "Training data and its terms": _sources(base),
        "Training": _training(base),
        "Accuracy": _accuracy(cards, measured),
        "Steadiness": f"{_STEADY}\n\n{evidence.steadiness(cards, measured)}",
        "Speed": evidence.speed(cards, measured),
        "Where it fails": _failures(base),
        "Lineage": _lineage(cards),
    }
    parts = [f"# {base.name}", f"{told['purpose']} {told['users']}", _MADE]
    parts += [f"## {title}\n\n{text}" for title, text in sections.items()]
    return "\n\n".join(parts) + "\n"


def purpose(name: str) -> dict[str, Any]:
    """What a model is for: `purpose`, `users`, and `limits`, its own first; LabError where it is not in the table."""
    table = tomllib.loads(PURPOSES.read_text(encoding="utf-8"))
    if name not in table:
        raise LabError(f"nobody said what {name} is for; add a table [{name}] to {PURPOSES.name}")
    return table[name] | {"limits": table[name]["limits"] + table[FAMILY]["limits"]}


_MADE = (
    "*This page is made by `incognito lab cards` from the model's JSON card, its purpose and limits in "
    "`src/incognito/lab/purposes.toml`, and the rows in `results/`. Change those, not it.*"
)


def _files(cards: Sequence[Card]) -> str:
    head = ["variant", "file", "computes in", "SHA-256", "bytes", "M parameters", "G multiply-adds"]
    lines = []
    for card in cards:
        spent = cost(card.path)
        counts = [str(card.bytes), f"{spent.parameters / 1e6:.2f}", f"{spent.multiply_adds / 1e9:.2f}"]
        lines.append([card.label, f"`{card.file}`", card.precision, f"`{card.sha256}`", *counts])
    return f"{markdown(head, lines, words=4)}\n\nLicence: {cards[0].licence}."


def _tensors(card: Card) -> str:
    """What goes in and comes out, from the card; the output's shape from the network."""
    side = f"1, {card.height}, {card.width}, 3" if card.layout == "NHWC" else f"1, 3, {card.height}, {card.width}"
    shape = ", ".join(map(str, graph.shape_of(onnx.load(card.path).graph.output[0])))
    return _bullets(
        [
            f"In: `{card.dtype}` ({side}), {card.layout}, {card.colour}, 0 to 255, {_normalised(card)}.",
            RESIZE[card.resize],
            f"Out: `float32` ({shape}), the person's alpha in 0 to 1, {ACTIVATION[card.activation]}.",
        ]
    )


def _normalised(card: Card) -> str:
    if not card.mean:
        return "normalised in the graph"
    return f"to be normalised: less {card.mean}, divided by {card.deviation}"


def _sources(card: Card) -> str:
    """The sources, those with the narrowest terms first."""
    groups: dict[str, list[str]] = {title: [] for title in TERMS.values()}
    for source in card.training_data:
        groups[next(title for word, title in TERMS.items() if word in source)].append(source)
    lists = [f"{title}:\n\n{_bullets(names)}" for title, names in groups.items() if names]
    return "\n\n".join([_RESEARCH, *lists])


_RESEARCH = (
    "**The pictures are research data, and some sources allow non-commercial research only.** None of them is in this "
    "repository or in the package. The licence covers the weights, and cannot grant what a source's terms withhold: "
    "whoever wants to use the model otherwise must read those terms. They stand in brackets."
)


def _training(card: Card) -> str:
    """A line for each training of a card's lineage: its pictures, its minutes, and on what."""
    lines = []
    for step in card.lineage:
        if found := re.match(r"trained on (\d+) pictures, (.+)", step):
            what, minutes, machine = _spent(found[2])
            lines.append([what, machine, f"{int(found[1]):,}", minutes])
    if not lines:
        return "Not recorded."
    return markdown(["training", "machine", "pictures", "minutes"], lines, words=2)


def _spent(rest: str) -> tuple[str, str, str]:
    """A training's network and seed, its minutes, and its machine."""
    found = re.match(r"(.+), (\d+) minutes on (.+)", rest)
    return (found[1], found[2], found[3]) if found else (rest, "not recorded", "not recorded")


def _accuracy(cards: Sequence[Card], measured: evidence.Results) -> str:
    parts = {
        "In the JSON card": evidence.own(cards),
        "On each set": evidence.accuracy(cards, measured),
        "Beside other projects' networks": evidence.beside(cards, measured),
    }
    return "\n\n".join([_MEANS, *(f"### {title}\n\n{text}" for title, text in parts.items())])


_MEANS = (
    "Figures are of the network's own output at each mask's size, before any refinement: means over pictures, with the "
    "95 % interval of a bootstrap that resamples pictures 10,000 times. False person is the share of pixels that is "
    "marked where nobody is. Pictures of the split `val`, empty places and a comparison's scenes are for validation: "
    "no weights were trained on them, but trainings were chosen by them. The portraits are EG1800's published test "
    "list; its training list is among the training pictures, so they are the kind that the network knows best."
)


_STEADY = (
    "Means over clips. dtSSD is how far the matte's change from frame to frame is from the truth's, still change how "
    "much it flickers where nothing moves, lag how many frames it is late: of these three, less is better."
)


def _failures(card: Card) -> str:
    cases = ", ".join(failures.CASES)
    return (
        f"![The portrait and changes of it, each over the cut-out]({card.name}.webp)\n\n"
        f"From left to right: {cases}. Above is the picture, below what `{card.file}` leaves of it on one colour, "
        "refined as a user gets it. All are made by code from one portrait, NASA's of Eileen Collins, in the public "
        "domain, and are the same for every model. What is seen is generated, not chosen."
    )


def _lineage(cards: Sequence[Card]) -> str:
    """What each file went through; of a variant, what came after its base."""
    base, *others = cards
    parts = [f"`{base.label}`:\n\n{_numbered(base.lineage)}"]
    for card in others:
        after = card.lineage[len(base.lineage) :] if card.lineage[: len(base.lineage)] == base.lineage else None
        came = card.lineage if after is None else [f"as `{base.label}`", *after]
        parts.append(f"`{card.label}`:\n\n{_numbered(came)}")
    return "\n\n".join(parts)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _numbered(lines: Sequence[str]) -> str:
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1)) or "Not recorded."
