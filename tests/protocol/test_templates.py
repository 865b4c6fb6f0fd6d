"""The chat templates render a hand-written conversation, and what they render reads back."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_parsing import parse_response
from transformers.utils.chat_template_utils import render_jinja_template

from vitar.protocol.actions import (
    Action,
    Answer,
    FailureReason,
    MarkRegion,
    ParseFailure,
    Zoom,
    action_from_call,
    tool_call,
    tool_schemas,
)
from vitar.protocol.messages import Message, assistant_message, system_message, tool_message, user_message
from vitar.protocol.parsing import Turn, parse, render_turn
from vitar.protocol.templates import ASSISTANT_HEADER, HERMES_TEMPLATE, RESPONSE_TEMPLATE, TINY_TEMPLATE

TEMPLATES = [HERMES_TEMPLATE, TINY_TEMPLATE]
IMAGE = Image.new("L", (8, 8))
ZOOM = Zoom((620, 310, 740, 430))
CALL = '<tool_call>\n{"name": "zoom", "arguments": {"box": [620, 310, 740, 430], "image": 1}}\n</tool_call>'

CONVERSATION: list[Message] = [
    system_message("Look and think."),
    user_message("What is the margin?\nA. smooth\nB. spiculated", IMAGE),
    assistant_message("A round opacity. I enlarge it.", tool_call(ZOOM)),
    tool_message("zoom", "Image 2: the region [620, 310, 740, 430] of image 1, enlarged.", IMAGE),
    assistant_message("Fine lines.\n<answer>B</answer>"),
]

TURNS = """\
<|im_start|>user
<|vision_start|><|image_pad|><|vision_end|>What is the margin?
A. smooth
B. spiculated<|im_end|>
<|im_start|>assistant
A round opacity. I enlarge it.
<tool_call>
{"name": "zoom", "arguments": {"box": [620, 310, 740, 430], "image": 1}}
</tool_call><|im_end|>
<|im_start|>user
<tool_response>
<|vision_start|><|image_pad|><|vision_end|>Image 2: the region [620, 310, 740, 430] of image 1, enlarged.
</tool_response><|im_end|>
<|im_start|>assistant
Fine lines.
<answer>B</answer><|im_end|>
"""

ZOOM_SCHEMA = (
    '{"type": "function", "function": {"name": "zoom", '
    '"description": "Enlarge one region of an image and look at it.", '
    '"parameters": {"type": "object", "properties": {"box": {"type": "array", "items": {"type": "number"}, '
    '"description": "The region as [left, top, right, bottom]."}, "image": {"type": "integer", '
    '"description": "Number of the image to use; the first image of the question is 1."}}, "required": ["box"]}}}'
)

HERMES_SYSTEM = f"""\
<|im_start|>system
Look and think.

# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{ZOOM_SCHEMA}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call><|im_end|>
"""

TINY_SYSTEM = """\
<|im_start|>system
Look and think.
Tools: zoom(box, image).<|im_end|>
"""


def render(template: str, messages: list[Any], tools: tuple[str, ...] = (), **options: Any) -> str:
    schemas = tool_schemas(tools) if tools else None
    return render_jinja_template([messages], tools=schemas, chat_template=template, **options)[0][0]


@pytest.mark.parametrize(("template", "system"), [(HERMES_TEMPLATE, HERMES_SYSTEM), (TINY_TEMPLATE, TINY_SYSTEM)])
def test_a_conversation_of_two_looks(template: str, system: str) -> None:
    assert render(template, CONVERSATION, ("zoom",)) == system + TURNS
    open_ended = render(template, CONVERSATION[:-1], ("zoom",), add_generation_prompt=True)
    assert (system + TURNS).startswith(open_ended)
    assert open_ended.endswith(ASSISTANT_HEADER)


def test_the_system_turn_without_tools_or_without_text() -> None:
    for template in TEMPLATES:
        assert render(template, CONVERSATION) == f"<|im_start|>system\nLook and think.<|im_end|>\n{TURNS}"
        assert render(template, CONVERSATION[1:]) == TURNS
    both = ("mark_region", "zoom")
    line = "Tools: mark_region(boxes, image), zoom(box, image)."
    assert render(TINY_TEMPLATE, CONVERSATION[1:], both) == f"<|im_start|>system\n{line}<|im_end|>\n{TURNS}"
    assert render(HERMES_TEMPLATE, CONVERSATION[1:], both).startswith("<|im_start|>system\n# Tools\n\nYou may")


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize(
    "turn",
    [
        Turn("I enlarge it.", ZOOM),
        Turn("", ZOOM),
        Turn("", MarkRegion(((1, 2.5, 3, 4), (0, 0, 1, 1)), image=2)),
        Turn("Two\n\nparagraphs, “é”.", MarkRegion(((1, 2, 3, 4),))),
        Turn("", Answer("B")),
        Turn("Fine lines.", Answer("left & right")),
    ],
)
def test_an_assistant_turn_is_what_render_turn_gives(template: str, turn: Turn) -> None:
    if isinstance(turn.outcome, Answer):
        message = assistant_message(render_turn(turn))
    else:
        message = assistant_message(turn.thought, tool_call(turn.outcome))
    wire = f"{ASSISTANT_HEADER}{render_turn(turn)}<|im_end|>\n"
    text = "".join(part["text"] for part in message["content"])
    for content in (message["content"], text, [{"type": "text", "text": text}]):
        assert render(template, [{**message, "content": content}]) == wire


@pytest.mark.parametrize("template", TEMPLATES)
def test_generation_spans_are_the_models_own_text(template: str) -> None:
    texts, spans = render_jinja_template(
        [CONVERSATION], tools=tool_schemas(["zoom"]), chat_template=template, return_assistant_tokens_mask=True
    )
    assert [texts[0][start:end] for start, end in spans[0]] == [
        f"A round opacity. I enlarge it.\n{CALL}<|im_end|>",
        "Fine lines.\n<answer>B</answer><|im_end|>",
    ]


@pytest.mark.parametrize("template", TEMPLATES)
def test_forms_that_datasets_and_servers_give_to_messages(template: str) -> None:
    stored = [
        {"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": "Q", "image": None}]},
        {"role": "assistant", "content": None, "tool_calls": [{"name": "zoom", "arguments": '{"box": [1, 2, 3, 4]}'}]},
        {"role": "tool", "name": "zoom", "content": "one"},
        {"role": "tool", "name": "zoom", "content": "two"},
        {"role": "assistant", "content": "<answer>A</answer>", "tool_calls": None},
    ]
    assert render(template, stored) == (
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Q<|im_end|>\n"
        '<|im_start|>assistant\n<tool_call>\n{"name": "zoom", "arguments": {"box": [1, 2, 3, 4]}}\n</tool_call>'
        "<|im_end|>\n"
        "<|im_start|>user\n<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n<answer>A</answer><|im_end|>\n"
    )


def character_tokenizer(template: str) -> PreTrainedTokenizerFast:
    """One token per byte, and the marks of the wire format as tokens of their own."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>")
    fast.add_tokens(["<|im_start|>"], special_tokens=True)
    fast.chat_template = template
    fast.response_template = RESPONSE_TEMPLATE
    return fast


@pytest.mark.parametrize("template", TEMPLATES)
def test_trl_accepts_the_templates(template: str) -> None:
    checks = pytest.importorskip("trl.chat_template_utils")
    tokenizer = character_tokenizer(template)
    assert checks.supports_tool_calling(tokenizer)
    assert checks.is_chat_template_prefix_preserving(tokenizer)
    assert checks.is_chat_template_stop_token_trained(tokenizer)
    assert checks.has_generation_markers(template)


