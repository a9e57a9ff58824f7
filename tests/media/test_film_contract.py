"""Films with everything that their files have: what goes in comes out, minus the background."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from making import mutated, times_of, write_film
from PIL import Image

from incognito import containers, files, sequence, video
from incognito.errors import InputError, OutputError, UsageError
from incognito.film import Source
from incognito.frame import Frame
from incognito.overlap import AHEAD, Behind, ahead
from incognito.span import WHOLE, Span, parse_span

TIMES = list(range(0, 2000, 80))  # milliseconds: 25 frames
SIZE = (64, 96)


def shade(number: int) -> np.ndarray:
    return np.full((*SIZE, 3), (40 + 8 * number, 120, 90), np.uint8)


def rich_film(path: Path, begin: int = 0) -> Path:
    """A film with sound, subtitles, chapters and a title, whose clock begins at so many milliseconds."""
    with av.open(str(path), "w", format="matroska") as out:
        picture, tone = out.add_stream("libx264", rate=25), out.add_stream("aac", rate=48000, layout="mono")
        words = out.add_mux_stream("subrip")
        words.time_base, words.metadata["language"] = Fraction(1, 1000), "eng"
        picture.height, picture.width = SIZE
        picture.pix_fmt = "yuv420p"
        picture.codec_context.gop_size = 5
        picture.codec_context.time_base = picture.time_base = Fraction(1, 1000)
        out.metadata["title"] = "A made film"
        out.set_chapters(
            [
                {"id": 1, "start": 0, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}},
                {"id": 2, "start": 1000, "end": 2000, "time_base": Fraction(1, 1000), "metadata": {"title": "two"}},
            ]
        )
        for number, time in enumerate(TIMES):
            frame = av.VideoFrame.from_ndarray(shade(number), "rgb24")
            frame.pts, frame.time_base = begin + time, Fraction(1, 1000)
            out.mux(picture.encode(frame))
            if time in (400, 1200):
                packet = av.Packet(f"words at {time}".encode())
                packet.pts = packet.dts = begin + time
                packet.duration, packet.time_base, packet.stream = 300, Fraction(1, 1000), words
                out.mux(packet)
        out.mux(picture.encode(None))
        for start in range(0, 48000 * 2, 960):
            wave = np.sin(2 * np.pi * 440 * np.arange(start, start + 960) / 48000).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 48000, 48 * begin + start, Fraction(1, 48000)
            out.mux(tone.encode(frame))
        out.mux(tone.encode(None))
    return path


def convert(source: Path, target: Path, codec: str | None = None, alpha: bool = False, span: Span = WHOLE) -> None:
    def work(frame: Frame, seconds: float) -> np.ndarray:
        if not alpha:
            return frame.pixels
        hole = np.full(frame.size, 255, np.uint8)
        hole[:, : frame.size[1] // 2] = 0
        return np.dstack([cv2.copyTo(frame.pixels, hole), hole])

    video.convert(source, target, containers.container_of(target, codec), work, alpha, span=span)


def words_of(path: Path) -> list[tuple[float, str]]:
    with av.open(str(path)) as container:
        (stream,) = container.streams.subtitles
        packets = [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.pts is not None]
    return [(time, text[2:].decode() if stream.codec_context.name == "mov_text" else text.decode())
            for time, text in packets if len(text) > 2]  # fmt: skip


@pytest.fixture(scope="module")
def rich(tmp_path_factory) -> Path:
    return rich_film(tmp_path_factory.mktemp("rich") / "rich.mkv")


@pytest.mark.parametrize("ending", [".mp4", ".webm", ".mov"])
def test_subtitles_chapters_and_the_title_are_kept(rich, tmp_path, ending):
    """Texts at their times, in their language; chapters with their names; the sound beside."""
    target = tmp_path / f"out{ending}"
    convert(rich, target)
    assert words_of(target) == [
        (pytest.approx(0.4, abs=0.01), "words at 400"),
        (pytest.approx(1.2, abs=0.01), "words at 1200"),
    ]
    with av.open(str(target)) as container:
        found = [(float(c["start"] * c["time_base"]), c["metadata"]["title"]) for c in container.chapters()]
        assert found == [(0.0, "one"), (1.0, "two")]
        assert container.metadata["title"] == "A made film"
        assert len(container.streams.audio) == 1
        assert container.streams.subtitles[0].metadata.get("language") == "eng"
    assert times_of(target) == pytest.approx(TIMES, abs=1)


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.8), (0.72, 1.5), (1.3, float("inf"))])
def test_a_part_begins_at_nought(rich, tmp_path, start, end):
    """The frames of that time and no other, whichever is a key frame; sound, texts and chapters go with them."""
    target = tmp_path / "part.mp4"
    convert(rich, target, span=Span(start, end))
    wanted = [(number, time / 1000) for number, time in enumerate(TIMES) if start <= time / 1000 < end]
    assert times_of(target) == pytest.approx([1000 * (time - wanted[0][1]) for _, time in wanted], abs=1)
    for (number, _), (_, picture) in zip(wanted, video.pictures(target), strict=True):
        assert abs(int(picture[30, 40, 0]) - (40 + 8 * number)) <= 6
    expected = [f"words at {time}" for time in (400, 1200) if start <= time / 1000 < end]
    assert [text for _, text in words_of(target)] == expected if expected else True
    with av.open(str(target)) as container:
        sound = [float(p.pts * p.time_base) for p in container.demux(audio=0) if p.pts is not None]
    assert -0.06 <= sound[0] <= 0.06 and sound[-1] <= min(end, 2.0) - start


def test_a_disk_that_is_nearly_full_is_told_of_first(rich, tmp_path, monkeypatch, run):
    """Before anything is decoded."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    code, _, err = run("remove", rich, "-o", tmp_path / "out.mp4", "--background", "blur")
    assert code == 2 and "MB left, under" in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_part_beyond_the_end_is_refused(rich, tmp_path):
    """There is nothing to show."""
    with pytest.raises(InputError, match="shows no picture in that part"):
        convert(rich, tmp_path / "part.mp4", span=Span(100.0))


