"""The commands: each parses, makes one library call and prints. Heavy imports live inside them."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Optional

import typer

from incognito import __version__
from incognito.errors import IncognitoError, UsageError
from incognito.lab.cli import app as lab

if TYPE_CHECKING:
    from incognito.zoo import Card

app = typer.Typer(
    help="Take away what is behind a person: in photos, videos and calls, on an ordinary CPU.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(lab, name="lab")

Input = Annotated[str, typer.Argument(metavar="IN", help="A photo or a video; - reads a photo from standard input.")]
Output = Annotated[str, typer.Option("-o", "--output", metavar="OUT", help="The file to write; - writes a PNG.")]
Model = Annotated[str, typer.Option("--model", help="A shipped model's name, or an .onnx with its card beside it.")]
Runtime = Annotated[
    Optional[str],  # noqa: UP045 - typer reads this at run time
    typer.Option("--runtime", help="onnxruntime or openvino. Left out: the fastest here, for a shipped model's name."),
]
Codec = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--codec", help="Videos: h264, h265 or av1 in .mp4; vp9 or av1 in .webm; prores in .mov."),
]
From = Annotated[Optional[str], typer.Option("--from", help="Videos: begin there, as 90 or 1:30.")]  # noqa: UP045
To = Annotated[Optional[str], typer.Option("--to", help="Videos: end there.")]  # noqa: UP045
Resume = Annotated[
    bool, typer.Option("--resume", help="Videos: go on where the same command was cut off, and keep what is finished.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]


@app.command()
def remove(
    source: Input,
    target: Output,
    background: Annotated[
        Optional[str],  # noqa: UP045 - typer reads this at run time
        typer.Option(
            "--background",
            help="transparent, blur, blur:24, a colour such as #00b140, or an image's or video's path. "
            "Left out: transparent where OUT can hold it (PNG, WebP, WebM), else blur.",
        ),
    ] = None,
    model: Model = "fast",
    runtime: Runtime = None,
    crop: Annotated[bool, typer.Option("--crop", help="Photos: cut to the person.")] = False,
    margin: Annotated[str, typer.Option("--margin", help="Photos: around a crop, such as 24px or 5%.")] = "0",
    size: Annotated[Optional[str], typer.Option("--size", help="Photos: WIDTHxHEIGHT of what comes out.")] = None,  # noqa: UP045
    shadow: Annotated[str, typer.Option("--shadow", help="Photos: none or soft.")] = "none",
    srgb: Annotated[bool, typer.Option("--srgb", help="Photos: convert the colours to sRGB.")] = False,
    location: Annotated[bool, typer.Option("--location/--no-location", help="Photos: keep where it was taken.")] = True,
    codec: Codec = None,
    start: From = None,
    end: To = None,
    resume: Resume = False,
    force: Force = False,
) -> None:
    """Take away the background of a photo or a video.

    Example: incognito remove portrait.jpg -o portrait.png
    """
    from incognito import files, progress
    from incognito.finish import parse
    from incognito.span import parse_span

    finish = parse(crop, margin, size, shadow, srgb, location)
    span = parse_span(start, end)
    with progress.bar("removing", "frames") as move:
        files.remove(source, target, background, model, force, move, runtime, finish, codec, span, resume)


@app.command()
def batch(
    inputs: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(metavar="IN...", help="Files, folders (their tree is kept) and patterns such as 'in/**/*.jpg'."),
    ] = None,
    output: Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="Where the results go.")] = "out",
    listed: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--from", metavar="FILE", help="Also the paths in a file: lines, or a CSV's column path; - reads them."
        ),
    ] = None,
    background: Annotated[Optional[str], typer.Option("--background", help="As for remove.")] = None,  # noqa: UP045
    model: Model = "fast",
    format: Annotated[str, typer.Option("--format", help="Of photos: png, webp, jpg, avif or tiff.")] = "png",
    on_collision: Annotated[
        str, typer.Option("--on-collision", help="refuse, or number those that would have the same name.")
    ] = "refuse",
    workers: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--workers", min=1, help="Processes; left out: one for each core, which is the fastest."),
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", help="local, or ray: all machines of a Ray cluster; files may lie at URLs then.")
    ] = "local",
    watch: Annotated[bool, typer.Option("--watch", help="Go on: take what comes into the folders.")] = False,
    delete: Annotated[
        bool, typer.Option("--delete-originals", help="Delete each original once its result was read back whole.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each file.")] = False,
    force: Force = False,
) -> None:
    """Take away the backgrounds of many photos and films; begun again, it goes on where it was.

    Example: incognito batch photos -o out
    """
    from incognito import batch as local
    from incognito import cluster, progress
    from incognito.wanted import Wanted, collision

    engines = {"local": local.run, "ray": cluster.run}
    if engine not in engines:
        raise UsageError(f"there is no engine {engine!r}; use local or ray")
    ending = "." + format.lower().lstrip(".")
    wanted = Wanted(output, background, model, ending, collision(on_collision), delete, force)
    with progress.bar("removing", "files") as move:
        lines = _Lines(move, json)
        outcome = engines[engine](inputs or [], wanted, listed, workers, watch, lines.show, lines.expect)
    _note(f"{outcome}; {output}; {lines.rate:.1f} files/s")
    raise typer.Exit(int(outcome.failed > 0))


class _Lines:
    """A batch's lines as they come: as JSON, or of what failed; the bar moves on."""

    def __init__(self, move: Callable[[int, int | None], None], as_json: bool) -> None:
        self._move, self._as_json = move, as_json
        self._begun, self._done = time.monotonic(), 0
        self._count: int | None = None

    def expect(self, count: int) -> None:
        """Know how many there will be."""
        self._count = count

    def show(self, line: dict[str, Any]) -> None:
        """Show a file's line."""
        self._done += 1
        self._move(self._done, self._count)
        if self._as_json:
            print(json.dumps(line), flush=True)
        elif line["state"] == "failed":
            _note(f"incognito: {line['problem']}")

    @property
    def rate(self) -> float:
        """Files a second."""
        return self._done / (time.monotonic() - self._begun)


