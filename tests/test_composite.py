"""The person over something else."""

import cv2
import numpy as np
import pytest
from making import write_film

from incognito import background as backgrounds
from incognito.background import Blur, Colour, Image, Transparent
from incognito.composite import compose, exchange
from incognito.frame import Frame, Matte


@pytest.fixture
def scene():
    """A red square person before a green place, with the perfect matte."""
    pixels = np.full((180, 320, 3), (20, 180, 20), np.uint8)
    pixels[40:180, 100:220] = (220, 20, 20)
    alpha = np.zeros((180, 320), np.float32)
    alpha[40:180, 100:220] = 1
    return Frame.of(pixels), Matte(alpha)


def test_blur_takes_background_pixels_only(scene):
    """No halo: the person's red is nowhere outside the person, however strong the blur."""
    frame, matte = scene
    for strength in (4, 16, 100):
        picture = compose(frame, matte, Blur(strength))
        outside = matte.alpha == 0
        assert picture[outside][:, 0].max() <= 21
        assert np.array_equal(picture[~outside], frame.pixels[~outside])


def test_blur_hides_the_place(portrait):
    """Fine detail of the background is gone: under a twentieth of its contrast is left."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (720, 1280, 3), np.uint8)
    picture = compose(Frame.of(noise), Matte(np.zeros((720, 1280), np.float32)), Blur())
    assert picture.std() < noise.std() / 20


def test_blur_is_alike_at_every_size(portrait):
    """The strength is measured on the picture, not in its pixels: large and small look the same."""
    small, large = (cv2.resize(portrait, (n, n), interpolation=cv2.INTER_AREA) for n in (256, 1024))
    one, four = (compose(Frame.of(p), Matte(np.zeros(p.shape[:2], np.float32)), Blur(24)) for p in (small, large))
    assert np.abs(cv2.resize(four, (256, 256), interpolation=cv2.INTER_AREA).astype(int) - one).mean() < 4


def test_transparent_leaves_nothing_of_the_place_in_the_file(scene):
    """RGBA where alpha is 0 holds no colour either."""
    frame, matte = scene
    picture = compose(frame, matte, Transparent())
    assert picture.shape == (180, 320, 4)
    assert not picture[matte.alpha == 0].any()
    assert (picture[matte.alpha == 1] == (220, 20, 20, 255)).all()


def test_soft_alpha_is_kept_to_the_end():
    """Half a person is half a person in the file."""
    frame = Frame.of(np.full((32, 32, 3), 200, np.uint8))
    picture = compose(frame, Matte(np.full((32, 32), 0.5, np.float32)), Transparent())
    assert (picture[..., 3] == 128).all()


def test_a_frames_own_transparency_is_multiplied_in():
    """What was transparent stays so, under a matte that says person."""
    pixels = np.full((32, 32, 4), 200, np.uint8)
    pixels[:16, :, 3] = 0
    matte = Matte(np.ones((32, 32), np.float32))
    assert (compose(Frame.of(pixels), matte, Transparent())[:16, :, 3] == 0).all()
    assert (compose(Frame.of(pixels), matte, Colour(0, 177, 64))[:16] == (0, 177, 64)).all()


def test_a_colour_fills_the_place(scene):
    """Every pixel of the place is the colour, every pixel of the person the person's."""
    frame, matte = scene
    picture = compose(frame, matte, backgrounds.parse("#00b140"))
    assert (picture[matte.alpha == 0] == (0, 0xB1, 0x40)).all()
    assert (picture[matte.alpha == 1] == (220, 20, 20)).all()


