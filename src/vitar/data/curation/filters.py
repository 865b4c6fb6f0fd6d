"""What disqualifies a question by itself: each a predicate that gives its reasons.

A predicate takes a candidate and returns a reason with a detail, or None. Filters that compare candidates with one
another, with benchmarks, or with what a model answers have modules of their own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable

from vitar.data.annotated import AnnotatedImage
from vitar.data.curation.questions.candidate import Candidate, Rejection
from vitar.data.curation.text_match import likeness, words
from vitar.data.example import contradictions
from vitar.grading import grade
from vitar.grading.normalise import normalise
from vitar.protocol.prompts import OPTION_LETTERS

Predicate = Callable[[Candidate, AnnotatedImage], tuple[str, str] | None]

MALFORMED, LEAKED, UNVERIFIED, REPEATED = "malformed", "answer_leaked", "unverified", "near_duplicate_question"

MAX_CHARACTERS = 400
"""Of a question, and of an option."""

NEARLY_THE_SAME = 0.95
"""Share of words in common from which two questions about one image are the same, whatever the order of the words.

One word is often all that differs: the left half, the right half."""

_NUMBER = r"[-+]?\d+(?:[.,]\d+)?\s*(?:%|px|pixels?)?"
_COORDINATES = (
    re.compile(rf"[(\[{{<]\s*{_NUMBER}(?:\s*[,;]\s*{_NUMBER})+\s*[)\]}}>]"),
    re.compile(rf"\b[xy]\s*[12]?\s*(?:=|:|≈|~|\bis\b|\bat\b)\s*{_NUMBER}", re.IGNORECASE),
    re.compile(r"\b(?:coordinates?|bounding box|bbox|pixels? \d|\d+ ?px|\d+(?:st|nd|rd|th) pixel)\b", re.IGNORECASE),
    re.compile(rf"{_NUMBER}\s*(?:from|of the way)\s+(?:the )?(?:left|right|top|bottom|across|down)\b", re.IGNORECASE),
)
_MARK = re.compile(
    r"\b(?:marked|outlined|highlighted|annotated|circled|numbered|boxed) (?:in \w+ )?"
    r"(?:region|area|box|structure|lesion|object|part|finding)s?\b"
    r"|\bthe (?:red|white|yellow) (?:box|outline|rectangle)\b",
    re.IGNORECASE,
)
_TOLD = re.compile(r"\b(?:correct |right |true )?answer\s*(?:is\b|=|:)", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\{\w*\}|<[a-z_]+>|\bTODO\b|\bN/A\b")


def malformed(candidate: Candidate, image: AnnotatedImage) -> tuple[str, str] | None:
    """A record that contradicts itself, text that is not a question, or an answer that cannot be graded."""
    if candidate.problem:
        return "not_written", candidate.problem
    fields = (candidate.id, candidate.question, candidate.options, candidate.answer, candidate.answer_type)
    for reason, detail in contradictions(*fields, candidate.regions):
        return reason, detail
    texts = (candidate.question, *candidate.options, candidate.answer)
    if too_long := next((text for text in texts if len(text) > MAX_CHARACTERS), ""):
        return "too_long", f"{len(too_long)} characters: {too_long[:60]!r}…"
    if found := next((match[0] for text in texts if (match := _PLACEHOLDER.search(text))), ""):
        return "placeholder", f"the text holds {found!r}"
    if not candidate.question.rstrip().endswith("?"):
        return "no_question_mark", f"{candidate.question[-40:]!r} does not end as a question"
    same = len({normalise(option) for option in candidate.options}) < len(candidate.options)
    if same or len(candidate.options) > len(OPTION_LETTERS) or not all(map(normalise, candidate.options)):
        return "bad_options", f"options that cannot be told apart or graded: {list(candidate.options)}"
    for region in candidate.regions:
        if not region.box(image.width, image.height).is_valid:
            return (
                "region_outside_image",
                f"{region.label!r} at {region.box_xyxy} leaves {image.width} x {image.height}",
            )
    return _ungradable(candidate)


def _ungradable(candidate: Candidate) -> tuple[str, str] | None:
    """Whether the grader takes anything but the answer for right, or does not take the answer."""
    try:
        taken = grade(candidate.answer_type, candidate.answer, candidate.options, candidate.answer).correct
        wrong = [
            option
            for option in candidate.options
            if option != candidate.answer
            and grade(candidate.answer_type, candidate.answer, candidate.options, option).correct
        ]
    except ValueError as error:
        return "ungradable", str(error)
    if not taken or wrong:
        return "ungradable", f"the grader takes {wrong or 'nothing'} for right, where {candidate.answer!r} is"
    return None


def leaked(candidate: Candidate, image: AnnotatedImage) -> tuple[str, str] | None:
    """Text that gives the answer away, or the place that is to be found: coordinates, or a mark that nobody sees."""
    question = candidate.question
    for pattern in _COORDINATES:
        if match := pattern.search(question):
            return "coordinates", f"the question says {match[0]!r}"
    if match := _MARK.search(question):
        return "mark", f"the question speaks of {match[0]!r}, and the image is shown without marks"
    if match := _TOLD.search(question):
        return "told", f"the question says {match[0]!r}"
    if candidate.answer_type == "yes_no":
        return None
    asked = words(question)
    if not _within(words(candidate.answer), asked):
        return None
    if candidate.options and all(_within(words(option), asked) for option in candidate.options):
        return None  # it names them all, as in "Which is larger, the mass or the cyst?"
    if not candidate.options and "or" in asked:
        return None  # it puts up alternatives, as in "Left or right?"
    return "answer_in_question", f"the question holds its answer {candidate.answer!r}"


def _within(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    """Whether the words stand in a row in the whole."""
    return any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1)) if part else False


def near_duplicates(candidates: Iterable[Candidate]) -> dict[str, Rejection]:
    """Questions that ask of an image nearly what an earlier one asks; id -> rejection."""
    earlier: defaultdict[str, list[tuple[Candidate, tuple[str, ...]]]] = defaultdict(list)
    found = {}
    for candidate in candidates:
        text = words(" ".join((candidate.question, *sorted(candidate.options))))
        for other, said in earlier[candidate.image_id]:
            if likeness(text, said) >= NEARLY_THE_SAME:
                detail = f"{other.id} asks of the same image: {other.question}"
                found[candidate.id] = Rejection(REPEATED, "same_image_same_words", detail)
                break
        else:
            earlier[candidate.image_id].append((candidate, text))
    return found
