"""Files in, files out: a photo or a video, told apart by what is in it; "-" is standard input or output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from incognito import __version__, containers, cutout, output, parts, photo, sequence, still, video
from incognito import background as backgrounds
from incognito.composite import visible
from incognito.containers import Container
from incognito.cutout import PLAIN
from incognito.errors import InputError, OutputError, UsageError, first_line
from incognito.finish import Finish
from incognito.pipeline import Matting, Removal
from incognito.segment import Segmenter
from incognito.span import WHOLE, Span
from incognito.still import Still

PIPE = "-"


def remove(
    source: str,
    target: str,
    background: str | None = None,
    model: str | Segmenter = "fast",
    force: bool = False,
    on_frame: video.OnFrame = lambda done, count: None,
    runtime: str | None = None,
    finish: Finish = PLAIN,
    codec: str | None = None,
    span: Span = WHOLE,
    resume: bool = False,
) -> None:
    """Take away the background of a photo or a video; `finish` is for photos, `codec`, `span`, `resume` are for videos.

    Without `background` the result is transparent where the target can hold that (all but JPEG and MP4), else
    blurred. Raises IncognitoError; then nothing is written, except a film's finished parts for `resume` to go on from.
    """
    _check(source, target, force)
    if background is None:
        background = "transparent" if _holds_alpha(target) else "blur"
    behind = backgrounds.parse(background)
    alpha = isinstance(behind, backgrounds.Transparent)
    if alpha and not _holds_alpha(target):
        raise OutputError(f"{target} cannot be transparent; use .png, .webp or .webm, or give a --background")
    if not _is_photo(source):
        if finish != PLAIN:
            raise UsageError(f"{source} is a video; --crop, --size, --shadow, --srgb and --no-location are for photos")
        if alpha and codec and not _container_of(target, codec).holds_alpha:
            raise OutputError(f"{codec} cannot be transparent; use vp9 or prores, or give a --background")
        segmenter = _segmenter(model, runtime)
        key = _key(source, segmenter) | {"background": [background, *_stamp(Path(background))], "alpha": alpha}
        _film(source, target, codec, Removal(segmenter, behind, patient=True), alpha, on_frame, span, resume, key)
        return
    _check_photo(source, codec, span, resume)
    photo_in, format = _read(source, finish.srgb), _format_of(target)
    picture = cutout.make(photo_in, _segmenter(model, runtime)(photo_in.frame), behind, finish)
    _write_photo(still.encode(picture, format, cutout.notes_of(photo_in, picture, finish)), target)


def matte(
    source: str,
    target: str,
    model: str | Segmenter = "fast",
    force: bool = False,
    on_frame: video.OnFrame = lambda done, count: None,
    runtime: str | None = None,
    codec: str | None = None,
    span: Span = WHOLE,
    resume: bool = False,
) -> None:
    """Write the matte of a photo or a video in grey: white is person; `codec`, `span` and `resume` are for videos.

    Raises IncognitoError; then nothing is written, except a film's finished parts for `resume` to go on from.
    """
    _check(source, target, force)
    segmenter = _segmenter(model, runtime)
    if not _is_photo(source):
        key = _key(source, segmenter)
        _film(source, target, codec, Matting(segmenter), False, on_frame, span, resume, key)
        return
    _check_photo(source, codec, span, resume)
    frame, format = _read(source).frame, _format_of(target)
    _write_photo(still.encode(visible(frame, segmenter(frame)).levels, format), target)


def _segmenter(model: str | Segmenter, runtime: str | None) -> Segmenter:
    """A model by its name, or one that is loaded already."""
    return Segmenter(model, runtime=runtime) if isinstance(model, str) else model


def _is_photo(source: str) -> bool:
    return source == PIPE or photo.is_photo(Path(source))


def _read(source: str, srgb: bool = False) -> Still:
    if source == PIPE:
        return still.read(sys.stdin.buffer.read(), "standard input", srgb)
    return still.read(Path(source).read_bytes(), source, srgb)


def _format_of(target: str) -> str:
    return "PNG" if target == PIPE else photo.format_of(Path(target))


def _container_of(target: str, codec: str | None = None) -> Container:
    if target == PIPE:
        raise OutputError("a video cannot be piped; name a file to write")
    return containers.container_of(Path(target), codec)


def _check_photo(source: str, codec: str | None, span: Span, resume: bool) -> None:
    if codec or resume or span != WHOLE:
        raise UsageError(f"{source} is a photo; --codec, --from, --to and --resume are for videos")


def _key(source: str, segmenter: Segmenter) -> dict[str, Any]:
    """What every frame of a film depends on beside itself, as JSON: runs that agree in it go on from one another."""
    return {
        "incognito": __version__,
        "source": _stamp(Path(source)),
        "model": segmenter.card.sha256,
        "runtime": segmenter.runtime_name,
    }


def _stamp(path: Path) -> list[int]:
    """What changes with a file: its size and its time; nothing where there is no file."""
    return [path.stat().st_size, path.stat().st_mtime_ns] if path.is_file() else []


def _film(
    source: str,
    target: str,
    codec: str | None,
    work: Removal | Matting,
    alpha: bool,
    on_frame: video.OnFrame,
    span: Span,
    resume: bool,
    key: dict[str, Any],
) -> None:
    """Take a film through its work, to a file or to a folder of pictures."""
    pattern = sequence.is_pattern(target)
    kind = None if pattern else _container_of(target, codec)
    if pattern and codec:
        raise UsageError("--codec is for video files; a folder's pictures are written as their ending says")
    if resume and (kind is None or kind.part is None):
        raise UsageError("--resume is for .mp4, .webm and .mov; leave it out")
    space = Path(target).parent.parent if pattern else Path(target).parent
    once = Path(source).stat().st_size  # as large as the film was, at the least; and again where parts are joined
    output.check_space(space, once * 2 if kind and kind.part else once)
    if kind is None:
        sequence.write(Path(source), Path(target), work, on_frame, span)
        return
    if kind.part is None:
        with output.beside(Path(target)) as part:
            video.convert(Path(source), part, kind, work, alpha, on_frame=on_frame, span=span)
        return
    key |= {"codec": [kind.codec, kind.options], "span": [span.start, span.end]}
    with parts.opened(Path(target), key, resume) as finished:
        parts.convert(Path(source), Path(target), kind, work, alpha, finished, on_frame, span)


def _write_photo(data: bytes, target: str) -> None:
    if target == PIPE:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    with output.beside(Path(target)) as part:
        part.write_bytes(data)


def _check(source: str, target: str, force: bool) -> None:
    """Refuse what cannot work, before any work is done."""
    if source != PIPE:
        _check_source(Path(source))
    if target == PIPE:
        return
    suffix = Path(target).suffix.lower()
    if suffix not in photo.FORMATS and suffix not in containers.CONTAINERS:
        known = ", ".join([*photo.FORMATS, *containers.CONTAINERS])
        raise OutputError(f"{target} has no ending that can be written; use one of {known}")
    if sequence.is_pattern(target):
        sequence.check(Path(target))
        return
    output.check(Path(target), force, None if source == PIPE else Path(source))


def _check_source(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a directory; name a photo or a video in it")
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({first_line(error)}); check its permissions") from None
    if empty:
        raise InputError(f"{path} is empty; get the file again")


def _holds_alpha(target: str) -> bool:
    suffix = Path(target).suffix.lower()
    if suffix in containers.CONTAINERS:
        return containers.CONTAINERS[suffix].holds_alpha
    return target == PIPE or photo.FORMATS[suffix] in photo.WITH_ALPHA
