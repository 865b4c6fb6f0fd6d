"""Stage II sees what our loop sees: the same prompts, episodes, images and probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from vitar.backends.local import LocalBackend, Sampling
from vitar.backends.placeholders import PlaceholderMismatch
from vitar.backends.scripted import ScriptedBackend
from vitar.data.example import save_examples
from vitar.data.phantoms.dataset import phantom_example
from vitar.data.phantoms.questions import QUESTION_KINDS
from vitar.imaging.environment import Environment, EnvironmentConfig
from vitar.protocol.actions import tool_schemas
from vitar.protocol.messages import Message, images_in, message_text
from vitar.protocol.trace import StopReason
from vitar.rollout import rollout
from vitar.training.config import ConfigError, GrpoConfig
from vitar.training.grpo import build_grpo, prompt_dataset, reward_weights
from vitar.training.rewards import final_answer, turn_outcome
from vitar.training.trajectories import replay

Say = Callable[[Sequence[Any]], Any]

START = 2_000_000
CONFIG = EnvironmentConfig(zoom_side_px=128)
CALL = '{"name": "zoom", "arguments": {"box": [100, 200, 300, 400], "image": 1}}'
ZOOM = f"I look closer.\n<tool_call>\n{CALL}\n</tool_call>"
MARK = ZOOM.replace("zoom", "mark_region").replace('"box": [100, 200, 300, 400]', '"boxes": [[100, 200, 300, 400]]')
WHOLE = ZOOM.replace("100, 200, 300, 400", "0, 0, 1000, 1000")
AGAIN = ZOOM.replace('"image": 1', '"image": 2')
ANSWER = "Fine lines.\n<answer>B</answer>"


def rows(trainer: Any, place: int = 0) -> list[dict[str, Any]]:
    """One question twice, as the trainer's sampler gives it."""
    return [trainer.train_dataset[place] for _ in range(2)]


def test_rows_hold_question_and_answer_and_no_box(grpo_config: GrpoConfig) -> None:
    row = prompt_dataset(replace(grpo_config, region_iou_weight=0.0))[0]
    example = phantom_example("train", START)
    assert set(row) == {"prompt", "answer", "answer_type", "options"}
    assert (row["answer"], row["answer_type"], row["options"]) == (
        example.answer,
        example.answer_type,
        list(example.options),
    )
    assert [message["role"] for message in row["prompt"]] == ["system", "user"]
    assert prompt_dataset(grpo_config)[0]["regions"] == [list(region.box_xyxy) for region in example.regions]


def test_overlap_is_no_reward_unless_asked_for(grpo_config: GrpoConfig) -> None:
    names = {reward.__name__: weight for reward, weight in reward_weights(grpo_config).items()}
    assert names == {"accuracy_reward": 1.0, "format_reward": 0.4, "region_iou_reward": 0.5}
    assert len(reward_weights(replace(grpo_config, region_iou_weight=0.0))) == 2


def test_data_with_too_few_examples_is_refused(grpo_config: GrpoConfig) -> None:
    with pytest.raises(ConfigError, match="has 1 examples from 999999999 on, and the recipe asks for 2"):
        prompt_dataset(replace(grpo_config, start=999_999_999, examples=2))


def test_kinds_are_drawn_by_weight_and_in_order(grpo_config: GrpoConfig, tmp_path: Path) -> None:
    kinds = {"presence": 2, "count": 1}
    dataset = prompt_dataset(replace(grpo_config, kinds=kinds, examples=12))
    indices = dataset.with_format(None)["index"]
    drawn = [phantom_example("train", index) for index in indices]
    assert [example.kind for example in drawn] == ["presence", "presence", "count"] * 4
    assert [row["answer"] for row in dataset] == [example.answer for example in drawn]
    counts = indices[2::3]
    passed_over = set(range(START, counts[-1])) - set(counts)
    assert "count" not in {phantom_example("train", index).kind for index in passed_over}

    save_examples([phantom_example("train", START + 1), *drawn], tmp_path / "set")  # the first asks for an attribute
    stored = replace(grpo_config, data=str(tmp_path / "set"), start=0, kinds=kinds, examples=12)
    assert prompt_dataset(stored).with_format(None)["index"] == list(range(1, 13))
    with pytest.raises(
        ConfigError, match=r"has 12 examples from 0 on that can be drawn with kinds .*presence.* asks for 13"
    ):
        prompt_dataset(replace(stored, examples=13))


def test_kinds_take_different_questions_each(grpo_config: GrpoConfig) -> None:
    kinds = dict.fromkeys(QUESTION_KINDS, 1)
    indices = prompt_dataset(replace(grpo_config, kinds=kinds, examples=12)).with_format(None)["index"]
    assert [phantom_example("train", index).kind for index in indices] == list(QUESTION_KINDS) * 2
    assert len(set(indices)) == 12


