"""Chat templates for model families whose own template has no tools, with the reader for what those models write.

Qwen2.5-VL and the models made from it (Lingshu-7B) ship a template that drops tool calls; the embedded model needs
one of its own. Both take the template of this package, which renders the text that Qwen3-VL's template renders. It
differs from Qwen3-VL's in three ways that do not show in the text of a well-formed conversation: it marks the
assistant's tokens for ``return_assistant_tokens_mask``; an empty text before a tool call adds no line break; and only
the ``type`` of a content part says what the part is, so that the empty ``image`` key which a stored dataset gives to
every text part does no harm. To use one, set it as the ``chat_template`` of a tokenizer or a processor.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from vitar.protocol.actions import CALL_CLOSE, CALL_OPEN, TOOLS
from vitar.protocol.parsing import THINK_CLOSE, THINK_OPEN

ASSISTANT_HEADER = "<|im_start|>assistant\n"
"""What precedes an assistant turn; not part of the text the model writes."""

HERMES_TEMPLATE = files("vitar.protocol").joinpath("templates", "hermes.jinja").read_text(encoding="utf-8")
"""Prints each tool's JSON schema, with the words that Qwen's models were trained to read."""

TINY_TEMPLATE = "{%- set short_tools = true -%}\n" + HERMES_TEMPLATE
"""Prints one line of signatures, ``Tools: zoom(box, image).``, since a small model reads it in every turn."""


def _well_formed_call() -> str:
    """A regular expression for the opening of the one tool call of a turn that ends with it.

    The look-behind refuses a second ending, the look-ahead a call that is not an object of ``name``, a known tool, and
    ``arguments``, in either order, and text after the call. Needs the ``regex`` module's look-behind of any length.
    """
    name = rf'"name"\s*:\s*"(?:{"|".join(TOOLS)})"'
    arguments = r'"arguments"\s*:\s*\{[^{}<]*\}'
    call = rf"\s*\{{\s*(?:{name}\s*,\s*{arguments}|{arguments}\s*,\s*{name})\s*\}}\s*{CALL_CLOSE}"
    alone = rf"(?<!<(?:answer|tool_call)>(?:(?!{THINK_CLOSE}).)*)"
    return rf"{alone}{CALL_OPEN}(?={call}\s*(?:<\|im_end\|>)?\s*$)"


RESPONSE_TEMPLATE: dict[str, Any] = {
    "defaults": {"role": "assistant"},
    "start_anchor": ASSISTANT_HEADER,
    "fields": {
        "reasoning_content": {"open": THINK_OPEN, "close_pattern": rf"{THINK_CLOSE}\s*", "content": "text"},
        "tool_calls": {
            "open_pattern": _well_formed_call(),
            "close_pattern": rf"{CALL_CLOSE}\s*",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close_pattern": r"<\|im_end\|>\s*", "content": "text"},
    },
}
"""The ``response_template`` of a tokenizer: how transformers (5.13 or later) and TRL read an assistant turn.

TRL 1.16 attaches one of its own only where it knows the chat template, and that one opens a call at every
``<tool_call>``: it runs several calls of one turn, a call followed by text, and a call of an unknown tool (which it
answers with an error), all of which `vitar.protocol.parsing.parse` refuses. With this one, a turn that `parse`
refuses for its shape comes back from TRL as plain ``content`` without ``tool_calls``, so the rollout ends there as
well.

What still reaches a tool is a call of a known tool whose arguments are wrong (``BAD_ARGUMENTS``), so the tool must
check them with `vitar.protocol.actions.action_from_call`. A call of the right shape that is not JSON makes
transformers raise ValueError; TRL's ``parse_response`` catches it and gives the turn as ``content``. Odd calls on
which the two still differ: a whole number of more than 4,300 digits (`parse` reads infinity, Python's own JSON raises
that ValueError), a box written as a JSON string (transformers decodes it where it is given the tools), and arguments
nested about a thousand deep (RecursionError in transformers, which TRL does not catch).
"""
