"""What the rules accept and refuse, and what the model that judges is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from vitar.data.curation.execution import play
from vitar.data.curation.judge import MAX_WORDS, EndpointJudge, RuleJudge, Verdict
from vitar.data.example import Example
from vitar.imaging.environment import EnvironmentConfig
from vitar.protocol.messages import Message, images_in, message_text

Make = Callable[..., Example]

CALL = '\n<tool_call>\n{"name": "zoom", "arguments": {"box": [750, 700, 850, 900]}}\n</tool_call>'
FIRST, LAST = "Something stands out in the lower right.", "The second look shows a stone."


def objection(example: Example, first: str, last: str) -> str:
    answer = "B" if example.options else example.answer
    trace = play(example, (first + CALL, f"{last}\n<answer>{answer}</answer>"), EnvironmentConfig(), "t")
    assert trace.answer == answer
    return asyncio.run(RuleJudge().objection(example, trace))


CLOSED = {"options": (), "answer_type": "closed", "answer": "stone"}
YES_NO = {"options": (), "answer_type": "yes_no"}


@pytest.mark.parametrize(
    ("first", "last", "changes", "words"),
    [
        ("", LAST, {}, "Thought 1 has 0 words"),
        (FIRST, "A stone.", {}, "Thought 2 has 2 words"),
        ("word " * (MAX_WORDS + 1), LAST, {}, f"has {MAX_WORDS + 1} words"),
        ("The ground truth lies in the lower right.", LAST, {}, "'ground truth'"),
        (FIRST, "The given answer is a stone, which fits.", {}, "'given answer'"),
        ("As annotated, it lies in the lower right.", LAST, {}, "'annotat'"),
        (FIRST, "The answer was provided: a stone.", {}, "'answer was provided'"),
        ("I look at 750, 700, 850, 900 more closely.", LAST, {}, "coordinates"),
        ("What lies at (0.4, 0.55) needs a look.", LAST, {}, "coordinates"),
        ("It shows a stone or so.", "It shows a stone or so!", {}, "repeated word for word"),
        (FIRST, "It has a rough outline.", {}, "does not lead to the answer 'stone'"),
        (FIRST, "It shows a cyst, so option A.", {}, "names option A, and the answer is B"),
        (FIRST, "It has a rough outline.", CLOSED, "does not lead to the answer 'stone'"),
        (FIRST, "Yes, it is so.", {**YES_NO, "answer": "no"}, "says yes, and the answer is no"),
    ],
)
def test_refused(make_example: Make, first: str, last: str, changes: dict[str, Any], words: str) -> None:
    assert words in objection(make_example(**changes), first, last)


@pytest.mark.parametrize(
    ("last", "changes"),
    [
        (LAST, {}),
        ("It has a rough outline, which is option B.", {}),
        ("No cyst but a stone lies here.", {}),
        ("Stones like this are bright.", CLOSED),
        ("There is no calcification.", {**CLOSED, "answer": "none"}),
        ("It has a rough outline.", {**YES_NO, "answer": "yes"}),
        ("There is no cyst in it.", {**YES_NO, "answer": "yes"}),
        ("Anything that fits.", {"options": (), "answer_type": "open", "answer": "a stone of 1,234 mm"}),
        ("The right region of the bladder holds a stone.", {}),
    ],
)
def test_accepted(make_example: Make, last: str, changes: dict[str, Any]) -> None:
    assert objection(make_example(**changes), FIRST, last) == ""


class Shown:
    """An asker that keeps what it was shown and gives a verdict."""

    name = "judge"

    def __init__(self, verdict: Verdict) -> None:
        self.verdict, self.messages = verdict, list[Message]()

    async def ask(self, messages: Sequence[Message], shape: type[BaseModel]) -> Any:
        assert shape is Verdict
        self.messages = list(messages)
        return self.verdict


def test_the_model_sees_both_looks_and_decides(make_example: Make) -> None:
    example, config = make_example(), EnvironmentConfig(zoom_side_px=64)
    trace = play(example, (FIRST + CALL, f"{LAST}\n<answer>B</answer>"), config, "t")
    asker = Shown(Verdict(accept=False, reason="It is a cyst."))
    assert asyncio.run(EndpointJudge(asker, config).objection(example, trace)) == "It is a cyst."
    assert [image.size for image in images_in(asker.messages)] == [(200, 100), (64, 64)]
    text = message_text(asker.messages[-1])
    for words in (example.question, "B. stone", "Right answer: stone", FIRST, LAST):
        assert words in text
    asker.verdict = Verdict(accept=True, reason="Nothing is wrong.")
    assert asyncio.run(EndpointJudge(asker, config).objection(example, trace)) == ""
    asker.verdict = Verdict(accept=False, reason="")
    assert asyncio.run(EndpointJudge(asker, config).objection(example, trace))
