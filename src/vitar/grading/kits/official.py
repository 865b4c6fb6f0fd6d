"""The scorer that ViTAR's authors published (JLINEkai/ViTAR at 1448fb2, ``eval_medvqa.py``).

It knows questions with options alone, and answers that are letters. From the second response it takes the first
character of the answer of a ``Terminate`` action, in upper case, and compares it with the letter of the right option.
Consequences:

- "Both" is right where B is, and "because it is large" too. A model that answers with an option's text, as the embedded
  one does, is right by accident.
- An answer that cannot be read is left out of the overall accuracy, though not out of a data set's own: of ten answers
  two read and one of these right are 50 % overall and 10 % there.

Its wire format is not ours, so an answer is put into a ``Terminate`` action first, as its model would have written it.
The script reads second responses alone; here the turn that answered is read, whichever it was.
"""

from __future__ import annotations

import json
import re

from vitar.grading import Gradable
from vitar.grading.kits.score import KitScore

_TERMINATE = re.compile(r'\{\s*"name"\s*:\s*"Terminate"\s*,\s*"arguments"\s*:\s*\{[^}]*?"answer"\s*:\s*"([^"]+)"')


def official(question: Gradable, said: str, answer: str | None) -> KitScore | None:
    """Scores as the published script does; None for a question without options.

    Args:
        said: the last turn as written; used if it holds a ``Terminate`` action itself.
        answer: what was answered, or None.
    """
    if question.answer_type != "choice" or not question.options:
        return None
    match = _TERMINATE.search(said) or _TERMINATE.search("" if answer is None else _terminate(answer))
    if match is None:
        return KitScore(False, "", counted=False)
    letter = match[1].upper()[0]
    return KitScore(letter == chr(ord("A") + list(question.options).index(question.answer)), letter)


def _terminate(answer: str) -> str:
    call = {"name": "Terminate", "arguments": {"answer": answer}}
    return json.dumps({"thought": "", "actions": [call]}, ensure_ascii=False)