def test_an_unknown_kind_of_question_is_refused(grpo_config: GrpoConfig) -> None:
    with pytest.raises(ConfigError, match="kinds: phantoms have no presense; expected some of presence"):
        prompt_dataset(replace(grpo_config, kinds={"presense": 1}))
    with pytest.raises(ValueError, match="weights are whole numbers from 1"):
        replace(grpo_config, kinds={"presence": 0})


@pytest.mark.parametrize("freeze_vision", [False, True])
def test_the_tower_can_be_left_as_it_is(grpo_config: GrpoConfig, freeze_vision: bool) -> None:
    trainer, _ = build_grpo(replace(grpo_config, freeze_vision=freeze_vision))
    trained = {name: weight.requires_grad for name, weight in trainer.model.named_parameters()}
    assert {moves for name, moves in trained.items() if ".visual." in name} == {not freeze_vision}
    assert all(moves for name, moves in trained.items() if ".visual." not in name)


def wire(trainer: Any, messages: Sequence[Message], **options: Any) -> list[int]:
    """Tokens of a conversation as our own loop and stage I make them."""
    encoded = trainer.processing_class.apply_chat_template(
        [list(messages)], tools=tool_schemas(CONFIG.tools), tokenize=True, return_dict=True, **options
    )
    return encoded["input_ids"][0]


def test_a_prompt_is_the_loops_own(trainer: Any, say: Say) -> None:
    say([ANSWER])
    output = trainer._generate_and_score_completions(rows(trainer))
    ours = wire(trainer, trainer.train_dataset[0]["prompt"], add_generation_prompt=True)
    assert output["prompt_ids"][0].tolist() == ours


@pytest.mark.parametrize(
    "turns",
    [
        (ZOOM, ANSWER),
        (MARK, ANSWER),
        (ANSWER,),
        (WHOLE, ZOOM, ANSWER),
        (ZOOM, AGAIN, ANSWER),
        (ZOOM, "I am not sure."),
        ("I am not sure.",),
        (f"{ZOOM}\n{ZOOM}",),
        (f"{ZOOM} and then",),
        (ZOOM.replace("zoom", "crop"),),
        (ZOOM, ZOOM.replace("]", "")),
        (WHOLE, WHOLE, WHOLE),
        (ZOOM, f"<think>hm</think>\n{ANSWER}"),
    ],
    ids=lambda turns: " | ".join(turn[:24] + turn[-12:] for turn in turns),
)
def test_the_same_turns_give_the_same_episode_in_both_loops(trainer: Any, say: Say, turns: tuple[str, ...]) -> None:
    seen: list[list[Message]] = []

    def reply(conversation: Sequence[Message]) -> str:
        seen.append(list(conversation))
        return turns[len(seen) - 1]

    backend = ScriptedBackend(reply, coordinate_step=10, zoom_side_px=128)
    (trace,) = rollout(backend, [phantom_example("train", START)], CONFIG)

    say(turns)
    trainer._logs["completion"].clear()
    output = trainer._generate_and_score_completions(rows(trainer))
    completion = trainer._logs["completion"][0]
    said = [message for message in completion if message["role"] == "assistant"]
    told = [message for message in completion if message["role"] == "tool"]

    assert len(said) == len(trace.rounds)
    assert final_answer(completion) == trace.answer
    for message, each in zip(said, trace.rounds, strict=True):
        outcome = turn_outcome(message)
        assert (each.parsed_action() == outcome) if each.action else each.action is None
    shown = [message for message in seen[-1] if message["role"] == "tool"]  # what the model got to see
    assert [message_text(message) for message in told] == [message_text(message) for message in shown]
    ours = [image.tobytes() for image in images_in(seen[-1])[1:]]
    assert [image.tobytes() for image in images_in(told)] == ours

    length = int(output["completion_mask"][0].sum())
    tokens = output["prompt_ids"][0].tolist() + output["completion_ids"][0, :length].tolist()
    last = trainer.processing_class.tokenizer(turns[len(said) - 1])["input_ids"]
    assert tokens[:-1] == wire(trainer, seen[-1], add_generation_prompt=True) + last
    wrote = output["completion_ids"][0, :length][output["tool_mask"][0, :length] == 1]
    end = trainer.processing_class.tokenizer.eos_token
    assert trainer.processing_class.tokenizer.decode(wrote) == "".join(f"{turn}{end}" for turn in turns[: len(said)])


def test_an_unreadable_argument_earns_nothing_in_either_loop(trainer: Any, say: Say) -> None:
    """TRL lets the model go on after it, our loop does not; the answer that follows must not count."""
    bad = ZOOM.replace("[100, 200, 300, 400]", "[100, 200]")
    backend = ScriptedBackend.from_texts(bad, ANSWER)
    (trace,) = rollout(backend, [phantom_example("train", START)], CONFIG)
    assert trace.stop_reason is StopReason.MALFORMED
    say([bad, ZOOM, ANSWER])
    trainer._logs["completion"].clear()
    trainer._generate_and_score_completions(rows(trainer))
    assert final_answer(trainer._logs["completion"][0]) is None
    assert list(trainer._logs["rewards"]["format_reward"])[-2:] == [0.0, 0.0]


