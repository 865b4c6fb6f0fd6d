"""SA-Med2D-20M: masks on images of ten modalities (arXiv 2311.11969; ``OpenGVLab/SA-Med2D-20M``).

    DIR/SAMed2D_v1.json                    {"images/ct_00--AbdomenCT1K--Case_00011--x_0040.png":
                                              ["masks/ct_00--AbdomenCT1K--Case_00011--x_0040--0000_001.png", ...], ...}
    DIR/SAMed2D_v1_class_mapping_id.json   {"AbdomenCT1K": {"liver": "0", ...}, ...}

The archive comes in parts that have to be joined before they are unpacked. An image is named by modality and kind,
data set, case, and axis and slice; a mask adds its class, of four digits, and the number of the instance. Masks are
binary. The class of a mask is looked up by its number in the mapping of its data set. Classes called ``union_...`` are
made of others and left out. Slices are as their makers cut them, so left and right need not be those of a radiologist's
view. The index is read whole: for all of the set that takes several gigabytes of memory. Licence CC BY-NC-SA 4.0,
besides those of the data sets inside.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef
from vitar.data.sources.masks import mask_region, read_mask
from vitar.data.sources.source import AnnotatedSource, Issues, SourceError, existing, size_of, with_image_files

LICENCE = "CC BY-NC-SA 4.0"
UNION = "mask of a union of classes, left out"
MODALITIES = {
    "ct": "CT",
    "mr": "MRI",
    "pet": "PET",
    "x": "X-ray",
    "ultrasound": "ultrasound",
    "dermoscopy": "dermoscopy",
    "endoscopy": "endoscopy",
    "fundus": "fundus photography",
}
"""First part of a file name, up to ``_`` -> modality."""


def open_source(path: Path) -> AnnotatedSource:
    """The images of SA-Med2D-20M that are there, in the order of its index.

    Raises:
        SourceError: the layout is another one, or no image is there.
    """
    index = _json(path / "SAMed2D_v1.json")
    classes = {
        (dataset, int(number)): label
        for dataset, numbers in _json(path / "SAMed2D_v1_class_mapping_id.json").items()
        for label, number in numbers.items()
    }
    issues = Issues()
    files = with_image_files({name: path / name for name in index}, issues)

    def make(name: str) -> AnnotatedImage:
        modality, dataset, case, _ = _parts(name, 4)
        id, size = f"sa-med2d/{Path(name).stem}", size_of(files[name])
        regions = []
        for mask in index[name]:
            number = _parts(mask, 5)[-1].partition("_")[0]
            if not number.isdecimal() or (label := classes.get((dataset, int(number)))) is None:
                raise SourceError(
                    f"{path / mask}: class {number!r} of {dataset} is not in SAMed2D_v1_class_mapping_id.json."
                )
            if label.startswith("union_"):
                issues.add(UNION, mask)
                continue
            regions.append(mask_region(label.replace("_", " "), read_mask(path / mask, size), mask, issues))
        return AnnotatedImage(
            id=id,
            image=ImageRef(str(files[name])),
            width=size[0],
            height=size[1],
            regions=tuple(region for region in regions if region is not None),
            modality=MODALITIES.get(modality.partition("_")[0], ""),
            anatomy="",
            source="sa-med2d",
            split="",
            licence=LICENCE,
            group=f"sa-med2d/{dataset}/{case}",
        )

    return AnnotatedSource(list(files), make, issues)


def _parts(name: str, count: int) -> list[str]:
    parts = Path(name).stem.split("--")
    if len(parts) != count:
        raise SourceError(f"{name}: {len(parts)} parts between --. Expected {count}; this is no file of SA-Med2D-20M.")
    return parts


def _json(path: Path) -> dict[str, Any]:
    existing(path, "an index of SA-Med2D-20M, in the folder SAMed2Dv1")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise SourceError(f"{path}: no JSON ({error}). Fetch it again.") from error
