"""Where a condition meets the loop: how the items of a run are asked under it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from vitar.backends.base import Backend
from vitar.data.example import Example
from vitar.evaluation.conditions import CONDITIONS
from vitar.evaluation.majority import majority
from vitar.evaluation.openings import kit_opening
from vitar.imaging.environment import EnvironmentConfig
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
    prompt: str,
    sampling: Sampling,
    store: ImageStore,
    at_once: int,
    budgets: Mapping[str, int],
) -> Ask:
    """How to ask items of a run under the condition ``name``.

    Args:
        items: all of the run, which some conditions need to know.
        prompt: kit in whose words conditions that ask directly do; "" for our own.
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
    opening = kit_opening(prompt, items) if prompt and condition.mode == "direct" else None

    def ask(chosen: Sequence[Example]) -> Iterator[Trace]:
        asked = [instead(example) for example in chosen] if instead else chosen
        if condition.votes:
            return majority(
                backend,
                asked,
                budgets,
                limits,
                condition=name,
                opening=opening,
                store=store,
                sampling=sampling,
                at_once=at_once,
            )
        return rollout(
            backend,
            asked,
            limits,
            mode=condition.mode,
            condition=name,
            intervene=intervene,
            opening=opening,
            store=store,
            sampling=sampling,
            at_once=at_once,
        )

    return ask
