"""One defined result for every kind of file, and one clear sentence for every file that is none."""

import io
import logging
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitar.imaging.loading import ImageError, load_image, to_8_bit

GRAY = np.array([[0, 50, 100], [150, 200, 250]], dtype=np.uint8)
GRAY_IMAGE = Image.fromarray(GRAY)
COLOUR = np.stack([GRAY, GRAY[::-1], GRAY[:, ::-1]], axis=-1)
COLOUR_IMAGE = Image.fromarray(COLOUR)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def with_alpha(image: Image.Image) -> Image.Image:
    """The image with its left column transparent and its middle column at 40%."""
    image = image.copy()
    image.putalpha(Image.fromarray(np.array([[0, 102, 255]] * 2, dtype=np.uint8)))
    return image


def tiff(values: np.ndarray, photometric: int) -> bytes:
    """A 16-bit little-endian TIFF written by hand, since Pillow does not write white-is-zero ones."""
    height, width = values.shape
    entries = [(256, 4, width), (257, 4, height), (258, 3, 16), (259, 3, 1), (262, 3, photometric), (273, 4, 8)]
    entries += [(277, 3, 1), (278, 4, height), (279, 4, values.nbytes)]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in entries)
    pixels = values.astype("<u2").tobytes()
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory + struct.pack("<I", 0)


def bmp_header(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *[0] * 6)


STRETCHED = [[0, 51, 102], [153, 204, 255]]
ON_BLACK = [[0, 20, 100], [0, 80, 250]]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(GRAY_IMAGE, "PNG"), GRAY),
        (encoded(GRAY_IMAGE, "TIFF"), GRAY),
        (encoded(GRAY_IMAGE, "BMP"), GRAY),
        (encoded(COLOUR_IMAGE, "PNG"), COLOUR),
        (encoded(COLOUR_IMAGE, "TIFF"), COLOUR),
        (encoded(COLOUR_IMAGE, "BMP"), COLOUR),
        (encoded(COLOUR_IMAGE, "WEBP", lossless=True), COLOUR),
        (encoded(GRAY_IMAGE.convert("1"), "PNG"), np.asarray(GRAY_IMAGE.convert("1"), dtype=np.uint8) * 255),
        (encoded(COLOUR_IMAGE.quantize(6), "PNG"), COLOUR),
        (encoded(GRAY_IMAGE.convert("RGB").quantize(6), "PNG"), GRAY),
        (encoded(with_alpha(GRAY_IMAGE), "PNG"), ON_BLACK),
        (encoded(with_alpha(GRAY_IMAGE.convert("RGB")), "PNG"), np.stack([ON_BLACK] * 3, axis=-1)),
        (encoded(GRAY_IMAGE, "PNG", transparency=250), [[0, 50, 100], [150, 200, 0]]),
        (encoded(Image.new("CMYK", (3, 2), (0, 255, 255, 0)), "TIFF"), np.full((2, 3, 3), (255, 0, 0))),
        (encoded(Image.fromarray(GRAY.astype(np.uint16) * 10 + 7), "PNG"), STRETCHED),
        (encoded(Image.fromarray(GRAY.astype(np.uint16) * 10 + 7), "TIFF"), STRETCHED),
        (encoded(Image.fromarray(GRAY.astype(np.int32) * 10_000 - 90_000), "TIFF"), STRETCHED),
        (encoded(Image.fromarray(GRAY.astype(np.float32) / 1e4), "TIFF"), STRETCHED),
        (tiff(GRAY * np.uint16(16), photometric=1), STRETCHED),
        (tiff(GRAY * np.uint16(16), photometric=0), 255 - np.array(STRETCHED)),
    ],
)
def test_every_mode_has_a_defined_result(data: bytes, expected: np.ndarray) -> None:
    image = load_image(data)
    assert np.asarray(image).tolist() == np.asarray(expected).tolist()
    assert image.mode == ("L" if np.ndim(expected) == 2 else "RGB")
    assert image.info == {}
    assert type(image) is Image.Image


