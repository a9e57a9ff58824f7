"""Pictures in and out, fast and in 8 bits: JPEG, PNG and WebP, EXIF orientation applied. `still` has all of a photo."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from incognito.errors import InputError, OutputError
from incognito.frame import Frame
from incognito.header import orientation_of, read_header, sniff

LARGEST = 200_000_000  # pixels; more is refused before it is decoded
PORTRAIT = Path(__file__).parent / "assets" / "astronaut.jpg"  # comes with the package
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WebP"}
FORMATS |= {".avif": "AVIF", ".tif": "TIFF", ".tiff": "TIFF"}
WITH_ALPHA = frozenset({"PNG", "WebP", "AVIF", "TIFF"})

_ENCODINGS = {
    "PNG": (".png", [cv2.IMWRITE_PNG_COMPRESSION, 3]),
    "JPEG": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95]),
    "WebP": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 95]),
}


def read(data: bytes, name: str) -> Frame:
    """Decode a photo; `name` is what errors call it. Raises InputError where it is damaged or too large."""
    header = read_header(data)
    if header is None:
        raise InputError(f"{name} is no JPEG, PNG or WebP picture; convert it to one of these first")
    if header.width * header.height > LARGEST:
        raise InputError(f"{name} is {header.width}x{header.height}, over 200 megapixels; scale it down first")
    pixels = _decode(data, header.format) if header.whole else None
    if pixels is None:
        raise InputError(f"{name} is a {header.format} that breaks off or is damaged; get the whole file again")
    return Frame.of(pixels)


def is_photo(path: Path) -> bool:
    """Whether a file is a photo by what is in it, or at least by its name."""
    with path.open("rb") as file:
        return sniff(file.read(64)) is not None or path.suffix.lower() in FORMATS


def encode(picture: np.ndarray, format: str) -> bytes:
    """Encode uint8 grey (H, W), RGB (H, W, 3) or RGBA (H, W, 4) as PNG, JPEG or WebP."""
    suffix, options = _ENCODINGS[format]
    if picture.ndim == 3:
        order = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
        picture = cv2.cvtColor(picture, order)
    try:
        encoded, data = cv2.imencode(suffix, picture, options)
    except cv2.error:
        encoded = False
    if not encoded:
        height, width = picture.shape[:2]
        raise OutputError(f"{format} cannot hold {width}x{height} pixels; write PNG instead")
    return data.tobytes()


def format_of(target: Path) -> str:
    """The format that a file name asks for; raises OutputError for one that cannot be written."""
    try:
        return FORMATS[target.suffix.lower()]
    except KeyError:
        raise OutputError(f"{target} has no ending that photos are written as; use {', '.join(FORMATS)}") from None


def _decode(data: bytes, format: str) -> np.ndarray | None:
    """Decode to uint8 RGB or RGBA; orientation applied, 16 bit brought to 8."""
    buffer = np.frombuffer(data, np.uint8)
    if format in WITH_ALPHA:
        stored, _, blocks = cv2.imdecodeWithMetadata(buffer, cv2.IMREAD_UNCHANGED)
        if stored is not None and stored.ndim == 3 and stored.shape[2] == 4:
            if stored.dtype == np.uint16:
                stored = cv2.convertScaleAbs(stored, alpha=1 / 257)
            return turn(cv2.cvtColor(stored, cv2.COLOR_BGRA2RGBA), orientation_of(*map(bytes, blocks)))
    return cv2.imdecode(buffer, cv2.IMREAD_COLOR_RGB)  # which applies the orientation itself, but knows no alpha


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a picture upright (EXIF 2.32, table 6: 1 to 8)."""
    if orientation in (2, 4, 5, 7):
        pixels = pixels[:, ::-1]
    quarters = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    return np.ascontiguousarray(np.rot90(pixels, quarters))
