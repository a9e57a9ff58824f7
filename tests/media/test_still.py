"""Photos with everything that their files say: what goes in comes out, minus the background."""

from __future__ import annotations

import io
import itertools
import os
import resource
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from making import mutated
from PIL import ExifTags, Image, ImageCms

from incognito import cutout, photo, still
from incognito.background import Blur, Colour, Transparent
from incognito.errors import InputError, OutputError
from incognito.finish import Finish
from incognito.frame import Matte

FORMATS = ["PNG", "JPEG", "WebP", "AVIF", "TIFF"]
LOSSLESS = ["PNG", "TIFF"]
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description tiff:Orientation="6" exif:GPSLatitude="1,2N" dc:creator="nobody">'
    b"<xmp:Thumbnails><rdf:li>AAAA</rdf:li></xmp:Thumbnails><photoshop:City>Houston</photoshop:City>"
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def wide_profile() -> bytes:
    """The profile of a display with other primaries than sRGB's: sRGB's own, red and green exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", data, 128)[0]
    places = {bytes(data[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, green = places[b"rXYZ"], places[b"gXYZ"]
    data[red + 4 : red + 12], data[green + 4 : green + 12] = data[green + 4 : green + 12], data[red + 4 : red + 12]
    return bytes(data)


def exif(orientation: int = 1, thumbnail: bytes = b"") -> bytes:
    """An EXIF block with a maker, a place and, in a second directory, a thumbnail."""
    block = Image.Exif()
    block[ExifTags.Base.Make], block[ExifTags.Base.Orientation] = "Maker", orientation
    block.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (29.0, 45.0, 0.0)})
    data = bytearray(block.tobytes())
    if thumbnail:  # link a second directory to the end of the first one
        count = struct.unpack_from(">H", data, 14)[0]
        struct.pack_into(">I", data, 16 + 12 * count, len(data) - 6)
        at = len(data) - 6 + 2 + 24 + 4
        data += struct.pack(">HHHIIHHII", 2, 0x201, 4, 1, at, 0x202, 4, 1, len(thumbnail)) + bytes(4) + thumbnail
    return bytes(data)


def saved(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, format.upper(), **options)
    return target.getvalue()


def half(still_in: still.Still) -> Matte:
    """A matte that is person on the left, nothing on the right, and soft in between."""
    height, width = still_in.frame.size
    ramp = np.clip((width / 2 - np.arange(width, dtype=np.float32)) / 8 + 0.5, 0, 1)
    return Matte(np.tile(ramp, (height, 1)))


def made(data: bytes, format: str, background=None, finish: Finish | None = None) -> Image.Image:
    """A photo's file, taken all the way, as it is opened again."""
    wanted = finish or Finish()
    taken = still.read(data, "it", wanted.srgb)
    picture = cutout.make(taken, half(taken), background or Transparent(), wanted)
    return Image.open(io.BytesIO(still.encode(picture, format, cutout.notes_of(taken, picture, wanted))))


@pytest.fixture(scope="module")
def small(portrait) -> Image.Image:
    """The portrait's head, 160 x 128."""
    return Image.fromarray(np.ascontiguousarray(portrait[40:168, 140:300]))


