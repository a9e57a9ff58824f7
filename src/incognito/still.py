"""A still: a photo as its file has it, with its depth, greys, transparency, colours and notes; in and out."""

from __future__ import annotations

import importlib
import io
import warnings
from dataclasses import dataclass, field
from importlib.util import find_spec

import cv2
import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from incognito import metadata, photo
from incognito.errors import InputError, OutputError, first_line
from incognito.frame import FLAT_GREY, Frame
from incognito.header import read_header, sniff
from incognito.metadata import Metadata

LARGEST = 178_000_000  # pixels; more is refused before it is decoded
KINDS = "JPEG, PNG, WebP, AVIF or TIFF"

# How each format is written. Colours beside an edge are as sharp as the edge: JPEG halves no chroma.
OPTIONS: dict[str, dict[str, object]] = {
    "PNG": {"compress_level": 3},
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "WebP": {"quality": 95},
    "AVIF": {"quality": 90},
    "TIFF": {"compression": "tiff_adobe_deflate"},
}
DEEP = frozenset({"PNG", "TIFF"})  # formats that hold 16 bits

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # LARGEST is the limit here
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # of damaged notes: errors are one line


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """A photo, upright. `frame` is what the network sees; `deep` the same in uint16 RGB (H, W, 3), where there is more.

    `deep_opacity`, uint16 (H, W), is its transparency in full; `grey` says that it has no colours.
    """

    frame: Frame
    deep: np.ndarray | None = None
    deep_opacity: np.ndarray | None = None
    grey: bool = False
    notes: Metadata = field(default_factory=Metadata)


def read(data: bytes, name: str, srgb: bool = False) -> Still:
    """Decode a photo; `name` is what errors call it; `srgb` brings its colours there. Raises InputError."""
    image = _opened(data, name)
    try:
        return _decoded(image, data, name, srgb)
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever a damaged file leads them to
        raise _damaged(name, image.format or "picture", error) from None


def encode(picture: np.ndarray, format: str, notes: Metadata | None = None) -> bytes:
    """Encode uint8 or uint16 grey (H, W), grey with alpha (H, W, 2), RGB or RGBA, with a photo's notes.

    16 bits stay where the format holds them (PNG, TIFF). Raises OutputError.
    """
    grey = picture.ndim == 2 or picture.shape[2] == 2
    notes = (notes or Metadata()).for_colours(grey)
    if picture.dtype == np.uint16 and format in DEEP:
        return _encode_deep(picture, format, notes)
    if picture.dtype == np.uint16:
        picture = _shallow(picture)
    image = Image.fromarray(picture)
    notes = notes.for_tiff() if format == "TIFF" else notes
    given = {"icc_profile": notes.profile, "exif": notes.exif, "xmp": notes.xmp}
    options = OPTIONS[format] | {name: value for name, value in given.items() if value}
    if format == "TIFF" and notes.exif:  # libtiff, which compresses, takes no directories within directories
        del options["compression"]
    if format == "PNG" and notes.xmp:
        options["pnginfo"] = _png_text(notes.xmp)
    target = io.BytesIO()
    try:
        image.save(target, format.upper(), **options)
    except Exception as error:  # each encoder has its own
        raise _too_large(format, picture, error) from None
    return target.getvalue()


def _decoded(image: Image.Image, data: bytes, name: str, srgb: bool) -> Still:
    notes, depth = metadata.of_image(image), _depth(image, data)
    convert = srgb or image.mode not in ("1", "L", "LA", "I;16", "RGB", "RGBA", "P", "PA")
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    grey = image.mode in ("1", "L", "LA", "I;16") and not convert
    if depth == 16 and not convert:
        return _of_deep(_deep(data, image.size, name), grey, notes)
    image = image.convert("RGBA") if image.has_transparency_data else image
    if convert:
        image, notes = metadata.to_srgb(image, notes.profile, name), Metadata(notes.exif, notes.xmp)
    wanted = "RGBA" if "A" in image.mode else "RGB"
    image = image if image.mode == wanted else image.convert(wanted)
    return Still(Frame.of(np.asarray(image)), grey=grey, notes=notes)


def size_of(data: bytes, name: str) -> tuple[int, int]:
    """Height and width of a photo as it is stored, by its header alone; raises InputError."""
    if header := read_header(data):
        return header.height, header.width
    image = _opened(data, name)
    return image.height, image.width


def _opened(data: bytes, name: str) -> Image.Image:
    """Read a photo's header; raises InputError where it is none, too large, or breaks off."""
    kind, header = sniff(data), read_header(data)
    if kind is None:
        raise InputError(f"{name} is no picture of a kind that is known; convert it to {KINDS} first")
    if header and header.width * header.height <= LARGEST and not header.whole:
        raise _damaged(name, kind)
    if kind == "HEIC":
        _learn_heic(name)
    try:
        image = Image.open(io.BytesIO(data), formats=["HEIF" if kind == "HEIC" else kind.upper()])
    except Image.DecompressionBombError:
        raise _over(name) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise _damaged(name, kind, error) from None
    if image.width * image.height > LARGEST:
        raise _over(name)
    return image


