"""The laboratory's commands that measure and show. What only some need is loaded inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from incognito.errors import LabError
from incognito.lab.options import Data, Environment, Out, check_outputs, frame_size, needing_lab


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

    check_outputs(out, pictures, worst)
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
        with needing_lab():
            rows.append(out, evaluation.summary_row(result))


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

    check_outputs(out)
    with progress.bar("watching", "frames") as move:
        found = streams.measure(models, data, move)
    print(rows.text([{name: row[name] for name in row if name not in streams.UNSAID} for row in found]))
    if out:
        for row in found:
            rows.append(out, row)


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

    check_outputs(out)
    threads = threads or cores()
    row = benching.bench(model, threads)
    rows.append(out, row)
    for name, value in row.items():
        print(f"{name}: {value}")


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

    check_outputs(out)
    row = airtime.measure(model, frame_size(size), seconds)
    rows.append(out, row)
    for name, value in row.items():
        print(f"{name}: {value}")


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
        with needing_lab():
            written = reporting.report_all(results, Path())
        for path in written:
            print(path)
    elif document.is_file():
        text = reporting.report(results, document.read_text(encoding="utf-8"))
        document.write_text(text, encoding="utf-8")
    else:
        raise LabError(f"{document} does not exist; name a Markdown file with marked blocks")


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
    with needing_lab():
        from incognito.lab import gallery as galleries
    from incognito import progress

    with progress.bar("hanging", "frames") as move:
        written = galleries.make(out, models, clip, move)
    for path in written:
        print(path)


def cards(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The folder to write into.")] = Path(
        "docs/models"
    ),
    results: Annotated[Path, typer.Option(help="The folder of the measured rows.")] = Path("results"),
) -> None:
    """Write a page for each shipped model, and a picture of where it fails, from its card and from measured rows.

    Example: incognito lab cards --out docs/models
    """
    with needing_lab():
        from incognito.lab import cards as model_cards

        written = model_cards.write(out, results)
    for path in written:
        print(path)


COMMANDS = (evaluate, steadiness, bench, live, compare, report, gallery, cards)