@pytest.mark.parametrize(
    ("format", "mode", "result"),
    [("JPEG", "L", "L"), ("JPEG", "RGB", "RGB"), ("JPEG", "CMYK", "RGB"), ("WEBP", "RGB", "RGB")],
)
def test_lossy_formats(format: str, mode: str, result: str) -> None:
    flat = Image.new("RGB", (16, 16), (120, 120, 120)).convert(mode)
    image = load_image(encoded(flat, format, quality=95))
    assert image.mode == result
    assert np.abs(np.asarray(image).astype(int) - 120).max() <= 3


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, GRAY),
        (2, GRAY[:, ::-1]),
        (3, GRAY[::-1, ::-1]),
        (4, GRAY[::-1]),
        (5, GRAY.T),
        (6, np.rot90(GRAY, -1)),
        (7, GRAY[::-1, ::-1].T),
        (8, np.rot90(GRAY)),
    ],
)
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_exif_orientation_is_applied_once(format: str, orientation: int, expected: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    deep = Image.fromarray(GRAY.astype(np.uint16) * 100)
    assert np.asarray(load_image(encoded(GRAY_IMAGE, format, exif=exif))).tolist() == expected.tolist()
    assert load_image(encoded(deep, format, exif=exif)).size == expected.shape[::-1]


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_exif_orientation_is_applied_to_photographs(format: str) -> None:
    """A bright stripe along the left edge of a file to be turned a quarter clockwise lies along the upper edge."""
    stored = Image.new("L", (32, 48))
    stored.paste(255, (0, 0, 8, 48))
    exif = Image.Exif()
    exif[0x0112] = 6
    shown = np.asarray(load_image(encoded(stored, format, exif=exif)).convert("L"))
    assert shown.shape == (32, 48)
    assert shown[:6].min() > 200
    assert shown[10:].max() < 50


def test_palette_entries_that_are_transparent_are_put_on_black_too() -> None:
    paletted = GRAY_IMAGE.convert("P")
    data = encoded(paletted, "PNG", transparency=paletted.getpixel((0, 0)))
    shown = np.asarray(load_image(data).convert("L"))
    assert shown[0, 0] == 0
    assert shown[1, 2] == 250


def test_of_a_camera_s_several_pictures_the_first_is_used() -> None:
    first, second = Image.new("RGB", (16, 16), (200, 10, 10)), Image.new("RGB", (16, 16), (10, 10, 200))
    red, _, blue = np.asarray(load_image(encoded(first, "MPO", save_all=True, append_images=[second])))[8, 8]
    assert red > 150 > blue


@pytest.mark.parametrize("format", ["TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_is_used(format: str, caplog: pytest.LogCaptureFixture) -> None:
    others = [Image.new("RGB", (3, 2), (9, 9, 9 * i)) for i in (1, 2)]
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(COLOUR_IMAGE, format, save_all=True, append_images=others, **options)
    with caplog.at_level(logging.WARNING):
        assert np.asarray(load_image(data)).tolist() == COLOUR.tolist()
    assert "3 frames or pages, only the first is used" in caplog.text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 4095], [0, 255]),
        ([1000, 1001, 1002], [0, 128, 255]),
        ([-1024, 3071], [0, 255]),
        ([7, 7], [0, 0]),
        ([0.0, np.nan, 1.0, np.inf, -np.inf], [0, 0, 255, 255, 0]),
        ([5.0, np.inf], [0, 255]),
    ],
)
def test_to_8_bit(values: list[float], expected: list[int]) -> None:
    stretched = to_8_bit(np.array([values]))
    assert stretched.tolist() == [expected]
    assert stretched.dtype == np.uint8


def test_path_string_and_bytes_agree(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(encoded(COLOUR_IMAGE, "PNG"))
    assert load_image(path).tobytes() == load_image(str(path)).tobytes() == load_image(path.read_bytes()).tobytes()


PHOTO = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)), "JPEG")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"empty, 0 bytes\. Expected an image file; fetch"),
        (PHOTO[: len(PHOTO) // 2], r"damaged or cut short .* Expected a complete image; fetch"),
        (PHOTO[:20], "a JPEG image with an unreadable header"),
        (encoded(COLOUR_IMAGE, "PNG")[:60], "damaged or cut short"),
        (encoded(COLOUR_IMAGE, "BMP")[:-4], "damaged or cut short"),
        (encoded(GRAY_IMAGE, "TIFF")[:-40], "damaged or cut short|unreadable variant"),
        (b"Findings: no nodule.\n", r"text, not an image\. Expected a PNG, JPEG, TIFF, WebP, BMP, DICOM or NIfTI"),
        ("Läsion".encode(), "text, not an image"),
        (bytes(range(64)), r"not a known image format \(first bytes 00 01 02"),
        (encoded(GRAY_IMAGE, "GIF"), "a GIF image. Expected"),
        (bytes(128) + b"DICM" + bytes(8), "a DICOM file"),
        (b"%PDF-1.7 \x00", "a PDF document"),
        (encoded(COLOUR_IMAGE, "WEBP")[:14], "a WebP image with an unreadable header|damaged or cut short"),
        (bmp_header(0, 5), "a BMP image with an unreadable header, or without pixels"),
        (bmp_header(30_000, 30_000), r"too many pixels .* Downscale or crop"),
        (encoded(Image.fromarray(np.full((2, 2), np.nan, dtype=np.float32)), "TIFF"), "no pixel holds a finite number"),
        (encoded(Image.new("LAB", (2, 2)), "TIFF"), "colour mode LAB"),
    ],
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_what_is_no_image_is_an_error(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file.png"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=message) as caught:
        load_image(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(ImageError, match=f"the {len(data)} bytes given: "):
        load_image(data)


def test_paths_that_give_no_file(tmp_path: Path) -> None:
    for path, message in [
        (tmp_path / "none.png", "no such file"),
        (tmp_path, "a directory"),
        (tmp_path / ("x" * 300), "cannot be read"),
        ("a\0b", "cannot be read"),
    ]:
        with pytest.raises(ImageError, match=message):
            load_image(path)


def test_every_cut_jpeg_is_an_error_not_gray_filler() -> None:
    for length in range(1, len(PHOTO) - 2, 97):
        with pytest.raises(ImageError):
            load_image(PHOTO[:length])


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_no_file_stays_open(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    good.write_bytes(PHOTO)
    bad.write_bytes(PHOTO[:900])
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir())) if descriptors.exists() else 0
    images = [load_image(good) for _ in range(20)]
    for _ in range(20):
        with pytest.raises(ImageError):
            load_image(bad)
    assert len(images) == 20
    assert (len(list(descriptors.iterdir())) if descriptors.exists() else 0) == before
