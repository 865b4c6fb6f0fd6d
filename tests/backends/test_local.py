"""What every backend promises, and what the local one adds: batches, log-probabilities, ends of turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import loopback
import numpy as np
import pytest
import torch
from PIL import Image

from vitar.backends.base import Backend
from vitar.backends.endpoint import Endpoint, EndpointConfig
from vitar.backends.local import LocalBackend, Sampling
from vitar.backends.placeholders import PlaceholderMismatch, check_placeholders
from vitar.backends.pretrained import load_model, load_processor
from vitar.backends.profiles import named_profile
from vitar.backends.reply_cache import ReplyCache
from vitar.backends.scripted import ScriptedBackend
from vitar.backends.server import ServerBackend
from vitar.protocol.actions import Zoom, call_text
from vitar.protocol.messages import Message, assistant_message, message_text, tool_message
from vitar.protocol.prompts import direct_messages, interactive_messages

TOOLS = ("mark_region", "zoom")
CALL = "Here.\n<tool_call>\n" + call_text(Zoom((100, 200, 300, 400))) + "\n</tool_call>"


def picture(number: int, side_px: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (side_px, side_px), dtype=np.uint8))


def questions() -> list[list[Message]]:
    """Conversations of unequal length: one image or two, with tools' words or without."""
    short = direct_messages("Side?", (), "closed", [picture(0)])
    long = interactive_messages("What is the margin of the nodule?", ("smooth", "lobulated"), [picture(1, 128)], TOOLS)
    second_look: list[Message] = [
        *interactive_messages("Is there a nodule?", (), [picture(2)], TOOLS),
        assistant_message(CALL),
        tool_message("zoom", "Image 2: the region [100, 200, 300, 400] of image 1, enlarged.", picture(3, 96)),
    ]
    return [
        short,
        long,
        second_look,
        direct_messages("Is the nodule on the left side or on the right?", (), "closed", [picture(4)]),
    ]


LocalFactory = Callable[..., LocalBackend]


@pytest.fixture
def local(small_model_dir: Path) -> LocalFactory:
    """``local(batch_size=…, temperature=…, …)``: the small random model, loaded anew."""

    def build(batch_size: int = 8, **sampling: float) -> LocalBackend:
        settings = Sampling(**{"max_new_tokens": 12, "logprobs": True, **sampling})  # type: ignore[arg-type]
        model, processor = load_model(str(small_model_dir)), load_processor(str(small_model_dir))
        return LocalBackend(model, processor, name="small", sampling=settings, batch_size=batch_size)

    return build


@pytest.fixture(params=["scripted", "local", "server"])
def backend(request: pytest.FixtureRequest, local: LocalFactory, tmp_path: Path) -> Iterator[Backend]:
    """One backend of each kind, under the same contract."""

    def respond(body: dict[str, Any]) -> loopback.Answer:
        last = body["messages"][-1]["content"]
        text = last if isinstance(last, str) else "".join(part.get("text", "") for part in last)
        return loopback.completion(f"{text} I say yes.", usage=(len(text), 7))

    if request.param == "local":
        yield local()
    elif request.param == "scripted":
        yield ScriptedBackend(lambda conversation: f"{message_text(conversation[-1])} I say yes.")
    else:
        with loopback.Loopback(respond) as server:
            endpoint = Endpoint(EndpointConfig(server.url, "m"), ReplyCache(tmp_path))
            yield ServerBackend(endpoint, dialect="standard", profile=named_profile("m"))


def test_a_completion_per_conversation_in_order(backend: Backend) -> None:
    conversations = questions()
    together = [(c.text, c.prompt_tokens) for c in backend.generate(conversations, TOOLS)]
    assert len(set(together)) == len(conversations)
    assert [(c.text, c.prompt_tokens) for c in backend.generate(conversations[::-1], TOOLS)] == together[::-1]


def test_a_batch_equals_one_by_one(backend: Backend) -> None:
    conversations = questions()
    together = backend.generate(conversations, TOOLS)
    alone = [completion for c in conversations for completion in backend.generate([c], TOOLS)]
    for found, expected in zip(together, alone, strict=True):
        assert (found.text, found.token_ids, found.finish) == (expected.text, expected.token_ids, expected.finish)
        assert found.prompt_tokens == expected.prompt_tokens


