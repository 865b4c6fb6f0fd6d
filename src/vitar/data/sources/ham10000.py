"""HAM10000: 10,015 dermoscopic images of skin lesions with their diagnosis and outline (doi 10.7910/DVN/DBW86T).

    DIR/HAM10000_metadata[.csv]   DIR/HAM10000_images_part_1/ISIC_0027419.jpg, ..._part_2 (or part1, part2)
    DIR/HAM10000_segmentations_lesion_tschandl/ISIC_0027419_segmentation.png

    lesion_id,image_id,dx,dx_type,age,sex,localization
    HAM_0000118,ISIC_0027419,bkl,histo,80.0,male,scalp

Several images may show one lesion: groups are lesions. Licence CC BY-NC 4.0.
"""

from __future__ import annotations

from pathlib import Path

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef
from vitar.data.sources.masks import mask_region, read_mask
from vitar.data.sources.source import AnnotatedSource, Issues, SourceError, size_of, with_image_files
from vitar.data.sources.tables import read_table

LICENCE = "CC BY-NC 4.0"
DIAGNOSES = {
    "akiec": "actinic keratosis or intraepithelial carcinoma",
    "bcc": "basal cell carcinoma",
    "bkl": "benign keratosis",
    "df": "dermatofibroma",
    "mel": "melanoma",
    "nv": "melanocytic nevus",
    "vasc": "vascular lesion",
}
"""``dx`` -> label of the region."""


def open_source(path: Path) -> AnnotatedSource:
    """The images of HAM10000, in the order of its table.

    Raises:
        SourceError: the layout is another one, or no image is there.
    """
    plain = path / "HAM10000_metadata"
    table = plain if plain.is_file() else plain.with_suffix(".csv")
    rows = {row["image_id"]: row for row in read_table(table, ("lesion_id", "image_id", "dx"))}
    issues = Issues()
    found = {file.stem: file for folder in sorted(path.glob("HAM10000_images_part*")) for file in folder.glob("*.jpg")}
    files = with_image_files({id: found.get(id, path / f"{id}.jpg") for id in rows}, issues)

    def make(id: str) -> AnnotatedImage:
        name, size, row = f"ham10000/{id}", size_of(files[id]), rows[id]
        if row["dx"] not in DIAGNOSES:
            raise SourceError(f"{table}: {id} has the diagnosis {row['dx']!r}. Expected one of {', '.join(DIAGNOSES)}.")
        mask = path / "HAM10000_segmentations_lesion_tschandl" / f"{id}_segmentation.png"
        region = mask_region(DIAGNOSES[row["dx"]], read_mask(mask, size), name, issues)
        return AnnotatedImage(
            id=name,
            image=ImageRef(str(files[id])),
            width=size[0],
            height=size[1],
            regions=() if region is None else (region,),
            modality="dermoscopy",
            anatomy="skin",
            source="ham10000",
            split="",
            licence=LICENCE,
            group=f"ham10000/{row['lesion_id']}",
        )

    return AnnotatedSource(list(files), make, issues)
