"""What an attention analysis leaves in a run's folder: ``attention.json``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from vitar.analysis.estimates import Estimate

ATTENTION_NAME = "attention.json"
PICTURES_FOLDER = "attention"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Null(_Record):
    """A measure beside what it would be for another reason.

    Args:
        name: ``shuffled_region``, ``other_image``, ``first_look`` (the same measure on image 1 while thinking), or, for
            a share of attention, ``uniform``.
        expected: the measure under the null.
        difference: measure minus null, on the same items.
    """

    name: str
    expected: Estimate
    difference: Estimate


class Measured(_Record):
    """One measure of one look at one image, of attention averaged over tokens, layers and heads.

    Args:
        look: 1 for think, 2 for rethink, and so on.
        image: number of the image, or null for all images together.
        measure: ``share`` of all attention, ``enrichment``, ``pointing`` or ``auc`` on the true regions.
    """

    look: int
    image: int | None
    measure: str
    value: Estimate
    nulls: tuple[Null, ...]


class ByHead(_Record):
    """A `Measured` mean with its interval for every layer (row) and head (column) by itself."""

    look: int
    image: int
    measure: str
    mean: tuple[tuple[float | None, ...], ...]
    low: tuple[tuple[float | None, ...], ...]
    high: tuple[tuple[float | None, ...], ...]


class SinkPlace(_Record):
    """Attention sinks in one place.

    Args:
        place: ``first_token``, ``text`` (of the prompt and the observations) or ``image 1``, ``image 2``, ….
        per_episode: mean number of sinks.
        attention: for each look the mean share of all attention that goes to them.
        inside_region: mean share of a sink that true regions cover; null for text.
    """

    place: str
    per_episode: float
    attention: tuple[float, ...]
    inside_region: float | None


class Sinks(_Record):
    """What counts as a sink, and what there is of them; see ``sinks.py``."""

    excluded: bool
    factor: float
    persistence: float
    places: tuple[SinkPlace, ...]


class Change(_Record):
    """Log-probability, in nats, of what the model wrote after its last look.

    Args:
        part: ``answer``, or the whole last ``turn``.
        intact: as it was.
        region: what hiding the true regions adds to it.
        elsewhere: what hiding as many other pixels adds to it.
        contrast: ``region`` minus ``elsewhere``.
    """

    part: str
    intact: Estimate
    region: Estimate
    elsewhere: Estimate
    contrast: Estimate


class Occlusion(_Record):
    """The causal check.

    Args:
        left_out: reason -> number of the analysed items that it could not be made on.
    """

    changes: tuple[Change, ...]
    left_out: dict[str, int]


class Attention(_Record):
    """One condition of one run.

    Args:
        model: that read the episodes again.
        layers, heads: numbers of those that count.
        items, groups: that were analysed.
        left_out: reason -> number of items that could not be.
        retokenised: items in which the model had written the same text in other tokens than those that were read.
        placements, others: of the nulls; see ``nulls.py``.
    """

    model: str
    condition: str
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    items: int
    groups: int
    left_out: dict[str, int]
    retokenised: int
    seed: int
    placements: int
    others: int
    measures: tuple[Measured, ...]
    by_head: tuple[ByHead, ...]
    sinks: Sinks
    occlusion: Occlusion
    pictures: tuple[str, ...]


class AttentionFile(_Record):
    """``attention.json``: condition -> its analysis."""

    schema_version: Literal[1] = 1
    conditions: dict[str, Attention]


def look_name(look: int) -> str:
    """What a look is called: think, rethink, then rethink 2 and so on."""
    return "think" if look == 1 else "rethink" if look == 2 else f"rethink {look - 1}"
