"""NIfTI volumes with a marked corner, in every orientation, and real ones."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from vitar.imaging.intensity import Window
from vitar.imaging.loading import ImageError, image_size, load_image
from vitar.imaging.medical import read_slice

nibabel = pytest.importorskip("nibabel", reason="the extra medical is not installed")

SHAPE = (3, 4, 5)  # to the right, to the front, to the head
SPACING_MM = (1.0, 2.0, 3.0)
# The value of a voxel tells its place: hundreds to the right, tens to the front, ones to the head.
RIGHT, FRONT, HEAD = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
RAS = (100 * RIGHT + 10 * FRONT + HEAD).astype(np.int16)

AXIAL_1 = [[231, 131, 31], [221, 121, 21], [211, 111, 11], [201, 101, 1]]  # front on top, right on the left
CORONAL_1 = [[214, 114, 14], [213, 113, 13], [212, 112, 12], [211, 111, 11], [210, 110, 10]]  # head on top
SAGITTAL_1 = [
    [134, 124, 114, 104],
    [133, 123, 113, 103],
    [132, 122, 112, 102],
    [131, 121, 111, 101],
    [130, 120, 110, 100],
]


def stored(axes: tuple[int, ...], flips: tuple[int, ...], path: Path, **header: float) -> Path:
    """The volume with its axes in another order, some of them reversed, and the affine that tells so."""
    affine = np.diag([*SPACING_MM, 1.0])
    orientation = np.stack([np.argsort(axes), np.ones(3)], axis=1)
    volume = nibabel.orientations.apply_orientation(RAS, orientation)
    affine = affine @ nibabel.orientations.inv_ornt_aff(orientation, SHAPE)
    flip = np.stack([np.arange(3), flips], axis=1)
    affine = affine @ nibabel.orientations.inv_ornt_aff(flip, volume.shape)
    image = nibabel.Nifti1Image(nibabel.orientations.apply_orientation(volume, flip), affine)
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product((1, -1), repeat=3)))
def test_every_orientation_gives_the_same_view(axes: tuple[int, ...], flips: tuple[int, ...], tmp_path: Path) -> None:
    path = stored(axes, flips, tmp_path / "scan.nii")
    for plane, index, expected, spacing in (
        ("axial", 1, AXIAL_1, (2.0, 1.0)),
        ("coronal", 1, CORONAL_1, (3.0, 1.0)),
        ("sagittal", 1, SAGITTAL_1, (3.0, 2.0)),
    ):
        reference = f"{path}#slice={index}&plane={plane}"
        assert read_slice(reference).values.tolist() == expected
        assert read_slice(reference).spacing_mm == spacing
        assert image_size(reference) == (len(expected[0]), len(expected))


def test_compressed_and_scaled_and_windowed(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    image = nibabel.Nifti1Image(RAS, np.diag([*SPACING_MM, 1.0]))
    image.header.set_slope_inter(2, -1000)  # nibabel writes such data as it is, so a reader sees 2 * value - 1000
    nibabel.save(image, path)
    assert read_slice(f"{path}#slice=1").values.tolist() == (2 * np.array(AXIAL_1) - 1000).tolist()
    shown = np.asarray(load_image(f"{path}#slice=1&window=-769,462"))
    assert (shown[0, 0], shown[-1, -1]) == (255, 1)  # 2 * 231 - 1000 is the upper edge, 2 * 1 - 1000 is 2 / 462 of it


def test_the_header_may_name_a_window_and_else_the_range_is_stretched(tmp_path: Path) -> None:
    plain = stored((0, 1, 2), (1, 1, 1), tmp_path / "plain.nii")
    assert np.asarray(load_image(f"{plain}#slice=0")).ravel()[[0, -1]].tolist() == [255, 0]
    windowed = stored((0, 1, 2), (1, 1, 1), tmp_path / "windowed.nii", cal_min=0, cal_max=460)
    assert read_slice(f"{windowed}#slice=0").window == Window(230, 460)
    assert np.asarray(load_image(f"{windowed}#slice=0"))[0, 0] == round(230 / 460 * 255)


def test_a_slice_and_a_volume_have_to_be_named(tmp_path: Path) -> None:
    path = tmp_path / "series.nii"
    nibabel.save(nibabel.Nifti1Image(np.stack([RAS, RAS + 1000], axis=-1), np.eye(4)), path)
    for selection, problem in (
        ("", "5 axial slices. Expected the reference of one, with slice=2 after a #"),
        ("#plane=sagittal", "3 sagittal slices"),
        ("#slice=5", "no slice 5 among 5 axial slices. Expected a number from 0 to 4"),
        ("#slice=1", "2 volumes. Expected the reference of one, with volume=1"),
        ("#slice=1&volume=2", "no volume 2 among 2 volumes"),
    ):
        with pytest.raises(ImageError, match=problem):
            load_image(f"{path}{selection}")
    assert read_slice(f"{path}#slice=1&volume=1").values[0, 0] == 1231


def test_a_single_slice_needs_no_number(tmp_path: Path) -> None:
    path = tmp_path / "one.nii"
    nibabel.save(nibabel.Nifti1Image(RAS[:, :, :1], np.eye(4)), path)
    assert load_image(path).size == (3, 4)


def test_real_volumes() -> None:
    folder = Path(nibabel.__file__).parent / "tests" / "data"
    anatomical = folder / "anatomical.nii"
    canonical = nibabel.as_closest_canonical(nibabel.load(anatomical)).get_fdata()
    assert np.allclose(read_slice(f"{anatomical}#slice=9").values, canonical[::-1, ::-1, 9].T)
    assert image_size(f"{folder / 'example4d.nii.gz'}#slice=0&volume=0") == (128, 96)


@pytest.mark.parametrize("data", [b"", b"\x1f\x8b" + bytes(64), bytes(400), b"text"])
@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_damaged_files_say_so(data: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"scan.{suffix}"
    path.write_bytes(data)
    with pytest.raises(ImageError, match="a NIfTI file that is damaged or incomplete"):
        load_image(f"{path}#slice=0")


def test_a_file_cut_short_and_values_that_are_none(tmp_path: Path) -> None:
    path = stored((0, 1, 2), (1, 1, 1), tmp_path / "scan.nii")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ImageError, match="damaged or incomplete"):
        load_image(f"{path}#slice=4")
    nibabel.save(nibabel.Nifti1Image(np.full(SHAPE, np.nan, dtype=np.float32), np.eye(4)), tmp_path / "nan.nii")
    with pytest.raises(ImageError, match="no voxel of axial slice 1 holds a finite number"):
        load_image(f"{tmp_path / 'nan.nii'}#slice=1")
    colours = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colours, np.eye(4)), tmp_path / "rgb.nii")
    with pytest.raises(ImageError, match="Expected a volume of one real number per voxel"):
        load_image(f"{tmp_path / 'rgb.nii'}#slice=1")


def test_a_missing_file_and_a_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match="no such file"):
        load_image(tmp_path / "gone.nii.gz")
    with pytest.raises(ImageError, match="cannot be read"):
        read_slice(tmp_path / "gone.nii.gz")
    path = stored((0, 1, 2), (1, 1, 1), tmp_path / "scan.nii")
    monkeypatch.delitem(sys.modules, "vitar.imaging.nifti", raising=False)
    monkeypatch.setitem(sys.modules, "nibabel", None)
    for read in (load_image, image_size, read_slice):
        with pytest.raises(ImageError, match=r"needs the package nibabel.*pip install 'vitar-med\[medical\]'"):
            read(f"{path}#slice=0")
