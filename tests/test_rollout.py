"""The loop: how episodes end, what traces record, and what the conversation holds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitar.backends.base import Completion
from vitar.backends.local import LocalBackend, Sampling
from vitar.backends.pretrained import load_model, load_processor
from vitar.backends.scripted import ScriptedBackend
from vitar.data.example import Example, ImageRef, Region
from vitar.imaging.environment import Environment, EnvironmentConfig, Observation
from vitar.protocol.actions import Action, MarkRegion, Zoom, call_text
from vitar.protocol.messages import Message, images_in, message_text
from vitar.protocol.trace import ImageStore, StopReason, Trace
from vitar.protocol.trace import Sampling as SamplingRecord
from vitar.rollout import rollout

ZOOM = "I see something.\n<tool_call>\n" + call_text(Zoom((100, 200, 300, 400))) + "\n</tool_call>"
REVERSED = "Here.\n<tool_call>\n" + call_text(Zoom((300, 200, 100, 400))) + "\n</tool_call>"
ANSWER = "It is clear now.\n<answer>yes</answer>"
TOOLS = ("mark_region", "zoom")


def example(number: int = 0) -> Example:
    pixels = np.random.default_rng(number).integers(40, 200, (100, 200), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return Example(
        id=f"item-{number}",
        images=(ImageRef(f"{number}.png", buffer.getvalue()),),
        question=f"Is there a nodule in picture {number}?",
        options=(),
        answer="yes",
        answer_type="yes_no",
        regions=(Region("nodule", (20, 30, 40, 50)),),
        modality="radiograph",
        anatomy="chest",
        kind="presence",
        source="made up",
        split="test",
        licence="CC0-1.0",
        group=f"item-{number}",
    )


class Recorder(ScriptedBackend):
    """Says its texts in turn and keeps what it was given."""

    def __init__(self, *turns: str) -> None:
        super().__init__(ScriptedBackend.from_texts(*turns).reply)
        self.seen: list[tuple[list[Message], tuple[str, ...]]] = []

    def generate(self, conversations: Sequence[Sequence[Message]], tools: Sequence[str]) -> list[Completion]:
        self.seen += [(list(conversation), tuple(tools)) for conversation in conversations]
        return super().generate(conversations, tools)


class Cut(ScriptedBackend):
    """Reaches the token limit in each turn."""

    def generate(self, conversations: Sequence[Sequence[Message]], tools: Sequence[str]) -> list[Completion]:
        return [replace(completion, finish="length") for completion in super().generate(conversations, tools)]


def one(backend: ScriptedBackend, config: EnvironmentConfig | None = None, **how: object) -> Trace:
    (trace,) = rollout(backend, [example()], config, **how)  # type: ignore[arg-type]
    return trace


def test_think_act_rethink_answer(tmp_path: Path) -> None:
    backend, store = Recorder(ZOOM, ANSWER), ImageStore(tmp_path)
    trace = one(backend, store=store, condition="c", sampling=SamplingRecord(seed=3))
    assert (trace.stop_reason, trace.answer, trace.failure) == (StopReason.ANSWERED, "yes", None)
    assert (trace.example_id, trace.model, trace.condition, trace.sampling.seed) == ("item-0", "scripted", "c", 3)
    look, last = trace.rounds
    assert (look.text, look.thought, look.parsed_action()) == (ZOOM, "I see something.", Zoom((100, 200, 300, 400)))
    assert look.observation == "Image 2: the region [100, 200, 300, 400] of image 1, enlarged."
    assert (look.intervened, look.error) == (False, None)
    assert (last.thought, last.action, last.image) == ("It is clear now.", None, None)
    (_, first_tools), (second, _) = backend.seen
    assert first_tools == TOOLS
    assert [message["role"] for message in second] == ["system", "user", "assistant", "tool"]
    assert message_text(second[2]) == ZOOM
    assert message_text(second[3]) == look.observation
    assert look.image is not None
    shown = images_in(second)
    assert [store.open(name).tobytes() for name in (*trace.images, look.image)] == [image.tobytes() for image in shown]


def test_without_a_store_there_are_no_image_names() -> None:
    trace = one(ScriptedBackend.from_texts(ZOOM, ANSWER))
    assert trace.images == ()
    assert trace.rounds[0].image is None


def test_boxes_are_recorded_in_pixels_of_the_original() -> None:
    marks = MarkRegion(((0, 0, 500, 500), (900, 900, 1100, 1000)))  # the second reaches out of the image
    backend = ScriptedBackend.from_texts(f"<tool_call>\n{call_text(marks)}\n</tool_call>", ANSWER)
    assert one(backend).rounds[0].boxes == ((0, 0, 100, 50), (180, 90, 200, 100))


def test_boxes_on_an_enlarged_region_are_in_pixels_of_the_original_too() -> None:
    # 20-60 x 20-40 with a quarter on each side is 10-70 x 15-45, which is at least 32 high: 10-70 x 14-46
    inner = f"<tool_call>\n{call_text(Zoom((0, 0, 500, 500), image=2))}\n</tool_call>"
    backend = ScriptedBackend.from_texts(ZOOM, inner, ANSWER)
    trace = one(backend, EnvironmentConfig(max_actions=2))
    assert trace.rounds[0].boxes == ((20, 20, 60, 40),)
    assert trace.rounds[1].boxes == ((10, 14, 40, 30),)


def test_a_refused_action_is_told_and_may_be_tried_again() -> None:
    backend = Recorder(REVERSED, ZOOM, ANSWER)
    trace = one(backend)
    refused, look, _ = trace.rounds
    assert (refused.error, refused.boxes, refused.image) == ("reversed", (), None)
    assert refused.parsed_action() == Zoom((300, 200, 100, 400))
    assert (look.error, look.boxes) == (None, ((20, 20, 60, 40),))
    assert trace.stop_reason is StopReason.ANSWERED
    told = backend.seen[1][0][-1]
    assert told["role"] == "tool"
    assert "reversed" in message_text(told)
    assert images_in([told]) == []


@pytest.mark.parametrize("mode", ["interactive", "direct"])
def test_an_empty_turn_is_malformed(mode: str) -> None:
    trace = one(ScriptedBackend.from_texts("  "), mode=mode)
    assert (trace.stop_reason, trace.answer) == (StopReason.MALFORMED, None)
    assert trace.failure is not None
    assert trace.failure.reason == "empty"


def test_a_malformed_turn_ends_the_episode_with_its_reason_and_place() -> None:
    trace = one(ScriptedBackend.from_texts(ZOOM, "It is a nodule."))
    assert trace.stop_reason is StopReason.MALFORMED
    assert trace.failure is not None
    assert (trace.failure.reason, trace.failure.span) == ("no_action_or_answer", (0, 15))
    assert len(trace.rounds) == 2


def test_an_unfinished_turn_at_the_token_limit_is_truncated_and_a_finished_one_counts() -> None:
    trace = one(Cut(lambda _: "It may be that <answer>ye"))
    assert trace.stop_reason is StopReason.TRUNCATED
    assert trace.failure is not None
    assert trace.failure.reason == "unclosed_answer"
    assert one(Cut(lambda _: ANSWER)).answer == "yes"


def test_acting_for_ever_runs_out_of_turns() -> None:
    trace = one(ScriptedBackend.from_texts(ZOOM))
    assert (trace.stop_reason, len(trace.rounds)) == (StopReason.OUT_OF_TURNS, 3)
    assert [look.error for look in trace.rounds] == [None, "no_actions_left", "no_actions_left"]
    assert trace.failure is not None
    assert trace.failure.detail == "No answer after 3 turns."


def test_a_failed_backend_ends_the_episode_at_the_round_it_failed_in() -> None:
    def reply(conversation: Sequence[Message]) -> str:
        if conversation[-1]["role"] == "tool":
            raise ConnectionError("no route to host")
        return ZOOM

    trace = one(ScriptedBackend(reply))
    assert (trace.stop_reason, len(trace.rounds)) == (StopReason.BACKEND_ERROR, 1)
    assert trace.failure is not None
    assert (trace.failure.reason, trace.failure.detail) == ("backend_error", "ConnectionError: no route to host")


def test_a_direct_question_offers_no_tools_and_takes_the_text_as_the_answer() -> None:
    backend = Recorder("Yes, a small one")
    trace = one(backend, mode="direct")
    assert (trace.answer, trace.stop_reason) == ("Yes, a small one", StopReason.ANSWERED)
    ((conversation, tools),) = backend.seen
    assert tools == ()
    assert message_text(conversation[-1]).endswith("\nAnswer yes or no.")
    assert one(ScriptedBackend.from_texts("Well <answer>no</answer>"), mode="direct").answer == "no"


def test_a_direct_answer_that_was_cut_is_truncated() -> None:
    for text in ("It is probably", '<tool_call>{"name": "zoom", "arguments": {"box": [1, 2, 3, 4]}}</tool_call>'):
        assert one(Cut(lambda _, text=text: text), mode="direct").stop_reason is StopReason.TRUNCATED
    for text in (
        "<think>Could it be <answer>no</answer>? Let me",
        "<think>Is it <answer>no</answer>?</think> The finding lies in the",
    ):
        assert one(Cut(lambda _, text=text: text), mode="direct").stop_reason is StopReason.TRUNCATED
    for text in ("Well <answer>no</answer> and", "<think>Hm</think> <answer>no</answer> and"):
        assert one(Cut(lambda _, text=text: text), mode="direct").answer == "no"


def test_another_action_replaces_the_model_s_in_the_conversation() -> None:
    def elsewhere(example: Example, environment: Environment, action: Action) -> Action:
        return Zoom((500, 500, 700, 700))

    backend = Recorder(ZOOM, ANSWER)
    look = one(backend, intervene=elsewhere).rounds[0]
    assert (look.text, look.intervened) == (ZOOM, True)  # what the model wrote stays on record
    assert look.parsed_action() == Zoom((500, 500, 700, 700))
    assert look.boxes == ((100, 50, 140, 70),)
    said = message_text(backend.seen[1][0][2])
    assert said == "I see something.\n<tool_call>\n" + call_text(Zoom((500, 500, 700, 700))) + "\n</tool_call>"


def test_another_observation_replaces_what_the_model_sees() -> None:
    gray = Image.new("L", (32, 32), 128)

    def blank(example: Example, environment: Environment, action: Action) -> Observation:
        return replace(environment.step(action), image=gray)

    backend = Recorder(ZOOM, ANSWER)
    look = one(backend, intervene=blank).rounds[0]
    conversation = backend.seen[1][0]
    assert (look.intervened, look.boxes) == (True, ((20, 20, 60, 40),))
    assert message_text(conversation[2]) == ZOOM
    assert images_in(conversation)[1] is gray


def test_an_intervention_that_gives_the_action_back_is_none() -> None:
    look = one(ScriptedBackend.from_texts(ZOOM, ANSWER), intervene=lambda example, environment, action: action).rounds[
        0
    ]
    assert not look.intervened


def mixed(conversation: Sequence[Message]) -> str:
    """Ends in every way, as the number of the picture decides."""
    number = int(message_text(conversation[1]).partition("picture ")[2][0])
    if number == 5:
        raise ConnectionError("gone")
    turns = ((ANSWER,), (ZOOM, ANSWER), (REVERSED, ZOOM, ANSWER), (ZOOM, ZOOM, ZOOM), (ZOOM, "?"))[number % 5]
    return turns[sum(message["role"] == "assistant" for message in conversation)]


def test_a_batch_of_mixed_episodes_equals_one_by_one() -> None:
    examples = [example(number) for number in range(8)]
    together = list(rollout(ScriptedBackend(mixed), examples, at_once=8))
    assert [trace.example_id for trace in together] == [item.id for item in examples]
    assert {trace.stop_reason for trace in together} == set(StopReason) - {StopReason.TRUNCATED}
    assert [trace for item in examples for trace in rollout(ScriptedBackend(mixed), [item])] == together
    assert list(rollout(ScriptedBackend(mixed), examples, at_once=3)) == together


def of_two_images() -> Example:
    """An item about a picture of 200 x 100 and one of 60 x 120."""
    buffer = BytesIO()
    Image.fromarray(np.random.default_rng(9).integers(40, 200, (120, 60), dtype=np.uint8)).save(buffer, format="PNG")
    return replace(example(), images=(*example().images, ImageRef("tall.png", buffer.getvalue())))


def test_an_action_names_one_of_several_images(tmp_path: Path) -> None:
    def zoom(image: int) -> str:
        return f"<tool_call>\n{call_text(Zoom((0, 500, 500, 1000), image=image))}\n</tool_call>"

    backend, store = Recorder(zoom(4), zoom(2), zoom(3), zoom(1), ANSWER), ImageStore(tmp_path)
    (trace,) = rollout(backend, [of_two_images()], EnvironmentConfig(max_actions=3, max_turns=6), store=store)
    absent, tall, inner, wide, _ = trace.rounds
    assert (absent.error, absent.boxes) == ("unknown_image", ())
    assert absent.observation == "There is no image 4. The images are numbered 1 to 2."
    assert (tall.source, tall.boxes) == (2, ((0, 60, 30, 120),))
    # a quarter more on each side of 0-30 x 60-120 is 46 x 90, shifted into the image: image 3 shows 0-46 x 30-120
    assert (inner.source, inner.boxes) == (2, ((0, 75, 23, 120),))
    assert (wide.source, wide.boxes) == (1, ((0, 50, 100, 100),))
    assert tall.observation == "Image 3: the region [0, 500, 500, 1000] of image 2, enlarged."
    assert (trace.first_action, trace.answer) == (tall, "yes")
    conversation, _ = backend.seen[-1]
    names = [*trace.images, *(look.image for look in trace.rounds if look.image)]
    assert len(names) == 5
    assert [store.open(name).tobytes() for name in names] == [image.tobytes() for image in images_in(conversation)]
    asked = "Image 1: \nImage 2: \nIs there a nodule in picture 0?"
    assert message_text(conversation[1]) == asked


def test_a_question_without_an_image_can_only_be_asked_directly() -> None:
    blind, backend = replace(example(), images=()), Recorder("yes")
    with pytest.raises(ValueError, match="'item-0' has no image to act on; only a direct question can do without"):
        list(rollout(backend, [blind]))
    (trace,) = rollout(backend, [blind], mode="direct")
    assert (trace.answer, trace.images) == ("yes", ())
    assert images_in(backend.seen[0][0]) == []


SpeakingBackend = Callable[..., LocalBackend]


@pytest.fixture
def speaking(small_model_dir: Path) -> SpeakingBackend:
    """``speaking(turn, turn, …)``: a local backend whose random model is made to write the tokens of each turn."""

    def build(*turns: str, max_new_tokens: int = 100) -> LocalBackend:
        model, processor = load_model(str(small_model_dir)), load_processor(str(small_model_dir))
        sampling = Sampling(max_new_tokens=max_new_tokens)
        backend = LocalBackend(model, processor, name="small", sampling=sampling, batch_size=4)
        if turns:
            tokenizer = processor.tokenizer  # type: ignore[attr-defined]
            _force(model, [[*tokenizer.encode(turn), tokenizer.eos_token_id] for turn in turns])
        return backend

    return build


def _force(model: object, turns: list[list[int]]) -> None:
    """Makes greedy decoding write ``turns[k]`` in the k-th generation, in each row of the batch."""
    at = {"turn": -1, "token": 0}

    def begin(module: object, args: object, kwargs: dict[str, object]) -> None:
        at["token"] += 1
        if kwargs["input_ids"].shape[1] > 1:  # type: ignore[attr-defined]  # the prompt is read
            at["turn"], at["token"] = at["turn"] + 1, 0

    def speak(module: object, args: object, logits: object) -> object:
        turn = turns[min(at["turn"], len(turns) - 1)]
        logits[:, -1, turn[min(at["token"], len(turn) - 1)]] = 1e4  # type: ignore[index]
        return logits

    model.register_forward_pre_hook(begin, with_kwargs=True)  # type: ignore[attr-defined]
    model.lm_head.register_forward_hook(speak)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("turns", "stop"),
    [
        ((ZOOM, ANSWER), StopReason.ANSWERED),
        ((REVERSED, ZOOM, ANSWER), StopReason.ANSWERED),
        ((ZOOM,), StopReason.OUT_OF_TURNS),
        (("I do not know.",), StopReason.MALFORMED),
    ],
)
def test_a_local_model_says_the_same_as_a_script(
    speaking: SpeakingBackend, turns: tuple[str, ...], stop: object
) -> None:
    examples = [example(0), example(1)]
    config = EnvironmentConfig(zoom_side_px=128)
    local = list(rollout(speaking(*turns), examples, config))
    scripted = list(rollout(ScriptedBackend.from_texts(*turns), examples, config))
    assert [trace.stop_reason for trace in local] == [stop, stop]
    for found, expected in zip(local, scripted, strict=True):
        assert (found.answer, found.failure) == (expected.answer, expected.failure)
        for mine, other in zip(found.rounds, expected.rounds, strict=True):
            counted = {"prompt_tokens": 0, "generated_tokens": 0, "image_tokens": None, "seconds": 0.0}
            counted["peak_memory_bytes"] = None
            assert mine.model_copy(update=counted) == other
            assert min(mine.prompt_tokens, mine.generated_tokens, mine.seconds) > 0
            assert mine.image_tokens is not None
            assert 0 < mine.image_tokens < mine.prompt_tokens
            assert (mine.peak_memory_bytes or 0) > 0 or sys.platform != "linux"


def test_a_local_model_that_comes_to_no_end_is_truncated(speaking: SpeakingBackend) -> None:
    backend = speaking(max_new_tokens=6)
    examples = [example(number) for number in range(3)]
    together = list(rollout(backend, examples))
    assert {trace.stop_reason for trace in together} == {StopReason.TRUNCATED}
    assert {trace.rounds[0].generated_tokens for trace in together} == {6}
    alone = [trace for item in examples for trace in rollout(backend, [item])]
    assert [trace.rounds[0].text for trace in alone] == [trace.rounds[0].text for trace in together]


def test_a_local_model_sees_several_images_as_a_script_does(speaking: SpeakingBackend) -> None:
    items = [of_two_images(), example(1)]  # one batch of a question about two images and one about one
    second = "Here.\n<tool_call>\n" + call_text(Zoom((100, 200, 600, 700), image=2)) + "\n</tool_call>"
    config = EnvironmentConfig(zoom_side_px=128)
    local = list(rollout(speaking(second, ANSWER, ANSWER), items, config))
    scripted = list(rollout(ScriptedBackend.from_texts(second, ANSWER), items, config))
    for found, expected in zip(local, scripted, strict=True):
        kept = ("text", "action", "boxes", "source", "observation", "error")
        assert [[getattr(r, name) for name in kept] for r in found.rounds] == [
            [getattr(r, name) for name in kept] for r in expected.rounds
        ]
    two, one = (trace.rounds for trace in local)
    assert (two[0].source, two[0].error, one[0].error) == (2, None, "unknown_image")
    assert two[0].image_tokens is not None
    assert one[0].image_tokens is not None
    assert two[0].image_tokens > one[0].image_tokens