@app.command()
def matte(
    source: Input,
    target: Output,
    model: Model = "fast",
    runtime: Runtime = None,
    codec: Codec = None,
    start: From = None,
    end: To = None,
    resume: Resume = False,
    force: Force = False,
) -> None:
    """Write the matte alone, in grey: white is person.

    Example: incognito matte portrait.jpg -o matte.png
    """
    from incognito import files, progress
    from incognito.span import parse_span

    span = parse_span(start, end)
    with progress.bar("matting", "frames") as move:
        files.matte(source, target, model, force, move, runtime, codec, span, resume)


@app.command()
def models(
    verbose: Annotated[bool, typer.Option("--verbose", help="Also which variant is chosen here, and why.")] = False,
) -> None:
    """List the shipped models.

    Example: incognito models --verbose
    """
    from incognito import zoo

    for card in zoo.models():
        print(f"{card.name}: {card.width}x{card.height}, {card.bytes / 1e6:.1f} MB, IoU {card.iou:.3f}")
        print(f"  licence: {card.licence}")
        print(f"  trained on: {'; '.join(card.training_data)}")
        print(f"  sha256: {card.sha256}")
        if verbose:
            _print_choice(card)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where the files go.")] = Path(
        "incognito-demo"
    ),
    model: Model = "fast",
    runtime: Runtime = None,
    force: Force = False,
) -> None:
    """Run on the portrait that comes with the package: a photo and a film, with the time of every stage.

    Example: incognito demo -o incognito-demo
    """
    from incognito import demo as demonstration
    from incognito import progress

    with progress.bar("filming", "frames") as move:
        result = demonstration.run(folder, model, force=force, on_frame=move, runtime=runtime)
    print(f"{'stage':<10} {'p50 ms':>7} {'p95 ms':>7}   (1280x720, blurred background)")
    for stage in result.stopwatch.stages:
        half, most = (result.stopwatch.milliseconds(stage, percentile) for percentile in (50, 95))
        print(f"{stage:<10} {half:>7.1f} {most:>7.1f}")
    print(f"{'whole film':<10} {result.frames_per_second:>7.1f} frames a second")
    for path in result.files:
        print(path)