@pytest.mark.parametrize("format", FORMATS)
def test_profile_exif_and_xmp_are_kept(small, format):
    """In every format, byte for byte where that is their own business."""
    profile = wide_profile()
    data = saved(small, "JPEG", exif=exif(), xmp=XMP, icc_profile=profile)
    result = made(data, format, Blur())
    assert result.info["icc_profile"] == profile
    assert result.getexif()[ExifTags.Base.Make] == "Maker"
    assert result.getexif().get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
    text = result.info.get("xmp") or result.info.get("XML:com.adobe.xmp") or result.tag_v2[700]
    assert b"nobody" in (text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize("format", FORMATS)
def test_a_place_is_dropped_where_that_is_asked_for(small, format):
    """From EXIF and XMP; all else stays."""
    data = saved(small, "JPEG", exif=exif(), xmp=XMP)
    taken = still.read(data, "it")
    picture = cutout.make(taken, half(taken), Blur())
    encoded = still.encode(picture, format, cutout.notes_of(taken, picture, Finish(place=False)))
    found = Image.open(io.BytesIO(encoded)).getexif()
    assert found[ExifTags.Base.Make] == "Maker" and not found.get_ifd(ExifTags.IFD.GPSInfo)
    assert b"GPS" not in encoded and b"Houston" not in encoded


@pytest.mark.parametrize("format", FORMATS)
def test_a_thumbnail_is_never_kept(small, format):
    """It shows the background."""
    thumbnail = saved(small.resize((32, 24)), "JPEG")
    data = saved(small, "JPEG", exif=exif(thumbnail=thumbnail), xmp=XMP)
    assert thumbnail in data and Image.open(io.BytesIO(data)).getexif().get_ifd(ExifTags.IFD.IFD1)
    taken = still.read(data, "it")
    picture = cutout.make(taken, half(taken), Blur())
    encoded = still.encode(picture, format, cutout.notes_of(taken, picture))
    assert thumbnail[20:200] not in encoded and b"xmp:Thumbnails" not in encoded
    assert not Image.open(io.BytesIO(encoded)).getexif().get_ifd(ExifTags.IFD.IFD1)


@pytest.mark.parametrize(("orientation", "format"), [*itertools.product(range(1, 9), ["JPEG", "PNG", "TIFF", "WebP"])])
def test_orientation_is_applied_once(small, orientation, format):
    """The pixels come upright, and the file says so: a viewer does not turn them again."""
    data = saved(small, format, exif=exif(orientation))
    expected = still.read(saved(small, format), "it").frame.pixels
    taken = still.read(data, "it")
    assert np.abs(taken.frame.pixels.astype(int) - photo.turn(expected, orientation)).max() <= 2
    picture = cutout.make(taken, half(taken), Blur())
    result = still.encode(picture, format, cutout.notes_of(taken, picture))
    assert Image.open(io.BytesIO(result)).getexif().get(ExifTags.Base.Orientation, 1) == 1


def deep_portrait(small: Image.Image) -> np.ndarray:
    """The portrait with 16 bits that are no copies of 8."""
    noise = np.random.default_rng(0).integers(0, 257, (*small.size[::-1], 3))
    return np.clip(np.asarray(small).astype(int) * 257 + noise - 128, 0, 65535).astype(np.uint16)


@pytest.mark.parametrize(("kind", "format"), [*itertools.product([".png", ".tif"], LOSSLESS)])
def test_16_bits_stay(small, kind, format):
    """Bit for bit where all is person; the profile and the notes stay too."""
    deep = deep_portrait(small)
    taken = still.read(cv2.imencode(kind, deep[..., ::-1])[1].tobytes(), "it")
    picture = cutout.make(taken, half(taken), Transparent())
    assert (picture.dtype, picture.shape) == (np.uint16, (128, 160, 4))
    encoded = still.encode(picture, format, cutout.notes_of(taken, picture))
    again = still.read(encoded, "it")
    assert np.array_equal(again.deep[:, :70], deep[:, :70])
    assert again.deep_opacity[0, 10] == 65535 and again.deep_opacity[0, 150] == 0
    assert len(np.unique(again.deep_opacity[0])) > 4
    shallow = still.encode(picture, "WebP")
    assert still.read(shallow, "it").deep is None


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_16_bits_are_turned_too(small, orientation):
    """PNG by its EXIF chunk."""
    deep = deep_portrait(small)
    data = still.encode(deep, "PNG", still.Metadata(exif=exif(orientation)))
    assert np.array_equal(still.read(data, "it").deep, photo.turn(deep, orientation))


def test_grey_stays_grey(small):
    """With its alpha, and in 16 bits; over a colour it gets colours."""
    grey = small.convert("L")
    assert made(saved(grey), "PNG").mode == "LA"
    assert made(saved(grey), "JPEG", Blur()).mode == "L"
    assert made(saved(grey), "PNG", Colour(200, 30, 30)).mode == "RGB"
    deep = np.asarray(grey).astype(np.uint16) * 257 + 5
    taken = still.read(cv2.imencode(".png", deep)[1].tobytes(), "it")
    picture = cutout.make(taken, half(taken), Blur())
    again = still.read(still.encode(picture, "TIFF"), "it")
    assert again.grey and np.array_equal(again.deep[:, :70, 0], deep[:, :70])


def test_a_grey_profile_does_not_go_on_a_picture_with_colours(small):
    """No program could open it."""
    data = saved(small.convert("L"), icc_profile=b"\0" * 16 + b"GRAY" + b"\0" * 200)
    assert "icc_profile" not in made(data, "PNG", Colour(200, 30, 30)).info


@pytest.mark.parametrize("mode", ["P", "1", "PA"])
def test_palettes_are_resolved(small, mode):
    """Their colours come out as they were shown."""
    image = small.convert("RGBA").convert("P").convert("PA") if mode == "PA" else small.convert(mode)
    data = saved(image, "TIFF" if mode == "PA" else "PNG") if mode != "PA" else saved(image.convert("P"))
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.abs(np.asarray(made(data, "PNG").convert("RGB"))[:, :70].astype(int) - expected[:, :70]).max() == 0


def test_a_palettes_transparent_colour_stays_transparent():
    """A hole in the person is a hole."""
    image = Image.new("P", (64, 32), 1)
    image.putpalette([0, 0, 0, 200, 40, 40])
    image.paste(0, (4, 4, 12, 12))
    data = saved(image, transparency=0)
    alpha = np.asarray(made(data, "PNG"))[..., 3]
    assert alpha[8, 8] == 0 and alpha[20, 20] == 255


def test_cmyk_is_converted(small):
    """By its profile where it has one; the result is RGB."""
    result = made(saved(small.convert("CMYK"), "JPEG", quality=98), "PNG")
    shown = np.asarray(result.convert("RGB"))[:, :70].astype(int)
    assert result.mode == "RGBA" and np.abs(shown - np.asarray(small)[:, :70]).mean() < 4


@pytest.mark.parametrize("format", ["PNG", "WebP", "AVIF", "TIFF"])
def test_alpha_of_its_own_is_multiplied(small, format):
    """Never replaced: what was hidden stays hidden."""
    image = small.copy()
    image.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 160).astype(np.uint8), (128, 1))))
    alpha = np.asarray(made(saved(image), format))[..., 3].astype(int)
    expected = np.linspace(0, 255, 160).astype(np.uint8).astype(int)
    assert np.abs(alpha[64, :70] - expected[:70]).max() <= 3 and alpha[64, 95:].max() <= 1