@pytest.mark.parametrize("size", [(90, 160), (400, 100), (33, 47)])
def test_an_image_covers_the_frame(scene, size):
    """Whatever its shape, the image is scaled evenly and cut: no bars, no stretching."""
    frame, matte = scene
    image = np.zeros((*size, 3), np.uint8)
    image[: size[0] // 2] = 255
    picture = compose(frame, matte, Image(image))
    assert (picture[:20] == 255).all()
    assert (picture[-20:, :90] == 0).all()


def test_a_film_plays_at_its_own_pace_and_begins_again(tmp_path, scene):
    """A film of three shades, 100 ms each, is shown by the time asked for, round and round."""
    frame, matte = scene
    shades = [np.full((48, 64, 3), level, np.uint8) for level in (20, 120, 220)]
    write_film(tmp_path / "behind.mp4", shades, [0, 100, 200], sound=None)
    film = backgrounds.parse(str(tmp_path / "behind.mp4"))
    shown = [int(compose(frame, matte, film, t)[0, 0, 0]) for t in (0.0, 0.05, 0.1, 0.19, 0.2, 0.29, 0.31, 0.42, 0.55)]
    assert shown == pytest.approx([20, 20, 120, 120, 220, 220, 20, 120, 220], abs=4)


def test_a_film_whose_times_stand_still_does_not_hang(tmp_path, scene):
    """Two pictures at one time are shown one after the other, for ever, and hours pass at once."""
    frame, matte = scene
    write_film(tmp_path / "behind.mp4", [np.full((48, 64, 3), 20, np.uint8)], [0], sound=None)
    film = backgrounds.parse(str(tmp_path / "behind.mp4"))
    for seconds in (0.0, 1.0, 360_000.0):
        assert int(compose(frame, matte, film, seconds)[0, 0, 0]) == pytest.approx(20, abs=4)


@pytest.mark.parametrize("name", ["place.png", "place.jpg", "place.webp"])
def test_an_images_path_is_a_background(tmp_path, scene, name):
    """JPEG, PNG and WebP are all images."""
    cv2.imwrite(str(tmp_path / name), np.full((50, 50, 3), (200, 100, 50), np.uint8))
    frame, matte = scene
    picture = compose(frame, matte, backgrounds.parse(str(tmp_path / name)))
    assert picture[0, 0] == pytest.approx([50, 100, 200], abs=3)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 16), (17, 31)])
@pytest.mark.parametrize("text", ["transparent", "blur", "blur:100", "#102030"])
def test_tiny_frames_work(size, text):
    """Down to a single pixel."""
    frame = Frame.of(np.full((*size, 3), 99, np.uint8))
    picture = compose(frame, Matte(np.full(size, 0.5, np.float32)), backgrounds.parse(text))
    assert picture.shape[:2] == size


def test_a_streams_edges_are_as_clean_as_a_stills():
    """A red disc with a soft edge on green, laid over blue: no green is left, and nothing beyond its alpha."""
    rows, columns = np.indices((360, 640))
    alpha = np.clip((100 - np.hypot(rows - 180, columns - 320)) / 8 + 0.5, 0, 1).astype(np.float32)[..., None]
    red, green, blue = np.float32([200, 30, 30]), np.float32([30, 200, 30]), np.float32([20, 20, 220])
    frame = Frame.of((red * alpha + green * (1 - alpha)).round().astype(np.uint8))
    truth = red * alpha + blue * (1 - alpha)
    soft = (alpha[..., 0] > 0) & (alpha[..., 0] < 1)
    matte, behind = Matte(alpha[..., 0]), Colour(*blue.astype(int))
    stream, still = (way(frame, matte, behind) for way in (exchange, compose))
    off_stream, off_still = (np.abs(each[soft] - truth[soft]).mean() for each in (stream, still))
    assert off_stream < 4 and off_stream < off_still + 2
    assert np.array_equal(stream[~soft], still[~soft])


def test_a_streams_picture_of_nobody_is_the_background_alone(portrait):
    """And of somebody everywhere, the frame: whatever stood in the memory before."""
    nobody, everybody = (Matte.of_levels(np.full(portrait.shape[:2], level, np.uint8)) for level in (0, 255))
    for behind in (Colour(1, 2, 3), Image(portrait[::-1, :300]), Blur()):
        assert np.array_equal(exchange(Frame(portrait), everybody, behind), portrait)
        picture = exchange(Frame(portrait), nobody, behind)
        assert np.array_equal(picture, behind.behind(Frame(portrait), nobody, 0.0))
