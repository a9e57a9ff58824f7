"""What a photo's file says beside its pixels: EXIF, XMP and the colour profile, and what of it may go on.

A thumbnail never goes on: it shows the background that was taken away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO

from PIL import ExifTags, Image, ImageCms

from incognito.errors import InputError, first_line

ORIENTATION = ExifTags.Base.Orientation
THUMBNAILS = (b"xmp:Thumbnails", b"xap:Thumbnails", b"photoshop:History")
PLACES = (
    rb"exif:GPS\w+",
    rb"photoshop:(?:City|State|Country)",
    rb"Iptc4xmp(?:Core|Ext):\w*Location\w*",
    rb"Iptc4xmpCore:CountryCode",
)

# Tags of the first directory that go on. In a TIFF the others say how its pixels are stored; Photoshop's resources and
# the makers' notes may hold previews.
KEPT = frozenset({270, 271, 272, 274, 282, 283, 296, 305, 306, 315, 18246, 33432, 34665, 34853, *range(40091, 40096)})

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@dataclass(frozen=True, slots=True)
class Metadata:
    """EXIF and XMP as bytes, and an ICC profile; None where the file has none."""

    exif: bytes | None = None
    xmp: bytes | None = None
    profile: bytes | None = None

    def without_place(self) -> Metadata:
        """The same, but for where the photo was taken."""
        return replace(self, exif=_without_gps(self.exif), xmp=self.xmp and _without(self.xmp, PLACES))

    def for_tiff(self) -> Metadata:
        """The same, with the XMP among the tags of the first directory, where a TIFF has it."""
        if self.xmp is None:
            return self
        exif = Image.Exif()
        exif.load(self.exif or b"")
        exif[700] = self.xmp
        return replace(self, exif=exif.tobytes(), xmp=None)

    def for_colours(self, grey: bool) -> Metadata:
        """The same, less a profile that does not fit pictures in grey, or in RGB."""
        fits = self.profile is not None and self.profile[16:20] == (b"GRAY" if grey else b"RGB ")
        return self if fits else replace(self, profile=None)


def of_image(image: Image.Image) -> Metadata:
    """Read an image's; its orientation is said to be upright, for the pixels are turned so."""
    xmp = image.info.get("xmp")
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    if xmp:
        xmp = _without(xmp, THUMBNAILS)
        xmp = re.sub(rb"(tiff:Orientation(?:=[\"']|>))\d", rb"\g<1>1", xmp)
    return Metadata(_exif_of(image), xmp, image.info.get("icc_profile"))


def to_srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    """Bring an image to sRGB by its profile; alpha stays. CMYK without one by the usual rough rule."""
    if profile is None:
        return image if image.mode in ("RGB", "RGBA", "L", "LA") else image.convert("RGB")
    colours = image.convert(image.mode.removesuffix("A")) if image.mode in ("RGBA", "LA") else image
    try:
        turned = ImageCms.profileToProfile(colours, _opened(profile), SRGB, outputMode="RGB")
    except ImageCms.PyCMSError as error:
        raise InputError(f"{name} has a colour profile that cannot be used ({first_line(error)}); remove it") from None
    if turned is None:  # it is None only where the image is changed in its place
        return image
    if image.mode in ("RGBA", "LA"):
        turned.putalpha(image.getchannel("A"))
    return turned


def from_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Bring an sRGB image to a profile's colours: what is laid behind a photo that keeps its own."""
    turned = ImageCms.profileToProfile(image, SRGB, _opened(profile), outputMode="RGB")
    return image if turned is None else turned


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    try:
        return ImageCms.ImageCmsProfile(BytesIO(profile))
    except OSError as error:
        raise ImageCms.PyCMSError(str(error)) from None


def _exif_of(image: Image.Image) -> bytes | None:
    """An image's EXIF, less what its pixels' storage is and what shows the picture as it was.

    Pillow writes the first directory only, so a thumbnail, in the second, stays behind.
    """
    with suppress(Exception):  # whatever damage the parts have: a photo is worth more than its notes
        exif = Image.Exif()
        exif.load(image.getexif().tobytes())
        for tag in set(exif) - KEPT:
            del exif[tag]
        exif.get_ifd(ExifTags.IFD.Exif).pop(ExifTags.Base.MakerNote, None)
        if ORIENTATION in exif:
            exif[ORIENTATION] = 1
        return exif.tobytes() if len(exif) else None
    return None


def _without_gps(block: bytes | None) -> bytes | None:
    if block is None:
        return None
    exif = Image.Exif()
    exif.load(block)
    exif.get_ifd(ExifTags.IFD.GPSInfo).clear()
    exif.pop(ExifTags.IFD.GPSInfo, None)
    return exif.tobytes() if len(exif) else None


def _without(xmp: bytes, names: Sequence[bytes]) -> bytes:
    """XMP less some properties, whether they are written as elements or as attributes."""
    for name in names:
        xmp = re.sub(rb"<(" + name + rb")\b[^>]*?(?:/>|>.*?</\1\s*>)", b"", xmp, flags=re.DOTALL)
        xmp = re.sub(rb"\s" + name + rb"=(?:\"[^\"]*\"|'[^']*')", b"", xmp)
    return xmp