CODED = [(ending, name) for ending, codecs in containers.CODECS.items() for name in codecs]


@pytest.mark.parametrize(("ending", "codec"), CODED)
def test_every_codec_gives_every_frame_at_its_time(rich, tmp_path, ending, codec):
    """And its colours."""
    target = tmp_path / f"out{ending}"
    convert(rich, target, codec)
    assert times_of(target) == pytest.approx(TIMES, abs=1)
    shown = [picture[30, 40].astype(int) for _, picture in video.pictures(target)]
    assert max(np.abs(colour - shade(number)[0, 0]).max() for number, colour in enumerate(shown)) <= 8


@pytest.mark.parametrize("ending", [".webm", ".mov"])
def test_alpha_comes_back(rich, tmp_path, ending):
    """Nothing on the left, all on the right."""
    target = tmp_path / f"out{ending}"
    convert(rich, target, alpha=True)
    decoder = {".webm": "libvpx-vp9", ".mov": "prores"}[ending]
    with av.open(str(target)) as container:
        context = av.CodecContext.create(decoder, "r")
        context.extradata = container.streams.video[0].codec_context.extradata
        frames = [f for p in container.demux(video=0) for f in context.decode(p if p.size else None)]
    alpha = frames[3].to_ndarray(format="rgba")[..., 3]
    assert len(frames) == len(TIMES)
    assert alpha[30, 10] <= 2 and alpha[30, 90] >= 253


def test_an_animated_webp_has_alpha_and_times(rich, tmp_path):
    """As Pillow reads it."""
    target = tmp_path / "out.webp"
    convert(rich, target, alpha=True)
    image = Image.open(target)
    assert (image.n_frames, image.size) == (len(TIMES), SIZE[::-1])
    image.seek(3)
    assert image.convert("RGBA").getpixel((10, 30))[3] <= 2 and image.convert("RGBA").getpixel((90, 30))[3] >= 253


