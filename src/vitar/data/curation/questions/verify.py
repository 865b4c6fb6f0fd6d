"""A second opinion on rule-made questions, from their words and the marked pixels alone.

The generator has facts and puts them into words. Here the words are read, with nothing else known of the question, and
answered from what each region covers: its mask, where there is one, instead of its box. For fine attributes it is the
words alone that are checked. So a wording that says another
thing than was meant, a side that was swapped, or a box that tells another story than its mask does not get through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

from vitar.data.annotated import AnnotatedImage
from vitar.data.curation.questions.candidate import YES_NO, Candidate
from vitar.data.curation.questions.facts import COMPARATIVES, SUPERLATIVES, Vocabulary, vocabularies
from vitar.data.curation.questions.places import PLACES, Footprint
from vitar.data.curation.questions.wording import fill, image_phrase, read
from vitar.data.phantoms.questions import NONE

IN, OUT = 0.6, 0.25
"""Least share of the pixels of a region in a place that it lies in, and largest share in one that it does not."""

LARGER_AREA, LARGER_NUMBER, APART = 1.1, 1.01, 0.01
"""Least ratio of areas and of numbers that are told apart, and least distance of centroids as a share of the side."""

_FORMS = {"a_label": "label", "labels": "label", "others": "other", "a_value": "value", "values": "value"}


class Unclear(ValueError):
    """The pixels do not decide the question; the message says why."""


class RuleVerifier:
    """Confirms questions of `RuleGenerator`.

    Args:
        names, nouns, incomplete: see `vocabularies`.
    """

    name = "rules"

    def __init__(self, names: Mapping[str, str], nouns: Mapping[str, str], incomplete: Sequence[str]) -> None:
        self.names, self.nouns, self.incomplete = names, nouns, incomplete

    async def objections(self, candidates: Sequence[tuple[Candidate, AnnotatedImage]]) -> list[str]:
        words = vocabularies((image for _, image in candidates), self.names, self.nouns, self.incomplete)
        views = {image.id: _View(image, words[image.source, image.modality]) for _, image in candidates}
        return [_objection(candidate, views[image.id]) for candidate, image in candidates]


class _View:
    """An image as the verifier sees it.

    Attributes:
        regions: name and footprint of each; "" for a name that is not in the vocabulary.
    """

    def __init__(self, image: AnnotatedImage, vocabulary: Vocabulary) -> None:
        self.image, self.vocabulary = image, vocabulary
        names = [vocabulary.names.get(region.label, "") for region in image.regions]
        self.regions = [(name, Footprint(region, image)) for name, region in zip(names, image.regions, strict=True)]

    def called(self, name: str) -> list[Footprint]:
        return [print_ for called, print_ in self.regions if called == name]

    def in_place(self, place: str, footprints: Sequence[Footprint]) -> list[Footprint]:
        """Those in ``place``. Raises Unclear if one lies neither in it nor outside."""
        shares = [each.share_in(place) for each in footprints]
        if any(OUT < share < IN for share in shares):
            raise Unclear(f"a region lies across the border of the {place}")
        return [each for each, share in zip(footprints, shares, strict=True) if share >= IN]

    def name_of(self, footprint: Footprint) -> str:
        return next(name for name, each in self.regions if each is footprint)

    def attributes_of(self, footprint: Footprint) -> Mapping[str, str]:
        place = next(i for i, (_, each) in enumerate(self.regions) if each is footprint)
        return self.image.attributes[place] if self.image.attributes else {}


def _objection(candidate: Candidate, view: _View) -> str:
    """Why the candidate is not confirmed, or ""."""
    answers = set()
    try:
        for ask, read_as in read(candidate.question, view.vocabulary.noun, image_phrase(view.image.modality)):
            fields = _resolved(read_as, view)
            if fields is not None:
                answers.add(_answer(candidate, ask, fields, view))
    except Unclear as reason:
        return str(reason)
    if len(answers) != 1:
        return f"the words can be understood in {len(answers)} ways"
    (answer,) = answers
    return "" if answer == candidate.answer else f"the pixels say {answer!r}, and not {candidate.answer!r}"


def _resolved(fields: Mapping[str, str], view: _View) -> dict[str, str] | None:
    """Fields with names in the singular and without an article; None if one of them makes no sense here."""
    names = _spellings(tuple(sorted(set(view.vocabulary.names.values()))))
    fine = {attribute for known in view.vocabulary.attributes.values() for attribute in known}
    choices = {"superlative": SUPERLATIVES, "comparative": COMPARATIVES, "attribute": fine}
    resolved = {}
    for name, text in fields.items():
        base = _FORMS.get(name, name)
        allowed = choices.get(base, PLACES)
        if base in ("label", "other") or (name != base):
            value = names.get((name, text))
        elif base == "value":
            value = names.get((name, text), text)
        else:
            value = text if text in allowed else None
        if value is None:
            return None
        resolved[base] = value
    return resolved


@cache
def _spellings(names: tuple[str, ...]) -> dict[tuple[str, str], str]:
    """(field, text) -> name."""
    found = {}
    for name in names:
        for field in ("label", "other", "value", *_FORMS):
            base = _FORMS.get(field, field)
            found[field, fill(f"{{{field}}}", {base: name})] = name
    return found


def _answer(candidate: Candidate, ask: str, fields: Mapping[str, str], view: _View) -> str:
    """The answer in the candidate's form."""
    values = _TRUE_VALUES[ask](fields, view)
    if candidate.answer_type == "yes_no":
        return YES_NO[fields["value"] not in values] if "value" in fields else values[0]
    if candidate.answer_type == "choice":
        right = [option for option in candidate.options if option in values]
        if len(right) != 1:
            raise Unclear(f"of the options {list(candidate.options)} the pixels confirm {right}")
        return right[0]
    if ask == "where":
        values = [value.removesuffix(" half").removesuffix(" quadrant") for value in values]
    if not values:
        raise Unclear("the pixels give no answer")
    return candidate.answer if candidate.answer in values else values[0]


