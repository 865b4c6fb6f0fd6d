"""The adapters on real data: known counts, and facts of anatomy that a swap of sides or axes would break."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from vitar.data.example import open_image
from vitar.data.sources import open_annotated
from vitar.data.sources.source import ZERO_AREA
from vitar.imaging.loading import load_image
from vitar.imaging.medical import read_slice


def test_bccd(shared_data: Path) -> None:
    source = open_annotated(f"voc:{shared_data / 'bccd'}?modality=light microscopy&anatomy=blood&licence=MIT")
    images = list(source)
    assert Counter(image.split for image in images) == {"train": 205, "validation": 87}
    counts = Counter(region.label for image in images for region in image.regions)
    assert counts == {"RBC": 3350 - 2, "WBC": 301, "Platelets": 292}
    assert source.issues.counts == {ZERO_AREA: 2}
    assert source.issues.items(ZERO_AREA) == (
        "bccd/BloodImage_00338: object 13, RBC at 504, 337",
        "bccd/BloodImage_00343: object 4, RBC at 181, 329",
    )
    # The nuclei of white cells are stained purple, darker in red than all else; not so where x and y are swapped.
    dark, dark_swapped = [], []
    for image in images[:20]:
        red = np.asarray(open_image(image.image))[:, :, 0].astype(float)
        for region in image.regions:
            if region.label == "WBC":
                x0, y0, x1, y1 = map(int, region.box_xyxy)
                for found, patch in ((dark, red[y0:y1, x0:x1]), (dark_swapped, red[x0:x1, y0:y1])):
                    found.append(patch.size > 0 and np.percentile(patch, 5) < np.median(red) - 35)
    assert np.mean(dark) == 1
    assert np.mean(dark_swapped) < 0.7


def test_lungs(shared_data: Path) -> None:
    path = shared_data / "cxr_lungs" / "annotations.json"
    source = open_annotated(f"coco:{path}?group=metadata.patientid&modality=chest radiograph")
    images = list(source)
    assert len(images) == 51
    assert len({image.group for image in images}) == 31
    assert source.issues.counts == {}
    for image in images:
        box = {region.label: region.box(image.width, image.height) for region in image.regions}
        assert set(box) == {"Right Lung", "Left Lung"}
        assert box["Right Lung"].center[0] < box["Left Lung"].center[0], image.id  # right is the viewer's left
        assert all(b.height > b.width for b in box.values()), image.id


def test_liver(shared_data: Path) -> None:
    pytest.importorskip("pydicom", reason="the extra medical is not installed")
    folder = shared_data / "dicom" / "ct_liver"
    source = open_annotated(f"dicom-seg:{folder}?anatomy=abdomen&licence=BSD-style")
    assert [(image.id, image.modality, image.anatomy) for image in source] == [
        (f"ct_liver/0{number}.dcm", "CT", "abdomen") for number in (1, 2, 3)
    ]
    for image in source:
        (region,) = image.regions
        assert region.label == "Liver"
        mask_hw = region.mask_hw(image.width, image.height)
        assert mask_hw is not None
        ct = read_slice(image.image.uri)
        assert ct.spacing_mm == pytest.approx((0.810547, 0.810547))
        assert 30 < np.median(ct.values[mask_hw]) < 70  # HU of liver without contrast; air -1000, fat -100, bone 300
        soft_hw = (ct.values > -50) & (ct.values < 250)
        assert soft_hw[mask_hw].mean() > 0.9
        for elsewhere_hw in (mask_hw.T, mask_hw[:, ::-1], mask_hw[::-1]):
            assert soft_hw[elsewhere_hw].mean() < 0.7
        assert region.box(512, 512).center[0] < 256  # the patient's right is on the viewer's left
        picture = np.asarray(load_image(image.image.uri))
        assert picture[0, 0] == 0  # air outside
        assert 122 < np.median(picture[mask_hw]) < 148  # 30 to 70 HU in the file's window of 40, 400


def test_the_frames_of_the_real_segmentation_run_against_the_file_names(shared_data: Path) -> None:
    """Frame 1 is of 03.dcm: who pairs frames and files by order marks the wrong slices."""
    pydicom = pytest.importorskip("pydicom", reason="the extra medical is not installed")
    folder = shared_data / "dicom" / "ct_liver"
    frames = pydicom.dcmread(folder / "liver.dcm").pixel_array.astype(bool)
    for image, mask_hw in zip(open_annotated(f"dicom-seg:{folder}"), frames[::-1], strict=True):
        assert np.array_equal(image.regions[0].mask_hw(512, 512), mask_hw)
