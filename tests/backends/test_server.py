"""A served model as a backend: the same traces as from a local one, errors as completions, pixels as it sees them."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loopback import Answer, Loopback, completion, refusal
from PIL import Image

from vitar.backends.base import Backend, Resampling
from vitar.backends.chat_api import EndpointError
from vitar.backends.dialect import DIALECTS
from vitar.backends.endpoint import Endpoint, EndpointConfig
from vitar.backends.local import Sampling
from vitar.backends.profiles import named_profile
from vitar.backends.reply_cache import ReplyCache
from vitar.backends.scripted import ScriptedBackend
from vitar.backends.server import ServerBackend
from vitar.data.example import Example, ImageRef
from vitar.imaging.coordinates import THOUSANDTHS, View
from vitar.imaging.environment import EnvironmentConfig
from vitar.imaging.geometry import Box, Frame
from vitar.protocol.actions import Zoom, call_text
from vitar.protocol.messages import Message, message_text
from vitar.protocol.prompts import direct_messages
from vitar.protocol.templates import HERMES_TEMPLATE, TINY_TEMPLATE
from vitar.protocol.trace import StopReason, Trace
from vitar.rollout import rollout

CALL = f"<tool_call>\n{call_text(Zoom((100, 200, 300, 400)))}\n</tool_call>"
BAD_CALL = '<tool_call>\n{"name": "zoom", "arguments": {"box": [1, 2], "image": 1}}\n</tool_call>'
SCRIPTS = {
    "acts and answers": (f"A shadow.\n{CALL}", "Its edge is sharp.\n<answer>B</answer>"),
    "acts in silence": (CALL, "<answer>A</answer>"),
    "answers at once": ("Clear.\n<answer>A</answer>",),
    "acts without end": (f"Again.\n{CALL}",),
    "calls wrongly": (f"Hm.\n{BAD_CALL}",),
    "says nothing": ("I do not know.",),
}
"""Question -> the turns of a model, the last one again and again."""


def say(question: str, turns_before: int) -> str:
    turns = next(turns for name, turns in SCRIPTS.items() if name in question)
    return turns[min(turns_before, len(turns) - 1)]


def reply(conversation: Any) -> str:
    said = sum(message["role"] == "assistant" for message in conversation)
    return say(" ".join(message_text(message) for message in conversation), said)


def as_vllm(body: dict[str, Any]) -> Answer:
    """The scripted model behind a server that takes calls apart where it was given tools, as a Hermes parser does."""
    text = say(json.dumps(body["messages"]), sum(m["role"] == "assistant" for m in body["messages"]))
    content, tag, call = text.partition("<tool_call>\n")
    if "tools" not in body or not tag:
        return completion(text)
    function = json.loads(call.removesuffix("\n</tool_call>"))
    function["arguments"] = json.dumps(function["arguments"])
    calls = [{"id": "chatcmpl-tool-1", "type": "function", "function": function}]
    return completion(content or None, finish="tool_calls", tool_calls=calls)


def served(
    server: Loopback, folder: Path, dialect: str = "standard", model: str = "m", **settings: Any
) -> ServerBackend:
    config = EndpointConfig(server.url, model, attempts=2, first_wait_s=0.001)
    endpoint = Endpoint(config, ReplyCache(folder))
    return ServerBackend(endpoint, dialect=dialect, profile=named_profile(model), **settings)


def example(question: str) -> Example:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80), dtype=np.uint8)).save(file, "PNG")
    return Example(
        id=question,
        images=(ImageRef("noise.png", file.getvalue()),),
        question=question,
        options=("smooth", "sharp"),
        answer="sharp",
        answer_type="choice",
        regions=(),
        **dict.fromkeys(("modality", "anatomy", "kind", "source", "split", "licence", "group"), "x"),
    )


def traces(backend: Backend) -> list[Trace]:
    """Of all scripts, without what a backend counts."""
    found = rollout(backend, [example(name) for name in SCRIPTS], EnvironmentConfig(max_actions=2))
    counted = {"seconds": 0.0, "prompt_tokens": 0, "generated_tokens": 0}
    return [
        trace.model_copy(update={"model": "", "rounds": tuple(r.model_copy(update=counted) for r in trace.rounds)})
        for trace in found
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_traces_are_those_of_the_same_model_without_a_server(dialect: str, tmp_path: Path) -> None:
    expected = traces(ScriptedBackend(reply))
    assert {trace.stop_reason for trace in expected} == {
        StopReason.ANSWERED,
        StopReason.OUT_OF_TURNS,
        StopReason.MALFORMED,
    }
    with Loopback(as_vllm) as server:
        assert traces(served(server, tmp_path, dialect)) == expected
        assert ("tools" in server.requests[0]) == DIALECTS[dialect].tools


def test_a_run_that_is_repeated_asks_for_nothing(tmp_path: Path) -> None:
    with Loopback(as_vllm) as server:
        first = list(rollout(served(server, tmp_path), [example(name) for name in SCRIPTS]))
        asked = len(server.requests)
        again = list(rollout(served(server, tmp_path), [example(name) for name in SCRIPTS]))
        assert again == first  # the seconds too: they are those of the reply
        assert len(server.requests) == asked


def test_tokens_are_counted_as_the_server_counts_them(tmp_path: Path) -> None:
    with Loopback(as_vllm) as server:
        (trace,) = rollout(served(server, tmp_path), [example("acts in silence")])
    assert [(r.prompt_tokens, r.generated_tokens) for r in trace.rounds] == [(10, 5), (10, 5)]
    assert trace.seconds > 0


def test_a_failure_is_a_completion_and_the_others_go_on(tmp_path: Path) -> None:
    def partly(body: dict[str, Any]) -> Answer:
        text = json.dumps(body)
        if "answers at once" in text:
            return refusal(400, "the prompt is too long")
        return Answer("", drop=True) if "says nothing" in text else as_vllm(body)

    with Loopback(partly) as server:
        found = {t.example_id: t for t in rollout(served(server, tmp_path), [example(name) for name in SCRIPTS])}
    failed = {name for name, trace in found.items() if trace.stop_reason is StopReason.BACKEND_ERROR}
    assert failed == {"answers at once", "says nothing"}
    refused, lost = found["answers at once"].failure, found["says nothing"].failure
    assert refused is not None
    assert lost is not None
    assert "HTTP 400" in refused.detail
    assert "the prompt is too long" in refused.detail
    assert "no reply after 2 attempts" in lost.detail


def conversation(text: str = "acts and answers") -> list[Message]:
    return direct_messages(text, (), "closed", [Image.new("L", (8, 8))])


@pytest.mark.parametrize(
    ("answer", "finish", "text"),
    [
        (completion("B", finish="length"), "length", "B"),
        (completion("B", finish="eos"), "stop", "B"),
        (completion("", finish="content_filter"), "error", ""),
    ],
)
def test_how_a_turn_ended(answer: Answer, finish: str, text: str, tmp_path: Path) -> None:
    with Loopback(lambda body: answer) as server:
        (found,) = served(server, tmp_path).generate([conversation()], ())
    assert (found.finish, found.text, found.token_ids) == (finish, text, ())
    assert ("withheld" in found.error) == (finish == "error")


def test_a_key_that_is_refused_ends_the_run(tmp_path: Path) -> None:
    with Loopback(lambda body: refusal(401, "no")) as server, pytest.raises(EndpointError, match="VITAR_API_KEY"):
        served(server, tmp_path).generate([conversation()], ())


def test_repetitions_in_a_batch_are_samples_of_their_own(tmp_path: Path) -> None:
    batch = [
        conversation("acts and answers"),
        conversation("says nothing"),
        conversation("acts and answers"),
        conversation("acts and answers"),
    ]
    with Loopback(as_vllm) as server:
        sampling = Sampling(temperature=0.7, top_p=0.9, max_new_tokens=33, seed=3)
        backend = served(server, tmp_path, sampling=sampling)
        backend.generate(batch, ())
        seeds = [(body["seed"], body["messages"][0]["content"][1]["text"].split("\n")[0]) for body in server.requests]
        assert len(set(seeds)) == len(seeds) == 4
        assert {body["temperature"] for body in server.requests} == {0.7}
        assert {body["max_completion_tokens"] for body in server.requests} == {33}
        served(server, tmp_path, sampling=sampling).generate(batch, ())
        assert len(server.requests) == 4  # the same samples as before
        greedy = served(server, tmp_path / "greedy")
        greedy.generate(batch, ())
        assert len(server.requests) == 6  # greedy: one and the same reply
        assert isinstance(greedy, Resampling)
        greedy.with_sampling(0.5, seed=8).generate(batch[:1], ())
        assert (server.requests[-1]["temperature"], server.requests[-1]["seed"]) == (0.5, 8)
        assert greedy.sampling.temperature == 0
    with pytest.raises(ValueError, match="not read from servers"):
        served(server, tmp_path, sampling=Sampling(logprobs=True))


def test_a_backend_works_in_a_notebook(tmp_path: Path) -> None:
    async def cell() -> str:
        return served(server, tmp_path).generate([conversation("says nothing")], ())[0].text

    with Loopback(as_vllm) as server:
        assert asyncio.run(cell()) == "I do not know."


def test_boxes_count_pixels_of_what_the_server_s_processor_makes(tmp_path: Path) -> None:
    view = View(Image.new("L", (1000, 500)), Frame.original(1000, 500))
    half = Box(0, 0, 500, 250, view.frame)
    with Loopback(as_vllm) as server:
        whole = served(server, tmp_path, model="Lingshu-7B")
        assert whole.coordinates.to_wire(half, view) == (0, 0, 504, 252)  # 1000 x 500 becomes 1008 x 504, 28s
        small = served(server, tmp_path, model="Lingshu-7B", max_image_pixels=125_000)
        assert small.coordinates.to_wire(half, view) == (0, 0, 252, 126)  # sent as 500 x 250, which becomes 504 x 252
        assert served(server, tmp_path, model="Qwen3-VL-8B").coordinates is THOUSANDTHS


@pytest.mark.parametrize(
    "name", ["Qwen/Qwen2.5-VL-7B-Instruct", "qwen2_vl", "lingshu-medical-mllm/Lingshu-7B", "Qwen2-VL-2B"]
)
def test_families_that_write_pixels_are_known_by_name(name: str) -> None:
    assert named_profile(name).coordinates is not THOUSANDTHS


def test_what_is_known_of_a_model_by_its_name_or_folder(small_model_dir: Path) -> None:
    embedded = named_profile("tiny")
    assert (embedded.coordinate_step, embedded.zoom_side_px) == (10, 128)
    assert embedded.chat_template is not None
    assert "short_tools" in embedded.chat_template
    assert named_profile(str(small_model_dir)).chat_template == TINY_TEMPLATE
    other = named_profile("gpt-5")
    assert (other.coordinates, other.coordinate_step, other.chat_template) == (THOUSANDTHS, 1, HERMES_TEMPLATE)