def _present(fields: Mapping[str, str], view: _View) -> list[str]:
    return [YES_NO[not view.called(fields["label"])]]


def _present_in(fields: Mapping[str, str], view: _View) -> list[str]:
    shares = [each.share_in(fields["place"]) for each in view.called(fields["label"])]
    if max(shares, default=0) >= IN:
        return ["yes"]
    if max(shares, default=0) > OUT:
        raise Unclear(f"a region lies across the border of the {fields['place']}")
    return ["no"]


def _which_present(fields: Mapping[str, str], view: _View) -> list[str]:
    return sorted({name for name, _ in view.regions})


def _where(fields: Mapping[str, str], view: _View) -> list[str]:
    (footprint,) = _exactly(1, view.called(fields["label"]), fields["label"])
    return [place for place in PLACES if footprint.share_in(place) >= IN]


def _how_many(fields: Mapping[str, str], view: _View) -> list[str]:
    return [str(len(view.called(fields["label"])))]


def _how_many_in(fields: Mapping[str, str], view: _View) -> list[str]:
    return [str(len(view.in_place(fields["place"], view.called(fields["label"]))))]


def _what_in(fields: Mapping[str, str], view: _View) -> list[str]:
    found = view.in_place(fields["place"], [each for _, each in view.regions])
    return [view.name_of(_exactly(1, found, fields["place"])[0])]


def _what_is(fields: Mapping[str, str], view: _View) -> list[str]:
    measure, apart = _MEASURES[fields["superlative"]](view.image)
    *_, second, first = sorted(view.regions, key=lambda region: measure(region[1]))
    if not apart(measure(first[1]), measure(second[1])):
        raise Unclear(f"no region is clearly the {fields['superlative']}")
    return [first[0]]


def _attribute_of(fields: Mapping[str, str], view: _View) -> list[str]:
    """From the record: what a region covers does not tell its fine attributes."""
    (footprint,) = _exactly(1, view.called(fields["label"]), fields["label"])
    known = view.attributes_of(footprint)
    if fields["attribute"] not in known:
        raise Unclear(f"nothing is known of the {fields['attribute']} of the {fields['label']}")
    return [known[fields["attribute"]]]


