"""Films in parts: begun again where they were cut off, they are what they would have been."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from making import sound_of, times_of, write_film
from test_film_contract import CODED, convert, interlaced_film, rich_film, shade, words_of

from incognito import containers, files, parts, video
from incognito.background import Film
from incognito.errors import InputError, UsageError
from incognito.frame import Frame
from incognito.pipeline import Removal
from incognito.segment import Segmenter
from incognito.span import WHOLE, Span

COUNT = 25  # frames of the rich film


class Cut(Exception):  # noqa: N818 - no error
    """The run ends here."""


class Counting:
    """A work that knows how many frames it has seen, and draws that."""

    def __init__(self, alpha: bool = False) -> None:
        self.seen, self.alpha = 0, alpha
        self.asked: list[float] = []

    def __call__(self, frame: Frame, seconds: float) -> np.ndarray:
        self.seen += 1
        self.asked.append(seconds)
        picture = frame.pixels.copy()
        picture[:20, : 3 * self.seen] = 255
        if not self.alpha:
            return picture
        hole = np.full(frame.size, 255, np.uint8)
        hole[:, : 3 * self.seen] = 0
        return np.dstack([picture * (hole[..., None] > 0), hole])

    def remember(self) -> parts.Memory:
        return {"seen": np.array(self.seen)}

    def recall(self, memory: parts.Memory, frame: Frame) -> None:
        self.seen = int(memory["seen"])


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    """Parts of six frames, so that a short film has five."""
    monkeypatch.setattr(parts, "LENGTH", 6)


@pytest.fixture(scope="module")
def rich(tmp_path_factory) -> Path:
    return rich_film(tmp_path_factory.mktemp("rich") / "rich.mkv")


def run(
    source: Path,
    target: Path,
    codec: str | None = None,
    stop: int = 1000,
    resume: bool = True,
    span: Span = WHOLE,
    alpha: bool = False,
    key: object = "it",
) -> Counting:
    """Take a film through, up to so many frames; gives the work, which knows what it was asked."""
    work = Counting(alpha)

    def on_frame(done: int, count: int | None) -> None:
        if done == stop:
            raise Cut

    with parts.opened(target, {"key": key}, resume) as finished:
        kind = containers.container_of(target, codec)
        parts.convert(source, target, kind, work, alpha, finished, on_frame, span)
    return work


def pictures(path: Path, decoder: str | None = None) -> list[tuple[Fraction, np.ndarray]]:
    """Every frame's time and content."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = av.CodecContext.create(decoder, "r") if decoder else stream.codec_context
        frames = [frame for packet in container.demux(stream) for frame in context.decode(packet)]
        return [(frame.pts * stream.time_base, frame.to_ndarray(format="rgba").astype(int)) for frame in frames]


def assert_alike(path: Path, other: Path, most: int = 4) -> None:
    """The same frames at the same times; of such small pictures x264 itself makes 1 or 2 levels more or less."""
    one, two = pictures(path), pictures(other)
    assert [time for time, _ in one] == [time for time, _ in two]
    assert max(np.abs(a - b).max() for (_, a), (_, b) in zip(one, two, strict=True)) <= most


@pytest.fixture
def _lossless_h265(monkeypatch):
    """What goes into x265 comes out again, whatever it chooses; its choices depend on memory that it never wrote.

    Seen with valgrind, in `Entropy::codeCoeffNxN` and `SAO::calcSaoStatsCTU`: a film encoded again may differ by 17
    levels at a few pixels.
    """
    params = containers.H265.options["x265-params"] + ":lossless=1"
    for codecs in containers.CODECS.values():
        if kind := codecs.get("h265"):
            monkeypatch.setitem(codecs, "h265", replace(kind, options=kind.options | {"x265-params": params}))


