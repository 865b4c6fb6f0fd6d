"""How a picture of a file is named."""

from __future__ import annotations

import pytest

from vitar.imaging.intensity import Window
from vitar.imaging.reference import ImageError, Selection, split_reference


@pytest.mark.parametrize(
    ("reference", "path", "selection"),
    [
        ("lung.png", "lung.png", Selection()),
        ("a/b.nii.gz#slice=12", "a/b.nii.gz", Selection(slice=12)),
        ("b.nii#plane=coronal&slice=0", "b.nii", Selection(slice=0, plane="coronal")),
        ("b.nii#volume=3&slice=80", "b.nii", Selection(slice=80, volume=3)),
        ("ct.dcm#window=-600,1500", "ct.dcm", Selection(window=Window(-600, 1500))),
        ("patient #3.png", "patient #3.png", Selection()),  # an ordinary # is a letter of the name
        ("patient#3.dcm#slice=1", "patient#3.dcm", Selection(slice=1)),
    ],
)
def test_references(reference: str, path: str, selection: Selection) -> None:
    assert split_reference(reference) == (path, selection)


@pytest.mark.parametrize(
    "reference",
    [
        "a.nii#slice=",
        "a.nii#slice=-1",
        "a.nii#slice=1.5",
        "a.nii#slice=²",
        "a.nii#slice=1&slice=2",
        "a.nii#slice=1&axis=2",
        "a.nii#plane=oblique",
        "a.dcm#window=40",
        "a.dcm#window=40,0",
        "a.dcm#window=a,b",
    ],
)
def test_a_selection_that_cannot_be_followed_is_refused(reference: str) -> None:
    with pytest.raises(ImageError, match=r"cannot follow .* after the #. Expected slice=NUMBER"):
        split_reference(reference)
