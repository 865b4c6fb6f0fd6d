"""The parser is total, its failures say what is wrong and where, and it inverts the renderer."""

from __future__ import annotations

import math
import random

import pytest

from vitar.protocol.actions import Answer, FailureReason, MarkRegion, ParseFailure, Zoom
from vitar.protocol.parsing import Turn, extract_answer, parse, render_turn

CALL = '<tool_call>\n{"name": "zoom", "arguments": {"box": [620, 310, 740, 430], "image": 1}}\n</tool_call>'
ACTION = Zoom((620, 310, 740, 430))


@pytest.mark.parametrize(
    ("text", "turn"),
    [
        (CALL, Turn("", ACTION)),
        (f"I enlarge it.\n{CALL}", Turn("I enlarge it.", ACTION)),
        (f"Two\n\nparagraphs.\n{CALL}<|im_end|>\n", Turn("Two\n\nparagraphs.", ACTION)),
        (
            '<tool_call>{"arguments":{"image":2,"box":[1,2.5,3,4]},"name":"zoom"}</tool_call>',
            Turn("", Zoom((1, 2.5, 3, 4), image=2)),
        ),
        (
            'a <tool_call>{"name": "mark_region", "arguments": {"boxes": [[1, 2, 3, 4]]}}</tool_call>',
            Turn("a", MarkRegion(((1, 2, 3, 4),))),
        ),
        ("The outline is fine.\n<answer>C</answer>", Turn("The outline is fine.", Answer("C"))),
        ("<answer>\n left lung \n</answer>\n\n", Turn("", Answer("left lung"))),
        ("<answer>a < b > c</answer>", Turn("", Answer("a < b > c"))),
        (f"<think>\nHm.\n</think>\n\nI zoom.\n{CALL}", Turn("Hm.\nI zoom.", ACTION)),
        ("Hm.\n</think>\n\n<answer>B</answer>", Turn("Hm.", Answer("B"))),
        (f"<think>maybe <answer>A</answer> or {CALL}?</think><answer>B</answer>", None),
    ],
)
def test_good_turns(text: str, turn: Turn | None) -> None:
    read = parse(text)
    if turn is None:
        assert read.outcome == Answer("B")
    else:
        assert read == turn


@pytest.mark.parametrize(
    ("text", "reason", "spot"),
    [
        ("", FailureReason.EMPTY, ""),
        (" \n", FailureReason.EMPTY, " \n"),
        ("<|im_end|>", FailureReason.EMPTY, "<|im_end|>"),
        ("It is smooth.", FailureReason.NO_ACTION_OR_ANSWER, "It is smooth."),
        ("C", FailureReason.NO_ACTION_OR_ANSWER, "C"),
        ("<ANSWER>C</ANSWER>", FailureReason.NO_ACTION_OR_ANSWER, "<ANSWER>C</ANSWER>"),
        ("It is</answer>", FailureReason.NO_ACTION_OR_ANSWER, "It is</answer>"),
        (f"<think>x {CALL}", FailureReason.UNCLOSED_THINK, f"<think>x {CALL}"),
        ("<think>a</think>b<think>c", FailureReason.UNCLOSED_THINK, "<think>c"),
        (f"a {CALL[:-3]}", FailureReason.UNCLOSED_TOOL_CALL, CALL[:-3]),
        ("a <answer>C", FailureReason.UNCLOSED_ANSWER, "<answer>C"),
        ("<answer>C</tool_call>", FailureReason.UNCLOSED_ANSWER, "<answer>C</tool_call>"),
        (f"{CALL}\n{CALL}", FailureReason.SEVERAL_TOOL_CALLS, f"{CALL}\n{CALL}"),
        ("<answer>A</answer><answer>B</answer>", FailureReason.SEVERAL_ANSWERS, "<answer>A</answer><answer>B</answer>"),
        (f"<answer>A</answer>{CALL}", FailureReason.TOOL_CALL_AND_ANSWER, f"<answer>A</answer>{CALL}"),
        (f"{CALL}<answer>A</answer>", FailureReason.TOOL_CALL_AND_ANSWER, f"{CALL}<answer>A</answer>"),
        ("<answer> </answer>", FailureReason.EMPTY_ANSWER, "<answer> </answer>"),
        ("<answer>A</answer> I think.", FailureReason.TEXT_AFTER_END, " I think."),
        (f"{CALL} Done.<|im_end|>", FailureReason.TEXT_AFTER_END, " Done."),
        ("<answer>A</answer></answer>", FailureReason.TEXT_AFTER_END, "</answer>"),
        ("<tool_call></tool_call>", FailureReason.BAD_JSON, ""),
        ("<tool_call>zoom</tool_call>", FailureReason.BAD_JSON, "zoom"),
        ("<tool_call>{'name': 'zoom'}</tool_call>", FailureReason.BAD_JSON, "{'name': 'zoom'}"),
        ("<tool_call>[1]</tool_call>", FailureReason.BAD_JSON, "[1]"),
        ("<tool_call>null</tool_call>", FailureReason.BAD_JSON, "null"),
        ('<tool_call>{"arguments": {}}</tool_call>', FailureReason.BAD_JSON, '{"arguments": {}}'),
        (
            '<tool_call>{"name": "zoom", "box": [1, 2, 3, 4]}</tool_call>',
            FailureReason.BAD_JSON,
            '{"name": "zoom", "box": [1, 2, 3, 4]}',
        ),
        ('<tool_call>{"name": "crop"}</tool_call>', FailureReason.UNKNOWN_TOOL, '{"name": "crop"}'),
        ('<tool_call>{"name": "zoom"}</tool_call>', FailureReason.BAD_ARGUMENTS, '{"name": "zoom"}'),
    ],
)
def test_failures_name_reason_and_span(text: str, reason: FailureReason, spot: str) -> None:
    failure = parse(text).outcome
    assert isinstance(failure, ParseFailure)
    assert failure.reason is reason
    assert text[slice(*failure.span)] == spot
    assert failure.detail.endswith(".")


