"""Files in, files out: a photo or a video, told apart by what is in it; "-" is standard input or output."""

from __future__ import annotations

import sys
from pathlib import Path

from incognito import background as backgrounds
from incognito import containers, cutout, output, photo, sequence, still, video
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
) -> None:
    """Take away the background of a photo or a video; `finish` is for photos, `codec` and `span` are for videos.

    Without `background` the result is transparent where the target can hold that (all but JPEG and MP4), else
    blurred. Raises IncognitoError; then nothing is written.
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
        _film(source, target, codec, Removal(_segmenter(model, runtime), behind), alpha, on_frame, span)
        return
    if codec or span != WHOLE:
        raise UsageError(f"{source} is a photo; --codec, --from and --to are for videos")
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
) -> None:
    """Write the matte of a photo or a video in grey: white is person.

    Raises IncognitoError; then nothing is written.
    """
    _check(source, target, force)
    segmenter = _segmenter(model, runtime)
    if not _is_photo(source):
        _film(source, target, None, Matting(segmenter), False, on_frame)
        return
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


def _film(
    source: str,
    target: str,
    codec: str | None,
    work: Removal | Matting,
    alpha: bool,
    on_frame: video.OnFrame,
    span: Span = WHOLE,
) -> None:
    """Take a film through its work, to a file or to a folder of pictures."""
    space = Path(target).parent if not sequence.is_pattern(target) else Path(target).parent.parent
    output.check_space(space, Path(source).stat().st_size)  # as large as the film was, at the least
    if sequence.is_pattern(target):
        sequence.write(Path(source), Path(target), work, on_frame, span)
        return
    kind = _container_of(target, codec)
    with output.beside(Path(target)) as part:
        video.convert(Path(source), part, kind, work, alpha, on_frame=on_frame, span=span)


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