def _learn_heic(name: str) -> None:
    if find_spec("pillow_heif") is None:
        raise InputError(f"{name} is a HEIC, which needs pillow-heif; pip install pillow-heif, or convert it to JPEG")
    importlib.import_module("pillow_heif").register_heif_opener()


def _depth(image: Image.Image, data: bytes) -> int:
    """Bits of a channel in the file (PNG: IHDR; TIFF: BitsPerSample, SampleFormat); Pillow's colours have 8 only."""
    if image.format == "PNG":
        return data[24]
    tags = getattr(image, "tag_v2", {})
    return 16 if 16 in tags.get(258, (8,)) and tags.get(339, (1,))[0] == 1 else 8


def _deep(data: bytes, size: tuple[int, int], name: str) -> np.ndarray:
    """Decode 16 bits, upright, to grey (H, W), RGB or RGBA."""
    buffer = np.frombuffer(data, np.uint8)
    deep = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    if deep is None or deep.dtype != np.uint16:
        raise _damaged(name, "picture of 16 bits")
    if deep.ndim == 3:
        deep = cv2.cvtColor(deep, cv2.COLOR_BGRA2RGBA if deep.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return _turned(deep, Image.open(io.BytesIO(data)).getexif().get(metadata.ORIENTATION, 1), size)


def _turned(pixels: np.ndarray, orientation: int, size: tuple[int, int]) -> np.ndarray:
    """Turn pixels upright, unless the decoder did; raises InputError where the shapes do not agree."""
    turned = photo.turn(pixels, orientation)
    if turned.shape[1::-1] != size:
        raise InputError("the photo says two sizes of itself; save it again with another program")
    return turned


def _of_deep(deep: np.ndarray, grey: bool, notes: Metadata) -> Still:
    frame = Frame.of(_shallow(deep))
    opacity = np.ascontiguousarray(deep[..., 3]) if deep.ndim == 3 and deep.shape[2] == 4 else None
    colours = cv2.cvtColor(deep, cv2.COLOR_GRAY2RGB) if deep.ndim == 2 else np.ascontiguousarray(deep[..., :3])
    if opacity is not None:  # laid over grey, as the frame is
        weight = (opacity / np.float32(65535))[..., None]
        colours = (colours * weight + FLAT_GREY * 257 * (1 - weight) + 0.5).astype(np.uint16)
    return Still(frame, colours, opacity, grey, notes)


def _shallow(deep: np.ndarray) -> np.ndarray:
    """16 bits to 8, rounded."""
    return np.ascontiguousarray(((deep.astype(np.uint32) + 128) // 257).astype(np.uint8))


def _encode_deep(picture: np.ndarray, format: str, notes: Metadata) -> bytes:
    if format == "TIFF":
        return _encode_tiff(picture, notes)
    if picture.ndim == 3 and picture.shape[2] == 2:  # OpenCV writes no grey with alpha
        picture = picture[..., [0, 0, 0, 1]]
    if picture.ndim == 3:
        order = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
        picture = cv2.cvtColor(np.ascontiguousarray(picture), order)
    given = {cv2.IMAGE_METADATA_EXIF: notes.exif, cv2.IMAGE_METADATA_XMP: notes.xmp}
    given[cv2.IMAGE_METADATA_ICCP] = notes.profile
    blocks = {kind: np.frombuffer(_bare(block), np.uint8) for kind, block in given.items() if block}
    try:
        _, data = cv2.imencodeWithMetadata(".png", picture, [*blocks], [*blocks.values()])
    except cv2.error as error:
        raise _too_large("PNG", picture, error) from None
    return bytes(data)


def _encode_tiff(picture: np.ndarray, notes: Metadata) -> bytes:
    """16 bits as TIFF, with the profile and XMP; EXIF, which lies in directories of its own, stays behind."""
    import tifffile

    target = io.BytesIO()
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    tifffile.imwrite(
        target,
        picture,
        photometric="minisblack" if channels < 3 else "rgb",
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        planarconfig="contig" if channels > 1 else None,
        compression="zlib",
        iccprofile=notes.profile,
        extratags=[(700, "B", len(notes.xmp), notes.xmp, True)] if notes.xmp else [],
        metadata=None,
    )
    return target.getvalue()


def _bare(block: bytes) -> bytes:
    """EXIF without the mark that JPEG puts before it."""
    return block.removeprefix(b"Exif\0\0")


def _png_text(xmp: bytes) -> PngImagePlugin.PngInfo:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    return text


def _damaged(name: str, kind: str, error: Exception | None = None) -> InputError:
    reason = f" ({first_line(error)})" if error else ""
    return InputError(f"{name} is a {kind} that breaks off or is damaged{reason}; get the whole file again")


def _over(name: str) -> InputError:
    return InputError(f"{name} is over {LARGEST // 10**6} megapixels; scale it down first")


def _too_large(format: str, picture: np.ndarray, error: Exception) -> OutputError:
    size = f"{picture.shape[1]}x{picture.shape[0]}"
    return OutputError(f"{format} cannot hold {size} pixels ({first_line(error)}); write PNG instead")
