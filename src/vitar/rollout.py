"""The one multi-turn loop: a backend and an environment take turns until an episode ends in a `Trace`.

Asking, evaluation, curation and analysis all run through `rollout`. Training by reinforcement runs in TRL's loop with
the same environment, parser and grader; a test shows that both give the same trace for the same tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from PIL import Image

from vitar.backends.base import Backend, Completion
from vitar.data.example import Example, open_image
from vitar.imaging.environment import Environment, EnvironmentConfig, Observation
from vitar.protocol.actions import ANSWER_CLOSE, Action, Answer, FailureReason, ParseFailure, tool_call
from vitar.protocol.messages import Message, assistant_message, tool_message
from vitar.protocol.parsing import THINK_CLOSE, THINK_OPEN, Turn, extract_answer, parse, render_turn
from vitar.protocol.prompts import direct_messages, interactive_messages
from vitar.protocol.trace import Failure, ImageStore, Round, Sampling, StopReason, Trace, action_record

Mode = Literal["interactive", "direct"]
"""``interactive`` offers the tools and expects tags; ``direct`` asks for the answer at once, as benchmarks do."""

Intervention = Callable[[Example, Environment, Action], Action | Observation]
"""Replaces a model's action by another one, or carries it out itself and replaces what the model gets to see."""

Opening = Callable[[Example, Sequence[Image.Image]], list[Message]]
"""An example and its images -> the messages that its episode begins with."""


@dataclass
class _Episode:
    example: Example
    environment: Environment
    messages: list[Message]
    images: tuple[str, ...]
    rounds: list[Round] = field(default_factory=list)
    answer: str | None = None
    stop: StopReason | None = None
    failure: Failure | None = None


def rollout(
    backend: Backend,
    examples: Sequence[Example],
    config: EnvironmentConfig | None = None,
    *,
    mode: Mode = "interactive",
    condition: str = "think_twice",
    intervene: Intervention | None = None,
    opening: Opening | None = None,
    store: ImageStore | None = None,
    sampling: Sampling | None = None,
    at_once: int = 64,
) -> Iterator[Trace]:
    """Runs one episode per example and yields their traces in order.

    Args:
        backend: writes the turns. Episodes that are still running are continued together, in one call per round.
        config: limits and tools; by default one action and two looks, zoom sized for the backend.
        mode: see `Mode`.
        condition: recorded in the traces.
        intervene: see `Intervention`; the conversation then goes on as if the model had done what was done.
        opening: see `Opening`; by default the question as `vitar.protocol.prompts` has it for the mode.
        store: keeps every image shown, and traces refer to it; without one, traces hold no image references.
        sampling: recorded in the traces.
        at_once: episodes in memory at a time.

    Raises:
        ValueError: an example has no image to act on. It may have none where it is asked directly.
        ImageError: an example's image cannot be read.
    """
    config = config or EnvironmentConfig(zoom_side_px=backend.zoom_side_px)
    for start in range(0, len(examples), at_once):
        episodes = [_begin(e, backend, config, mode, opening, store) for e in examples[start : start + at_once]]
        while running := [episode for episode in episodes if episode.stop is None]:
            tools = config.tools if mode == "interactive" else ()
            completions = backend.generate([episode.messages for episode in running], tools)
            for episode, completion in zip(running, completions, strict=True):
                _advance(episode, completion, mode, intervene, store)
        for episode in episodes:
            assert episode.stop is not None
            yield Trace(
                example_id=episode.example.id,
                model=backend.name,
                condition=condition,
                images=episode.images,
                rounds=tuple(episode.rounds),
                answer=episode.answer,
                stop_reason=episode.stop,
                failure=episode.failure,
                sampling=sampling or Sampling(),
            )


def _begin(
    example: Example,
    backend: Backend,
    config: EnvironmentConfig,
    mode: Mode,
    opening: Opening | None,
    store: ImageStore | None,
) -> _Episode:
    if mode == "interactive" and not example.images:
        raise ValueError(f"example {example.id!r} has no image to act on; only a direct question can do without")
    images = [open_image(ref) for ref in example.images]
    environment = Environment(config, backend.coordinates)
    environment.reset(*images)
    if opening:
        messages = opening(example, images)
    elif mode == "direct":
        messages = direct_messages(example.question, example.options, example.answer_type, images)
    else:
        messages = interactive_messages(example.question, example.options, images, config.tools)
    return _Episode(example, environment, messages, tuple(map(store.put, images)) if store else ())


def _advance(
    episode: _Episode, completion: Completion, mode: Mode, intervene: Intervention | None, store: ImageStore | None
) -> None:
    """Takes one turn of the model into the episode."""
    if completion.finish == "error":
        episode.stop = StopReason.BACKEND_ERROR
        episode.failure = Failure(reason="backend_error", detail=completion.error)
        return
    environment = episode.environment
    environment.record_turn()
    cut = completion.finish == "length"
    turn = _direct_turn(completion.text, cut) if mode == "direct" else parse(completion.text)
    record = Round(
        text=completion.text,
        thought=turn.thought,
        prompt_tokens=completion.prompt_tokens,
        generated_tokens=completion.generated_tokens,
        image_tokens=completion.image_tokens,
        seconds=completion.seconds,
        peak_memory_bytes=completion.peak_memory_bytes,
    )
    outcome = turn.outcome
    if isinstance(outcome, ParseFailure):
        episode.stop = StopReason.TRUNCATED if cut else StopReason.MALFORMED
        episode.failure = Failure(reason=outcome.reason, detail=outcome.detail, span=outcome.span)
    elif isinstance(outcome, Answer):
        episode.stop, episode.answer = StopReason.ANSWERED, outcome.text
    else:
        record = _act(episode, record, outcome, intervene, store)
        if environment.turns_left < 1:
            episode.stop = StopReason.OUT_OF_TURNS
            detail = f"No answer after {len(episode.rounds) + 1} turns."
            episode.failure = Failure(reason="out_of_turns", detail=detail)
    episode.rounds.append(record)


def _direct_turn(text: str, cut: bool) -> Turn:
    """Everything that a model says to a direct question is its answer, unless it marks a part as the answer.

    Args:
        cut: the text was cut at the token limit, so that only a part marked as the answer can be whole.
    """
    answer, said = extract_answer(text), text.rpartition(THINK_CLOSE)[2]
    if cut and (THINK_OPEN in said or ANSWER_CLOSE not in said):
        failure = ParseFailure(FailureReason.UNCLOSED_ANSWER, (0, len(text)), "The answer was cut at the token limit.")
        return Turn("", failure)
    if not answer:
        return parse("")
    return Turn("", Answer(answer))


def _act(
    episode: _Episode, record: Round, action: Action, intervene: Intervention | None, store: ImageStore | None
) -> Round:
    """Carries an action out, tells the model what came of it, and completes the round's record."""
    environment, text = episode.environment, record.text
    result = intervene(episode.example, environment, action) if intervene else action
    intervened = result is not action
    if isinstance(result, Observation):
        observation = result
    else:
        if intervened:
            action = result
            text = render_turn(Turn(record.thought, action))
        observation = environment.step(action)
    name = tool_call(action)["function"]["name"]
    episode.messages.append(assistant_message(text))
    episode.messages.append(tool_message(name, observation.text, observation.image))
    return record.model_copy(
        update={
            "action": action_record(action),
            "intervened": intervened,
            "boxes": tuple(box.xyxy_original for box in observation.boxes),
            "source": observation.source,
            "image": store.put(observation.image) if store and observation.image is not None else None,
            "observation": observation.text,
            "error": observation.error,
        }
    )