def test_the_hermes_template_agrees_with_qwen3_vl() -> None:
    qwen = pytest.importorskip("trl.chat_template_utils").qwen3_vl_chat_template
    for tools in ((), ("mark_region", "zoom")):
        for messages in (CONVERSATION, CONVERSATION[1:]):
            for length in range(1, len(messages) + 1):
                part = messages[:length]
                assert render(HERMES_TEMPLATE, part, tools) == render(qwen, part, tools)


def read_by_transformers(text: str) -> tuple[str, list[Action | ParseFailure]]:
    message = parse_response(text, RESPONSE_TEMPLATE, prefix=f"<|im_start|>user\nQ<|im_end|>\n{ASSISTANT_HEADER}")
    calls = [call["function"] for call in message.get("tool_calls", [])]
    return message.get("content", ""), [action_from_call(call["name"], call["arguments"]) for call in calls]


@pytest.mark.parametrize(
    "text",
    [
        CALL,
        f"I enlarge it.\n{CALL}",
        f"I enlarge it.\n\n{CALL}\n",
        '<tool_call>{"arguments": {"boxes": [[1, 2, 3, 4]]}, "name": "mark_region"}</tool_call>',
        '<tool_call> {"name":"zoom","arguments":{"box":[NaN,1e999,3,4]}} </tool_call>',
        "Fine lines.\n<answer>B</answer>",
    ],
)
def test_transformers_reads_a_good_turn_as_we_do(text: str) -> None:
    turn = parse(text)
    content, actions = read_by_transformers(f"{text}<|im_end|>")
    if isinstance(turn.outcome, Answer):
        assert (content, actions) == (text, [])
    else:
        assert content == turn.thought
        assert str(actions) == str([turn.outcome])  # as text, since NaN is not equal to itself


@pytest.mark.parametrize(
    "text",
    [
        CALL[:-4],
        f"{CALL}\n{CALL}",
        f"{CALL} and then",
        f"<answer>B</answer>\n{CALL}",
        f"{CALL}\n<answer>B</answer>",
        CALL.replace("zoom", "crop"),
        CALL.replace('"arguments"', '"parameters"'),
        CALL.replace("}}", "}"),
        "<tool_call>\nzoom\n</tool_call>",
        "no tags",
    ],
)
def test_transformers_runs_no_tool_where_we_see_a_failure(text: str) -> None:
    assert isinstance(parse(text).outcome, ParseFailure)
    assert read_by_transformers(f"{text}<|im_end|>") == (text, [])


def test_thinking_hides_calls_from_both_readers() -> None:
    text = f"<think>{CALL}</think>\n\nI enlarge it.\n{CALL}"
    assert parse(text).outcome == ZOOM
    assert read_by_transformers(text) == ("I enlarge it.", [ZOOM])
    assert read_by_transformers(f"<think>{CALL}") == ("", [])


def test_wrong_arguments_reach_the_tool_which_must_check_them() -> None:
    text = CALL.replace("[620, 310, 740, 430]", '"left"')
    _, (failure,) = read_by_transformers(text)
    assert isinstance(failure, ParseFailure)
    assert failure.reason is FailureReason.BAD_ARGUMENTS


def test_trl_takes_a_call_that_is_not_json_as_text() -> None:
    trl_parse = pytest.importorskip("trl.chat_template_utils").parse_response
    tokenizer = character_tokenizer(HERMES_TEMPLATE)
    broken = CALL.replace("430]", "430")
    ids, prefix = tokenizer(broken)["input_ids"], tokenizer(ASSISTANT_HEADER)["input_ids"]
    assert trl_parse(tokenizer, ids, prefix=prefix) == {"role": "assistant", "content": broken}
    good = tokenizer(f"I enlarge it.\n{CALL}<|im_end|>")["input_ids"]
    assert trl_parse(tokenizer, good, prefix=prefix) == {
        "role": "assistant",
        "content": "I enlarge it.",
        "tool_calls": [tool_call(ZOOM)],
    }