def _lacks(fields: Mapping[str, str], view: _View) -> list[str]:
    return [YES_NO[value != NONE] for value in _attribute_of(fields, view)]


def _which_of(fields: Mapping[str, str], view: _View) -> list[str]:
    names = (fields["label"], fields["other"])
    first, second = (_exactly(1, view.called(name), name)[0] for name in names)
    comparative, height = fields["comparative"], view.image.height
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = first.box_xyxy, second.box_xyxy
    if comparative in ("reaches farther up", "reaches farther down"):
        lead = (by0 - ay0 if comparative.endswith("up") else ay1 - by1) / height
        if abs(lead) < APART:
            raise Unclear(f"neither of {names[0]!r} and {names[1]!r} {comparative}")
        return [names[lead < 0]]
    measures = {"is larger": (first.area, second.area), "is wider": (ax1 - ax0, bx1 - bx0)}
    values = measures.get(comparative, (ay1 - ay0, by1 - by0))
    return _largest(dict(zip(names, values, strict=True)), LARGER_AREA)


def _larger_at(fields: Mapping[str, str], view: _View) -> list[str]:
    areas = {}
    for place in (fields["place"], fields["other_place"]):
        found = view.in_place(place, view.called(fields["label"]))
        areas[place] = _exactly(1, found, fields["label"])[0].area
    return _largest(areas, LARGER_AREA)


def _more_of(fields: Mapping[str, str], view: _View) -> list[str]:
    return _largest({name: len(view.called(name)) for name in (fields["label"], fields["other"])}, LARGER_NUMBER)


def _more_at(fields: Mapping[str, str], view: _View) -> list[str]:
    places, found = (fields["place"], fields["other_place"]), view.called(fields["label"])
    return _largest({place: len(view.in_place(place, found)) for place in places}, LARGER_NUMBER)


_TRUE_VALUES: dict[str, Callable[[Mapping[str, str], _View], list[str]]] = {
    "present": _present,
    "present_in": _present_in,
    "which_present": _which_present,
    "where": _where,
    "how_many": _how_many,
    "how_many_in": _how_many_in,
    "what_in": _what_in,
    "what_is": _what_is,
    "attribute_of": _attribute_of,
    "lacks": _lacks,
    "which_of": _which_of,
    "larger_at": _larger_at,
    "more_of": _more_of,
    "more_at": _more_at,
}
"""What is asked -> (fields, view) -> the values that are true."""

_Measure = tuple[Callable[[Footprint], float], Callable[[float, float], bool]]


def _by_area(sign: int) -> Callable[[AnnotatedImage], _Measure]:
    def apart(first: float, second: float) -> bool:
        return max(abs(first), abs(second)) >= LARGER_AREA * min(abs(first), abs(second))

    return lambda image: (lambda footprint: sign * footprint.area, apart)


def _by_place(axis: int, sign: int) -> Callable[[AnnotatedImage], _Measure]:
    def measure(image: AnnotatedImage) -> _Measure:
        side = (image.width, image.height)[axis]
        return (
            lambda footprint: sign * footprint.centre[axis] / side,
            lambda first, second: first - second >= APART,
        )

    return measure


_MEASURES = {
    "largest": _by_area(1),
    "smallest": _by_area(-1),
    "leftmost": _by_place(0, -1),
    "rightmost": _by_place(0, 1),
    "uppermost": _by_place(1, -1),
    "lowermost": _by_place(1, 1),
}
"""Superlative -> (image) -> what is compared, and whether two of it are told apart."""


def _exactly(count: int, found: Sequence[Footprint], what: str) -> Sequence[Footprint]:
    if len(found) != count:
        raise Unclear(f"{len(found)} regions fit {what!r}, and the words speak of one")
    return found


def _largest(values: Mapping[str, float], ratio: float) -> list[str]:
    first, second = sorted(values, key=values.__getitem__, reverse=True)
    if values[first] < ratio * values[second]:
        raise Unclear(f"neither of {first!r} and {second!r} is clearly more")
    return [first]
