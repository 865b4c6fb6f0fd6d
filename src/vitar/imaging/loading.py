"""Image files and slices of scans as 8-bit upright pictures, one defined result for every kind of file.

| in the file | result |
|---|---|
| 1 and 8-bit grayscale | mode ``L``, values kept (1 bit: 0 and 255) |
| more than 8 bits, integer or float, grayscale | mode ``L``, see `to_8_bit` |
| palette | ``L`` if every pixel's colour is a gray, else ``RGB`` |
| alpha, or a transparent colour | composited on black, the background of radiographs |
| RGB, CMYK, YCbCr, 16-bit RGB | ``RGB`` by Pillow's conversion, without colour profiles; 16 bits lose the low byte |
| EXIF orientation | applied |
| several pages (TIFF, WebP) | the first, with a warning in the log that says how many there are |
| DICOM, gray | mode ``L``: modality lookup table or rescale, then the file's window (`vitar.imaging.dicom`) |
| DICOM, colour | ``RGB`` |
| NIfTI | mode ``L``: the slice named, turned as radiologists look at it (`vitar.imaging.nifti`) |

Gray content stored as RGB stays ``RGB``: pixel values of true colour files are not inspected. A reference may name a
slice or page, and a window in place of the file's own or of the stretch (`vitar.imaging.reference`).
"""

from __future__ import annotations

import io
import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from vitar.imaging.intensity import Window, to_8_bit
from vitar.imaging.medical import DICOM, NIFTI, read_dicom_slice, read_nifti_slice, scan_format, scan_size
from vitar.imaging.reference import ImageError, Selection, split_reference

logger = logging.getLogger(__name__)

_HEAD_BYTES = 512
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
_PLAIN_MODES = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr")
_TIFF_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
_QUARTER_TURNS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
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
)
# What Pillow's decoders raise on damaged files, besides OSError; EXIF and TIFF tags are parsed with struct.
_DECODING_ERRORS = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error, zlib.error)


def load_image(source: str | Path | bytes) -> Image.Image:
    """Decode one picture of a PNG, JPEG, TIFF, WebP, BMP, DICOM or NIfTI file.

    Args:
        source: a reference (`vitar.imaging.reference`), as a rule the path of a file; or the bytes of a file, which
            may not be NIfTI.

    Returns:
        an upright image of 8 bits, mode ``L`` or ``RGB``, that holds no file and no metadata.

    Raises:
        ImageError: the source is missing, no file, empty, damaged, cut short, of another format, without pixels or
            larger than Pillow's limit against decompression bombs (`PIL.ImageFile.LOAD_TRUNCATED_IMAGES` has to be
            off, as it is by default, for files that are cut short); it names no picture of the file; or the package
            that reads scans is not installed.
    """
    file: Path | bytes
    if isinstance(source, bytes):
        name, selection = f"the {len(source)} bytes given", Selection()
        file, head = source, source[:_HEAD_BYTES]
    else:
        name, selection = split_reference(str(source))
        file, head = Path(name), _read_file(Path(name), _HEAD_BYTES)
    format = scan_format(name, head)
    if format == DICOM:
        return read_dicom_slice(name, file, selection).picture(selection.window)
    if format == NIFTI:
        return read_nifti_slice(name, selection).picture(selection.window)
    data = file if isinstance(file, bytes) else _read_file(file)
    with _explained(name, data), Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        _turn_to_page(opened, name, selection)
        opened.load()
        return _to_plain(opened, name, selection.window)


def image_size(source: str | Path) -> tuple[int, int]:
    """Width and height of what `load_image` gives for a reference, without decoding pixels.

    Raises:
        ImageError: as `load_image`, as far as the header shows.
    """
    name, selection = split_reference(str(source))
    head = _read_file(Path(name), _HEAD_BYTES)
    if format := scan_format(name, head):
        return scan_size(name, format, selection)
    with _explained(name, head), Image.open(name, formats=FORMATS) as opened:
        _turn_to_page(opened, name, selection)
        turned = opened.getexif().get(ExifTags.Base.Orientation) in _QUARTER_TURNS
        return (opened.height, opened.width) if turned else opened.size


@contextmanager
def _explained(name: str, data: bytes) -> Iterator[None]:
    """Turns what Pillow raises on a file into an `ImageError`."""
    if not data:
        raise ImageError(f"{name}: empty, 0 bytes. Expected an image file; fetch or export it again.")
    try:
        yield
    except UnidentifiedImageError as error:
        wanted = "Expected a PNG, JPEG, TIFF, WebP, BMP, DICOM or NIfTI file; convert or export it to one of these."
        raise ImageError(f"{name}: {_describe(data)}. {wanted}") from error
    except Image.DecompressionBombError as error:
        advice = "Downscale or crop it, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust the file."
        raise ImageError(f"{name}: too many pixels to decode safely ({error}). {advice}") from error
    except ImageError:
        raise
    except _DECODING_ERRORS as error:
        advice = "Expected a complete image; fetch or export it again."
        raise ImageError(f"{name}: damaged or cut short ({error}). {advice}") from error


def _turn_to_page(opened: Image.Image, name: str, selection: Selection) -> None:
    """Goes to the page that is named, else stays at the first, with a warning if there are more."""
    pages, page = getattr(opened, "n_frames", 1), selection.slice
    if selection.volume is not None or selection.plane != Selection().plane:
        raise ImageError(f"{name}: not a volume. Expected #slice=NUMBER at most, without a plane or a volume.")
    if page is None:
        if pages > 1:
            logger.warning("%s: %d frames or pages, only the first is used", name, pages)
    elif page >= pages:
        raise ImageError(f"{name}: no page {page}. Expected a number from 0 to {pages - 1}.")
    else:
        opened.seek(page)


def _read_file(path: Path, count: int = -1) -> bytes:
    """The first ``count`` bytes, or all of them."""
    try:
        with path.open("rb") as file:
            return file.read(count)
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


def _to_plain(opened: Image.Image, name: str, window: Window | None) -> Image.Image:
    """A decoded image as ``L`` or ``RGB``, upright, without metadata; gray values by ``window`` if there is one."""
    upright = ImageOps.exif_transpose(opened)
    if upright.mode in _DEEP_MODES:
        white_is_zero = opened.format == "TIFF" and opened.tag_v2.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO  # type: ignore[attr-defined]
        values = np.asarray(upright)
        if not np.isfinite(values).any():
            raise ImageError(f"{name}: no pixel holds a finite number. Expected intensities; export it again.")
        gray = to_8_bit(values) if window is None else window.to_8_bit(values)
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
    if window is not None and upright.mode not in _DEEP_MODES:
        if plain.mode != "L":
            raise ImageError(f"{name}: a colour image, and a window is for gray values. Leave the window out.")
        plain = Image.fromarray(window.to_8_bit(np.asarray(plain)))
    plain.info.clear()
    return plain


def _gray_if_gray(image: Image.Image) -> Image.Image:
    """An ``RGB`` image as ``L`` if its three channels are equal everywhere."""
    red, green, blue = image.split()
    return red if red.tobytes() == green.tobytes() == blue.tobytes() else image
