"""Videos in and out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from making import sound_of, times_of, write_film, write_tone

from incognito import containers, video
from incognito.errors import InputError, OutputError
from incognito.frame import Frame

TIMES = [0, 40, 55, 120, 121, 300, 1000, 1033, 1100, 1500]  # milliseconds, as phones and screens record


def unchanged(frame: Frame, seconds: float) -> np.ndarray:
    return frame.pixels


def shades(count: int, size: tuple[int, int] = (64, 96)) -> list[np.ndarray]:
    return [np.full((*size, 3), (40 + 15 * i, 120, 90), np.uint8) for i in range(count)]


def convert(source: Path, target: Path, transform: video.Transform = unchanged, alpha: bool = False) -> None:
    video.convert(source, target, containers.container_of(target), transform, alpha)


@pytest.mark.parametrize(("suffix", "codec", "sound"), [(".mp4", "libx264", "aac"), (".webm", "libvpx-vp9", "libopus")])
def test_uneven_frame_times_and_the_audio_are_kept_to_the_millisecond(tmp_path, suffix, codec, sound):
    """Frames keep uneven times, and the audio's packets their times and every byte."""
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    write_film(source, shades(len(TIMES)), TIMES, codec, sound)
    convert(source, target)
    assert times_of(target) == pytest.approx(times_of(source), abs=0.5)
    assert times_of(source) == pytest.approx(TIMES, abs=0.5)
    before, after = sound_of(source), sound_of(target)
    assert [content for _, content in after] == [content for _, content in before]
    assert [time for time, _ in after] == pytest.approx([time for time, _ in before], abs=0.5)


@pytest.mark.parametrize(
    ("first", "codec", "sound", "second", "kept"),
    [(".mp4", "libx264", "aac", ".webm", "opus"), (".mkv", "libx264", "pcm_s16le", ".mp4", "aac")],
)
def test_audio_that_the_container_cannot_hold_is_converted(tmp_path, first, codec, sound, second, kept):
    """AAC goes into WebM as Opus, plain samples into MP4 as AAC; frames keep their times and the tone its length."""
    source, target = tmp_path / f"in{first}", tmp_path / f"out{second}"
    write_film(source, shades(len(TIMES)), TIMES, codec, sound)
    convert(source, target)
    assert times_of(target) == pytest.approx(times_of(source), abs=1.0)
    with av.open(str(target)) as container:
        assert container.streams.audio[0].codec_context.name == kept
        length = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert length == pytest.approx(TIMES[-1] / 1000, abs=0.08)


def test_every_frame_is_seen_once_in_order(tmp_path):
    """The transform sees each frame with its time, and the progress counts to the end."""
    source, target, seen, counts = tmp_path / "in.mp4", tmp_path / "out.mp4", [], []
    write_film(source, shades(len(TIMES)), TIMES)

    def look(frame: Frame, seconds: float) -> np.ndarray:
        seen.append((round(seconds * 1000), int(frame.pixels[32, 48, 0])))
        return frame.pixels

    video.convert(
        source, target, containers.container_of(target), look, on_frame=lambda done, count: counts.append((done, count))
    )
    assert [time for time, _ in seen] == TIMES
    assert [red for _, red in seen] == pytest.approx([40 + 15 * i for i in range(len(TIMES))], abs=3)
    assert counts[-1] == (len(TIMES), len(TIMES))


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
@pytest.mark.parametrize("size", [(64, 96), (720, 1280)])
def test_colours_keep_their_meaning(tmp_path, suffix, size):
    """A colour comes back as it was, at heights for which players assume different matrices."""
    source, target = tmp_path / "in.mp4", tmp_path / f"out{suffix}"
    write_film(source, shades(2, size), [0, 40], sound=None)
    convert(source, target, lambda frame, seconds: np.full_like(frame.pixels, (0, 177, 64)))
    with av.open(str(target)) as container:
        frame = next(container.decode(video=0))
    assert video.to_frame(frame).pixels[20:40, 20:40].mean((0, 1)) == pytest.approx([0, 177, 64], abs=4)
    assert frame.colorspace == (video.BT709 if size[0] >= 720 else video.SMPTE170M)


