"""DeepLesion: 32,735 lesions on 32,120 CT slices of 4,427 patients (NIH Clinical Center, doi 10.1117/1.JMI.5.3.036501).

    DIR/DL_info.csv   DIR/Images_png/000001_01_01/109.png

    File_name,Patient_index,...,Bounding_boxes,...,Coarse_lesion_type,Possibly_noisy,...,Image_size,DICOM_windows,...
    000001_01_01_109.png,1,...,"226.169, 90.0204, 241.252, 111.977",...,3,0,...,"512, 512","-175, 275",...,3

The last ``_`` of a file name stands for the folder. Boxes are left, top, right, bottom in pixels, and may reach out of
the image. A PNG holds HU + 32768 in 16 bits, and is shown in the window of the table (lowest and highest HU). Every
label is ``lesion``; the coarse type, known for validation and test (elsewhere -1), is the anatomy. Rows that the
authors call possibly noisy are left out. Not every lesion of a slice is marked. Open download; formal terms were not
found.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef
from vitar.data.sources.boxes import box_region
from vitar.data.sources.source import AnnotatedSource, Issues, SourceError, size_of, with_image_files
from vitar.data.sources.tables import numbers, read_table

LICENCE = "open download from the NIH Clinical Center, terms not stated"
NOISY = "lesion that the authors call possibly noisy, left out"
HU_OFFSET = 32768
TYPES = {
    "-1": "",
    "1": "bone",
    "2": "abdomen",
    "3": "mediastinum",
    "4": "liver",
    "5": "lung",
    "6": "kidney",
    "7": "soft tissue",
    "8": "pelvis",
}
"""``Coarse_lesion_type`` -> where the lesion is."""
SPLITS = {"1": "train", "2": "validation", "3": "test"}
_COLUMNS = ("File_name", "Patient_index", "Bounding_boxes", "Coarse_lesion_type", "Possibly_noisy", "Image_size")


def open_source(path: Path) -> AnnotatedSource:
    """The marked slices of DeepLesion, in the order of the table.

    Raises:
        SourceError: the layout is another one, or no image is there.
    """
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in read_table(path / "DL_info.csv", (*_COLUMNS, "DICOM_windows", "Train_Val_Test")):
        if row["Coarse_lesion_type"] not in TYPES or row["Train_Val_Test"] not in SPLITS:
            found = f"lesion type {row['Coarse_lesion_type']!r} and split {row['Train_Val_Test']!r}"
            raise SourceError(f"{path}: {row['File_name']} has the {found}. Expected -1, 1 to 8, and 1 to 3.")
        rows[row["File_name"]].append(row)
    issues = Issues()
    images = {name: path / "Images_png" / "/".join(name.rsplit("_", 1)) for name in rows}
    files = with_image_files(images, issues)

    def make(name: str) -> AnnotatedImage:
        id, first = f"deeplesion/{name}", rows[name][0]
        width, height = numbers(first["Image_size"].split(","), f"{id}: Image_size")
        size = size_of(files[name], (int(width), int(height)))
        regions = []
        for row in rows[name]:
            item = f"{id}: lesion at {row['Bounding_boxes']}"
            if row["Possibly_noisy"] == "1":
                issues.add(NOISY, item)
                continue
            x0, y0, x1, y1 = numbers(row["Bounding_boxes"].split(","), item)
            regions.append(box_region("lesion", (x0, y0, x1, y1), size, item, issues))
        low, high = numbers(first["DICOM_windows"].split(","), f"{id}: DICOM_windows")
        window = f"#window={(low + high) / 2 + HU_OFFSET:g},{high - low:g}"
        return AnnotatedImage(
            id=id,
            image=ImageRef(f"{files[name]}{window}"),
            width=size[0],
            height=size[1],
            regions=tuple(region for region in regions if region is not None),
            modality="CT",
            anatomy=TYPES[first["Coarse_lesion_type"]],
            source="deeplesion",
            split=SPLITS[first["Train_Val_Test"]],
            licence=LICENCE,
            group=f"deeplesion/{first['Patient_index']}",
        )

    return AnnotatedSource(list(files), make, issues)
