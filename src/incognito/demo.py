"""The demonstration: the portrait that comes with the package, as a photo and a film, with every stage's time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from incognito import containers, output, photo, video
from incognito.background import Blur, Transparent
from incognito.composite import compose
from incognito.errors import OutputError, first_line
from incognito.frame import Frame, Picture
from incognito.pipeline import Removal
from incognito.segment import Segmenter
from incognito.timing import Stopwatch

CUT_OUT, BLURRED, STRIP = "cutout.png", "blurred.jpg", "before_after.jpg"
CLIP, CLIP_BLURRED = "clip.mp4", "clip_blurred.mp4"
FILES = (CUT_OUT, BLURRED, STRIP, CLIP, CLIP_BLURRED)

SECONDS, RATE, SIZE = 5, 30, (720, 1280)  # of the clip; size is height, width


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demonstration wrote, and the times of the film's stages."""

    files: list[Path]
    stopwatch: Stopwatch
    frames_per_second: float


def run(
    folder: Path,
    model: str | Path = "fast",
    threads: int | None = None,
    force: bool = False,
    on_frame: video.OnFrame = lambda done, count: None,
    runtime: str | None = None,
) -> Demo:
    """Write the demonstration's files into a folder, which is made. Raises OutputError where one of them exists."""
    segmenter = Segmenter(model, threads, runtime)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made ({first_line(error)}); choose another folder") from None
    for name in FILES:
        output.check(folder / name, force)
    _write_photos(folder, segmenter)
    with output.beside(folder / CLIP) as part:
        write_clip(part)
    with output.beside(folder / CLIP_BLURRED) as part:
        stopwatch = Stopwatch()
        removal = Removal(segmenter, Blur(), stopwatch)
        container = containers.CONTAINERS[".mp4"]
        video.convert(folder / CLIP, part, container, removal, stopwatch=stopwatch, on_frame=on_frame)
        rate = SECONDS * RATE / stopwatch.elapsed
    return Demo([folder / name for name in FILES], stopwatch, rate)


def portrait() -> Frame:
    """Eileen Collins, photographed by NASA: in the public domain."""
    return photo.read(photo.PORTRAIT.read_bytes(), str(photo.PORTRAIT))


def before_after(before: Picture, cut_out: Picture, blurred: Picture) -> Picture:
    """Set the portrait, its cut-out on a checkered ground, and the blurred one side by side."""
    rows, columns = np.indices(before.shape[:2]) // 16
    ground = np.where((rows + columns) % 2, 204, 255).astype(np.uint8)
    weight = cv2.merge([cut_out[..., 3]] * 3)
    person = cv2.multiply(cut_out[..., :3], weight, scale=1 / 255)
    shown = cv2.add(person, cv2.multiply(cv2.merge([ground] * 3), cv2.bitwise_not(weight), scale=1 / 255))
    gap = np.full((before.shape[0], 8, 3), 255, np.uint8)
    return np.hstack([before, gap, shown, gap, blurred])


def write_clip(path: Path) -> None:
    """Film the portrait with a camera held by hand: 5 seconds of 1280x720 at 30 frames a second, H.264."""
    still = portrait().pixels
    write_film(path, (camera_view(still, number / RATE) for number in range(SECONDS * RATE)), SIZE)


def write_film(path: Path, pictures: Iterable[Picture], size: tuple[int, int]) -> None:
    """Write pictures, uint8 RGB (*size, 3), as an MP4 of 30 frames a second, H.264."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "18"})
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, RATE)
        stream.codec_context.colorspace, stream.codec_context.color_range = video.BT709, video.LIMITED_RANGE
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            matrix = video.SWSCALE[video.BT709]
            frame = frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=video.LIMITED_RANGE)
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def camera_view(still: Picture, seconds: float, size: tuple[int, int] = SIZE) -> Picture:
    """What a hand-held camera sees of a still at a time: it drifts, breathes and trembles. uint8 RGB (*size, 3)."""
    sway = np.sin(2 * np.pi * (np.array([0.13, 0.17, 0.11]) * seconds + [0.0, 0.25, 0.5]))
    tremble = np.sin(2 * np.pi * (np.array([2.3, 3.1, 1.7]) * seconds + [0.1, 0.6, 0.3]))
    height, width = still.shape[:2]
    zoom = size[1] / width * (1.06 + 0.04 * sway[2])
    turn = 1.2 * sway[0] + 0.3 * tremble[2]  # degrees
    centre = (width / 2 + 6 * sway[0] + 1.0 * tremble[0], height * 0.30 + 8 * sway[1] + 1.0 * tremble[1])
    view = cv2.getRotationMatrix2D(centre, turn, zoom)
    view[:, 2] += (size[1] / 2 - centre[0], size[0] / 2 - centre[1])
    return cv2.warpAffine(still, view, size[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)


def _write_photos(folder: Path, segmenter: Segmenter) -> None:
    frame = portrait()
    matte = segmenter(frame)
    cut_out, blurred = compose(frame, matte, Transparent()), compose(frame, matte, Blur())
    strip = before_after(frame.pixels, cut_out, blurred)
    for name, picture in ((CUT_OUT, cut_out), (BLURRED, blurred), (STRIP, strip)):
        with output.beside(folder / name) as part:
            part.write_bytes(photo.encode(picture, photo.format_of(Path(name))))
