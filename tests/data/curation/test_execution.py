"""Everything that keeps a teacher's turns from being kept, found by carrying them out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vitar.data.curation.execution import play, rejections
from vitar.data.curation.teacher import Reason
from vitar.data.example import Example, Region
from vitar.imaging.environment import EnvironmentConfig

Make = Callable[..., Example]

LOOK = "Something stands out in the lower right."


def look(name: str, arguments: str, thought: str = LOOK) -> str:
    return f'{thought}\n<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


RIGHT_BOX = '{"box": [750, 700, 850, 900]}'
ANSWER = "It is a stone.\n<answer>B</answer>"
GOOD = (look("zoom", RIGHT_BOX), ANSWER)

CASES: dict[str, tuple[tuple[str, ...], list[Reason]]] = {
    "good": (GOOD, []),
    "a mark": ((look("mark_region", '{"boxes": [[750, 700, 850, 900]]}'), ANSWER), []),
    "nothing": ((), [Reason.NO_ACTION, Reason.NO_ANSWER]),
    "an empty turn": (("",), [Reason.UNPARSABLE]),
    "no call and no answer": ((LOOK, ANSWER), [Reason.UNPARSABLE]),
    "a call that is no JSON": ((f"{LOOK}\n<tool_call>\n{{zoom}}\n</tool_call>", ANSWER), [Reason.UNPARSABLE]),
    "a call and an answer": ((GOOD[0] + "\n<answer>B</answer>",), [Reason.UNPARSABLE]),
    "boxes to zoom": ((look("zoom", '{"box": [[1, 2, 3, 4]]}'), ANSWER), [Reason.UNPARSABLE]),
    "an unknown tool": ((look("crop", '{"box": [1, 2, 3, 4]}'), ANSWER), [Reason.UNPARSABLE]),
    "an answer at once": ((f"{LOOK}\n<answer>B</answer>",), [Reason.NO_ACTION]),
    "an answer at once that is wrong": ((f"{LOOK}\n<answer>A</answer>",), [Reason.NO_ACTION, Reason.WRONG_ANSWER]),
    "no answer": (GOOD[:1], [Reason.NO_ANSWER]),
    "a reversed box": ((look("zoom", '{"box": [850, 700, 750, 900]}'), ANSWER), [Reason.ACTION_REFUSED]),
    "the whole image": ((look("zoom", '{"box": [0, 0, 1000, 1000]}'), ANSWER), [Reason.ACTION_REFUSED]),
    "an image that is not there": (
        (look("zoom", '{"box": [750, 700, 850, 900], "image": 2}'), ANSWER),
        [Reason.ACTION_REFUSED],
    ),
    "two actions": ((GOOD[0], GOOD[0], ANSWER), [Reason.ACTION_REFUSED]),
    "another place": ((look("zoom", '{"box": [0, 0, 100, 200]}'), ANSWER), [Reason.MISSES_REGION]),
    "pixels for thousandths": (
        (look("zoom", '{"box": [150, 70, 170, 90]}'), ANSWER),
        [Reason.MISSES_REGION],
    ),
    "columns for rows": ((look("zoom", '{"box": [700, 750, 900, 850]}'), ANSWER), [Reason.MISSES_REGION]),
    "a second box": (
        (look("mark_region", '{"boxes": [[750, 700, 850, 900], [0, 0, 50, 50], [0, 90, 50, 99]]}'), ANSWER),
        [Reason.MISSES_REGION],  # a third of the agreement
    ),
    "told too early": ((look("zoom", RIGHT_BOX, "I see a stone."), ANSWER), [Reason.TELLS_EARLY]),
    "the wrong letter": ((GOOD[0], "It is a cyst.\n<answer>A</answer>"), [Reason.WRONG_ANSWER]),
    "letter and another text": ((GOOD[0], "So.\n<answer>B. cyst</answer>"), [Reason.WRONG_ANSWER]),
    "all of it": (
        (look("zoom", '{"box": [0, 0, 100, 200]}', "A stone."), "No.\n<answer>A</answer>"),
        [Reason.MISSES_REGION, Reason.TELLS_EARLY, Reason.WRONG_ANSWER],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_with_the_turns(make_example: Make, case: str) -> None:
    texts, reasons = CASES[case]
    example = make_example()
    trace = play(example, texts, EnvironmentConfig(), "teacher")
    assert [each.reason for each in rejections(example, trace, ("cyst", "stone"), 0.5)] == reasons
    assert (trace.model, trace.condition) == ("teacher", "curation")


def test_agreement_is_measured_in_original_pixels_and_may_be_asked_for_in_any_degree(make_example: Make) -> None:
    example = make_example(regions=(Region("stone", (150.0, 70.0, 170.0, 80.0)),))  # the upper half of the box
    trace = play(example, GOOD, EnvironmentConfig(), "t")
    assert rejections(example, trace, (), 0.5) == []
    (missed,) = rejections(example, trace, (), 0.51)
    assert "0.50 (IoU); at least 0.51" in missed.detail


def test_a_tool_that_may_not_be_used_is_refused(make_example: Make) -> None:
    trace = play(make_example(), GOOD, EnvironmentConfig(tools=("mark_region",)), "t")
    (refused,) = rejections(make_example(), trace, (), 0.5)
    assert refused.reason is Reason.ACTION_REFUSED
    assert "zoom is not available" in refused.detail
