"""How one picture is named: the path of a file, and for a scan which slice of it and in which window.

| reference | what it names |
|---|---|
| ``lung.png`` | the picture in the file |
| ``ct.dcm`` | a DICOM file of one frame, in the window that it names itself |
| ``ct.dcm#window=-600,1500`` | the same in a window of that centre and width (for a CT in HU) |
| ``echo.dcm#slice=12`` | frame 12 of a DICOM file of several, counted from 0; also a page of a TIFF file |
| ``brain.nii.gz#slice=80`` | an axial slice of a NIfTI volume, counted from 0 at the feet |
| ``brain.nii.gz#slice=80&plane=coronal`` | coronal, counted from the back; ``sagittal`` is counted from the left |
| ``brats.nii.gz#slice=80&volume=3`` | a slice of one of the volumes of a series (4-D), counted from 0 |

A ``#`` starts such a selection only if one of the four words follows it; any other belongs to the name of the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vitar.imaging.intensity import Window

PLANES = ("axial", "coronal", "sagittal")
_SELECTION = re.compile(r"#(?=(?:slice|plane|volume|window)=)")


class ImageError(ValueError):
    """A source that gives no image. The message says what was found, what was expected, what to do."""


@dataclass(frozen=True)
class Selection:
    """Which picture of a file.

    Args:
        slice: slice, frame or page, from 0; None where there is only one.
        plane: one of `PLANES`, for a volume.
        volume: which volume of a series, from 0; None where there is only one.
        window: by which gray values are shown; None for the file's own.
    """

    slice: int | None = None
    plane: str = PLANES[0]
    volume: int | None = None
    window: Window | None = None


def split_reference(reference: str) -> tuple[str, Selection]:
    """The path and the selection that a reference names; the default selection where it names none.

    Raises:
        ImageError: the selection is malformed.
    """
    path, *selections = _SELECTION.split(reference, maxsplit=1)
    if not selections:
        return path, Selection()
    chosen: dict[str, str] = {}
    for part in selections[0].split("&"):
        word, _, value = part.partition("=")
        if word in chosen or word not in ("slice", "plane", "volume", "window"):
            raise _malformed(reference, f"{part!r}")
        chosen[word] = value
    if (plane := chosen.get("plane", PLANES[0])) not in PLANES:
        raise _malformed(reference, f"the plane {plane!r}")
    slice_, volume = (_count(reference, chosen.get(word)) for word in ("slice", "volume"))
    return path, Selection(slice_, plane, volume, _window(reference, chosen.get("window")))


def _count(reference: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise _malformed(reference, f"the number {text!r}")
    return int(text)


def _window(reference: str, text: str | None) -> Window | None:
    if text is None:
        return None
    try:
        center, width = map(float, text.split(","))
        return Window(center, width)
    except ValueError as error:
        raise _malformed(reference, f"the window {text!r}") from error


def _malformed(reference: str, found: str) -> ImageError:
    return ImageError(
        f"{reference}: cannot follow {found} after the #. Expected slice=NUMBER, plane=axial, coronal or sagittal, "
        "volume=NUMBER and window=CENTRE,WIDTH, joined by &, each at most once."
    )