def test_a_gif_has_colours_and_times(rich, tmp_path):
    """A palette for each picture."""
    target = tmp_path / "out.gif"
    convert(rich, target)
    image = Image.open(target)
    assert image.n_frames == len(TIMES) and image.info["duration"] == 80
    image.seek(10)
    assert np.abs(np.array(image.convert("RGB").getpixel((40, 30))) - shade(10)[0, 0]).max() <= 8


def test_a_folder_of_pictures(rich, tmp_path):
    """Numbered from 1 on, with true alpha; the folder is there whole or not at all."""
    files.remove(str(rich), str(tmp_path / "frames" / "%04d.png"), model="tiny")
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert names == [f"{number:04d}.png" for number in range(1, len(TIMES) + 1)]
    assert cv2.imread(str(tmp_path / "frames" / names[0]), cv2.IMREAD_UNCHANGED).shape == (*SIZE, 4)
    with pytest.raises(OutputError, match="exists; name a folder"):
        files.remove(str(rich), str(tmp_path / "frames" / "%04d.png"))


def test_a_folder_is_not_there_where_it_went_wrong(rich, tmp_path):
    """Nor anything beside it."""
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(rich.read_bytes()[:-2000])
    with pytest.raises(InputError):
        files.remove(str(broken), str(tmp_path / "frames" / "%04d.png"), model="tiny")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.mkv"]


@pytest.mark.parametrize("name", ["%04d-%04d.png", "%x%04d.png", "%04d.txt"])
def test_a_pattern_that_is_none_is_refused(tmp_path, name):
    """In one line."""
    with pytest.raises(OutputError):
        sequence.check(tmp_path / "frames" / name)


def interlaced_film(path: Path) -> Path:
    """A bar that moves between the two fields of each of 20 frames."""
    with av.open(str(path), "w", format="matroska") as out:
        options = {"flags": "+ilme+ildct", "x264-params": "interlaced=1:tff=1", "crf": "10"}
        stream = out.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for number in range(20):
            woven = bar(2 * number)
            woven[1::2] = bar(2 * number + 1)[1::2]
            out.mux(stream.encode(av.VideoFrame.from_ndarray(woven, "rgb24")))
        out.mux(stream.encode(None))
    return path


def test_interlaced_film_is_made_whole(tmp_path):
    """Of two fields that were filmed at different times, no comb is left."""
    source, target = interlaced_film(tmp_path / "in.mkv"), tmp_path / "out.mp4"
    convert(source, target)
    combed, whole = (comb(list(each)[8][1]) for each in (raw(source), video.pictures(target)))
    assert whole < combed / 4


def bar(place: int) -> np.ndarray:
    """A bright bar on its way."""
    picture = np.full((96, 128, 3), 30, np.uint8)
    picture[:, 3 * place : 3 * place + 12] = 220
    return picture


def raw(path: Path):
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield 0.0, frame.to_ndarray(format="rgb24")


def comb(picture: np.ndarray) -> float:
    """How much neighbouring rows differ."""
    grey = picture[..., 1].astype(float)
    return float(np.abs(np.diff(grey, axis=0)).mean())


@pytest.mark.parametrize(("name", "transfer"), [("PQ", 16), ("HLG", 18)])
def test_high_dynamic_range_is_refused(tmp_path, name, transfer):
    """It would come out dull, and nobody would know why."""
    source = tmp_path / "hdr.mkv"
    with av.open(str(source), "w", format="matroska") as out:
        stream = out.add_stream("libx265", rate=25, options={"x265-params": "log-level=none"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p10le"
        stream.codec_context.color_trc, stream.codec_context.color_primaries = transfer, 9
        stream.codec_context.colorspace = 9
        for number in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(shade(number), "rgb24").reformat(format="yuv420p10le")))
        out.mux(stream.encode(None))
    with pytest.raises(InputError, match=f"is in HDR \\({name}\\).*convert it to SDR"):
        convert(source, tmp_path / "out.mp4")


