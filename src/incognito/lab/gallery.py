"""The seed's gallery: one film, and what each of several models makes of it, in labelled tiles side by side."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from incognito import containers, demo, output, video, zoo
from incognito.background import Colour, cover
from incognito.errors import LabError, first_line
from incognito.frame import Picture
from incognito.pipeline import Removal
from incognito.segment import Segmenter

ANIMATION, FILM = "gallery.webp", "gallery.mp4"
SMALL, LARGE = (120, 213), (240, 426)  # a tile of the animation, which are the seed's, and of the film: height, width
SECONDS = 4  # of the clip that are shown
PAUSE = 100  # milliseconds from one picture of the animation to the next, at the least
QUALITY = 75  # of the animation, of 100
COLUMNS = 4  # at the most
BEHIND = Colour(142, 197, 196)  # what is left of a place shows on it, dark or bright
SEED = ("resnet", "mobilenet", "b0", "b1", "b2")  # the order in which it showed its networks

Still = tuple[int, Picture]  # milliseconds from the film's beginning, and what is shown from then on


class Wall:
    """A grid of tiles of one size, height and width; the last row stands in the middle where it is shorter."""

    def __init__(self, labels: list[str], tile: tuple[int, int]) -> None:
        self._tile, self._gap = tile, tile[0] // 30
        self._labels = [_label(text, tile[0] // 8) for text in labels]
        self._rows = -(-len(labels) // COLUMNS)
        self._columns = -(-len(labels) // self._rows)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels, gaps included."""
        height, width = (side + self._gap for side in self._tile)
        return self._rows * height - self._gap, self._columns * width - self._gap

    def corner(self, number: int) -> tuple[int, int]:
        """Where a tile begins: pixels from the top and from the left."""
        row, column = divmod(number, self._columns)
        empty = max(0, (row + 1) * self._columns - len(self._labels))  # places in this row
        height, width = (side + self._gap for side in self._tile)
        return row * height, column * width + empty * width // 2

    def hang(self, pictures: list[Picture]) -> Picture:
        """Set pictures, uint8 RGB (H, W, 3), on white, each cut to its tile's shape with its label on it."""
        wall = Image.new("RGB", self.size[::-1], "white")
        for number, (picture, label) in enumerate(zip(pictures, self._labels, strict=True)):
            tile = Image.fromarray(cover(picture, self._tile))
            tile.paste(label, (tile.width - label.width - self._gap, self._gap), label)  # where heads are seldom
            wall.paste(tile, self.corner(number)[::-1])
        return np.asarray(wall)


def make(
    folder: Path,
    models: list[str] | None = None,
    clip: Path | None = None,
    on_frame: video.OnFrame = lambda done, count: None,
) -> list[Path]:
    """Write gallery.webp (tiles of 213x120, looped) and gallery.mp4 (426x240) into a folder, which is made.

    Shown are the clip's first 4 seconds, cut to 16:9, and its people over one colour. Without `clip` it is the film of
    the demonstration, without `models` they are those of `in_zoo`. Raises LabError and what the pipeline raises.
    """
    segmenters = [Segmenter(zoo.find(model).path) for model in models or in_zoo()]
    animation, film = folder / ANIMATION, folder / FILM
    _check((animation, film), clip)
    with ExitStack() as stack:
        if clip is None:
            clip = Path(stack.enter_context(tempfile.TemporaryDirectory())) / demo.CLIP
            demo.write_clip(clip)
        source = stack.enter_context(closing(_open(clip)))
        parts = [stack.enter_context(output.beside(target)) for target in (animation, film)]
        _animate(parts[0], _film(parts[1], source, segmenters, on_frame))
    return [animation, film]


def in_zoo() -> list[str]:
    """Every zoo/*.onnx of the working directory in the seed's order, then `fast`; LabError where there is none."""

    def place(path: Path) -> tuple[int, str]:
        return next((i for i, word in enumerate(SEED) if word in path.stem), len(SEED)), path.stem

    found = sorted(Path("zoo").glob("*.onnx"), key=place)
    if not found:
        raise LabError("there is no zoo/*.onnx here to compare; name the models")
    return [*map(str, found), "fast"]


def _check(targets: tuple[Path, Path], clip: Path | None) -> None:
    """Refuse what cannot work before any work is done, and make the folder."""
    if clip and not clip.is_file():
        raise LabError(f"{clip} is no file; name a video with --clip")
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        output.check(target, force=True, source=clip)


def _open(clip: Path) -> video.Source:
    source = video.Source(clip)
    if source.stream.sample_aspect_ratio not in (None, 0, 1):
        source.close()
        raise LabError(f"{clip} has pixels that are not square; convert it first")
    source.sounds.clear()  # a gallery is silent
    return source


def _film(path: Path, source: video.Source, segmenters: list[Segmenter], on_frame: video.OnFrame) -> list[Still]:
    """Write every frame's wall at the frame's own time; give the animation's stills."""
    labels = ["original", *(segmenter.card.label for segmenter in segmenters)]
    large, small = Wall(labels, LARGE), Wall(labels, SMALL)
    count = min(source.count or 0, round(SECONDS * source.rate)) or None
    stills: list[Still] = []
    try:
        with closing(video.Target(path, containers.CONTAINERS[".mp4"], source, alpha=False)) as target:
            for done, (like, milliseconds, pictures) in enumerate(_views(source, segmenters)):
                if not done:
                    target.begin(*large.size, like)
                target.write(large.hang(pictures), like)
                if not stills or milliseconds >= stills[-1][0] + PAUSE:
                    stills.append((milliseconds, small.hang(pictures)))
                on_frame(done + 1, count)
            target.finish()
    except av.FFmpegError as error:
        raise LabError(f"{FILM} cannot be written ({first_line(error)}); choose another --out") from None
    return stills


def _views(source: video.Source, segmenters: list[Segmenter]) -> Iterator[tuple[av.VideoFrame, int, list[Picture]]]:
    """Each frame as decoded, its milliseconds from the first, and its picture and what each model makes of it."""
    removals = [Removal(segmenter, BEHIND) for segmenter in segmenters]
    start = None
    for like in source.frames():
        start = video.seconds_of(like) if start is None else start
        seconds = video.seconds_of(like) - start
        if seconds >= SECONDS:
            return
        frame = video.to_frame(like)
        yield like, round(seconds * 1000), [frame.pixels, *(removal(frame, seconds) for removal in removals)]


def _animate(path: Path, stills: list[Still]) -> None:
    """Write stills as a WebP that begins again for ever."""
    first, *others = (Image.fromarray(picture) for _, picture in stills)
    lengths = [*(after - before for (before, _), (after, _) in pairwise(stills)), PAUSE]
    options = {"quality": QUALITY, "method": 6, "duration": lengths, "loop": 0}
    first.save(path, "WEBP", save_all=True, append_images=others, **options)


def _label(text: str, height: int) -> Image.Image:
    """A name in white on dark glass, RGBA, of a height in pixels."""
    font = ImageFont.load_default(height * 0.75)
    width = round(font.getlength(text) + height * 0.75)
    label = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(label)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), height // 4, fill=(0, 0, 0, 150))
    draw.text((width / 2, height / 2), text, "white", font, anchor="mm")
    return label