def _print_choice(base: Card) -> None:
    """What a model's variants are, and how they fare on each runtime of this machine."""
    from incognito import cache, choice, machine, runtime

    chosen = choice.choose(base)
    print(f"  milliseconds a run, median, on {machine.cpu()}, threads {runtime.cores()} (kept in {cache.folder()}):")
    for each in chosen.candidates:
        card = each.card
        time = "-" if each.milliseconds is None else f"{each.milliseconds:.1f}"
        print(
            f"    {card.label:<12} {card.precision:<8} {card.bytes / 1e6:>5.1f} MB  IoU {card.iou:.4f}  "
            f"{each.runtime} {choice.version(each.runtime)}  {time:>6}  {chosen.verdict(each)}"
        )


@app.command()
def benchmark(
    models: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads this at run time
        typer.Argument(metavar="MODEL", help="Shipped models, or .onnx files with cards; left out: all shipped."),
    ] = None,
    json: Annotated[Optional[Path], typer.Option("--json", metavar="FILE", help="Write all of it as JSON.")] = None,  # noqa: UP045
    csv: Annotated[Optional[Path], typer.Option("--csv", metavar="FILE", help="Write the rows as CSV.")] = None,  # noqa: UP045
    markdown: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--markdown", metavar="FILE", help="Write the tables as Markdown."),
    ] = None,
    html: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--html", metavar="FILE", help="Write a page with plots."),
    ] = None,
    force: Force = False,
) -> None:
    """Measure what the models cost on this machine: the network alone, and the whole path at 720p and 1080p.

    Example: incognito benchmark --html benchmark.html
    """
    from incognito import benchmark as bench
    from incognito import progress, record

    wanted = {"json": json, "csv": csv, "markdown": markdown, "html": html}
    outputs = {kind: target for kind, target in wanted.items() if target}
    with progress.bar("timing", "turns") as move:
        found = bench.run(models or (), outputs, force, on_turn=move)
    print(record.to_text(found))
    for target in outputs.values():
        print(target)


@app.command()
def doctor() -> None:
    """Examine what live needs here, and say what to do about what is missing; the exit code is 1 where something is.

    Example: incognito doctor
    """
    from incognito import doctor as examination

    missing = False
    for finding in examination.examine():
        print(finding, flush=True)
        missing |= finding.level == "missing"
    raise typer.Exit(int(missing))


