"""The laboratory's commands that make: networks, pictures and clips. What only some need is loaded inside."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from incognito.errors import LabError
from incognito.lab.options import Data, Environment, Out, frame_size, needing_lab


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

    Example: incognito lab train recipes/own.toml --data my-photos --from fast --out runs/own
    """
    with needing_lab():
        from incognito.lab import train as training
        from incognito.lab.recipe import Recipe
    from incognito import progress

    leads = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun started
    with progress.bar("training", "pictures") if leads else nullcontext(lambda *_: None) as move:
        best = training.train(Recipe.read(recipe), data, backbones, out, resume, begin, tutor, move, environment)
    if leads:
        print(best)


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
    with needing_lab():
        from incognito.lab import average as averaging
    averaging.average(members, out)


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
        clip_making.write(data, out, count, frames, seed, split, frame_size(size), move)
    print(out / clip_making.FOLDER)


def manifest(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="A folder with images/, masks/ and perhaps empty/.")],
    source: Annotated[str, typer.Option(help="Whose pictures they are; a model's card names it.")] = "own pictures",
) -> None:
    """Describe a folder of photos and masks for training: writes ROOT/manifest.csv.

    Example: incognito lab manifest my-photos
    """
    from incognito.lab import manifest as describing

    print(describing.describe(root, source))


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
    with needing_lab():
        from incognito.lab import export as exporting
    card = exporting.export(checkpoint, out, data, group, weights)
    print(f"{card.path}: {card.bytes / 1e6:.2f} MB")


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
    with needing_lab():
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
    with needing_lab():
        from incognito.lab import ladder as climbing
    from incognito import progress

    with progress.bar("climbing", "pictures") as move:
        for path in climbing.climb(model, data, recipe, budget, out, print, move):
            print(path)


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


COMMANDS = (train, average, mashup, clips, manifest, export, committee, optimize, variant)
