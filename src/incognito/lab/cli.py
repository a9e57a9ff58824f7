"""The laboratory's commands. What only some of them need is loaded inside those."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from incognito.errors import LabError

app = typer.Typer(help="The laboratory: train, evaluate and export networks (extra [lab]).", no_args_is_help=True)

Data = Annotated[
    Path, typer.Option("--data", metavar="ROOT", envvar="INCOGNITO_DATA", help="The folder that holds manifest.csv.")
]
Out = Annotated[Path, typer.Option("-o", "--out", help="Where to write.")]
Environment = Annotated[
    Path | None,
    typer.Option(
        "--environment",
        metavar="DIR",
        help="A virtual environment with the peers' packages. Left out: made once, in the cache.",
    ),
]


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A TOML file; see recipes/.")],
    data: Data,
    out: Out,
    backbones: Annotated[
        Path, typer.Option(envvar="INCOGNITO_BACKBONES", help="The folder of the encoders' weights that recipes name.")
    ] = Path("../shared/backbones"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on from OUT/last.pt.")] = False,
    begin: Annotated[
        Path | None, typer.Option("--from", metavar="WEIGHTS", help="Begin from a training's weights, or a model's.")
    ] = None,
    tutor: Annotated[
        Path | None,
        typer.Option(
            "--distil-from",
            metavar="TUTOR",
            help="Whose mattes a recipe's distil weighs: a checkpoint, or a peer's name, such as mediapipe-selfie.",
        ),
    ] = None,
    environment: Environment = None,
) -> None:
    """Train a network by a recipe.

    Example: incognito lab train recipes/fast.toml --data DATA --out runs/fast
    """
    with _needing_lab():
        from incognito.lab import train as training
        from incognito.lab.recipe import Recipe
    from incognito import progress

    leads = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun started
    with progress.bar("training", "pictures") if leads else nullcontext(lambda *_: None) as move:
        best = training.train(Recipe.read(recipe), data, backbones, out, resume, begin, tutor, move, environment)
    if leads:
        print(best)


@app.command()
def average(
    members: Annotated[
        list[Path],
        typer.Argument(metavar="MEMBER...", help="Checkpoints or models, each begun from the one before."),
    ],
    out: Out,
) -> None:
    """Average the weights of several trainings of one network; the last is a checkpoint.

    Example: incognito lab average runs/fast/best.pt runs/finish/best.pt -o runs/fast.pt
    """
    with _needing_lab():
        from incognito.lab import average as averaging
    averaging.average(members, out)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model's name, or an .onnx with its card.")],
    data: Data,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    group: Annotated[
        str, typer.Option(help="The folder of the pictures, such as people/portraits.")
    ] = "people/portraits",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="A CSV that a row of results is added to.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="A CSV to write: each picture's figures, worst first.")] = None,
    worst: Annotated[Path | None, typer.Option(help="An image to write: the 24 worst pictures, overlaid.")] = None,
    slices: Annotated[bool, typer.Option("--slices", help="Also by kind of picture: portrait, dark, ...")] = False,
) -> None:
    """Measure a model's own output on labelled pictures: means over the pictures, at each mask's size.

    Example: incognito lab evaluate fast --data DATA --split test
    """
    from incognito import progress
    from incognito.lab import evaluate as evaluation
    from incognito.lab import rows, sheet

    _check_outputs(out, pictures, worst)
    if worst:
        sheet.check(worst)
    with progress.bar("evaluating", "pictures") as move:
        result = evaluation.evaluate(model, data, split, group, move)
    print(f"model {result.card.label}, {group}, split {split}, n {len(result.scored)}")
    for name, value in result.figures().items():
        print(f"{evaluation.TITLES[name]:<30}{value or 'no empty pictures'}")
    if slices:
        print(rows.text(evaluation.slice_rows(result)))
    if pictures:
        rows.keep(pictures, evaluation.picture_rows(result))
    if worst:
        sheet.write(worst, sheet.worst(result))
    if out:
        with _needing_lab():
            rows.append(out, evaluation.summary_row(result))


@app.command()
def mashup(
    data: Data,
    out: Out,
    seed: Annotated[int, typer.Option(help="Another seed, another set.")] = 1,
    size: Annotated[int, typer.Option(help="The pictures' height and width.", min=32)] = 256,
    train: Annotated[int, typer.Option(help="Pictures for training.", min=1)] = 10_000,
    val: Annotated[int, typer.Option(help="Pictures for validation.", min=1)] = 1_500,
    test: Annotated[int, typer.Option(help="Pictures for test.", min=1)] = 1_500,
) -> None:
    """Set portraits into rooms: a folder with pictures, masks, a manifest and a contact sheet.

    Example: incognito lab mashup --data DATA --out runs/mashup
    """
    from incognito import progress
    from incognito.lab import mashup as mashing

    counts = {"train": train, "val": val, "test": test}
    with progress.bar("mashing up", "pictures") as move:
        mashing.write(data, out, seed, counts, (size, size), move)
    print(out / mashing.SHEET)


@app.command()
def clips(
    data: Data,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="A folder to make.")],
    count: Annotated[int, typer.Option("--clips", help="How many.", min=1)] = 12,
    frames: Annotated[int, typer.Option(help="Frames of each, 30 a second.", min=12)] = 90,
    seed: Annotated[int, typer.Option(help="Another seed, other clips.")] = 1,
    split: Annotated[str, typer.Option(help="Whose people and rooms: train or val.")] = "val",
    size: Annotated[str, typer.Option(metavar="WxH", help="The frames' width and height.")] = "640x360",
) -> None:
    """Make clips like a webcam's, with exact alpha: cut-out people move over rooms; frames, masks and a manifest.

    Example: incognito lab clips --data DATA --out runs/clips
    """
    from incognito import progress
    from incognito.lab import clips as clip_making

    with progress.bar("filming", "frames") as move:
        clip_making.write(data, out, count, frames, seed, split, _size(size), move)
    print(out / clip_making.FOLDER)


@app.command()
def steadiness(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Shipped models' names, or .onnx with their cards.")
    ],
    data: Data,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="A CSV that rows of results are added to.")] = None,
) -> None:
    """Measure models on clips with masks: each frame by itself, and live, with the stream's memory and upsampling.

    Example: incognito lab steadiness fast --data runs/clips -o results/clips.csv
    """
    from incognito import progress
    from incognito.lab import rows, streams

    _check_outputs(out)
    with progress.bar("watching", "frames") as move:
        found = streams.measure(models, data, move)
    print(rows.text([{name: row[name] for name in row if name not in streams.UNSAID} for row in found]))
    if out:
        for row in found:
            rows.append(out, row)


@app.command()
def manifest(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="A folder with images/, masks/ and perhaps empty/.")],
    source: Annotated[str, typer.Option(help="Whose pictures they are; a model's card names it.")] = "own pictures",
) -> None:
    """Describe a folder of photos and masks for training: writes ROOT/manifest.csv.

    Example: incognito lab manifest my-photos
    """
    from incognito.lab import manifest as describing

    print(describing.describe(root, source))


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint that lab train wrote.")],
    out: Out,
    data: Annotated[
        Path | None, typer.Option("--data", envvar="INCOGNITO_DATA", help="Measure the card's IoU on its test split.")
    ] = None,
    group: Annotated[str, typer.Option(help="The folder of the pictures to measure on.")] = "people/portraits",
    weights: Annotated[str, typer.Option(help="float32, or smaller files: float16, int8.")] = "float32",
) -> None:
    """Make an ONNX model and its card of a checkpoint; refused where ONNX Runtime and PyTorch differ.

    Example: incognito lab export runs/fast/best.pt -o fast.onnx
    """
    with _needing_lab():
        from incognito.lab import export as exporting
    card = exporting.export(checkpoint, out, data, group, weights)
    print(f"{card.path}: {card.bytes / 1e6:.2f} MB")


@app.command()
def committee(
    members: Annotated[
        list[str], typer.Argument(metavar="MODEL[@SIDE][=WEIGHT]...", help="Models of this laboratory's.")
    ],
    out: Out,
    size: Annotated[int, typer.Option(help="The side of the square that pictures are brought to.")] = 256,
    data: Annotated[
        Path | None, typer.Option("--data", envvar="INCOGNITO_DATA", help="Measure the card's IoU on its test split.")
    ] = None,
    weights: Annotated[str, typer.Option(help="float32, or smaller files: float16, int8.")] = "float32",
) -> None:
    """Make one model of several: the mean of what they find in a picture and in its mirror image.

    A SIDE, as in fast@256, has a member asked at 256x256 in place of its own size.
    Example: incognito lab committee fast=2 tiny -o both.onnx
    """
    with _needing_lab():
        from incognito.lab import committee as joining
    card = joining.seat([_weighed(member) for member in members], out, (size, size), data, weights)
    print(f"{card.path}: {card.bytes / 1e6:.2f} MB")


def _weighed(text: str) -> tuple[str, float]:
    """A model and its weight: "fast=2", or "fast" and "fast@256", which have 1."""
    model, _, weight = text.partition("=")
    try:
        found = float(weight or 1)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise LabError(f"{text!r} has no weight; give MODEL=WEIGHT with a number over 0, such as fast=2")
    return model, found


@app.command()
def bench(
    out: Out = Path("results/stages.csv"),
    model: Annotated[str, typer.Option("--model", help="A shipped model's name, or an .onnx with its card.")] = "fast",
    threads: Annotated[int, typer.Option(help="Threads of the network; 0 takes every core.")] = 0,
) -> None:
    """Time the stages of the demonstration's film and append them as a row.

    Example: incognito lab bench -o results/stages.csv
    """
    from incognito.lab import bench as benching
    from incognito.lab import rows
    from incognito.runtime import cores

    _check_outputs(out)
    threads = threads or cores()
    row = benching.bench(model, threads)
    rows.append(out, row)
    for name, value in row.items():
        print(f"{name}: {value}")


@app.command()
def live(
    out: Out = Path("results/live.csv"),
    model: Annotated[str, typer.Option("--model", help="A shipped model's name, or an .onnx with its card.")] = "fast",
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the film and of what goes out.")] = "1280x720",
    seconds: Annotated[int, typer.Option(min=1, help="Of film, at 30 frames a second.")] = 10,
) -> None:
    """Time live's loop on a made film, a blur behind the person and nobody looking, and append that as a row.

    Example: incognito lab live --size 1920x1080 -o results/live.csv
    """
    from incognito.lab import airtime, rows

    _check_outputs(out)
    row = airtime.measure(model, _size(size), seconds)
    rows.append(out, row)
    for name, value in row.items():
        print(f"{name}: {value}")


@app.command()
def compare(
    data: Data,
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL...]",
            help="Models' or variants' names, or .onnx with their cards. Left out: every shipped model.",
            show_default=False,
        ),
    ] = None,
    peers: Annotated[
        list[str] | None,
        typer.Option("--peers", help="mediapipe, or the fake: constant. Left out: mediapipe.", show_default=False),
    ] = None,
    clips: Annotated[
        Path | None, typer.Option("--clips", metavar="DIR", help="Made clips: a folder that holds manifest.csv.")
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="The folder whose tables rows are added to.")
    ] = Path("results"),
    environment: Environment = None,
) -> None:
    """Compare models with other projects': the same pictures and frames, in one run, each in a process of its own.

    Example: incognito lab compare fast --peers mediapipe --data DATA
    """
    from incognito import progress
    from incognito.lab import compare as comparing

    if not out.is_dir():
        raise LabError(f"{out} is no directory; make it first or name another with --out")
    with progress.bar("comparing", "steps") as move:
        found = comparing.compare(models or [], peers or ["mediapipe"], data, clips, environment, move)
    for path in found.append(out):
        print(path)


@app.command()
def optimize(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model's name, or any .onnx.")],
    data: Data,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where artefacts, rows and the report go.")],
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="A TOML file of rungs; see recipes/ladder.toml.", show_default=False)
    ] = None,
    budget: Annotated[float, typer.Option(help="IoU that a rung may lose.", min=0.0, max=1.0)] = 0.003,
) -> None:
    """Make a network faster, rung by rung, each measured on this machine, and refused where it loses too much.

    Begun again with the same DIR, it goes on where it was. Example: incognito lab optimize net.onnx --data DATA -o out
    """
    with _needing_lab():
        from incognito.lab import ladder as climbing
    from incognito import progress

    with progress.bar("climbing", "pictures") as move:
        for path in climbing.climb(model, data, recipe, budget, out, print, move):
            print(path)


@app.command()
def variant(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An .onnx with its card, such as lab optimize makes.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="BASE.KIND.onnx", help="Beside BASE.onnx.")],
    data: Annotated[
        Path | None, typer.Option("--data", envvar="INCOGNITO_DATA", help="Measure the card's IoU on its test split.")
    ] = None,
    group: Annotated[str, typer.Option(help="The folder of the pictures to measure on.")] = "people/portraits",
) -> None:
    """Put a model beside its base as a variant: the base's name takes it where it is the fastest.

    Example: incognito lab variant out/07-int8.onnx --out models/fast.int8.onnx
    """
    from incognito.lab import variant as variants

    card = variants.put(model, out, data, group)
    print(f"{card.label}: {card.path}")


@app.command()
def report(
    document: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DOCUMENT]",
            help="A Markdown file with marked blocks. Left out: README.md, all of docs, models' pages and the plot.",
            show_default=False,
        ),
    ] = None,
    results: Annotated[Path, typer.Option(help="The folder of the measured rows.")] = Path("results"),
) -> None:
    """Rewrite the tables in a document, or all documents and the plot, from measured rows.

    Example: incognito lab report README.md
    """
    from incognito.lab import report as reporting

    if document is None:
        with _needing_lab():
            written = reporting.report_all(results, Path())
        for path in written:
            print(path)
    elif document.is_file():
        text = reporting.report(results, document.read_text(encoding="utf-8"))
        document.write_text(text, encoding="utf-8")
    else:
        raise LabError(f"{document} does not exist; name a Markdown file with marked blocks")


@app.command()
def gallery(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where gallery.webp and gallery.mp4 go.")],
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL...]",
            help="Shipped models' names, or .onnx with their cards. Left out: every zoo/*.onnx, then fast.",
            show_default=False,
        ),
    ] = None,
    clip: Annotated[
        Path | None,
        typer.Option("--clip", help="A video; its first 4 seconds are shown. Left out: the demonstration's film."),
    ] = None,
) -> None:
    """Show a film and what each model makes of it, side by side, as an animated WebP and a larger MP4.

    Example: incognito lab gallery --clip clip.mp4 --out docs/images fast zoo/unet-resnet34.onnx
    """
    with _needing_lab():
        from incognito.lab import gallery as galleries
    from incognito import progress

    with progress.bar("hanging", "frames") as move:
        written = galleries.make(out, models, clip, move)
    for path in written:
        print(path)


@app.command()
def cards(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The folder to write into.")] = Path(
        "docs/models"
    ),
    results: Annotated[Path, typer.Option(help="The folder of the measured rows.")] = Path("results"),
) -> None:
    """Write a page for each shipped model, and a picture of where it fails, from its card and from measured rows.

    Example: incognito lab cards --out docs/models
    """
    with _needing_lab():
        from incognito.lab import cards as model_cards

        written = model_cards.write(out, results)
    for path in written:
        print(path)


def _size(text: str) -> tuple[int, int]:
    """Height and width of a size that was written as WIDTHxHEIGHT."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and min(int(width), int(height)) >= 32):
        raise LabError(f"--size {text} is no frame's size; write WIDTHxHEIGHT, such as 640x360, each 32 or more")
    return int(height), int(width)


def _check_outputs(*paths: Path | None) -> None:
    """Refuse, before any work, what could not be written after it."""
    for path in paths:
        if path and not path.parent.is_dir():
            raise LabError(f"{path.parent} is no directory; make it first or name another file")


@contextmanager
def _needing_lab() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise LabError(f"{error.name} is missing, which this needs; pip install 'incognito[lab]'") from None
