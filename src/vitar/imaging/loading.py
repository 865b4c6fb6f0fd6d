"""Image files as 8-bit upright pictures, one defined result for every kind of file.

| in the file | result |
|---|---|
| 1 and 8-bit grayscale | mode ``L``, values kept (1 bit: 0 and 255) |
| more than 8 bits, integer or float, grayscale | mode ``L``, see `to_8_bit` |
| palette | ``L`` if every pixel's colour is a gray, else ``RGB`` |
| alpha, or a transparent colour | composited on black, the background of radiographs |
| RGB, CMYK, YCbCr, 16-bit RGB | ``RGB`` by Pillow's conversion, without colour profiles; 16 bits lose the low byte |
| EXIF orientation | applied |
| several frames or pages | the first, with a warning in the log that says how many there are |

Gray content stored as RGB stays ``RGB``: pixel values of true colour files are not inspected.
"""

from __future__ import annotations

import io
import logging
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

logger = logging.getLogger(__name__)

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
_PLAIN_MODES = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr")
_TIFF_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
# (offset, bytes, what it is). Images of the formats above are here too, for headers that Pillow cannot make sense of.
_SIGNATURES = (
    (0, b"\x89PNG", "a PNG image with an unreadable header, or without pixels"),
    (0, b"\xff\xd8", "a JPEG image with an unreadable header, or without pixels"),
    (0, b"BM", "a BMP image with an unreadable header, or without pixels"),
    (0, b"RIFF", "a WebP image with an unreadable header, or another RIFF file"),
    (0, b"II*\x00", "a TIFF image of an unreadable variant, or without pixels"),
    (0, b"MM\x00*", "a TIFF image of an unreadable variant, or without pixels"),
    (0, b"GIF8", "a GIF image"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x1f\x8b", "gzip-compressed data (NIfTI?)"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (4, b"ftyp", "a HEIF, AVIF or MP4 file"),
    (128, b"DICM", "a DICOM file"),
)
# What Pillow's decoders raise on damaged files, besides OSError; EXIF and TIFF tags are parsed with struct.
_DECODING_ERRORS = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error, zlib.error)


class ImageError(ValueError):
    """A source that gives no image. The message says what was found, what was expected, what to do."""


def load_image(source: str | Path | bytes) -> Image.Image:
    """Decode the first frame of a PNG, JPEG, TIFF, WebP or BMP image.

    Args:
        source: path of a file, or the bytes of one.

    Returns:
        an upright image of 8 bits, mode ``L`` or ``RGB``, that holds no file and no metadata.

    Raises:
        ImageError: the source is missing, no file, empty, damaged, cut short, of another format, without pixels or
            larger than Pillow's limit against decompression bombs (`PIL.ImageFile.LOAD_TRUNCATED_IMAGES` has to be
            off, as it is by default, for files that are cut short).
    """
    name = f"the {len(source)} bytes given" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else _read_file(Path(source))
    if not data:
        raise ImageError(f"{name}: empty, 0 bytes. Expected an image file; fetch or export it again.")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            frames = getattr(opened, "n_frames", 1)
            opened.load()
            picture = _to_plain(opened, name)
    except UnidentifiedImageError as error:
        wanted = "Expected a PNG, JPEG, TIFF, WebP or BMP image; convert or export it to one of these."
        raise ImageError(f"{name}: {_describe(data)}. {wanted}") from error
    except Image.DecompressionBombError as error:
        advice = "Downscale or crop it, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust the file."
        raise ImageError(f"{name}: too many pixels to decode safely ({error}). {advice}") from error
    except ImageError:
        raise
    except _DECODING_ERRORS as error:
        advice = "Expected a complete image; fetch or export it again."
        raise ImageError(f"{name}: damaged or cut short ({error}). {advice}") from error
    if frames > 1:
        logger.warning("%s: %d frames or pages, only the first is used", name, frames)
    return picture


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file. Expected the path of an image; check the spelling.") from error
    except IsADirectoryError as error:
        raise ImageError(f"{path}: a directory. Expected one image file; name a file inside it.") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise ImageError(f"{path}: cannot be read ({error}). Expected a readable image file.") from error


def _describe(data: bytes) -> str:
    """What data that Pillow does not recognise looks like."""
    for offset, signature, description in _SIGNATURES:
        if data[offset:].startswith(signature):
            return description
    head = data[:256]
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "text, not an image"
    return f"not a known image format (first bytes {head[:8].hex(' ')})"


def _to_plain(opened: Image.Image, name: str) -> Image.Image:
    """A decoded image as ``L`` or ``RGB``, upright, without metadata."""
    upright = ImageOps.exif_transpose(opened)
    if upright.mode in _DEEP_MODES:
        white_is_zero = opened.format == "TIFF" and opened.tag_v2.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO  # type: ignore[attr-defined]
        values = np.asarray(upright)
        if not np.isfinite(values).any():
            raise ImageError(f"{name}: no pixel holds a finite number. Expected intensities; export it again.")
        gray = to_8_bit(values)
        plain = Image.fromarray(255 - gray if white_is_zero else gray)  # Pillow inverts such files up to 8 bits only
    elif upright.mode in _ALPHA_MODES or (upright.mode in _PLAIN_MODES and upright.has_transparency_data):
        is_gray = upright.mode in ("L", "LA", "La", "1")
        layer = upright.convert("RGBA")
        plain = Image.alpha_composite(Image.new("RGBA", layer.size, (0, 0, 0, 255)), layer).convert("RGB")
        if is_gray or upright.mode in ("P", "PA"):
            plain = _gray_if_gray(plain)
    elif upright.mode in _PLAIN_MODES:
        plain = upright.convert("L" if upright.mode in ("1", "L") else "RGB")
        if upright.mode == "P":
            plain = _gray_if_gray(plain)
    else:
        raise ImageError(f"{name}: colour mode {upright.mode}. Expected gray, RGB or CMYK; convert the file to RGB.")
    plain.info.clear()
    return plain


def to_8_bit(values: np.ndarray) -> np.ndarray:
    """Stretch gray values linearly so that the image's smallest becomes 0 and its largest 255, rounded.

    The rule needs no knowledge of the bits that were used, so a dim 12-bit image stored in 16 bits stays visible. It
    is not a diagnostic window: choose one before export if absolute intensities matter. An image of one value becomes
    0. Of the not finite values only +inf becomes 255; NaN and -inf become 0, and none of them takes part in the range.

    Args:
        values: (H, W), integer or float, at least one of them finite.
    """
    values = values.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = finite.min(), finite.max()
    span = high - low if high > low else 1.0
    values = np.nan_to_num(values, nan=low, posinf=low + span, neginf=low)
    return np.rint((values - low) / span * 255).clip(0, 255).astype(np.uint8)


def _gray_if_gray(image: Image.Image) -> Image.Image:
    """An ``RGB`` image as ``L`` if its three channels are equal everywhere."""
    red, green, blue = image.split()
    return red if red.tobytes() == green.tobytes() == blue.tobytes() else image
