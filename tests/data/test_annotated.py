"""What an annotated image refuses, and masks of regions."""

from __future__ import annotations

import math
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef, Region

GOOD = AnnotatedImage(
    id="set/1",
    image=ImageRef("scan.png"),
    width=8,
    height=6,
    regions=(Region("stone", (1.0, 2.0, 8.0, 6.0)),),
    modality="CT",
    anatomy="kidney",
    source="set",
    split="",
    licence="CC0-1.0",
    group="patient 1",
)

MASK_HW = np.zeros((4, 6), dtype=bool)
MASK_HW[1, 2:5] = MASK_HW[2, 2] = True  # rows 1 and 2, columns 2 to 4


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": ""}, "needs an id"),
        ({"width": 0}, "needs pixels, got 0 x 6"),
        ({"group": ""}, "the group is empty"),
        ({"regions": (Region(" ", (1, 2, 3, 4)),)}, "has no label"),
        ({"regions": (Region("stone", (1, 2, math.nan, 4)),)}, "four finite numbers"),
        ({"regions": (Region("stone", (1, 2, 9, 4)),)}, "leaves the image of 8 x 6"),
        ({"regions": (Region("stone", (1, 2, 3, 7)),)}, "leaves the image of 8 x 6"),
        ({"regions": (Region("stone", (3, 2, 3, 4)),)}, "is empty"),
    ],
)
def test_contradictions_are_refused_by_name(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refusal:
        replace(GOOD, **changes)
    assert repr(changes.get("id", "set/1")) in str(refusal.value)


def test_an_image_without_regions_is_fine() -> None:
    assert replace(GOOD, regions=()).regions == ()


def test_the_box_of_a_mask_is_tight_and_xyxy() -> None:
    region = Region.of_mask("stone", MASK_HW)
    assert region.box_xyxy == (2.0, 1.0, 5.0, 3.0)  # with rows and columns swapped it would be 1, 2, 3, 5
    assert region.mask is not None
    png = Image.open(BytesIO(region.mask))
    assert (png.format, png.mode, png.size) == ("PNG", "1", (3, 2))
    assert np.asarray(png).tolist() == [[True, True, True], [True, False, False]]
    restored_hw = region.mask_hw(6, 4)
    assert restored_hw is not None
    assert np.array_equal(restored_hw, MASK_HW)
    assert "PNG" not in repr(region)


def test_a_region_of_a_box_alone_has_no_mask() -> None:
    assert Region("stone", (2, 1, 5, 3)).mask_hw(6, 4) is None


@pytest.mark.parametrize(
    ("box_xyxy", "size"),
    [
        ((2.0, 1.0, 5.0, 3.0), (4, 4)),  # leaves the image
        ((2.0, 1.0, 5.0, 4.0), (6, 4)),  # one row more than the mask has
        ((1.0, 2.0, 3.0, 5.0), (6, 6)),  # rows and columns swapped
        ((2.5, 1.0, 5.5, 3.0), (6, 4)),  # no whole pixels
    ],
)
def test_a_mask_that_does_not_fit_its_box_is_refused(box_xyxy: tuple, size: tuple[int, int]) -> None:
    region = replace(Region.of_mask("stone", MASK_HW), box_xyxy=box_xyxy)
    with pytest.raises(ValueError, match="the mask of region 'stone' has 3 x 2 pixels"):
        region.mask_hw(*size)


@pytest.mark.parametrize(
    ("mask", "problem"),
    [
        (np.zeros((3, 3), dtype=bool), "has no pixel"),
        (np.ones((3, 3), dtype=np.uint8), "must be bool"),
        (np.ones((3, 3, 1), dtype=bool), "must be bool"),
    ],
)
def test_what_is_no_mask_is_refused(mask: np.ndarray, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Region.of_mask("stone", mask)