def lab(picture: np.ndarray) -> np.ndarray:
    """CIE L*a*b*, D65, of sRGB from 0 to 1."""
    return cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2LAB)


@pytest.mark.parametrize("format", LOSSLESS)
@pytest.mark.parametrize("background", [Transparent(), Blur(), Colour(0, 177, 64)], ids=["nothing", "blur", "colour"])
def test_the_person_keeps_its_colours(small, format, background):
    """Delta E of 1 at most where nothing was to be done; here it is 0."""
    result = np.asarray(made(saved(small), format, background).convert("RGB"))
    difference = lab(result[:, :70] / 255) - lab(np.asarray(small)[:, :70] / 255)
    assert np.sqrt((difference**2).sum(-1)).max() <= 1


def test_srgb_is_made_of_other_colours(small):
    """By the profile, which then is none any more."""
    data = saved(small, icc_profile=wide_profile())
    result = made(data, "PNG", Colour(0, 177, 64), Finish(srgb=True))
    assert "icc_profile" not in result.info
    shown, stored = np.asarray(result)[:, :70].astype(int), np.asarray(small)[:, :70].astype(int)
    assert np.abs(shown - stored[..., [1, 0, 2]]).mean() < 3  # red and green were exchanged
    assert np.asarray(result)[64, 150].tolist() == [0, 177, 64]


