"""The words of rule-made questions, and back from the words to what they ask.

One table serves both ways. A question is put into words by filling in a line of it, and read by finding the line that
it is made of; the reader then knows nothing but what the words say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from vitar.data.phantoms.questions import plural, with_article

OPEN, PROPOSED = "open", "proposed"
"""Asked for the value; asked whether a value that is named is the one."""

TEMPLATES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("present", OPEN): (
        "Is there {a_label} in {image}?",
        "Does {image} show {a_label}?",
    ),
    ("present_in", OPEN): (
        "Is there {a_label} in the {place} of {image}?",
        "Does the {place} of {image} contain {a_label}?",
    ),
    ("which_present", OPEN): (
        "Which kind of {noun} does {image} show?",
        "Which kind of {noun} is present in {image}?",
    ),
    ("which_present", PROPOSED): ("Is {value} the kind of {noun} that {image} shows?",),
    ("where", OPEN): (
        "Where in {image} does the {label} lie?",
        "In which part of {image} is the {label}?",
    ),
    ("where", PROPOSED): (
        "Does the {label} lie in the {value} of {image}?",
        "Is the {label} in the {value} of {image}?",
    ),
    ("how_many", OPEN): (
        "How many {labels} does {image} show?",
        "How many {labels} are there in {image}?",
    ),
    ("how_many", PROPOSED): ("Is the number of {labels} in {image} equal to {value}?",),
    ("how_many_in", OPEN): (
        "How many {labels} lie in the {place} of {image}?",
        "How many {labels} does the {place} of {image} show?",
    ),
    ("how_many_in", PROPOSED): ("Is the number of {labels} in the {place} of {image} equal to {value}?",),
    ("what_in", OPEN): (
        "Which kind of {noun} lies in the {place} of {image}?",
        "What kind of {noun} does the {place} of {image} show?",
    ),
    ("what_in", PROPOSED): ("Is the {noun} in the {place} of {image} {a_value}?",),
    ("what_is", OPEN): (
        "Of which kind is the {superlative} {noun} in {image}?",
        "Which kind of {noun} is the {superlative} in {image}?",
    ),
    ("what_is", PROPOSED): ("Is the {superlative} {noun} in {image} {a_value}?",),
    ("attribute_of", OPEN): (
        "What is the {attribute} of the {label} in {image}?",
        "Which {attribute} does the {label} in {image} have?",
    ),
    ("attribute_of", PROPOSED): ("Is the {attribute} of the {label} in {image} {value}?",),
    ("lacks", PROPOSED): (
        "Is the {label} in {image} without {attribute}?",
        "Does the {label} in {image} have no {attribute}?",
    ),
    ("which_of", OPEN): (
        "Which {comparative} in {image}, the {label} or the {other}?",
        "Which of the two {comparative} in {image}, the {label} or the {other}?",
    ),
    ("which_of", PROPOSED): ("Of the {label} and the {other} in {image}, is it the {value} that {comparative}?",),
    ("larger_at", OPEN): (
        "Which {label} is larger, the one in the {place} or the one in the {other_place} of {image}?",
        "Where in {image} is the larger {label}, in the {place} or in the {other_place}?",
    ),
    ("larger_at", PROPOSED): (
        "Of the {labels} in the {place} and the {other_place} of {image}, is the one in the {value} the larger one?",
    ),
    ("more_of", OPEN): (
        "Of which does {image} show more, {labels} or {others}?",
        "Which are more numerous in {image}, {labels} or {others}?",
    ),
    ("more_of", PROPOSED): ("Of {labels} and {others}, does {image} show more {values}?",),
    ("more_at", OPEN): (
        "Where does {image} show more {labels}, in the {place} or in the {other_place}?",
        "Which part of {image} holds more {labels}, the {place} or the {other_place}?",
    ),
    ("more_at", PROPOSED): ("Of the {place} and the {other_place} of {image}, does the {value} hold more {labels}?",),
}
"""(what is asked, how) -> wordings. For ``where`` the options or the proposal say how fine an answer is wanted.

``lacks`` is ``attribute_of`` with the proposal that there is none.
"""

WHERE_CLOSED = {
    ("left half", "right half"): "In which half of {image} does the {label} lie, left or right?",
    ("upper half", "lower half"): "In which half of {image} does the {label} lie, upper or lower?",
    (
        "upper left quadrant",
        "upper right quadrant",
        "lower left quadrant",
        "lower right quadrant",
    ): "In which quadrant of {image} does the {label} lie?",
}
"""Places -> wording of a location without options."""

_PLURALS = {"labels": "label", "others": "other", "values": "value"}
_ARTICLES = {"a_label": "label", "a_value": "value"}
_FIELD = re.compile(r"\{(\w+)\}")


def image_phrase(modality: str) -> str:
    """What a question calls the image, e.g. ``this chest radiograph``."""
    return f"this {modality}" if modality else "this image"


def fill(template: str, fields: Mapping[str, str]) -> str:
    """A wording with its fields filled in, number and article as the wording wants them."""
    derived = {name: plural(fields[base]) for name, base in _PLURALS.items() if base in fields}
    derived |= {name: with_article(fields[base]) for name, base in _ARTICLES.items() if base in fields}
    return template.format(**fields, **derived)


def read(question: str, noun: str, image: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Every way to understand a question: what it asks, and its fields in the form in which they stand there.

    A field that stands in the plural or with an article keeps it, and its name says so, as in ``a_label``.

    Args:
        noun, image: what questions about this kind of image call a region and the image.
    """
    for ask, pattern in _patterns(noun, image):
        if match := pattern.fullmatch(question):
            yield ask, match.groupdict()


@cache
def _patterns(noun: str, image: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    lines = [(ask, line) for (ask, _), wordings in TEMPLATES.items() for line in wordings]
    lines += [("where", line) for line in WHERE_CLOSED.values()]
    found = []
    for ask, line in lines:
        known = line.replace("{noun}", noun).replace("{image}", image)
        parts = _FIELD.split(known)  # texts and names of fields in turn
        pattern = "".join(f"(?P<{part}>.+?)" if i % 2 else re.escape(part) for i, part in enumerate(parts))
        found.append((ask, re.compile(pattern)))
    return tuple(found)
