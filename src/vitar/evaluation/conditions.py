"""The ways in which the same question is put to the same model.

A condition says how to ask, and what to do with the actions of the model. Differences between conditions on the same
items answer what accuracy alone cannot: whether a second look helps, and whether it is the region that helps.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vitar.backends.base import Backend
from vitar.data.example import Example
from vitar.data.phantoms.scene import seeded_rng
from vitar.grading.overlap import areas, intersections
from vitar.imaging.coordinates import View
from vitar.imaging.environment import Environment, Observation
from vitar.imaging.geometry import Box
from vitar.protocol.actions import Action, MarkRegion, Zoom
from vitar.rollout import Intervention, Mode

MAX_OVERLAP = 0.1
"""A random box shares at most this part of the smaller of itself and any true region. Their IoU then is below 0.1."""

PLACEMENTS = 1000
"""Places that are tried for a random box. If regions leave no room, it goes to the one with the least overlap."""


@dataclass(frozen=True)
class Condition:
    """One way to ask.

    Args:
        mode: see `Mode`.
        intervene: makes what replaces an action, or its observation, for the backend that is being evaluated. It
            changes valid actions only: a model learns of its mistakes as it always does.
    """

    mode: Mode = "interactive"
    intervene: Callable[[Backend], Intervention] | None = None


def oracle_box(backend: Backend) -> Intervention:
    """The model's action on the true regions: `mark_region` on all of them, `zoom` on the box around them.

    The action stays as it is for an example without regions, and where the environment would refuse the true ones.
    """

    def intervene(example: Example, environment: Environment, action: Action) -> Action:
        boxes = _true_boxes(example, environment, action)
        return _redirected(action, boxes, environment, backend.coordinate_step)

    return intervene


def random_box(backend: Backend) -> Intervention:
    """As `oracle_box`, with boxes of the same sizes somewhere else in the image, the same in each run."""

    def intervene(example: Example, environment: Environment, action: Action) -> Action:
        boxes = _true_boxes(example, environment, action)
        taken = [box.xyxy for box in boxes] + [region.box_xyxy for region in example.regions]
        rng = seeded_rng("random_box", example.id, len(environment.views))
        elsewhere = [_placed_elsewhere(box, taken, rng) for box in boxes]
        return _redirected(action, elsewhere, environment, backend.coordinate_step)

    return intervene


def unmarked(backend: Backend) -> Intervention:
    """The action as the model wants it, after which the model sees the image that it acted on, as it was."""

    def intervene(example: Example, environment: Environment, action: Action) -> Action | Observation:
        if not _is_accepted(action, environment):
            return action
        observation = environment.step(action)
        before = environment.views[action.image - 1]
        environment.views[-1] = View(before.image, before.frame)
        return replace(observation, image=before.image)

    return intervene


CONDITIONS: dict[str, Condition] = {
    "single_pass": Condition("direct"),
    "think_twice": Condition("interactive"),
    "oracle_box": Condition("interactive", oracle_box),
    "random_box": Condition("interactive", random_box),
    "unmarked": Condition("interactive", unmarked),
}


def _true_boxes(example: Example, environment: Environment, action: Action) -> list[Box]:
    """What a perfect reader would act on in place of ``action``, in pixels of the original; empty without regions.

    Of more regions than `mark_region` may outline, the largest.
    """
    width, height = environment.views[0].image.size
    boxes = [region.box(width, height).clipped() for region in example.regions]
    boxes = sorted((box for box in boxes if box.area > 0), key=lambda box: -box.area)
    if not boxes or isinstance(action, MarkRegion):
        return boxes[: environment.config.max_boxes]
    x0, y0, x1, y1 = zip(*(box.xyxy for box in boxes), strict=True)
    return [Box(min(x0), min(y0), max(x1), max(y1), boxes[0].frame)]


def _placed_elsewhere(box: Box, taken: Sequence[Sequence[float]], rng: np.random.Generator) -> Box:
    """A box of the same size, anywhere in the image with equal chance, but away from the boxes ``taken``."""
    size = np.array([box.width, box.height])
    room = np.array([box.frame.width, box.frame.height]) - size
    corner_P2 = rng.random((PLACEMENTS, 2)) * room
    place_P4 = np.concatenate([corner_P2, corner_P2 + size], axis=1)
    smaller_PT = np.minimum(areas(place_P4)[:, None], areas(taken)[None])
    overlap_P = (intersections(place_P4, taken) / smaller_PT).max(axis=1)
    free = np.flatnonzero(overlap_P < MAX_OVERLAP)
    x0, y0, x1, y1 = place_P4[free[0] if free.size else overlap_P.argmin()].tolist()
    return Box(x0, y0, x1, y1, box.frame)


def _redirected(action: Action, boxes: Sequence[Box], environment: Environment, step: int) -> Action:
    """The same kind of action on ``boxes``, as the model would have written it.

    It acts on the image that the model named or, if that shows nothing of the boxes, on the image of the question.
    The model's own action comes back if it is not valid, or if the environment would refuse the new one.
    """
    if not _is_accepted(action, environment):
        return action
    for number in (action.image, 1):
        view = environment.views[number - 1]
        grid = environment.coordinates.frame(view)
        shown = [box for box in boxes if box.to(grid).clipped().area > 0]
        if shown:
            wire = tuple(environment.coordinates.to_wire(box, view, step) for box in shown)
            new = MarkRegion(wire, number) if isinstance(action, MarkRegion) else Zoom(wire[0], number)
            return new if _is_accepted(new, environment) else action
    return action


def _is_accepted(action: Action, environment: Environment) -> bool:
    """Whether the environment would carry the action out; tried on a copy."""
    trial = copy.copy(environment)
    trial.views = list(environment.views)
    return trial.step(action).error is None