def test_nothing_gives_nothing_and_conversations_stay_as_they_are(backend: Backend) -> None:
    assert backend.generate([], TOOLS) == []
    conversations = questions()
    before = [[(m["role"], message_text(m)) for m in conversation] for conversation in conversations]
    backend.generate(conversations, TOOLS)
    assert [[(m["role"], message_text(m)) for m in conversation] for conversation in conversations] == before


def test_a_completion_says_what_the_contract_says(backend: Backend) -> None:
    for completion in backend.generate(questions(), ()):
        assert completion.finish in ("stop", "length")
        assert "<|im_end|>" not in completion.text
        assert completion.error == ""
        assert completion.seconds >= 0
        assert completion.logprobs is None or len(completion.logprobs) == len(completion.token_ids)
        assert completion.logprobs is None or max(completion.logprobs) <= 0
    assert backend.name
    assert min(backend.coordinate_step, backend.zoom_side_px) >= 1
    assert backend.coordinates is not None


def test_a_script_s_exception_is_a_completion_with_an_error() -> None:
    def fail(_: object) -> str:
        raise TimeoutError("after 30 s")

    (completion,) = ScriptedBackend(fail).generate(questions()[:1], TOOLS)
    assert (completion.finish, completion.error, completion.text) == ("error", "TimeoutError: after 30 s", "")


def test_batch_size_changes_nothing_for_greedy_decoding(local: LocalFactory) -> None:
    whole, pairs = local(batch_size=4), local(batch_size=3)
    expected = [c.token_ids for c in whole.generate(questions(), TOOLS)]
    assert [c.token_ids for c in pairs.generate(questions(), TOOLS)] == expected


def test_prompts_are_padded_on_the_left(local: LocalFactory) -> None:
    backend = local()
    encoded = backend.encode(questions(), TOOLS)
    lengths = encoded["attention_mask"].sum(-1).tolist()
    assert len(set(lengths)) == 4
    assert lengths == [c.prompt_tokens for c in backend.generate(questions(), TOOLS)]
    longest = encoded["input_ids"].shape[1]
    for row, length in zip(encoded["attention_mask"].tolist(), lengths, strict=True):
        assert row == [0] * (longest - length) + [1] * length
    assert len({tuple(row[-3:]) for row in encoded["input_ids"].tolist()}) == 1  # all end where the assistant begins


def test_every_image_counts(local: LocalFactory) -> None:
    backend = local()
    second_look = questions()[2]
    encoded = backend.encode([second_look], TOOLS)
    assert encoded["image_grid_thw"].tolist() == [[1, 4, 4], [1, 6, 6]]
    assert int((encoded["input_ids"] == backend.processor.image_token_id).sum()) == 4 + 9  # type: ignore[attr-defined]
    (before,) = backend.generate([second_look], TOOLS)
    other: list[Message] = [*second_look[:-1], tool_message("zoom", message_text(second_look[-1]), picture(9, 96))]
    (after,) = backend.generate([other], TOOLS)
    assert before.logprobs != after.logprobs


def test_tools_are_announced(local: LocalFactory) -> None:
    backend = local()
    plain, offered = backend.encode(questions()[1:2], ()), backend.encode(questions()[1:2], TOOLS)
    text = backend.processor.tokenizer.decode(offered["input_ids"][0])  # type: ignore[attr-defined]
    assert "zoom(box, image)" in text
    assert offered["input_ids"].shape[1] > plain["input_ids"].shape[1]


def test_stops_at_the_end_of_its_own_turn_whatever_the_others_do(local: LocalFactory) -> None:
    backend = local()
    end, calls = backend.processor.tokenizer.eos_token_id, iter(range(100))  # type: ignore[attr-defined]

    def end_row_1(module: object, args: object, logits: torch.Tensor) -> torch.Tensor:
        if next(calls) == 4:
            logits[1, -1, end] = 1e4
        return logits

    expected = backend.generate(questions(), TOOLS)
    backend.model.lm_head.register_forward_hook(end_row_1)
    found = backend.generate(questions(), TOOLS)
    assert [c.finish for c in found] == ["length", "stop", "length", "length"]
    assert [len(c.token_ids) for c in found] == [12, 5, 12, 12]
    assert found[1].token_ids == (*expected[1].token_ids[:4], end)
    assert found[1].logprobs is not None
    assert len(found[1].logprobs) == 5
    assert [found[row].token_ids for row in (0, 2, 3)] == [expected[row].token_ids for row in (0, 2, 3)]


