"""The teacher's episodes end right, and texts alone bring back the conversation that the loop had."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vitar.backends.profiles import Profile
from vitar.backends.scripted import ScriptedBackend
from vitar.data.example import open_image
from vitar.data.phantoms.dataset import phantom_examples
from vitar.grading import grade_example
from vitar.imaging.coordinates import THOUSANDTHS
from vitar.imaging.environment import Environment, EnvironmentConfig
from vitar.protocol.actions import Answer, MarkRegion, Zoom
from vitar.protocol.messages import Message, images_in, message_text
from vitar.protocol.parsing import Turn, parse, render_turn
from vitar.protocol.trace import Round, StopReason, Trace, action_record
from vitar.rollout import rollout
from vitar.training.config import ConfigError
from vitar.training.trajectories import (
    Replay,
    Trajectory,
    answered_in_words,
    conversation_dataset,
    direct_trajectories,
    is_right,
    only_image,
    open_examples,
    recorded_trajectories,
    replay,
    taught_trajectories,
)

PROFILE = Profile(THOUSANDTHS, coordinate_step=10, zoom_side_px=128, chat_template=None)
CONFIG = EnvironmentConfig(zoom_side_px=128)
EXAMPLES = phantom_examples("train", 10_000)
START, COUNT = 4_000, 48


@pytest.fixture(scope="module")
def taught() -> list[Trajectory]:
    return taught_trajectories(EXAMPLES, "train", START, COUNT, PROFILE, CONFIG, seed=0)


def test_every_episode_of_the_teacher_ends_right(taught: list[Trajectory]) -> None:
    assert [trajectory.index for trajectory in taught] == list(range(START, START + COUNT))


def test_questions_about_several_images_are_not_trained_on() -> None:
    two = replace(EXAMPLES[0], images=EXAMPLES[0].images + EXAMPLES[1].images)
    assert only_image(EXAMPLES[0]).size == open_image(EXAMPLES[0].images[0]).size
    with pytest.raises(ConfigError, match=r"has 2 images; training takes questions about one image"):
        only_image(two)
    with pytest.raises(ConfigError, match="has 2 images"):
        replay(two, ["<answer>yes</answer>"], Environment(CONFIG, THOUSANDTHS))


def test_the_teacher_zooms_for_fine_attributes_and_marks_for_the_rest(taught: list[Trajectory]) -> None:
    for trajectory in taught:
        *actions, last = [parse(text).outcome for text in trajectory.texts]
        assert isinstance(last, Answer)
        kind = EXAMPLES[trajectory.index].kind
        for action in actions:
            if kind in ("attribute", "type"):
                assert isinstance(action, Zoom)
            if kind in ("location", "count", "comparison"):
                assert isinstance(action, MarkRegion)
        assert actions or kind in ("presence", "count")


def test_choices_are_answered_in_words_where_the_recipe_says_so(taught: list[Trajectory]) -> None:
    direct = list(direct_trajectories(EXAMPLES, START + COUNT, 12))
    choices = 0
    for trajectory in [*taught, *direct]:
        example = EXAMPLES[trajectory.index]
        said = answered_in_words(trajectory, example)
        assert replace(said, texts=()) == replace(trajectory, texts=())
        if not example.options:
            assert said == trajectory
            continue
        answer, before = said.texts[-1], parse(trajectory.texts[-1])
        if not trajectory.direct:
            assert said.texts[:-1] == trajectory.texts[:-1]
            assert parse(answer).thought == before.thought
            answer = parse(answer).outcome.text
        assert answer == example.answer
        assert grade_example(example, answer).correct
        choices += 1
    assert choices > 10


def test_a_first_thought_does_not_tell_what_only_the_second_look_shows(taught: list[Trajectory]) -> None:
    checked = 0
    for trajectory in taught:
        example = EXAMPLES[trajectory.index]
        if example.kind in ("attribute", "type") and example.answer_type != "yes_no":
            assert example.answer not in parse(trajectory.texts[0]).thought
            checked += 1
    assert checked > 10


def test_the_teacher_writes_coordinates_in_the_pupils_steps(taught: list[Trajectory]) -> None:
    for trajectory in taught:
        action = parse(trajectory.texts[0]).outcome
        boxes = action.boxes if isinstance(action, MarkRegion) else [action.box] if isinstance(action, Zoom) else []
        assert all(number % 10 == 0 for box in boxes for number in box)


def test_the_papers_setting_marks_and_never_zooms() -> None:
    config = EnvironmentConfig(zoom_side_px=128, tools=("mark_region",))
    taught = taught_trajectories(EXAMPLES, "train", START, 16, PROFILE, config, seed=0)
    assert not any("zoom" in text for trajectory in taught for text in trajectory.texts)
    assert any("mark_region" in text for trajectory in taught for text in trajectory.texts)


def test_wording_follows_the_seed() -> None:
    first, second, other = (
        taught_trajectories(EXAMPLES, "train", START, 8, PROFILE, CONFIG, seed) for seed in (0, 0, 1)
    )
    assert first == second != other


def plain(messages: list[Message]) -> str:
    """Messages as text, with images by their pixels."""
    images = [(image.mode, image.size, image.tobytes().hex()) for image in images_in(messages)]
    texts = [(message["role"], message.get("name"), message_text(message)) for message in messages]
    return json.dumps([texts, images])


def test_replay_gives_the_conversation_that_the_loop_had(taught: list[Trajectory]) -> None:
    trajectory = next(t for t in taught if len(t.texts) == 2)
    example = EXAMPLES[trajectory.index]
    seen: list[list[Message]] = []

    def reply(conversation: list[Message]) -> str:
        seen.append(list(conversation))
        return trajectory.texts[len(seen) - 1]

    backend = ScriptedBackend(reply, zoom_side_px=128)  # type: ignore[arg-type]
    (trace,) = rollout(backend, [example], CONFIG)
    assert trace.stop_reason is StopReason.ANSWERED
    replayed = replay(example, trajectory.texts, Environment(CONFIG, THOUSANDTHS))
    assert plain(replayed[:-1]) == plain(seen[-1])
    assert message_text(replayed[-1]) == trajectory.texts[-1]
    assert len(images_in(replayed)) == 2


def test_replay_refuses_a_conversation_that_goes_on_after_its_answer() -> None:
    with pytest.raises(ValueError, match="is no action"):
        replay(EXAMPLES[START], ("<answer>A</answer>", "<answer>B</answer>"), Environment(CONFIG, THOUSANDTHS))


def trace_of(index: int, answer: str, *before: Round) -> Trace:
    return Trace(
        example_id=EXAMPLES[index].id,
        model="m",
        condition="c",
        rounds=(*before, Round(text=f"<answer>{answer}</answer>")),
        answer=answer,
        stop_reason=StopReason.ANSWERED,
    )


def test_only_traces_that_end_right_are_imitated(tmp_path: Path) -> None:
    right, example = EXAMPLES[START].answer, EXAMPLES[START]
    zoom = Zoom((100, 100, 300, 300), 1)
    action = Round(text=render_turn(Turn("", zoom)), action=action_record(zoom), boxes=((51, 51, 154, 154),))
    assert is_right(trace_of(START, right), example)
    assert is_right(trace_of(START, right, action), example)
    assert not is_right(trace_of(START, "nothing of the kind"), example)
    assert not is_right(trace_of(START, right, action.model_copy(update={"error": "empty"})), example)
    oracle = action.model_copy(update={"intervened": True})
    assert not is_right(trace_of(START, right, oracle), example), "the model did not ask for what it then saw"
    bare = trace_of(START, right).model_copy(update={"rounds": (Round(text=right),)})
    assert not is_right(bare, example), "single_pass answers without tags"
    failed = Trace(example_id=example.id, model="m", condition="c", stop_reason=StopReason.BACKEND_ERROR)
    assert not is_right(failed, example), "nothing was said"
    vote = trace_of(START, right, Round(text=f"<answer>{right}</answer>"))
    assert not is_right(vote, example), "majority_k keeps its samples as rounds"

    examples = EXAMPLES[: START + 3]
    traces = [
        trace_of(START, "wrong"),
        trace_of(START + 9, "x"),
        *(trace_of(START + k, examples[START + k].answer) for k in (1, 2)),
    ]
    path = tmp_path / "traces.jsonl"
    path.write_text("".join(trace.model_dump_json() + "\n" for trace in traces))
    kept = recorded_trajectories(examples, path, START, 2, PROFILE, CONFIG)
    assert [t.index for t in kept] == [START + 1, START + 2]
    with pytest.raises(ConfigError, match=r"only 2 traces of .* end right"):
        recorded_trajectories(examples, path, START, 3, PROFILE, CONFIG)


def test_direct_questions_have_short_answers() -> None:
    for trajectory in direct_trajectories(EXAMPLES, START, 24):
        example = EXAMPLES[trajectory.index]
        (text,) = trajectory.texts
        assert text == ("ABCDEFGH"[example.options.index(example.answer)] if example.options else example.answer)
    with pytest.raises(ConfigError, match="there are 10000"):
        list(direct_trajectories(EXAMPLES, 9_999, 2))


def test_rows_are_conversations_made_when_read(taught: list[Trajectory]) -> None:
    rows = [taught[0], *direct_trajectories(EXAMPLES, START, 1)]
    dataset = conversation_dataset(rows, Replay(EXAMPLES, CONFIG, PROFILE))
    interactive, direct = dataset[0], dataset[1]
    assert [message["role"] for message in interactive["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert interactive["tools"] == ["mark_region", "zoom"]
    assert [message["role"] for message in direct["messages"]] == ["user", "assistant"]
    assert direct["tools"] == []


def test_data_that_is_not_there(tmp_path) -> None:  # type: ignore[no-untyped-def]
    for data in ("phantoms:nowhere", str(tmp_path / "missing")):
        with pytest.raises(ConfigError, match="cannot read the data"):
            open_examples(data)
