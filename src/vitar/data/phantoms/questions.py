"""Questions about a scene, worded from its plan alone, so that no pixel is needed to ask or to answer.

A `Query` is what can be asked and what is true; `pose` gives it a form (choice, yes/no, short answer) and words.
Wording and form never depend on the truth. A query exists only where its reference is unique: "the mass" in an image
with one mass, "the nodule in the left lung" where that lung has one nodule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from types import MappingProxyType

import numpy as np

from vitar.data.phantoms.scene import Family, LesionSpec, Phantom

QUESTION_KINDS = ("presence", "location", "count", "type", "attribute", "comparison")
ANSWER_TYPES = ("choice", "yes_no", "closed")
YES_NO = ("yes", "no")
COUNTS = ("0", "1", "2", "3")
NONE = "none"
"""The answer where a finding or an attribute is absent."""

MIN_SIZE_RATIO = 1.5
"""Two lesions are compared only when their planned scales differ by this factor."""

TEMPLATES = MappingProxyType(
    {
        ("presence", "open"): ("Which finding is present?", "What does the {modality} show?"),
        ("presence", "yes_no"): ("Is there {a_noun}?", "Does the {modality} show {a_noun}?", "Is {a_noun} present?"),
        ("location", "open"): ("Where is the {subject}?", "{where} is the {subject}?"),
        ("location", "yes_no"): ("Is the {subject} in the {value}?", "Does the {subject} lie in the {value}?"),
        ("count", "open"): ("How many {plural} are there?", "How many {plural} does the {modality} show?"),
        ("count", "yes_no"): ("Is the number of {plural} {value}?", "Does the {modality} show exactly {number}?"),
        ("type", "open"): ("What type is the {subject}?", "Of which type is the {subject}?"),
        ("type", "yes_no"): ("Is the {subject} {a_value}?", "Is the type of the {subject} {value}?"),
        ("attribute", "open"): (
            "What is the {attribute} of the {subject}?",
            "Which {attribute} does the {subject} have?",
        ),
        ("attribute", "yes_no"): (
            "Is the {attribute} of the {subject} {value}?",
            "Does the {subject} have {a_value} {attribute}?",
        ),
        ("attribute", "absent"): ("Is the {subject} without {attribute}?", "Does the {subject} have no {attribute}?"),
        ("comparison", "open"): (
            "Which is larger, the {noun} in the {first} or the {noun} in the {second}?",
            "Where is the larger {noun}, in the {first} or in the {second}?",
        ),
        ("comparison", "yes_no"): (
            "Is the {noun} in the {first} larger than the {noun} in the {second}?",
            "Is the {noun} in the {first} larger than the one in the {second}?",
        ),
    }
)
"""(question kind, ``open`` or ``yes_no``) -> wordings; ``absent`` asks yes/no whether an attribute is missing."""


@dataclass(frozen=True)
class Query:
    """Something that a scene gives one answer to, not yet in words.

    Args:
        kind: one of `QUESTION_KINDS`.
        noun: what the text calls the lesion: a lesion kind, or the family's word for any lesion.
        lesions: indices into the plan of the lesions that the question is about.
        values: every answer that could have been true; for a comparison the two locations in order of mention.
        truth: the one of ``values`` that is.
        place: location that the reference adds to the noun, or "".
        attribute: which one, for an attribute query.
    """

    kind: str
    noun: str
    lesions: tuple[int, ...]
    values: tuple[str, ...]
    truth: str
    place: str = ""
    attribute: str = ""

    @property
    def answer_types(self) -> tuple[str, ...]:
        """The forms that the query can take."""
        if self.values == YES_NO:
            return ("yes_no",)
        return ("choice", "closed") if self.kind == "presence" else ANSWER_TYPES


@dataclass(frozen=True)
class Question:
    """A query in words.

    Args:
        kind: one of `QUESTION_KINDS`.
        answer_type: one of `ANSWER_TYPES`.
        text: the question without its options.
        options: all possible values in the order of their letters; empty unless a choice.
        answer: the right value; ``yes`` or ``no`` for yes/no.
        lesions: indices into the plan of the lesions that the question is about.
        attribute: the fine attribute asked for, or "".
    """

    kind: str
    answer_type: str
    text: str
    options: tuple[str, ...]
    answer: str
    lesions: tuple[int, ...]
    attribute: str = ""


def queries_of(family: Family, plan: Sequence[LesionSpec], kinds: Sequence[str] = QUESTION_KINDS) -> Iterator[Query]:
    """Every query of the given question kinds that ``plan`` answers uniquely, in a fixed order."""
    by_kind = {
        "presence": _presence,
        "location": _location,
        "count": _count,
        "type": _type,
        "attribute": _attribute,
        "comparison": _comparison,
    }
    for kind in kinds:
        yield from by_kind[kind](family, plan)


def pose(
    family: Family,
    query: Query,
    answer_type: str,
    rng: np.random.Generator,
    *,
    slot: int | None = None,
    named: str = "",
) -> Question:
    """Puts ``query`` into words.

    Args:
        slot: place of the right answer among the options of a choice; drawn when None.
        named: the value that a yes/no question proposes. When empty it is the truth in half of the cases and
            any other value in the rest.

    Raises:
        ValueError: the query has no such form.
    """
    if answer_type not in query.answer_types:
        raise ValueError(f"a {query.kind} query takes {', '.join(query.answer_types)}, not {answer_type!r}")
    options: tuple[str, ...] = ()
    answer = query.truth
    if answer_type == "choice":
        others = [value for value in query.values if value != query.truth]
        rng.shuffle(others)
        others.insert(int(rng.integers(len(query.values))) if slot is None else slot, query.truth)
        options = tuple(others)
    elif query.kind == "comparison" and answer_type == "yes_no":
        answer = YES_NO[query.truth != query.values[0]]  # the text asks whether the first that it mentions is larger
    elif answer_type == "yes_no" and query.values != YES_NO:
        named = named or proposal(query, rng)
        answer = YES_NO[query.truth != named]
    text = _word(family, query, named, answer_type, rng)
    return Question(query.kind, answer_type, text, options, answer, query.lesions, query.attribute)


def questions_of(phantom: Phantom, rng: np.random.Generator) -> list[Question]:
    """Questions on everything that the truth of ``phantom`` supports, each in a form drawn at random.

    Where several references name the same lesion, one is drawn. Most scenes hold one lesion, so presence and count
    questions with a common answer are thinned out (`_share_kept`). That evens out the answers only roughly; items
    balanced by design are those of `plan.plan_item`.
    """
    family, specs = phantom.family, [lesion.spec for lesion in phantom.lesions]
    groups: dict[tuple[object, ...], list[Query]] = {}
    for query in queries_of(family, specs):
        named = (query.noun, query.values) if query.kind in ("presence", "count") else ()
        groups.setdefault((query.kind, named, query.attribute, query.lesions), []).append(query)
    questions = []
    for group in groups.values():
        query = group[rng.integers(len(group))]
        if rng.random() < _share_kept(family, query):
            form = query.answer_types[rng.integers(len(query.answer_types))]
            questions.append(pose(family, query, form, rng))
    return questions


def matching(family: Family, plan: Sequence[LesionSpec], noun: str, place: str = "") -> tuple[int, ...]:
    """Indices of the lesions that "the ``noun`` (in the ``place``)" could mean."""
    return tuple(
        index
        for index, spec in enumerate(plan)
        if noun in (family.lesion_noun, spec.kind) and place in ("", spec.location)
    )


def _presence(family: Family, plan: Sequence[LesionSpec]) -> Iterator[Query]:
    found = {spec.kind for spec in plan}
    if len(found) <= 1:
        truth = next(iter(found), NONE)
        yield Query("presence", family.lesion_noun, tuple(range(len(plan))), (*family.kinds, NONE), truth)
    for noun in (family.lesion_noun, *family.kinds):
        lesions = matching(family, plan, noun)
        yield Query("presence", noun, lesions, YES_NO, YES_NO[not lesions])


def _location(family: Family, plan: Sequence[LesionSpec]) -> Iterator[Query]:
    for index, spec in enumerate(plan):
        for noun in (family.lesion_noun, spec.kind):
            if matching(family, plan, noun) == (index,):
                yield Query("location", noun, (index,), family.locations, spec.location)


def _count(family: Family, plan: Sequence[LesionSpec]) -> Iterator[Query]:
    for noun in (family.lesion_noun, *family.kinds):
        lesions = matching(family, plan, noun)
        if str(len(lesions)) in COUNTS:
            yield Query("count", noun, lesions, COUNTS, str(len(lesions)))


def _type(family: Family, plan: Sequence[LesionSpec]) -> Iterator[Query]:
    for index, spec in enumerate(plan):
        for place in _places(family, plan, family.lesion_noun, index):
            yield Query("type", family.lesion_noun, (index,), family.kinds, spec.kind, place)


def _attribute(family: Family, plan: Sequence[LesionSpec]) -> Iterator[Query]:
    for index, spec in enumerate(plan):
        for place in _places(family, plan, spec.kind, index):
            for attribute, values in family.attributes.get(spec.kind, {}).items():
                yield Query("attribute", spec.kind, (index,), values, spec.attributes[attribute], place, attribute)


def _comparison(family: Family, plan: Sequence[LesionSpec]) -> Iterator[Query]:
    for first, second in permutations(range(len(plan)), 2):
        a, b = plan[first], plan[second]
        if a.kind != b.kind or a.location == b.location:
            continue
        if max(a.scale, b.scale) < MIN_SIZE_RATIO * min(a.scale, b.scale):
            continue
        truth = a.location if a.scale > b.scale else b.location
        for noun in (family.lesion_noun, a.kind):
            if all(matching(family, plan, noun, spec.location) == (i,) for i, spec in ((first, a), (second, b))):
                lesions = (min(first, second), max(first, second))
                yield Query("comparison", noun, lesions, (a.location, b.location), truth)


def _places(family: Family, plan: Sequence[LesionSpec], noun: str, index: int) -> list[str]:
    """The places ("" for none) with which ``noun`` means lesion ``index`` alone."""
    return [place for place in ("", plan[index].location) if matching(family, plan, noun, place) == (index,)]


def _share_kept(family: Family, query: Query) -> float:
    """Share of such queries that `questions_of` asks: about the inverse of how common the answer is in scenes."""
    generic = query.noun == family.lesion_noun
    if query.kind == "presence" and query.values == YES_NO:
        return 0.5 if not generic else 0.06 if query.lesions else 1.0
    if query.kind == "presence":
        return 0.12 if query.lesions else 1.0
    if query.kind == "count":
        return {"0": 1.0 if generic else 0.05, "1": 0.1, "2": 0.25}.get(query.truth, 1.0)
    return 1.0


def proposal(query: Query, rng: np.random.Generator) -> str:
    """What a yes/no question proposes: the truth in half of the cases, else any other value, all equally often."""
    if rng.random() < 0.5:
        return query.truth
    others = [value for value in query.values if value != query.truth]
    return others[rng.integers(len(others))]


def _word(family: Family, query: Query, named: str, answer_type: str, rng: np.random.Generator) -> str:
    """The text of a question in one of its wordings."""
    style = "yes_no" if answer_type == "yes_no" else "open"
    if style == "yes_no" and query.kind == "attribute" and named == NONE:
        style = "absent"
    wordings = TEMPLATES[query.kind, style]
    where = "On which side" if family.location_noun == "side" else f"In which {family.location_noun}"
    first, second = query.values[0], query.values[-1]
    return wordings[rng.integers(len(wordings))].format(
        modality=family.modality,
        noun=query.noun,
        a_noun=with_article(query.noun),
        plural=plural(query.noun),
        subject=f"{query.noun} in the {query.place}" if query.place else query.noun,
        where=where,
        value=named,
        a_value=with_article(named),
        number=f"{named} {query.noun if named == '1' else plural(query.noun)}",
        attribute=query.attribute,
        first=first,
        second=second,
    )


def plural(noun: str) -> str:
    return noun + ("es" if noun.endswith("s") else "s")


def with_article(phrase: str) -> str:
    return ("an " if phrase[:1] in set("aeio") else "a ") + phrase