@pytest.mark.parametrize(("temperature", "top_p"), [(0.0, 1.0), (1.0, 1.0), (0.7, 0.9)])
def test_logprobs_are_those_of_a_teacher_forced_pass(local: LocalFactory, temperature: float, top_p: float) -> None:
    backend = local(temperature=temperature, top_p=top_p)
    completions = backend.generate(questions(), TOOLS)
    for conversation, completion in zip(questions(), completions, strict=True):
        inputs = backend.encode([conversation], TOOLS)
        ids = torch.tensor([completion.token_ids])
        whole = {name: inputs[name] for name in ("pixel_values", "image_grid_thw")}
        whole["input_ids"] = torch.cat([inputs["input_ids"], ids], dim=1)
        whole["attention_mask"] = torch.ones_like(whole["input_ids"])
        whole["mm_token_type_ids"] = torch.cat([inputs["mm_token_type_ids"], torch.zeros_like(ids)], dim=1)
        with torch.inference_mode():
            logits_TV = backend.model(**whole).logits[0, -ids.shape[1] - 1 : -1] / (temperature or 1)
        expected_T = logits_TV.log_softmax(-1).gather(-1, ids.T)[:, 0]
        assert completion.logprobs is not None
        assert np.abs(np.subtract(completion.logprobs, expected_T.numpy())).max() < 1e-3
        if temperature == 0:
            assert ids[0].tolist() == logits_TV.argmax(-1).tolist()


def test_sampled_tokens_depend_on_seed_and_batch_and_not_on_what_came_before(local: LocalFactory) -> None:
    backend = local(temperature=1.0, seed=3)
    once = [c.token_ids for c in backend.generate(questions(), TOOLS)]
    backend.generate(questions()[:1], ())
    torch.rand(5)
    assert [c.token_ids for c in backend.generate(questions(), TOOLS)] == once
    assert [c.token_ids for c in local(temperature=1.0, seed=4).generate(questions(), TOOLS)] != once
    one_question = [questions()[0]] * 6
    assert len({c.token_ids for c in backend.generate(one_question, ())}) > 1  # rows of a batch differ


def test_a_model_s_own_repetition_penalty_is_not_applied(local: LocalFactory) -> None:
    backend = local()
    expected = [c.token_ids for c in backend.generate(questions(), TOOLS)]
    backend.model.generation_config.repetition_penalty = 5.0
    assert [c.token_ids for c in backend.generate(questions(), TOOLS)] == expected


def test_greedy_decoding_leaves_torch_s_generator_alone(local: LocalFactory) -> None:
    backend = local()
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    backend.generate(questions()[:1], ())
    assert torch.equal(torch.rand(3), expected)


def test_a_template_that_drops_images_is_an_error_at_once(local: LocalFactory) -> None:
    backend = local()
    object.__setattr__(backend.profile, "chat_template", "{% for m in messages %}Side?{% endfor %}")
    with pytest.raises(ValueError, match="tokens and 1 images"):  # transformers' own check of the text
        backend.generate(questions()[:1], ())


def test_images_that_do_not_reach_the_model_are_an_error_at_once(
    local: LocalFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitar.backends.local.images_in", lambda conversation: [picture(0)] * 2)
    with pytest.raises(PlaceholderMismatch, match="the conversation holds 2 images, 1 were encoded"):
        local().generate(questions()[:1], ())


@pytest.mark.parametrize(
    ("images", "grids", "placeholders"),
    [(2, [[1, 4, 4]], 4), (1, [[1, 4, 4], [1, 4, 4]], 8), (1, [[1, 4, 4]], 3), (1, [[1, 4, 4]], 0), (0, [], 1)],
)
def test_any_disagreement_about_images_is_found(
    local: LocalFactory, images: int, grids: list[list[int]], placeholders: int
) -> None:
    processor = local().processor
    ids = [5] * 3 + [processor.image_token_id] * placeholders  # type: ignore[attr-defined]
    inputs = {"input_ids": torch.tensor([ids])}
    if grids:
        inputs["image_grid_thw"] = torch.tensor(grids)
    with pytest.raises(PlaceholderMismatch, match=f"the conversation holds {images} images"):
        check_placeholders(inputs, images, processor)


def test_probabilities_are_kept_only_when_asked_for(local: LocalFactory) -> None:
    plain, kept = local(logprobs=False), local()
    said, known = plain.generate(questions(), TOOLS), kept.generate(questions(), TOOLS)
    assert all(completion.logprobs is None for completion in said)
    assert [completion.token_ids for completion in said] == [completion.token_ids for completion in known]