def test_rewards_are_logged_under_their_names(trainer: Any, say: Say) -> None:
    example = phantom_example("train", START + 3)
    say([ZOOM, f"<answer>{example.answer}</answer>"])
    trainer._metrics["train"].clear()
    trainer._generate_and_score_completions(rows(trainer, 3))
    logged = {name: values[-1] for name, values in trainer._metrics["train"].items()}
    assert logged["rewards/accuracy_reward/mean"] == logged["rewards/format_reward/mean"] == 1
    assert 0 <= logged["rewards/region_iou_reward/mean"] < 1
    assert logged["reward"] == pytest.approx(1.4 + 0.5 * logged["rewards/region_iou_reward/mean"])


def token_log_probs(trainer: Any, output: dict[str, Any]) -> torch.Tensor:
    """Log-probabilities [B, T] of the completion as the loss computes them."""
    names = ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")
    with torch.no_grad():
        logps, _, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model,
            torch.cat([output["prompt_ids"], output["completion_ids"]], dim=1),
            torch.cat([output["prompt_mask"], output["completion_mask"]], dim=1),
            output["completion_ids"].shape[1],
            **{name: output[name] for name in names},
        )
    return logps


@pytest.mark.parametrize("action", [ZOOM, MARK])
def test_the_second_image_reaches_the_loss(trainer: Any, say: Say, action: str) -> None:
    say([action, ANSWER])
    output = trainer._generate_and_score_completions(rows(trainer))
    assert output["num_images"] == [2, 2]
    before = token_log_probs(trainer, output)
    patches = output["image_grid_thw"].prod(-1).tolist()
    changed = output["pixel_values"].clone()
    changed[patches[0] : patches[0] + patches[1]] *= -1  # the second image of the first rollout, as a negative
    after = token_log_probs(trainer, {**output, "pixel_values": changed})
    wrote = output["tool_mask"].bool() & output["completion_mask"].bool()
    answer_starts = int((~wrote[0]).nonzero().max()) + 1
    assert (before - after)[0, answer_starts:][wrote[0, answer_starts:]].abs().max() > 1e-4
    assert torch.allclose(before[0, :20], after[0, :20], atol=1e-6)  # the call came before the image
    assert torch.allclose(before[1], after[1], atol=1e-6)


@pytest.mark.parametrize("trainer", [1.0, 0.7], indirect=True)
def test_log_probs_at_rollout_equal_those_in_training(trainer: Any, say: Say) -> None:
    """Both turns are sampled by our own backend and scored by the trainer, at the temperature of training."""
    sampling = Sampling(temperature=trainer.temperature, max_new_tokens=24, logprobs=True, seed=3)
    backend = LocalBackend(trainer.model, trainer.processing_class, name="small", sampling=sampling)
    tokenizer = trainer.processing_class.tokenizer
    call = [*tokenizer(ZOOM)["input_ids"], tokenizer.eos_token_id]
    example = phantom_example("train", START)
    conversation = replay(example, (ZOOM, ANSWER), Environment(CONFIG, backend.coordinates))[:-1]
    (first,) = backend.generate([conversation[:2]], CONFIG.tools)
    (second,) = backend.generate([conversation], CONFIG.tools)
    assert len(second.token_ids) > 5
    assert first.logprobs is not None
    assert second.logprobs is not None

    say([first.token_ids])
    output = trainer._generate_and_score_completions(rows(trainer))
    scored = token_log_probs(trainer, output)[0, : len(first.token_ids)]
    assert scored.tolist() == pytest.approx(first.logprobs, abs=1e-3)

    say([call, second.token_ids])
    output = trainer._generate_and_score_completions(rows(trainer))
    length = int(output["completion_mask"][0].sum())
    scored = token_log_probs(trainer, output)[0, length - len(second.token_ids) : length]
    assert output["tool_mask"][0, len(call) : length - len(second.token_ids)].sum() == 0
    assert scored.tolist() == pytest.approx(second.logprobs, abs=1e-3)


def test_no_placeholder_can_be_sampled(trainer: Any) -> None:
    processor = trainer.processing_class
    assert trainer.generation_config.suppress_tokens == [processor.image_token_id, processor.video_token_id]


def test_images_that_trl_drops_stop_the_run(trainer: Any, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """A placeholder too many makes TRL drop every image of the batch without a word."""
    suffix = trainer._get_tool_suffix_ids

    def one_too_many(messages: Any) -> list[int]:
        tokens = suffix(messages)
        place = tokens.index(trainer._image_pad_token_id)
        return [*tokens[:place], trainer._image_pad_token_id, *tokens[place:]]

    monkeypatch.setattr(trainer, "_get_tool_suffix_ids", one_too_many)
    say([ZOOM, ANSWER])
    output = trainer._generate_and_score_completions(rows(trainer))
    assert "pixel_values" not in output
    with pytest.raises(PlaceholderMismatch, match="0 images"):
        trainer.compute_loss(trainer.model, output)
