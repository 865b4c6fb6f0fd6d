"""The record of an image that experts marked: what every annotated source becomes, and what questions are made from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from vitar.data.example import ImageRef, Region


@dataclass(frozen=True)
class AnnotatedImage:
    """One image with what experts marked on it.

    Args:
        id: unique in its source.
        image: a reference; nothing is decoded until `open_image`.
        width, height: in pixels of the original, which is what `open_image` returns.
        regions: in the same pixels, inside the image; empty where nothing was marked.
        modality, anatomy: of the image; "" if unknown.
        source: where the annotation comes from.
        split: of the source: ``train``, ``validation``, ``test``, or "" where it has none.
        licence: of image and annotation; "" if unknown.
        group: patient or image; splits and confidence intervals keep a group together.
        attributes: of each region, name -> value, as in ``margin`` -> ``spiculated``; empty where the source has none.
        uncertain: labels of which a mark was left out, so that regions say neither whether there is one nor how many.

    Raises:
        ValueError: the record contradicts itself, or a box leaves the image; the message names the id.
    """

    id: str
    image: ImageRef
    width: int
    height: int
    regions: tuple[Region, ...]
    modality: str
    anatomy: str
    source: str
    split: str
    licence: str
    group: str
    attributes: tuple[Mapping[str, str], ...] = ()
    uncertain: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise ValueError(f"annotated image {self.id!r}: {problem}")

    def _problem(self) -> str:
        """What contradicts itself, or ""."""
        if not self.id.strip():
            return "an annotated image needs an id"
        if self.width < 1 or self.height < 1:
            return f"an image needs pixels, got {self.width} x {self.height}"
        if not self.group:
            return "the group is empty; without a known patient it is the image"
        if self.attributes and len(self.attributes) != len(self.regions):
            return f"there are attributes of {len(self.attributes)} regions, and {len(self.regions)} regions"
        for region in self.regions:
            if not region.label.strip():
                return f"the region at {region.box_xyxy} has no label"
            if len(region.box_xyxy) != 4 or not all(map(math.isfinite, region.box_xyxy)):
                return f"the box of region {region.label!r} needs four finite numbers, got {region.box_xyxy}"
            if not region.box(self.width, self.height).is_valid:
                size = f"{self.width} x {self.height}"
                return f"the box of region {region.label!r} is empty or leaves the image of {size}: {region.box_xyxy}"
        return ""
