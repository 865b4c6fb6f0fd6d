"""Where a condition meets the loop: how the items of a run are asked under it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from vitar.backends.base import Backend, Completion
from vitar.data.example import Example
from vitar.evaluation.conditions import CONDITIONS
from vitar.evaluation.majority import majority
from vitar.imaging.environment import EnvironmentConfig
from vitar.protocol.messages import Message
from vitar.protocol.trace import ImageStore, Sampling, Trace
from vitar.rollout import rollout

Ask = Callable[[Sequence[Example]], Iterator[Trace]]
"""Items of a run -> their traces, in order."""

SPARE_TURNS = 2
"""Turns beyond the actions of a condition: one for the answer, one for an action that fails."""


def asking(
    name: str,
    backend: Backend,
    items: Sequence[Example],
    *,
    tools: tuple[str, ...],
    sampling: Sampling,
    store: ImageStore,
    at_once: int,
    budgets: Mapping[str, int],
) -> Ask:
    """How to ask items of a run under the condition ``name``.

    Args:
        items: all of the run, which some conditions need to know.
        budgets: example id -> tokens that a vote on it may take; needed by conditions that vote.

    Raises:
        RunError: these items cannot be asked under this condition. What is returned raises it too.
    """
    condition = CONDITIONS[name]
    limits = EnvironmentConfig(
        max_actions=condition.max_actions,
        max_turns=condition.max_actions + SPARE_TURNS,
        zoom_side_px=backend.zoom_side_px,
        tools=tools,
    )
    instead = condition.instead(items) if condition.instead else None
    intervene = condition.intervene(backend, items) if condition.intervene else None

    def ask(chosen: Sequence[Example]) -> Iterator[Trace]:
        asked = [instead(example) for example in chosen] if instead else chosen
        if condition.votes:
            return majority(
                backend, asked, budgets, limits, condition=name, store=store, sampling=sampling, at_once=at_once
            )
        return rollout(
            backend if condition.images else WithoutImages(backend),
            asked,
            limits,
            mode=condition.mode,
            condition=name,
            intervene=intervene,
            store=store if condition.images else None,
            sampling=sampling,
            at_once=at_once,
        )

    return ask


class WithoutImages:
    """A backend that shows its model the words of a conversation alone."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.name, self.coordinates = backend.name, backend.coordinates
        self.coordinate_step, self.zoom_side_px = backend.coordinate_step, backend.zoom_side_px

    def generate(self, conversations: Sequence[Sequence[Message]], tools: Sequence[str]) -> list[Completion]:
        return self._backend.generate([[_words(message) for message in c] for c in conversations], tools)


def _words(message: Message) -> Message:
    parts = [part for part in message["content"] if part["type"] == "text"]
    return cast(Message, {**message, "content": parts})