def test_ten_bits_come_in(tmp_path):
    """As eight, with the same colours."""
    source = tmp_path / "ten.mkv"
    with av.open(str(source), "w", format="matroska") as out:
        stream = out.add_stream("libx265", rate=25, options={"x265-params": "log-level=none", "crf": "4"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p10le"
        for number in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(shade(number), "rgb24").reformat(format="yuv420p10le")))
        out.mux(stream.encode(None))
    convert(source, tmp_path / "out.mp4")
    assert [abs(int(p[30, 40, 0]) - (40 + 8 * k)) <= 4 for k, (_, p) in enumerate(video.pictures(tmp_path / "out.mp4"))]


@pytest.mark.parametrize(
    ("words", "span"),
    [
        ((None, None), Span()),
        (("90", None), Span(90)),
        (("1:30", "1:02:03.5"), Span(90, 3723.5)),
        ((None, "5"), Span(0, 5)),
    ],
)
def test_times_are_understood(words, span):
    """Seconds, minutes, hours."""
    assert parse_span(*words) == span


@pytest.mark.parametrize("words", [("x", None), ("1:75", None), ("5", "5"), ("-1", None), ("9", "3")])
def test_times_that_are_none_are_refused(words):
    """In one line."""
    with pytest.raises(UsageError):
        parse_span(*words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "out.mp4", "--codec", "vp9"], "does not go into .mp4; use h264, h265, av1"),
        (["-o", "out.gif", "--codec", "gif", "--background", "blur"], "leave out --codec"),
        (["-o", "out.webm", "--codec", "av1"], "cannot be transparent"),
    ],
)
def test_codecs_that_cannot_be_are_refused(rich, tmp_path, run, words, message):
    """In one line; nothing is written."""
    words[1] = str(tmp_path / words[1])
    code, _, err = run("remove", rich, *words)
    assert code == 2 and message in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_what_runs_ahead_ends_with_who_asked():
    """No thread is left, though nobody took the rest; and no more was made than may wait."""
    made = []
    stream = ahead(made.append(number) or number for number in itertools.count())
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    stream.close()
    assert len(made) <= 3 + AHEAD + 2
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_errors_come_through_on_both_sides():
    """Where they are asked for; all that came before them was done."""
    with pytest.raises(InputError, match="here"):
        list(ahead(raising(3)))
    done: list[int] = []
    behind = Behind(lambda number: done.append(number) if number < 3 else (_ for _ in ()).throw(OutputError("there")))
    with pytest.raises(OutputError, match="there"):
        for number in range(100):
            behind.put(number)
    assert done == [0, 1, 2]
    assert not [thread for thread in threading.enumerate() if thread.name == "behind"]


def raising(count: int):
    yield from range(count)
    raise InputError("here")


def test_an_interrupt_in_the_middle_leaves_nothing(tmp_path):
    """Threads, files, all go; the exit code tells."""
    source = tmp_path / "long.mp4"
    write_film(source, [np.tile(shade(k % 20), (6, 6, 1)) for k in range(400)], [40 * k for k in range(400)])
    line = [
        sys.executable,
        "-m",
        "incognito",
        "remove",
        str(source),
        "-o",
        str(tmp_path / "out.mp4"),
        "--background",
        "blur",
    ]
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob(".out.mp4.parts/000*")):
        assert process.poll() is None
    process.terminate()
    assert process.wait(20) == 143
    assert process.stderr.read() == "incognito: stopped; what was half-written is gone\n"
    process.stderr.close()
    assert [path.name for path in tmp_path.iterdir()] == ["long.mp4"]


MUTATIONS = int(os.environ.get("INCOGNITO_MUTATIONS", "40"))


