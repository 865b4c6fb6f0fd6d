"""DICOM files made by hand, and the real ones that pydicom carries, as pictures."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitar.imaging.intensity import Window
from vitar.imaging.loading import ImageError, image_size, load_image
from vitar.imaging.medical import read_slice

pydicom = pytest.importorskip("pydicom", reason="the extra medical is not installed")

# HU -1024, 0, 40 / 240, 1000, 3071, stored with an offset of 1024.
STORED = np.array([[0, 1024, 1064], [1264, 2024, 4095]], dtype=np.uint16)
CT = {"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1024, "PixelSpacing": [0.8, 0.5]}
SOFT = {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "LINEAR_EXACT"}


def dicom(pixels: np.ndarray, **attributes: Any) -> bytes:
    """A DICOM file of the pixels, [H, W], frames [N, H, W] or colours [H, W, 3], with more or other attributes."""
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid(entropy_srcs=["a"])
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    if pixels.ndim == 3 and not colour:
        dataset.NumberOfFrames = len(pixels)
    dataset.Rows, dataset.Columns = pixels.shape[:2] if colour else pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = pixels.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    for name, value in attributes.items():
        setattr(dataset, name, value)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def grays(source: bytes | str | Path) -> list:
    return np.asarray(load_image(source)).tolist()


def sequence(**attributes: Any) -> Any:
    item = pydicom.Dataset()
    for name, value in attributes.items():
        setattr(item, name, value)
    return pydicom.Sequence([item])


def test_rescale_comes_before_the_window() -> None:
    # On stored values the same window would make everything but the first white.
    assert grays(dicom(STORED, **CT, **SOFT)) == [[0, 102, 128], [255, 255, 255]]


def test_monochrome1_is_inverted_after_the_window() -> None:
    inverted = dicom(STORED, **CT, **SOFT, PhotometricInterpretation="MONOCHROME1")
    assert grays(inverted) == [[255, 153, 127], [0, 0, 0]]


def test_the_first_window_counts_and_a_reference_may_name_another(tmp_path: Path) -> None:
    path = tmp_path / "ct.dcm"
    two = {"WindowCenter": [40, 300], "WindowWidth": [400, 2000], "VOILUTFunction": "LINEAR_EXACT"}
    path.write_bytes(dicom(STORED, **CT, **two))
    assert grays(path) == [[0, 102, 128], [255, 255, 255]]
    assert grays(f"{path}#window=0,2048") == [[0, 128, 132], [157, 252, 255]]


def test_a_ct_without_a_window_is_shown_as_soft_tissue_and_other_images_by_their_range() -> None:
    assert grays(dicom(STORED, **CT)) == grays(dicom(STORED, **CT, **SOFT))
    assert grays(dicom(STORED)) == [[0, 64, 66], [79, 126, 255]]
    unusable = dicom(STORED, WindowCenter=0, WindowWidth=0)
    assert grays(unusable) == grays(dicom(STORED))


def test_intensities_keep_unit_depth_and_spacing(tmp_path: Path) -> None:
    path = tmp_path / "ct.dcm"
    path.write_bytes(dicom(STORED, **CT, **SOFT))
    ct = read_slice(path)
    assert ct.values.tolist() == [[-1024, 0, 40], [240, 1000, 3071]]
    assert ct.spacing_mm == (0.8, 0.5)  # rows, then columns
    assert ct.window == Window(40, 400)
    narrow = np.asarray(ct.picture(Window(20, 40)))
    assert narrow.tolist() == [[0, 0, 255], [255, 255, 255]]


def test_signed_values_and_a_projection() -> None:
    signed = np.array([[-100, 0], [0, 100]], dtype=np.int16)
    assert grays(dicom(signed)) == [[0, 128], [128, 255]]


def test_the_spacing_of_a_projection_is_that_of_its_detector(tmp_path: Path) -> None:
    (tmp_path / "dx").write_bytes(dicom(STORED, Modality="DX", ImagerPixelSpacing=[0.14, 0.15]))
    (tmp_path / "sc").write_bytes(dicom(STORED))
    assert read_slice(tmp_path / "dx").spacing_mm == (0.14, 0.15)
    assert read_slice(tmp_path / "sc").spacing_mm is None


def test_lookup_tables_of_the_file() -> None:
    small = np.array([[0, 1], [2, 3]], dtype=np.uint8)
    entries = np.array([0, 20, 30, 60], dtype="<u2").tobytes()
    modality = sequence(LUTDescriptor=[4, 0, 16], ModalityLUTType="US", LUTData=entries)
    window = {"WindowCenter": 30, "WindowWidth": 60, "VOILUTFunction": "LINEAR_EXACT"}
    assert grays(dicom(small, ModalityLUTSequence=modality, **window)) == [[0, 85], [128, 255]]
    voi = sequence(LUTDescriptor=[4, 0, 8], LUTData=np.array([255, 0, 100, 50], dtype="<u2").tobytes())
    # The table wins over a window, and what it makes is already the whole range of grays.
    assert grays(dicom(small, VOILUTSequence=voi, WindowCenter=2, WindowWidth=4)) == [[255, 0], [100, 50]]


def test_colours_are_rgb() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 8, 7]]], dtype=np.uint8)
    picture = load_image(dicom(colours))
    assert picture.mode == "RGB"
    assert np.array_equal(np.asarray(picture), colours)
    deep = colours.astype(np.uint16) << 8
    assert np.array_equal(np.asarray(load_image(dicom(deep))), colours)


def test_palettes_are_rgb() -> None:
    tables = {
        f"{name}PaletteColorLookupTable{part}": value
        for name, shades in (("Red", [0, 255]), ("Green", [128, 0]), ("Blue", [0, 64]))
        for part, value in (("Descriptor", [2, 0, 8]), ("Data", bytes(shades)))
    }
    indexed = dicom(np.array([[0, 1]], dtype=np.uint8), PhotometricInterpretation="PALETTE COLOR", **tables)
    assert grays(indexed) == [[[0, 128, 0], [255, 0, 64]]]


def test_a_frame_of_several_has_to_be_named(tmp_path: Path) -> None:
    path = tmp_path / "cine.dcm"
    path.write_bytes(dicom(np.arange(12, dtype=np.uint8).reshape(3, 2, 2), WindowCenter=6, WindowWidth=13))
    with pytest.raises(ImageError, match=r"3 frames. Expected the reference of one, such as .*cine.dcm#slice=1"):
        load_image(path)
    with pytest.raises(ImageError, match=r"no frame 3. Expected a number from 0 to 2"):
        load_image(f"{path}#slice=3")
    with pytest.raises(ImageError, match="without a plane or a volume"):
        load_image(f"{path}#slice=1&plane=coronal")
    assert read_slice(f"{path}#slice=2").values.tolist() == [[8, 9], [10, 11]]
    assert image_size(f"{path}#slice=2") == (2, 2)


def test_frames_of_an_enhanced_image_have_their_own_rescale_window_and_spacing(tmp_path: Path) -> None:
    def groups(intercept: int, center: int) -> Any:
        (item,) = sequence(
            PixelValueTransformationSequence=sequence(RescaleSlope=1, RescaleIntercept=intercept, RescaleType="HU"),
            FrameVOILUTSequence=sequence(WindowCenter=center, WindowWidth=100),
        )
        return item

    shared = sequence(PixelMeasuresSequence=sequence(PixelSpacing=[2, 3]))
    frames = np.full((2, 1, 1), 100, dtype=np.uint16)
    per_frame = pydicom.Sequence([groups(0, 0), groups(-1000, -900)])
    path = tmp_path / "enhanced.dcm"
    path.write_bytes(
        dicom(frames, SharedFunctionalGroupsSequence=shared, PerFrameFunctionalGroupsSequence=per_frame, Modality="CT")
    )
    first, second = read_slice(f"{path}#slice=0"), read_slice(f"{path}#slice=1")
    assert (first.values.item(), second.values.item()) == (100, -900)
    assert (first.window, second.window) == (Window(0, 100, "LINEAR"), Window(-900, 100, "LINEAR"))
    assert first.spacing_mm == second.spacing_mm == (2, 3)


def test_our_window_is_pydicoms() -> None:
    """Oracle: `apply_windowing`, on the real CT that pydicom carries."""
    from pydicom.pixels import apply_modality_lut, apply_windowing

    path = pydicom.data.get_testdata_file("CT_small.dcm", download=False)
    dataset = pydicom.dcmread(path)
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    values = apply_modality_lut(dataset.pixel_array, dataset)
    reference = apply_windowing(values, dataset)
    low, high = -32768 - 1024, 32767 - 1024  # signed 16 bits, rescaled
    expected = np.rint((reference - low) / (high - low) * 255)
    assert dataset.RescaleIntercept == -1024
    assert np.array_equal(Window(40, 400, "LINEAR").to_8_bit(values), expected)


@pytest.mark.filterwarnings("ignore:.*excess padding:UserWarning")
def test_real_files_of_many_kinds_open_at_the_size_of_their_header() -> None:
    kinds = {
        "CT_small.dcm": "L",
        "MR_small.dcm": "L",
        "MR_small_RLE.dcm": "L",
        "MR_small_bigendian.dcm": "L",
        "MR_small_padded.dcm": "L",
        "JPEG2000.dcm": "L",
        "SC_rgb_rle.dcm": "RGB",
        "SC_rgb_jpeg_dcmtk.dcm": "RGB",
        "SC_ybr_full_422_uncompressed.dcm": "RGB",
        "examples_palette.dcm": "RGB",
        "examples_ybr_color.dcm#slice=3": "RGB",
        "liver_1frame.dcm": "L",
    }
    for name, mode in kinds.items():
        file, _, chosen = name.partition("#")
        reference = pydicom.data.get_testdata_file(file, download=False) + (f"#{chosen}" if chosen else "")
        picture = load_image(reference)
        assert picture.mode == mode, name
        assert picture.size == image_size(reference), name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("MR_truncated.dcm", "damaged or incomplete"),
        ("rtplan.dcm", "modality RTPLAN without pixels"),
        ("test-SR.dcm", "modality SR without pixels"),
        ("JPGExtended.dcm", "cannot decode JPEG Extended .* Install a decoder"),
    ],
)
def test_real_files_that_give_no_picture_say_why(name: str, problem: str) -> None:
    with pytest.raises(ImageError, match=problem):
        load_image(pydicom.data.get_testdata_file(name, download=False))


def test_a_missing_package_is_named_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "vitar.imaging.dicom", raising=False)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImageError, match=r"needs the package pydicom.*pip install 'vitar-med\[medical\]'"):
        load_image(dicom_bytes_without_pydicom())


def dicom_bytes_without_pydicom() -> bytes:
    return bytes(128) + b"DICM" + bytes(64)


def test_pages_of_a_tiff_and_windows_of_gray_pictures(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((2, 3), value, dtype=np.uint8)) for value in (10, 20)]
    path = tmp_path / "pages.tiff"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert grays(f"{path}#slice=1") == [[20] * 3] * 2
    with pytest.raises(ImageError, match=r"no page 2. Expected a number from 0 to 1"):
        load_image(f"{path}#slice=2")
    with pytest.raises(ImageError, match="not a volume"):
        load_image(f"{path}#volume=0")
    deep = tmp_path / "deep.png"
    Image.fromarray(np.array([[32768 - 1000, 32768 + 40, 32768 + 900]], dtype=np.uint16)).save(deep)
    assert grays(f"{deep}#window=32808,400") == [[0, 128, 255]]
    colour = tmp_path / "colour.png"
    Image.new("RGB", (2, 2)).save(colour)
    with pytest.raises(ImageError, match="a colour image, and a window is for gray values"):
        load_image(f"{colour}#window=40,400")
    assert grays(f"{path}#window=10,20") == [[128] * 3] * 2


def test_sizes_come_from_headers_and_know_how_the_picture_is_turned(tmp_path: Path) -> None:
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (30, 20)).save(turned, exif=exif)
    assert image_size(turned) == load_image(turned).size == (20, 30)
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no image")
    for name, problem in (("empty.png", "empty, 0 bytes"), ("text.png", "text, not an image"), ("gone.png", "no such")):
        with pytest.raises(ImageError, match=problem):
            image_size(tmp_path / name)
