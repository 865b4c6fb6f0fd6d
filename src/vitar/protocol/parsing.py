"""Reading a model's turn, and writing one.

`parse` is total: every text, however broken, gives a `Turn`, so a bad turn is data that can be counted. The rules:

- A leading ``<think>…</think>`` block (Qwen's thinking models write one, or only its end when the template wrote the
  start) is thought; tags inside it are not looked at. Its text joins the thought, without the tags.
- After it, a turn ends in exactly one ``<tool_call>`` block or exactly one ``<answer>`` block. The text before the
  block is the thought; nothing but white space may follow it. One closing ``<|im_end|>`` is ignored.
- Tags count wherever they stand in that remainder, so a call inside an answer is two endings, not one.
- A call is a JSON object with ``name`` and ``arguments`` and nothing else. JSON's own extensions in Python (``NaN``,
  ``Infinity``, the last of two equal keys wins) are accepted; whether the numbers make sense is the environment's
  question.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from vitar.protocol.actions import (
    ANSWER_CLOSE,
    ANSWER_OPEN,
    CALL_CLOSE,
    CALL_OPEN,
    Action,
    Answer,
    FailureReason,
    MarkRegion,
    ParseFailure,
    Zoom,
    action_from_call,
    call_text,
)

__all__ = ["FailureReason", "ParseFailure", "Turn", "extract_answer", "parse", "render_turn"]

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
END_OF_TURN = "<|im_end|>"

_OPENING = re.compile(f"{re.escape(CALL_OPEN)}|{re.escape(ANSWER_OPEN)}")
_MAX_INT_DIGITS = 300  # Python refuses to read whole numbers of more than 4,300 digits, and a float ends at 308


@dataclass(frozen=True)
class Turn:
    """One assistant turn: what was thought, and how the turn ended."""

    thought: str
    outcome: Action | Answer | ParseFailure


def parse(text: str) -> Turn:
    """Reads one assistant turn. Never raises; spans are in characters of ``text``."""
    end = len(text.rstrip().removesuffix(END_OF_TURN).rstrip())
    start = text.rfind(THINK_CLOSE, 0, end)
    start = 0 if start < 0 else start + len(THINK_CLOSE)
    reasoning = text[: max(0, start - len(THINK_CLOSE))].replace(THINK_CLOSE, "").replace(THINK_OPEN, "")

    def turn(until: int, outcome: Action | Answer | ParseFailure) -> Turn:
        parts = (reasoning.strip(), text[start:until].strip())
        return Turn("\n".join(part for part in parts if part), outcome)

    def failure(until: int, reason: FailureReason, span: tuple[int, int], detail: str) -> Turn:
        return turn(until, ParseFailure(reason, span, detail))

    if not text[:end].strip():
        return failure(end, FailureReason.EMPTY, (0, len(text)), "The turn is empty.")
    if (think := text.find(THINK_OPEN, start, end)) >= 0:
        detail = f"The turn opens {THINK_OPEN} and never closes it."
        return failure(think, FailureReason.UNCLOSED_THINK, (think, end), detail)
    openings = list(_OPENING.finditer(text, start, end))
    if not openings:
        detail = "The turn holds neither a tool call nor an answer."
        return failure(end, FailureReason.NO_ACTION_OR_ANSWER, (start, end), detail)
    first = openings[0]
    if len(openings) > 1:
        reason, detail = _several({opening.group() for opening in openings})
        return failure(first.start(), reason, (first.start(), end), detail)

    is_call = first.group() == CALL_OPEN
    closing = CALL_CLOSE if is_call else ANSWER_CLOSE
    close = text.find(closing, first.end(), end)
    if close < 0:
        reason = FailureReason.UNCLOSED_TOOL_CALL if is_call else FailureReason.UNCLOSED_ANSWER
        detail = f"{first.group()} is never closed by {closing}."
        return failure(first.start(), reason, (first.start(), end), detail)
    after = close + len(closing)
    if text[after:end].strip():
        detail = f"There is text after {closing}, which must end the turn."
        return failure(first.start(), FailureReason.TEXT_AFTER_END, (after, end), detail)

    body, body_span = text[first.end() : close], (first.end(), close)
    if is_call:
        return turn(first.start(), _read_call(body, body_span))
    if not body.strip():
        return failure(first.start(), FailureReason.EMPTY_ANSWER, (first.start(), after), "The answer is empty.")
    return turn(first.start(), Answer(body.strip()))


def render_turn(turn: Turn) -> str:
    """The canonical text of a turn, the inverse of `parse` for a thought without tags or outer white space.

    Raises:
        ValueError: the turn is a failure, which has no canonical text.
    """
    outcome = turn.outcome
    if isinstance(outcome, ParseFailure):
        raise ValueError(f"a turn that failed to parse ({outcome.reason}) has no canonical text; keep the raw text")
    if isinstance(outcome, MarkRegion | Zoom):
        end = f"{CALL_OPEN}\n{call_text(outcome)}\n{CALL_CLOSE}"
    else:
        end = f"{ANSWER_OPEN}{outcome.text}{ANSWER_CLOSE}"
    return f"{turn.thought}\n{end}" if turn.thought else end


def extract_answer(text: str) -> str:
    """The answer in a text that was not asked for tags: the content of the last ``<answer>``, else the whole text.

    A block of thinking does not count, a missing ``</answer>`` reads to the end, and the result is stripped (and may be
    empty).
    """
    visible = text.rstrip().removesuffix(END_OF_TURN).rpartition(THINK_CLOSE)[2]
    _, tag, inside = visible.rpartition(ANSWER_OPEN)
    return inside.partition(ANSWER_CLOSE)[0].strip() if tag else visible.strip()


def _several(tags: set[str]) -> tuple[FailureReason, str]:
    if len(tags) > 1:
        return FailureReason.TOOL_CALL_AND_ANSWER, "The turn holds a tool call and an answer; it must end in one."
    if CALL_OPEN in tags:
        return FailureReason.SEVERAL_TOOL_CALLS, "The turn holds several tool calls; one is allowed."
    return FailureReason.SEVERAL_ANSWERS, "The turn holds several answers; one is allowed."


def _read_call(body: str, span: tuple[int, int]) -> Action | ParseFailure:
    try:
        call = json.loads(body, parse_int=_read_int)
    except json.JSONDecodeError as error:
        at = span[0] + error.pos
        return ParseFailure(FailureReason.BAD_JSON, span, f"The tool call is not JSON: {error.msg} at character {at}.")
    except RecursionError:
        return ParseFailure(FailureReason.BAD_JSON, span, "The tool call is nested too deeply.")
    if not isinstance(call, dict) or "name" not in call or not call.keys() <= {"name", "arguments"}:
        detail = 'The tool call must be a JSON object with "name" and "arguments" alone.'
        return ParseFailure(FailureReason.BAD_JSON, span, detail)
    outcome = action_from_call(call["name"], call.get("arguments", {}))
    if isinstance(outcome, ParseFailure):
        return ParseFailure(outcome.reason, span, outcome.detail)
    return outcome


def _read_int(digits: str) -> float:
    return int(digits) if len(digits) <= _MAX_INT_DIGITS else float(digits)
