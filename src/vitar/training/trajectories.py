"""What stage I imitates: conversations that end right, kept as texts and played again whenever they are needed.

The environment is deterministic, so the turns of an assistant are enough to get back every image and observation. A
training set is therefore a short table of texts, and pictures are made batch by batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from tqdm import tqdm

from vitar.backends.profiles import Profile
from vitar.backends.scripted import ScriptedBackend
from vitar.data.curation.phantom_teacher import PhantomTeacher
from vitar.data.curation.trajectories import EXAMPLES_NAME
from vitar.data.example import Example, load_examples, open_image
from vitar.data.phantoms.dataset import phantom_examples
from vitar.grading import grade_example
from vitar.imaging.environment import Environment, EnvironmentConfig
from vitar.imaging.geometry import Box
from vitar.protocol.actions import Answer, MarkRegion, ParseFailure, Zoom, tool_call
from vitar.protocol.messages import Message, assistant_message, tool_message
from vitar.protocol.parsing import parse, render_turn
from vitar.protocol.prompts import OPTION_LETTERS, direct_messages, interactive_messages
from vitar.protocol.trace import StopReason, Trace, read_traces
from vitar.rollout import rollout
from vitar.training.config import CURATED_PREFIX, PHANTOMS_PREFIX, ConfigError

if TYPE_CHECKING:
    import datasets

PHANTOM_LIMIT = 1_000_000_000
"""Phantoms have no last one; a sequence of them has."""


@dataclass(frozen=True)
class Trajectory:
    """The turns of an assistant about one example.

    Args:
        index: of the example in its data.
        texts: of the turns in order; the last one answers.
        direct: whether the question was asked without tools.
    """

    index: int
    texts: tuple[str, ...]
    direct: bool = False


def open_examples(data: str) -> Sequence[Example]:
    """The examples behind a recipe's ``data``, read one by one as they are asked for.

    Raises:
        ConfigError: there are none under this name.
    """
    try:
        if data.startswith(PHANTOMS_PREFIX):
            return phantom_examples(data.removeprefix(PHANTOMS_PREFIX), PHANTOM_LIMIT)
        if data.startswith(CURATED_PREFIX):
            return load_examples(Path(data.removeprefix(CURATED_PREFIX)) / EXAMPLES_NAME)
        return load_examples(data)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the data {data!r}: {error}") from error


def only_image(example: Example) -> Image.Image:
    """The image of an example to train on.

    Raises:
        ConfigError: the example has several, or none.
        ImageError: it cannot be read.
    """
    if len(example.images) != 1:
        raise ConfigError(
            f"example {example.id!r} has {len(example.images)} images; training takes questions about one image, so "
            "leave the others out of the data"
        )
    return open_image(example.images[0])


def is_right(trace: Trace, example: Example) -> bool:
    """Whether an episode is worth imitating: actions of the model's own, none refused, then a right answer in tags.

    The model under an intervention answers on what it has not done, and under ``majority_k`` in no episode at all.
    """
    if trace.stop_reason is not StopReason.ANSWERED:
        return False
    *before, last = trace.rounds
    return (
        all(each.action and not each.intervened and not each.error for each in before)
        and isinstance(parse(last.text).outcome, Answer)
        and grade_example(example, trace.answer).correct
    )


def taught_trajectories(
    examples: Sequence[Example],
    split: str,
    start: int,
    count: int,
    profile: Profile,
    config: EnvironmentConfig,
    seed: int,
) -> list[Trajectory]:
    """Lets the phantom teacher go through the loop from item ``start`` until ``count`` of its episodes end right.

    Args:
        examples: the phantoms of ``split``, from item 0.
        profile: how the pupil writes boxes.
        seed: of the teacher's wording.

    Raises:
        RuntimeError: most episodes end wrong, so the teacher and the environment do not fit together.
    """
    teacher = PhantomTeacher(config.tools, profile.coordinates, profile.coordinate_step, seed)
    kept: list[Trajectory] = []
    progress = tqdm(total=count, desc="trajectories")
    for index in range(start, start + 2 * count):
        texts = tuple(render_turn(turn) for turn in teacher.turns(split, index))
        script = iter(texts)
        backend = ScriptedBackend(
            lambda _, script=script: next(script),  # type: ignore[misc]
            name="phantom-teacher",
            coordinates=profile.coordinates,
            coordinate_step=profile.coordinate_step,
            zoom_side_px=profile.zoom_side_px,
        )
        example = examples[index]
        (trace,) = rollout(backend, [example], config)
        if is_right(trace, example):
            kept.append(Trajectory(index, texts))
            progress.update()
        if len(kept) == count:
            progress.close()
            return kept
    raise RuntimeError(
        f"of {2 * count} episodes of the phantom teacher only {len(kept)} ended right; {count} are needed"
    )


def recorded_trajectories(
    examples: Sequence[Example], path: Path, start: int, count: int, profile: Profile, config: EnvironmentConfig
) -> list[Trajectory]:
    """The first ``count`` traces that end right, of examples from ``start`` on, with boxes as the pupil writes them.

    Args:
        path: JSON Lines of traces, whatever model they are of and however it writes boxes.
        profile: how the pupil writes boxes.
        config: of the pupil's episodes.

    Raises:
        ConfigError: there are fewer, or no such file, or an action cannot be carried out with these tools and limits.
        TraceError: a line of the file is no trace.
    """
    if not path.is_file():
        raise ConfigError(f"there is no {path}; expected traces of `vitar curate trajectories` or `vitar eval`")
    if start >= len(examples):
        raise ConfigError(f"start is {start}, and the data has {len(examples)} examples, counted from 0")
    places = {examples[index].id: index for index in range(start, len(examples))}
    environment = Environment(config, profile.coordinates)
    kept: list[Trajectory] = []
    with tqdm(total=count, desc="trajectories") as progress:
        for trace in read_traces(path):
            index = places.get(trace.example_id)
            if index is not None and is_right(trace, examples[index]):
                kept.append(Trajectory(index, _respelled(examples[index], trace, environment, profile)))
                progress.update()
            if len(kept) == count:
                return kept
    raise ConfigError(
        f"only {len(kept)} traces of {path} end right by actions of the model's own and belong to the "
        f"data; trajectories is {count}"
    )


def _respelled(example: Example, trace: Trace, environment: Environment, profile: Profile) -> tuple[str, ...]:
    """The turns of a trace, with its boxes, which it has in original pixels too, written as ``profile`` has it."""
    environment.reset(only_image(example))
    original, texts = environment.views[0].frame, []
    for each in trace.rounds:
        turn = parse(each.text)
        action = turn.outcome
        if isinstance(action, MarkRegion | Zoom):
            view = environment.views[action.image - 1]
            boxes = tuple(
                profile.coordinates.to_wire(Box(*box, original), view, profile.coordinate_step) for box in each.boxes
            )
            action = replace(action, boxes=boxes) if isinstance(action, MarkRegion) else replace(action, box=boxes[0])
            if error := environment.step(action).error:
                raise ConfigError(f"the trajectory of example {example.id!r} cannot be carried out here: {error}")
            turn = replace(turn, outcome=action)
        texts.append(render_turn(turn))
    return tuple(texts)


def answered_in_words(trajectory: Trajectory, example: Example) -> Trajectory:
    """The trajectory with the text of the right option as its answer; as it is where that would not be graded right."""
    if not example.options or not grade_example(example, example.answer).correct:
        return trajectory
    *before, last = trajectory.texts
    turn = replace(parse(last), outcome=Answer(example.answer))
    return replace(trajectory, texts=(*before, example.answer if trajectory.direct else render_turn(turn)))


def direct_trajectories(examples: Sequence[Example], start: int, count: int) -> Iterator[Trajectory]:
    """Questions with their short answers alone, which keep the model able to answer in one pass."""
    if start + count > len(examples):
        raise ConfigError(f"direct questions need the examples {start} to {start + count}; there are {len(examples)}")
    for index in range(start, start + count):
        example = examples[index]
        letter = OPTION_LETTERS[example.options.index(example.answer)] if example.options else ""
        yield Trajectory(index, (letter or example.answer,), direct=True)


def replay(example: Example, texts: Sequence[str], environment: Environment) -> list[Message]:
    """The conversation that an assistant with these turns has about ``example``.

    Args:
        environment: is reset, and afterwards holds every image that was shown.

    Raises:
        ValueError: a turn before the last one is no action.
    """
    image = only_image(example)
    environment.reset(image)
    messages = interactive_messages(example.question, example.options, [image], environment.config.tools)
    for text in texts[:-1]:
        action = parse(text).outcome
        if isinstance(action, Answer | ParseFailure):
            raise ValueError(f"example {example.id!r}: a turn before the last one is no action: {text[:200]!r}")
        observation = environment.step(action)
        name = tool_call(action)["function"]["name"]
        messages += [assistant_message(text), tool_message(name, observation.text, observation.image)]
    return [*messages, assistant_message(texts[-1])]


@dataclass(frozen=True)
class Replay:
    """Rows of texts to rows of conversations, as a dataset's transform.

    Args:
        examples: what the rows' ``index`` points into.
        config: of the episodes.
        profile: how the model writes boxes.
    """

    examples: Sequence[Example]
    config: EnvironmentConfig
    profile: Profile

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Columns ``index``, ``texts``, ``direct`` -> columns ``messages`` and ``tools`` (names, none if direct)."""
        environment = Environment(self.config, self.profile.coordinates)
        messages: list[list[Message]] = []
        for index, texts, direct in zip(rows["index"], rows["texts"], rows["direct"], strict=True):
            example = self.examples[index]
            if direct:
                images = [only_image(example)]
                asked = direct_messages(example.question, example.options, example.answer_type, images)
                messages.append([*asked, assistant_message(texts[-1])])
            else:
                messages.append(replay(example, texts, environment))
        return {"messages": messages, "tools": [[] if direct else list(self.config.tools) for direct in rows["direct"]]}


def conversation_dataset(trajectories: Sequence[Trajectory], transform: Replay) -> datasets.Dataset:
    """A dataset whose rows are conversations, made when a row is read."""
    from datasets import Dataset

    rows = [{"index": t.index, "texts": list(t.texts), "direct": t.direct} for t in trajectories]
    return Dataset.from_list(rows).with_transform(transform)
