"""Phantoms as annotated images: what was drawn is what is marked."""

from __future__ import annotations

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import PHANTOM_PREFIX, ImageRef, Region
from vitar.data.phantoms.dataset import FAMILIES, LICENCE, phantom, phantom_item
from vitar.data.phantoms.scene import SIDE_PX, SPLITS
from vitar.data.sources.source import AnnotatedSource, Issues, SourceError


def open_source(split: str, count: int) -> AnnotatedSource:
    """The first ``count`` phantoms of a split, the families in turn; regions are lesions, labels their kinds.

    The fine attributes of a lesion are those that it was drawn with.

    Raises:
        SourceError: unknown split or negative count.
    """
    if split not in SPLITS or count < 0:
        raise SourceError(f"phantoms:{split}:{count}. Expected one of {', '.join(SPLITS)} and a number from 0.")

    def make(index: int) -> AnnotatedImage:
        name, number, _ = phantom_item(split, index)
        family = FAMILIES[name]
        lesions = phantom(name, split, number).lesions
        uri = f"{PHANTOM_PREFIX}{name}/{split}/{number}"
        return AnnotatedImage(
            id=uri,
            image=ImageRef(uri),
            width=SIDE_PX,
            height=SIDE_PX,
            regions=tuple(Region.of_mask(drawn.spec.kind, drawn.mask_hw) for drawn in lesions),
            modality=family.modality,
            anatomy=family.anatomy,
            source="phantoms",
            split=split,
            licence=LICENCE,
            group=uri,
            attributes=tuple(dict(drawn.spec.attributes) for drawn in lesions),
        )

    return AnnotatedSource(range(count), make, Issues())
