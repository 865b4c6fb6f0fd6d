"""The part of an answer that its writer marked as the answer.

Benchmark prompts ask for such marks: MedEvalKit and MATH for ``\\boxed{C}``, MMMU-Pro for a last line ``Answer: C``.
A mark is the writer's own statement of which words count, so reading it is no guess; what it holds still has to pass
the rules of its answer type as a whole. In order:

1. ``\\boxed{…}``, with ``\\text{…}`` and the like inside it taken off. Boxes that say different things mark nothing.
2. A last sentence that begins with "Answer:", "The answer is" and the like, through to the end of the text. Words after
   the answer belong to it: "The answer is C. Or perhaps B." marks ``C. Or perhaps B.``, which no rule reads as C.

A marker inside a sentence marks nothing: "I doubt that the answer is C."
"""

from __future__ import annotations

import re

_BOXED = "\\boxed{"
_WRAPPED = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}")
_MARKER = re.compile(
    r"(?:(?<=[.!?:]\s)|(?<=\n)|^)[ \t]*(?:(?:so|thus|therefore|hence),? )?(?:the )?"
    r"(?:(?:final|correct|best|right) )?answer(?: is\b|\s*:)",
    re.IGNORECASE,
)


def designated(text: str) -> str:
    """The marked part of ``text``, by the rules of this module; all of it if nothing is marked."""
    boxes = dict.fromkeys(_boxes(text))
    if boxes:
        return boxes.popitem()[0] if len(boxes) == 1 else text
    markers = list(_MARKER.finditer(text.replace("**", "")))
    return text.replace("**", "")[markers[-1].start() :].strip() if markers else text


def _boxes(text: str) -> list[str]:
    """What stands in each ``\\boxed{…}`` whose braces close."""
    found = []
    for opening in re.finditer(re.escape(_BOXED), text):
        depth = 1
        for place in range(opening.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if depth == 0:
                found.append(_WRAPPED.sub(r"\1", text[opening.end() : place]).strip())
                break
    return found
