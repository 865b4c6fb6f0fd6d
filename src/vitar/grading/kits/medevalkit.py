"""The rules of MedEvalKit (alibaba-damo-academy/MedEvalKit at 9b12e3b, ``utils/utils.py``), without its judge model.

- Choice: what stands in ``\\boxed{}`` or ``<answer>``, after the last "answer is" or "answer:", before the first full
  stop and after the last colon. If that is neither a letter nor an option, the option most similar to the reply is
  taken; nothing is similar to an empty reply, and the first option is taken then: silence is right wherever A is.
- Yes/no: right if exactly one of the substrings ``yes`` and ``no`` is there, and it is the right one: "The findings are
  normal" says no.
- Closed: equality in lower case, without line breaks and full stops.
- Open: equality in lower case. Its F1 is over sets of words, and its three values are unpacked in another order than
  they are returned: what is reported as f1 is the recall. An empty reply ends the program.

With its judge switched on, SLAKE's total holds the rule's hits on closed questions besides the judge's on all
questions, and may pass 100 %. That is left out here.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from vitar.grading import Gradable
from vitar.grading.kits.score import KitScore

_LEAD_INS = (
    "**answer**:",
    "**answer**",
    "*answer*:",
    "**answer:**",
    "answer is",
    "answer:",
    "答案:",
    "final answer",
    "final answer is",
)
_NO_BOX = "None"  # what mathruler's reader returns, as a word, where there is no box


def medevalkit(question: Gradable, said: str, answer: str | None) -> KitScore:
    """Scores the last turn as MedEvalKit's rules would; they read the whole of it, so ``answer`` does not matter.

    Yes/no and open follow its VQA-RAD, closed its SLAKE, which does not strip the reply.
    """
    if question.answer_type == "choice":
        return _choice(question.options or (), question.answer, said)
    right = question.answer.lower()
    if question.answer_type == "open":
        text = _parsed(said.strip())
        if not text.split():
            return KitScore(False, "", error="ValueError: Hypothesis is empty.")
        return KitScore(text == right, text, f1=_recall(text, right))
    text = _parsed(said.strip() if question.answer_type == "yes_no" else said).replace("\n", "").replace(".", "")
    if question.answer_type == "yes_no":
        return KitScore(("yes" in text) != ("no" in text) and right in text, text)
    return KitScore(text == right, text)


def _choice(options: Sequence[str], answer: str, said: str) -> KitScore:
    letters = [chr(ord("a") + place) for place in range(len(options))]
    right, texts = letters[list(options).index(answer)], [option.lower() for option in options]
    reply = said.lower()
    paragraphs = reply.split("\n\n")
    if paragraphs[0] in letters:
        reply = paragraphs[0]
    elif (last := paragraphs[-1].split(".")[0]) in letters:
        reply = last
    reply = _parsed(reply).strip().lower().replace("\n", "")
    part = reply.split(".")[0].split(":")[-1]
    if part in texts and part not in letters:
        return KitScore(part == texts[letters.index(right)], letters[texts.index(part)].upper())
    if part in letters:
        place = letters.index(part)
    else:
        likeness = [difflib.SequenceMatcher(None, text, reply).ratio() for text in texts]
        place = likeness.index(max(likeness))
    return KitScore(right in (letters[place], texts[place]), letters[place].upper())


def _parsed(said: str) -> str:
    """The reply in lower case: what is boxed, else what is in ``<answer>`` tags, else all; after the last lead-in."""
    text = said.lower()
    text = _boxed(text) if "boxed" in text else _tagged(text)
    for lead_in in _LEAD_INS:
        text = text.split(lead_in)[-1]
    return text


def _tagged(text: str) -> str:
    inside = [part.partition("</answer>")[0] for part in text.split("<answer>")[1:] if "</answer>" in part]
    return " ".join(inside).strip() or text


def _boxed(text: str) -> str:
    start = text.rfind("\\boxed{")
    depth = 0
    for place in range(start + len("\\boxed{"), len(text) if start >= 0 else 0):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth < 0:
            return text[start + len("\\boxed{") : place].strip()
    return _NO_BOX


def _recall(said: str, right: str) -> float:
    words = set(right.split())
    return len(set(said.split()) & words) / len(words) if words else 0.0