def packets(path: Path) -> list[av.Packet]:
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize(("ending", "codec"), CODED)
@pytest.mark.parametrize("stop", [8, 20])
@pytest.mark.usefixtures("_lossless_h265")
def test_a_film_that_was_cut_off_becomes_what_it_would_have_been(rich, tmp_path, ending, codec, stop):
    """Frame by frame, its sound and its texts too; nothing finished is done again, and nothing stays behind."""
    whole, target = tmp_path / f"whole{ending}", tmp_path / f"out{ending}"
    run(rich, whole, codec, resume=False)
    with pytest.raises(Cut):
        run(rich, target, codec, stop)
    work = run(rich, target, codec)
    assert_alike(target, whole, most=0 if codec == "h265" else 4)
    assert len(pictures(whole)) == COUNT
    assert sound_of(target) == sound_of(whole)
    assert words_of(target) == words_of(whole)
    assert len(work.asked) <= COUNT - 6 * max(0, (stop - 4) // 6)  # some frames were still on their way
    assert work.seen == COUNT
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([target.name, whole.name])


@pytest.mark.parametrize(("ending", "decoder"), [(".webm", "libvpx-vp9"), (".mov", None)])
def test_transparency_survives_the_joining(rich, tmp_path, ending, decoder):
    """Every frame has its own alpha, as if the film had been written at once."""
    whole, target = tmp_path / f"whole{ending}", tmp_path / f"out{ending}"
    video.convert(rich, whole, containers.container_of(whole), Counting(alpha=True), alpha=True)
    with pytest.raises(Cut):
        run(rich, target, stop=14, alpha=True)
    run(rich, target, alpha=True)
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        context = av.CodecContext.create(decoder, "r") if decoder else stream.codec_context
        frames = [frame for packet in container.demux(stream) for frame in context.decode(packet)]
    holes = [int((frame.to_ndarray(format="rgba")[40, :, 3] < 128).sum()) for frame in frames]
    assert holes == pytest.approx([3 * (number + 1) for number in range(COUNT)], abs=2)
    assert [time for time, _ in pictures(target, decoder)] == [time for time, _ in pictures(whole, decoder)]


@pytest.mark.parametrize(("ending", "codec"), CODED)
def test_joined_parts_are_like_a_film_written_at_once(rich, tmp_path, ending, codec):
    """The same times, tags, sound, texts, chapters and title; packets decode in order, none after it is shown."""
    whole, target = tmp_path / f"whole{ending}", tmp_path / f"out{ending}"
    video.convert(rich, whole, containers.container_of(whole, codec), Counting())
    run(rich, target, codec)
    with av.open(str(whole)) as one, av.open(str(target)) as other:
        first, second = one.streams.video[0], other.streams.video[0]
        for name in ("codec_tag", "pix_fmt", "colorspace", "color_range", "color_primaries", "color_trc", "framerate"):
            assert getattr(first.codec_context, name) == getattr(second.codec_context, name), name
        assert first.time_base == second.time_base
        assert first.sample_aspect_ratio == second.sample_aspect_ratio
        assert one.chapters() == other.chapters()
        assert one.metadata["title"] == other.metadata["title"]
        assert other.duration == pytest.approx(one.duration, abs=50_000)  # microseconds
    assert [time for time, _ in pictures(target)] == [time for time, _ in pictures(whole)]
    assert sound_of(target) == sound_of(whole)
    assert words_of(target) == words_of(whole)
    times = [(packet.dts, packet.pts) for packet in packets(target)]
    assert all(dts <= pts for dts, pts in times)
    assert all(before[0] < after[0] for before, after in itertools.pairwise(times))


@pytest.mark.parametrize(("ending", "codec"), CODED)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_film_of_a_few_frames_has_sound_times(tmp_path, ending, codec, count):
    """None is decoded after it is shown; x265 leaves the times of one or two frames to what memory held."""
    source, target = tmp_path / "in.mp4", tmp_path / f"out{ending}"
    write_film(source, [shade(k) for k in range(count)], [40 * k for k in range(count)], sound=None)
    for _ in range(8 if codec == "h265" else 1):
        convert(source, target, codec)
        with av.open(str(target)) as container:
            times = [(packet.dts, packet.pts) for packet in container.demux(video=0) if packet.size]
            assert len(times) == count
            assert all(-1 < (shown - decoded) * container.streams.video[0].time_base < 1 for decoded, shown in times)
            assert all(decoded <= shown for decoded, shown in times)


@pytest.mark.parametrize("span", [Span(0.3, 1.5), Span(0.5)])
def test_a_part_of_a_film_is_gone_on_with_too(rich, tmp_path, span):
    """What `--from` and `--to` leave is joined with its sound and its texts at their places."""
    whole, target = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    video.convert(rich, whole, containers.container_of(whole), Counting(), span=span)
    with pytest.raises(Cut):
        run(rich, target, stop=10, span=span)
    run(rich, target, span=span)
    assert times_of(target) == times_of(whole)
    assert times_of(target)[0] == 0
    assert words_of(target) == words_of(whole)
    assert sound_of(target) == sound_of(whole)


def test_an_interlaced_film_is_gone_on_with(tmp_path):
    """What makes whole pictures of two fields looks at the frames before, which are decoded again."""
    source, whole, target = interlaced_film(tmp_path / "in.mkv"), tmp_path / "whole.mp4", tmp_path / "out.mp4"
    run(source, whole, resume=False)
    with pytest.raises(Cut):
        run(source, target, stop=10)
    run(source, target)
    assert_alike(target, whole)


def test_a_stream_without_times_is_gone_on_with(tmp_path):
    """A raw stream is decoded from its beginning again, for nothing in it says where one is."""
    write_film(tmp_path / "in.mkv", [shade(k) for k in range(20)], list(range(0, 800, 40)), sound=None)
    source, whole, target = tmp_path / "in.h264", tmp_path / "whole.mp4", tmp_path / "out.mp4"
    with av.open(str(tmp_path / "in.mkv")) as read, av.open(str(source), "w", format="h264") as out:
        stream = out.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    run(source, whole, resume=False)
    with pytest.raises(Cut):
        run(source, target, stop=14)
    assert run(source, target).seen == 20
    assert_alike(target, whole)


def test_what_a_stream_remembers_goes_on(tmp_path, portrait, segmenter: Segmenter):
    """A work that is told what another knew gives bit for bit what that one would have given."""
    views = [Frame.of(np.roll(portrait, 3 * k, axis=1)) for k in range(4)]
    write_film(tmp_path / "behind.mp4", [shade(k) for k in range(5)], [0, 40, 80, 120, 160], sound=None)

    def work() -> Removal:
        return Removal(segmenter, Film(tmp_path / "behind.mp4"))

    unbroken, before, after = work(), work(), work()
    expected = [unbroken(view, 0.04 * (k + 11)) for k, view in enumerate(views)]
    for k in range(2):
        before(views[k], 0.04 * (k + 11))
    assert set(before.remember()) == {"alpha"}  # and nothing of the place
    after.recall(before.remember(), views[1])
    assert [np.array_equal(after(views[k], 0.04 * (k + 11)), expected[k]) for k in (2, 3)] == [True, True]
    after.recall({}, views[1])
    assert after.remember() == {}


@pytest.mark.parametrize("harm", ["line", "part", "memory", "head"])
def test_what_is_not_whole_is_done_again(rich, tmp_path, harm):
    """A line, a part or a memory that was being written when the power went counts for nothing."""
    whole, target = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    run(rich, whole, resume=False)
    with pytest.raises(Cut):
        run(rich, target, stop=20)
    folder = tmp_path / ".out.mp4.parts"
    journal = (folder / parts.JOURNAL).read_bytes()
    if harm in ("line", "head"):
        (folder / parts.JOURNAL).write_bytes(journal[:-7] if harm == "line" else journal[:5])
    else:
        path = folder / ("000001" if harm == "part" else "000001.npz")
        path.unlink() if harm == "memory" else path.write_bytes(path.read_bytes()[:-1])
    work = run(rich, target)
    assert_alike(target, whole)
    assert len(work.asked) >= {"line": 7, "part": 19, "memory": 19, "head": 25}[harm]


def test_parts_of_another_run_are_not_taken(rich, tmp_path):
    """Other options are refused and the parts are kept; without `resume` the film is begun anew."""
    target = tmp_path / "out.mp4"
    with pytest.raises(Cut):
        run(rich, target, stop=20)
    with pytest.raises(UsageError, match="leave out --resume"):
        run(rich, target, key="other")
    assert list((tmp_path / ".out.mp4.parts").glob("*.npz"))
    assert len(run(rich, target, resume=False, key="other").asked) == COUNT
    assert not (tmp_path / ".out.mp4.parts").exists()


def test_two_runs_do_not_write_the_same_parts(rich, tmp_path):
    """The second is told to wait, and harms nothing."""
    target = tmp_path / "out.mp4"
    with parts.opened(target, {"key": "it"}, resume=False):
        for resume in (True, False):
            with pytest.raises(UsageError, match="another run writes"):
                run(rich, target, resume=resume)
        assert (tmp_path / ".out.mp4.parts" / parts.JOURNAL).exists()
    assert not (tmp_path / ".out.mp4.parts").exists()


def test_a_film_that_changes_its_size_between_parts_is_refused(rich, tmp_path):
    """Two sizes do not go into one film."""

    class Growing(Counting):
        def __call__(self, frame: Frame, seconds: float) -> np.ndarray:
            picture = super().__call__(frame, seconds)
            return picture if self.seen <= 6 else np.zeros((80, 96, 3), np.uint8)

    target = tmp_path / "out.mp4"
    with pytest.raises(InputError, match="changes its size"), parts.opened(target, {}, False) as finished:
        parts.convert(rich, target, containers.container_of(target), Growing(), False, finished)


@pytest.mark.parametrize(
    ("target", "says"), [("out.gif", "--resume is for"), ("frames/%04d.png", "--resume is for"), ("out.png", "a photo")]
)
def test_what_cannot_be_gone_on_with_is_refused(rich, tmp_path, portrait_file, target, says):
    """An animation is one piece."""
    source = portrait_file if target == "out.png" else rich
    with pytest.raises(UsageError, match=says):
        files.remove(str(source), str(tmp_path / target), model="tiny", runtime="onnxruntime", resume=True)


def start(*words: object) -> subprocess.Popen:
    """Run the command in a process of its own, with parts of six frames."""
    program = "import sys; from incognito import cli, parts; parts.LENGTH = 6; sys.argv[0] = 'incognito'; cli.main()"
    line = [sys.executable, "-c", program, "remove", *map(str, words), "--runtime", "onnxruntime", "--model", "tiny"]
    return subprocess.Popen(line, stderr=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen, there: Callable[[], bool]) -> None:
    while not there():
        assert process.poll() is None, process.stderr.read()


@pytest.mark.parametrize(
    ("stop", "resume", "kept"),
    [(signal.SIGKILL, False, True), (signal.SIGTERM, True, True), (signal.SIGTERM, False, False)],
)
def test_a_killed_run_is_gone_on_with(tmp_path, portrait, stop, resume, kept):
    """After kill -9, and after an orderly end with `--resume`; the result is what it would have been."""
    source, whole, target = tmp_path / "in.mp4", tmp_path / "whole.mp4", tmp_path / "out.mp4"
    still = np.ascontiguousarray(portrait[:384, :384])
    write_film(source, [np.roll(still, 2 * k, axis=1) for k in range(100)], [40 * k for k in range(100)])
    folder = tmp_path / ".out.mp4.parts"
    process = start(source, "-o", target, "--background", "blur", *(["--resume"] if resume else []))
    wait_for(process, (folder / "000003.npz").exists)
    os.kill(process.pid, stop)
    process.communicate(timeout=60)
    assert folder.exists() == kept
    assert not target.exists()
    begun = {path.name: path.stat().st_mtime_ns for path in folder.glob("00000[0-2]")} if kept else {}
    for path, words in ((whole, ["--background", "blur"]), (target, ["--background", "blur", "--resume"])):
        process = start(source, "-o", path, *words)
        if path == target and kept:
            wait_for(process, lambda: (folder / "000007").exists() or target.exists())
            assert {name: (folder / name).stat().st_mtime_ns for name in begun if folder.exists()} in (begun, {})
        assert process.communicate(timeout=120)[1] == ""
        assert process.returncode == 0
    assert_alike(target, whole, most=0)
    assert sound_of(target) == sound_of(source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4", "whole.mp4"]