def test_a_colour_behind_is_brought_to_the_photos_profile(small):
    """It looks as it was asked for: the numbers are the profile's."""
    result = made(saved(small, icc_profile=wide_profile()), "PNG", Colour(0, 177, 64))
    assert np.abs(np.asarray(result)[64, 150].astype(int) - (177, 0, 64)).max() <= 3
    assert np.array_equal(np.asarray(result)[:, :70], np.asarray(small)[:, :70])


def test_a_profile_that_is_none_is_refused_or_left():
    """It matters only where colours are to be converted."""
    data = saved(Image.new("RGB", (64, 32), (200, 40, 40)), icc_profile=b"\0" * 16 + b"RGB " + b"\0" * 100)
    assert made(data, "PNG").size == (64, 32)
    with pytest.raises(InputError, match="colour profile that cannot be used"):
        still.read(data, "it", srgb=True)


@pytest.mark.parametrize("format", ["JPEG", "WebP", "AVIF"])
def test_what_a_format_cannot_hold_is_refused(format):
    """In one line, with another format."""
    with pytest.raises(OutputError, match="write PNG instead"):
        still.encode(np.zeros((1, 70_000, 3), np.uint8), format)


def test_heic_without_its_package_says_what_to_install(monkeypatch):
    """One line."""
    monkeypatch.setattr(still, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install pillow-heif"):
        still.read(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "it")


MUTATIONS = int(os.environ.get("INCOGNITO_MUTATIONS", "120"))


@pytest.mark.parametrize("format", FORMATS)
def test_a_mutated_photo_is_taken_or_refused(small, format):
    """Nothing else: no other error, no crash."""
    data = saved(small, format, exif=exif(), xmp=XMP)
    outcomes = set()
    for seed in range(MUTATIONS // len(FORMATS)):
        try:
            outcomes.add(still.read(mutated(data, seed), "it").frame.size)
        except InputError as error:
            assert "\n" not in str(error)
            outcomes.add("refused")
    assert "refused" in outcomes


def test_a_bomb_beside_the_pixels_is_not_unpacked():
    """Text and profiles that unpack to hundreds of megabytes are refused, or left as they are."""
    packed = zlib.compress(bytes(3 * 10**8), 9)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    plain = saved(Image.new("RGB", (8, 8)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for bomb in (chunk(b"zTXt", b"Comment\0\0" + packed), chunk(b"iCCP", b"name\0\0" + packed)):
        try:
            assert still.read(plain[:33] + bomb + plain[33:], "it").frame.size == (8, 8)
        except InputError as error:
            assert "damaged" in str(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_the_command_takes_all_of_it(tmp_path, portrait):
    """From file to file, in a process of its own."""
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(portrait[..., [1, 0, 2]])))
    (tmp_path / "in.jpg").write_bytes(saved(turned, "JPEG", exif=exif(6), icc_profile=wide_profile()))
    words = ["--crop", "--margin", "5%", "--size", "300x400", "--shadow", "soft", "--srgb", "--no-location"]
    line = [
        sys.executable,
        "-m",
        "incognito",
        "remove",
        str(tmp_path / "in.jpg"),
        "-o",
        str(tmp_path / "out.tif"),
        *words,
    ]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    result = Image.open(tmp_path / "out.tif")
    assert (result.size, result.mode) == ((300, 400), "RGBA")
    assert not result.getexif().get_ifd(ExifTags.IFD.GPSInfo)