def test_every_reason_is_reachable() -> None:
    cases = test_failures_name_reason_and_span.pytestmark[0].args[1]
    assert {reason for _, reason, _ in cases} == set(FailureReason)


def test_the_thought_of_a_failed_turn_is_kept() -> None:
    assert parse("I look.\n<tool_call>{</tool_call>").thought == "I look."
    assert parse("No tags at all.").thought == "No tags at all."


@pytest.mark.parametrize("body", ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000])
def test_deep_nesting_is_a_failure(body: str) -> None:
    failure = parse(f"<tool_call>{body}</tool_call>").outcome
    assert isinstance(failure, ParseFailure)
    assert failure.reason is FailureReason.BAD_JSON


def test_numbers_beyond_pythons_limits_reach_the_environment() -> None:
    body = f'{{"name": "zoom", "arguments": {{"box": [{"9" * 5000}, -{"9" * 5000}, 1e999, NaN]}}}}'
    action = parse(f"<tool_call>{body}</tool_call>").outcome
    assert isinstance(action, Zoom)
    assert action.box[:3] == (math.inf, -math.inf, math.inf)
    assert math.isnan(action.box[3])


def test_any_text_gives_a_turn() -> None:
    rng = random.Random(0)
    pieces = [
        *("<tool_call>", "</tool_call>", "<answer>", "</answer>", "<think>", "</think>", "<|im_end|>", "\n", " ", "A"),
        *('{"name": "zoom", "arguments": {"box": [1, 2, 3, 4]}}', '{"name": ', "zoom", "[", "]", "{", "}", '"', ","),
        *("NaN", "1e999", "9" * 5000, "true", "\\ud800", "\ud800", "\x00", "é", "\u2028", "</", "<tool", "call>", ":"),
    ]
    for _ in range(5000):
        text = "".join(rng.choices(pieces, k=rng.randrange(12)))
        turn = parse(text)
        extract_answer(text)
        if isinstance(turn.outcome, ParseFailure):
            start, end = turn.outcome.span
            assert 0 <= start <= end <= len(text)
        else:
            assert str(parse(render_turn(turn))) == str(turn)  # as text, since NaN is not equal to itself


def test_canonical_turns_survive_render_and_parse() -> None:
    rng = random.Random(1)
    thoughts = ["", "I see an opacity.", "Line one.\nLine two.", "a <b> {c} [d] “e”"]
    for _ in range(500):
        boxes = tuple(
            (rng.randrange(-5, 1005), rng.random() * 1000, rng.randrange(2000), rng.random())
            for _ in range(rng.randint(1, 4))
        )
        image = rng.randint(1, 4)
        for outcome in (
            Zoom(boxes[0], image),
            MarkRegion(boxes, image),
            Answer(rng.choice(["B", "left lung", "é < 1"])),
        ):
            turn = Turn(rng.choice(thoughts), outcome)
            assert parse(render_turn(turn)) == turn
            assert parse(render_turn(turn) + "<|im_end|>\n") == turn


def test_render_turn_is_the_wire_text() -> None:
    assert render_turn(Turn("I enlarge it.", ACTION)) == f"I enlarge it.\n{CALL}"
    assert render_turn(Turn("", ACTION)) == CALL
    assert render_turn(Turn("Fine lines.", Answer("C"))) == "Fine lines.\n<answer>C</answer>"
    with pytest.raises(ValueError, match="no_action_or_answer"):
        render_turn(parse("hm"))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("B", "B"),
        (" B. smooth \n", "B. smooth"),
        ("yes<|im_end|>\n", "yes"),
        ("x <answer>A</answer> y <answer> B </answer> z", "B"),
        ("<answer>B", "B"),
        ("<think>A? <answer>A</answer></think>\nB", "B"),
        ("<answer></answer>", ""),
        ("", ""),
    ],
)
def test_extract_answer(text: str, answer: str) -> None:
    assert extract_answer(text) == answer