def test_a_transparent_webm_has_real_alpha(tmp_path):
    """RGBA goes into WebM as VP9 with alpha, and comes out of it again."""
    source, target = tmp_path / "in.mp4", tmp_path / "out.webm"
    write_film(source, shades(3), [0, 40, 80], sound=None)

    def halve(frame: Frame, seconds: float) -> np.ndarray:
        alpha = np.zeros(frame.size, np.uint8)
        alpha[:, 48:] = 255
        return np.dstack([frame.pixels, alpha])

    convert(source, target, halve, alpha=True)
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        assert stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) == "1"
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        frame = next(f for p in container.demux(stream) for f in decoder.decode(p))
    alpha = frame.to_ndarray(format="rgba")[..., 3]
    assert alpha[:, :40].max() < 10
    assert alpha[:, 56:].min() > 245


@pytest.mark.parametrize("size", [(63, 95), (64, 95), (17, 16)])
def test_odd_sizes_lose_no_pixel(tmp_path, size):
    """WebM keeps an odd size; MP4 repeats the last row or column, since H.264 takes even sizes only."""
    source = tmp_path / "in.webm"
    write_film(source, shades(2, size), [0, 40], "libvpx-vp9", sound=None)
    for suffix, even in ((".webm", 1), (".mp4", 2)):
        convert(source, tmp_path / f"out{suffix}")
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            stream = container.streams.video[0]
            assert (stream.height, stream.width) == tuple(-(-side // even) * even for side in size)


def test_a_film_without_video_is_refused(tmp_path):
    """An MP4 that holds only sound names the problem."""
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        write_tone(container, container.add_stream("aac", rate=48000, layout="mono"), 1.0)
    with pytest.raises(InputError, match="holds no video"):
        convert(path, tmp_path / "out.mp4")


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
@pytest.mark.parametrize("front", [False, True])
def test_a_film_that_breaks_off_is_refused(tmp_path, share, front):
    """A truncated MP4 is an error wherever it breaks off, and wherever its index stands."""
    path = tmp_path / "in.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (12, 64, 96, 3), np.uint8)
    write_film(path, list(noise), list(range(0, 480, 40)))
    if front:  # the project's own writer puts the index first
        convert(path, tmp_path / "front.mp4")
        path = tmp_path / "front.mp4"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match="breaks off"):
        convert(path, tmp_path / "out.mp4")


def test_a_rotated_film_comes_out_upright(tmp_path, portrait):
    """A phone's rotation is applied to the pixels: what players show before and after is the same."""
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    still = cv2.resize(portrait[:384], (128, 96), interpolation=cv2.INTER_AREA)
    write_film(source, [still] * 3, [0, 40, 80], sound=None)
    rotate_track(source, 90)
    with av.open(str(source)) as container:
        shown = video.to_frame(next(container.decode(video=0))).pixels
    assert shown.shape == (128, 96, 3)
    convert(source, target)
    with av.open(str(target)) as container:
        frame = next(container.decode(video=0))
    assert frame.rotation == 0
    assert np.abs(video.to_frame(frame).pixels.astype(int) - shown).mean() < 4
    clockwise = np.rot90(still, -1)
    assert np.abs(shown.astype(int) - clockwise).mean() < 6


def rotate_track(path: Path, degrees: int) -> None:
    """Put a rotation into an MP4's track header (ISO 14496-12, 8.3.2), as a phone held upright does."""
    assert degrees == 90
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes of fields
    one, none = (1 << 16).to_bytes(4, "big"), bytes(4)
    content[at : at + 36] = b"".join(
        [
            none,
            one,
            none,
            (-(1 << 16)).to_bytes(4, "big", signed=True),
            none,
            none,
            none,
            none,
            (1 << 30).to_bytes(4, "big"),
        ]
    )
    path.write_bytes(content)


def test_an_unknown_ending_is_refused():
    """A file name says which container is meant, or it is an error."""
    with pytest.raises(OutputError, match=r"\.mp4, \.webm"):
        containers.container_of(Path("film.avi"))


def test_a_film_that_changes_its_size_is_refused(tmp_path):
    """Some recorders do that; the picture is neither cut nor smeared, and no traceback is shown."""
    write_film(tmp_path / "in.mp4", shades(3), [0, 40, 80], sound=None)

    def grow(frame: Frame, seconds: float) -> np.ndarray:
        return frame.pixels if seconds < 0.05 else np.zeros((80, 96, 3), np.uint8)

    with pytest.raises(InputError, match="changes its size"):
        convert(tmp_path / "in.mp4", tmp_path / "out.mp4", grow)


def test_times_are_counted_from_the_first_frame(tmp_path):
    """A film that begins late plays its background from the background's beginning, and keeps its own times."""
    times, seen = [5000, 5040, 5080], []
    write_film(tmp_path / "in.mkv", shades(3), times, sound=None)
    convert(tmp_path / "in.mkv", tmp_path / "out.webm", lambda frame, seconds: seen.append(seconds) or frame.pixels)
    assert seen == pytest.approx([0, 0.04, 0.08], abs=1e-6)
    assert times_of(tmp_path / "out.webm") == pytest.approx(times, abs=1)


@pytest.mark.parametrize("name", ["12:30.mp4", "-dash.mp4", "per%20cent.mp4", "ünï.mp4"])
def test_odd_names_are_files(tmp_path, monkeypatch, name):
    """A name with a colon is no protocol."""
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "in.mp4", shades(2), [0, 40], sound=None)
    (tmp_path / "in.mp4").rename(tmp_path / name)
    convert(Path(name), Path(f"out{name}"))
    assert len(times_of(tmp_path / f"out{name}")) == 2


