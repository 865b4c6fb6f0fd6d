"""What an attention analysis says, in sentences that claim no more than its intervals do."""

from __future__ import annotations

from vitar.analysis.attention.record import Attention, Measured, Null, look_name
from vitar.reports.estimates import in_words, shown_sign
from vitar.reports.wording import UNDEFINED, listed, percent, points_between

NULL_NAMES = {
    "shuffled_region": "as large regions at random places of the same images",
    "other_image": "the same places on other images",
}


def attention_sentences(found: Attention) -> tuple[str, ...]:
    """On the images, on the region in each look, on the change from look to look, on sinks, on the causal check."""
    return (*_on_the_images(found), *_on_the_region(found), *_on_sinks(found), *_on_occlusion(found))


def place_name(look: int, image: int | None) -> str:
    """``rethink, image 2``."""
    return f"{look_name(look)}, {'all images' if image is None else f'image {image}'}"


def _on_the_images(found: Attention) -> list[str]:
    """Whether attention stays on the images from the first look to the later ones."""
    first = _measured(found, 1, None, "share")
    if first is None:
        return []
    said = [f"While it thinks, the model pays {percent(first.value.mean)} of its attention to the image{_even(first)}."]
    for look in _looks(found)[1:]:
        later = _measured(found, look, None, "share")
        change = _null(later, "first_look") if later else None
        if later is None or change is None:
            continue
        d = change.difference
        way = {1: "more, so it does not leave them", 0: "a change that is not shown", -1: "less"}[shown_sign(d)]
        said.append(
            f"In its {look_name(look)} turn it pays {percent(later.value.mean)} to all images together{_even(later)}: "
            f"{points_between(d.mean, d.low, d.high)} points, {way}."
        )
    return said


def _even(share: Measured) -> str:
    null = _null(share, "uniform")
    return f", where even attention would pay {percent(null.expected.mean)}" if null else ""


def _on_the_region(found: Attention) -> list[str]:
    """Each look at each image against its nulls, then what changed since the first look."""
    said = []
    for measured in (m for m in found.measures if m.measure == "enrichment"):
        where = f"image {measured.image} in its {look_name(measured.look)} turn"
        if measured.value.mean is None:
            said.append(f"The attention on the true region of {where} is {UNDEFINED}.")
            continue
        said.append(
            f"On {where}, the true region gets {in_words(measured.value)} times the attention of an equal area"
            f"{_against_nulls(measured)}."
        )
        if change := _null(measured, "first_look"):
            says = {
                1: "the attention moves onto the region",
                0: "that the attention moves onto the region is not shown",
                -1: "the attention does not move onto the region but spreads away from it",
            }[shown_sign(change.difference)]
            said.append(f"Against the first look that is {in_words(change.difference, signed=True)}: {says}.")
    return said


def _against_nulls(measured: Measured) -> str:
    said: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for name, words in NULL_NAMES.items():
        if null := _null(measured, name):
            difference = in_words(null.difference, signed=True)
            said[shown_sign(null.difference)].append(f"{words} by {difference}")
    starts = {1: "more than for", 0: "not shown to differ from that for", -1: "less than for"}
    return "".join(f", {starts[way]} {listed(found)}" for way, found in said.items() if found)


def _on_sinks(found: Attention) -> list[str]:
    places = [place for place in found.sinks.places if place.per_episode > 0]
    kept = "left out of all measures" if found.sinks.excluded else "kept in all measures"
    if not places:
        return ["No token takes much of the attention all the time, as an attention sink does."]
    parts = [
        f"{place.place.replace('_', ' ')} ({place.per_episode:.1f} an episode, "
        f"{' then '.join(percent(share) for share in place.attention)} of all attention)"
        for place in places
    ]
    return [f"Attention sinks, {kept}: {listed(parts)}."]


def _on_occlusion(found: Attention) -> list[str]:
    said = []
    for change in found.occlusion.changes:
        what = "recorded answer" if change.part == "answer" else "whole last turn"
        if change.contrast.mean is None:
            said.append(f"What hiding the region does to the {what} is {UNDEFINED}: no episode allows the check.")
            continue
        says = {
            1: "hiding other pixels harms it more than hiding the region",
            0: "that it is the region that matters is not shown",
            -1: "it is the region that matters",
        }[shown_sign(change.contrast)]
        said.append(
            f"Hiding the region before the second look changes the log-probability of the {what} by "
            f"{in_words(change.region, signed=True)} nats, hiding as much elsewhere by "
            f"{in_words(change.elsewhere, signed=True)}: {says} (difference {in_words(change.contrast, signed=True)}, "
            f"{change.contrast.n:,} episodes)."
        )
    return said


def _looks(found: Attention) -> list[int]:
    return sorted({measured.look for measured in found.measures})


def _measured(found: Attention, look: int, image: int | None, measure: str) -> Measured | None:
    wanted = (look, image, measure)
    return next((m for m in found.measures if (m.look, m.image, m.measure) == wanted), None)


def _null(measured: Measured, name: str) -> Null | None:
    return next((null for null in measured.nulls if null.name == name), None)