@app.command()
def live(
    camera: Annotated[
        Optional[str],  # noqa: UP045 - typer reads this at run time
        typer.Option("--camera", help="A camera's number, a video file, an rtsp:// address, or - for raw frames."),
    ] = None,
    to: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--to", help="window, virtual, page, file:OUT.mp4 or null; may be given more than once."),
    ] = None,
    background: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--background", help="As for remove; given more than once, key b takes the next."),
    ] = None,
    model: Annotated[Optional[str], typer.Option("--model", help="As for remove.")] = None,  # noqa: UP045
    size: Annotated[Optional[str], typer.Option("--size", help="WIDTHxHEIGHT of what goes out.")] = None,  # noqa: UP045
    fps: Annotated[Optional[float], typer.Option("--fps", help="Frames a second; 0 plays a file flat out.")] = None,  # noqa: UP045
    side_by_side: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option("--side-by-side/--no-side-by-side", help="Show the original too, in the window alone."),
    ] = None,
    fullscreen: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option("--fullscreen/--no-fullscreen", help="Fill the screen."),
    ] = None,
    budget: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--budget", help="At most this share of the machine, such as 25%."),
    ] = None,
    seconds: Annotated[Optional[float], typer.Option("--seconds", help="Stop after so long.")] = None,  # noqa: UP045
    stats: Annotated[Optional[Path], typer.Option("--stats", metavar="FILE", help="Write the figures as JSON.")] = None,  # noqa: UP045
    use: Annotated[Optional[str], typer.Option("--profile", metavar="NAME", help="Use saved options.")] = None,  # noqa: UP045
    save: Annotated[Optional[str], typer.Option("--save-profile", metavar="NAME", help="Save these options.")] = None,  # noqa: UP045
    force: Force = False,
) -> None:
    """Take away the room behind you, live; until the network has answered, a safe picture is shown.

    Example: incognito live --camera scripted:ok*30 --to null --fps 0
    """
    from incognito import profile, progress, session

    typed = {"camera": camera, "to": to, "background": background, "model": model, "size": size, "fps": fps}
    typed |= {"side-by-side": side_by_side, "fullscreen": fullscreen, "budget": budget}
    options = profile.merged(profile.load(use) if use else {}, typed)
    if save:
        print(profile.save(save, options))
    with progress.status() as show:
        tally = session.run(
            options, seconds, stats, force, tell=_note, status=lambda run: show(f"{run.state}  {run.tally.line()}")
        )
    print(tally.table())


Port = Annotated[int, typer.Option("--port", help="The port; 0 takes any that is free.", min=0, max=65535)]
LimitsFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--limits", metavar="FILE", help="Limits as TOML, see docs/server.md."),
]


@app.command()
def studio(
    port: Port = 8765,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    limits: LimitsFile = None,
) -> None:
    """Open a page on this computer: live, photos, videos and a benchmark, with the HTTP API beside it.

    Example: incognito studio --no-browser
    """
    from incognito import extras

    extras.require("studio", "fastapi", "uvicorn", "websockets", "multipart", "prometheus_client")
    from incognito.studio import serve as server
    from incognito.studio.settings import Settings, read_limits

    server.run(Settings(port=port, page=True, limits=read_limits(limits)), partial(_open_page, browser))


@app.command()
def serve(
    host: Annotated[str, typer.Option("--host", help="The address; others than loopback need a token.")] = "127.0.0.1",
    port: Port = 8765,
    token: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--token-file", metavar="FILE", help="A file with the token; or set INCOGNITO_TOKEN."),
    ] = None,
    limits: LimitsFile = None,
) -> None:
    """Answer HTTP requests: photos, mattes and videos; /openapi.json says how.

    Example: incognito serve --port 8765
    """
    from incognito import extras

    extras.require("studio", "fastapi", "uvicorn", "websockets", "multipart", "prometheus_client")
    from incognito.studio import serve as server
    from incognito.studio.settings import Settings, read_limits, read_token

    server.run(Settings(host, port, read_token(token), limits=read_limits(limits)), _note)


def _open_page(browser: bool, address: str) -> None:
    """Say where the page is, and show it."""
    import webbrowser

    _note(address)
    if browser:
        webbrowser.open(address)


def _note(line: str) -> None:
    print(line, file=sys.stderr)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"incognito {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Take away what is behind a person: in photos, videos and calls, on an ordinary CPU."""


def main() -> None:
    """Run a command; what goes wrong on purpose is one line on standard error, and an exit code."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # its warnings would come before that line
    for name in {"SIGINT", "SIGTERM", "SIGHUP"} & signal.Signals.__members__.keys():
        signal.signal(signal.Signals[name], _stop)
    try:
        app()
    except IncognitoError as error:
        print(f"incognito: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:  # of files that no check foresaw: a folder that may not be entered, a full disk
        print(f"incognito: {error}; check the path, its permissions and the disk", file=sys.stderr)
        sys.exit(1)


def _stop(number: int, _: object) -> NoReturn:
    """End by unwinding, so that temporary files go; with the exit code that shells give to a signal."""
    print("incognito: stopped; what was half-written is gone", file=sys.stderr)
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