def test_what_a_films_transparency_hid_stays_hidden(tmp_path):
    """Colours under alpha 0 reach neither the network nor the picture."""
    path = tmp_path / "in.mov"
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[:16] = (255, 0, 0, 0)
    pixels[16:] = (0, 0, 255, 255)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 32, "rgba"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgba")))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        frame = video.to_frame(next(container.decode(video=0)))
    assert (frame.pixels[:15] == 128).all()
    assert (frame.opacity[:15] == 0).all()
    assert frame.pixels[20, 20].tolist() == [0, 0, 255]


@pytest.mark.parametrize(("layout", "rate"), [("5.1(side)", 48000), ("stereo", 96000), ("mono", 15000)])
def test_any_sound_can_be_converted(tmp_path, layout, rate):
    """Layouts and rates that the new codec does not know are brought to ones that it does."""
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as container:
        film = container.add_stream("libx264", rate=25)
        film.height, film.width, film.pix_fmt = 64, 96, "yuv420p"
        tone = container.add_stream("pcm_s16le", rate=rate, layout=layout)
        for number, picture in enumerate(shades(5)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(film.encode(frame))
        container.mux(film.encode(None))
        channels = tone.codec_context.layout.nb_channels
        sound = av.AudioFrame.from_ndarray(np.zeros((1, channels * rate // 5), np.int16), "s16", layout)
        sound.sample_rate, sound.pts = rate, 0
        container.mux(tone.encode(sound))
        container.mux(tone.encode(None))
    for suffix in (".webm", ".mp4"):
        convert(source, tmp_path / f"out{suffix}")
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            length = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
        assert length == pytest.approx(0.2, abs=0.08)


def test_every_track_of_sound_is_kept_with_its_language(tmp_path):
    """Two tracks stay two, and say what they are."""
    with av.open(str(tmp_path / "in.mp4"), "w") as container:
        film = container.add_stream("libx264", rate=25)
        film.height, film.width, film.pix_fmt = 64, 96, "yuv420p"
        tones = [container.add_stream("aac", rate=48000, layout="mono") for _ in range(2)]
        for tone, language in zip(tones, ("deu", "fra"), strict=True):
            tone.metadata["language"] = language
        container.mux(film.encode(av.VideoFrame.from_ndarray(shades(1)[0], "rgb24")))
        container.mux(film.encode(None))
        for tone in tones:
            write_tone(container, tone, 0.2)
    convert(tmp_path / "in.mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.metadata["language"] for stream in container.streams.audio] == ["deu", "fra"]