@pytest.mark.parametrize("ending", [".mp4", ".webm", ".mkv"])
def test_a_mutated_film_is_taken_or_refused(tmp_path, rich, ending):
    """In a process of its own: no crash, no hang, nothing half-written, the original as it was."""
    source = tmp_path / f"in{ending}"
    if ending == ".mkv":
        shutil.copy(rich, source)
    else:
        convert(rich, source)
    data = source.read_bytes()
    source.unlink()
    program = "import sys; from test_film_contract import mutate_all; mutate_all(*sys.argv[1:])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    (tmp_path / "whole").write_bytes(data)
    count = MUTATIONS // 3 + 1
    line = [sys.executable, "-c", program, str(tmp_path), ending, str(count)]
    done = subprocess.run(line, env=environment, timeout=30 * count, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert sum(int(word) for word in done.stdout.split()) == count
    assert (tmp_path / "whole").read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


def mutate_all(folder: str, ending: str, count: str) -> None:
    """Take mutations of a film through; prints how many were taken and how many refused."""
    data, counts = (Path(folder) / "whole").read_bytes(), [0, 0]
    for seed in range(int(count)):
        source, target = Path(folder) / f"mutated{ending}", Path(folder) / "out.mp4"
        source.write_bytes(mutated(data, seed))
        before, begun = source.read_bytes(), time.monotonic()
        try:
            files.remove(str(source), str(target), "#00b140", "tiny", runtime="onnxruntime")
            counts[0] += 1
        except (InputError, OutputError) as error:
            assert "\n" not in str(error)
            assert not target.exists()
            counts[1] += 1
        assert time.monotonic() - begun < 30
        assert source.read_bytes() == before
        target.unlink(missing_ok=True)
        source.unlink()
    sys.stdout.write(f"{counts[0]} {counts[1]}\n")


def test_a_mirrored_film_comes_out_as_it_is_shown(tmp_path):
    """A display matrix that mirrors is no rotation: left and right change places, nothing is upside down."""
    source = tmp_path / "in.mp4"
    picture = np.full((*SIZE, 3), 128, np.uint8)
    picture[:32, :48] = (250, 20, 20)
    write_film(source, [picture] * 2, [0, 40], sound=None)
    content = bytearray(source.read_bytes())
    at = content.index(b"tkhd") + 4 + 40  # ISO 14496-12, 8.3.2
    content[at : at + 4] = (-(1 << 16)).to_bytes(4, "big", signed=True)
    source.write_bytes(content)
    convert(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown = video.to_frame(next(container.decode(video=0))).pixels
    assert shown[10, 80].tolist() == pytest.approx([250, 20, 20], abs=12)
    assert shown[10, 10].tolist() == pytest.approx([128] * 3, abs=6)
    assert shown[50, 80].tolist() == pytest.approx([128] * 3, abs=6)


@pytest.mark.parametrize(("matrix", "message"), [(8, "matrix 8"), (14, "matrix 14")])
def test_colours_that_would_be_guessed_are_refused(tmp_path, matrix, message):
    """YCgCo and ICtCp are no matrices that the scaler knows; they would come out in wrong colours."""
    source = tmp_path / "in.mp4"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.height, stream.width = SIZE
        stream.pix_fmt, stream.codec_context.colorspace = "yuv420p", matrix
        out.mux(stream.encode(av.VideoFrame.from_ndarray(shade(3), "rgb24")))
        out.mux(stream.encode(None))
    with pytest.raises(InputError, match=message):
        convert(source, tmp_path / "out.mp4")


@pytest.mark.parametrize("start", [0.0, 0.72, 0.75])
def test_sound_and_picture_of_a_part_stay_together(tmp_path, start):
    """Also where a film's clock does not begin at 0: what was heard with a frame is heard with it."""
    source, target = tmp_path / "in.mkv", tmp_path / "out.mp4"
    rich_film(source, 5000)
    convert(source, target, span=Span(start, 1.9) if start else WHOLE)
    with av.open(str(target)) as container:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")[30, 40, 0]) for frame in container.decode(video=0)]
    said = {text: time for time, text in words_of(target)}["words at 1200"]
    (shown,) = [time for time, red in frames if abs(int(red) - (40 + 8 * 15)) < 4]
    assert said == pytest.approx(shown, abs=0.002)


def test_two_frames_at_once_are_shown_one_after_the_other(tmp_path):
    """A clock that stands still costs no frame; one that jumps back is refused."""
    frame = SimpleNamespace(color_trc=1, colorspace=1, pts=10, time_base=Fraction(1, 1000))
    film = SimpleNamespace(path="film.ts")
    assert Source._check(film, frame, 10) == frame.pts == 11
    with pytest.raises(InputError, match="jumps back"):
        Source._check(film, frame, 1000)
