"""The ways in which the same question is put to the same model.

A condition says how to ask, what to show, and what to do with the actions of the model. Differences between conditions
on the same items answer what accuracy alone cannot: whether a second look helps, whether it is the region that helps,
whether the image matters at all, and whether the same tokens would have done as well without looking.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vitar.backends.base import Backend
from vitar.data.example import Example
from vitar.evaluation.interventions import oracle_box, random_box, unmarked, wrong_region
from vitar.evaluation.replaced_images import Instead, blank_image, no_image, shuffled_image
from vitar.rollout import Intervention, Mode


@dataclass(frozen=True)
class Condition:
    """One way to ask.

    Args:
        mode: see `Mode`.
        intervene: makes what replaces an action, or its observation, for the backend that is being evaluated and all
            items of the run.
        instead: makes, of all items of the run, what is asked in place of an item.
        max_actions: actions that the model may take. It need not take them.
        votes: the answer is that of most of several samples, see `majority`.
    """

    mode: Mode = "interactive"
    intervene: Callable[[Backend, Sequence[Example]], Intervention] | None = None
    instead: Callable[[Sequence[Example]], Instead] | None = None
    max_actions: int = 1
    votes: bool = False


CONDITIONS: dict[str, Condition] = {
    "single_pass": Condition("direct"),
    "think_twice": Condition("interactive"),
    "oracle_box": Condition("interactive", oracle_box),
    "random_box": Condition("interactive", random_box),
    "wrong_region": Condition("interactive", wrong_region),
    "unmarked": Condition("interactive", unmarked),
    "blank_image": Condition("interactive", instead=blank_image),
    "shuffled_image": Condition("interactive", instead=shuffled_image),
    "text_only": Condition("direct", instead=no_image),
    "think_0": Condition("interactive", max_actions=0),
    "think_1": Condition("interactive", max_actions=1),
    "think_2": Condition("interactive", max_actions=2),
    "think_3": Condition("interactive", max_actions=3),
    "majority_k": Condition("direct", votes=True),
}
"""Name -> condition.

``think_n`` allows up to n actions. With ``think_0`` the model is told that none is left, and has to answer from what it
has seen; ``think_1`` is ``think_twice`` under the name of the series.
"""
