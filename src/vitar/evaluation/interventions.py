"""What an evaluation condition puts in the place of a model's action, or of what the model then sees.

An intervention changes valid actions only: a model learns of its mistakes as it always does. Each is made for the
backend that is evaluated, and for all items of the run, since what else lies on an image may be known from another.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from vitar.backends.base import Backend
from vitar.data.example import Example
from vitar.data.phantoms.scene import seeded_rng
from vitar.grading.overlap import areas, intersections
from vitar.imaging.environment import Environment, Observation
from vitar.imaging.geometry import Box
from vitar.protocol.actions import Action, MarkRegion, Zoom
from vitar.rollout import Intervention

MAX_OVERLAP = 0.1
"""A random box shares at most this part of the smaller of itself and any true region. Their IoU then is below 0.1."""

PLACEMENTS = 1000
"""Places that are tried for a random box. If regions leave no room, it goes to the one with the least overlap."""


def oracle_box(backend: Backend, items: Sequence[Example] = ()) -> Intervention:
    """The model's action on the true regions: `mark_region` on all of them, `zoom` on the box around them.

    The action stays as it is for an example without regions, and where the environment would refuse the true ones.
    """

    def intervene(example: Example, environment: Environment, action: Action) -> Action:
        boxes = _true_boxes(example, environment, action)
        return _redirected(action, boxes, environment, backend.coordinate_step)

    return intervene


def random_box(backend: Backend, items: Sequence[Example] = ()) -> Intervention:
    """As `oracle_box`, with boxes of the same sizes somewhere else in the image, the same in each run.

    There are as many as true regions, so they tell the answer to a question that asks how many there are.
    """

    def intervene(example: Example, environment: Environment, action: Action) -> Action:
        boxes = _true_boxes(example, environment, action)
        taken = [box.xyxy for box in boxes] + [region.box_xyxy for region in example.regions]
        rng = seeded_rng("random_box", example.id, len(environment.views))
        elsewhere = [_placed_elsewhere(box, taken, rng) for box in boxes]
        return _redirected(action, elsewhere, environment, backend.coordinate_step)

    return intervene


def wrong_region(backend: Backend, items: Sequence[Example] = ()) -> Intervention:
    """As `oracle_box`, with a region that a reader could have meant but that the question is not about.

    That is another lesion, a region of other ``items`` on the same image; or, where none is known, the place of the
    same size whose gray levels are most like those of the true region. A random box may show nothing but background,
    and be worse for that alone; this one shows tissue.
    """
    on_image: defaultdict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    for item in items:
        on_image[item.images[0].uri].extend(region.box_xyxy for region in item.regions)

    def intervene(example: Example, environment: Environment, action: Action) -> Action:
        boxes = _true_boxes(example, environment, action)
        own = [box.xyxy for box in boxes] + [region.box_xyxy for region in example.regions]
        known = list(dict.fromkeys(on_image[example.images[0].uri]))
        others = [xyxy for xyxy in known if own and _overlap([xyxy], own).max() < MAX_OVERLAP]
        rng = seeded_rng("wrong_region", example.id, len(environment.views))
        wrong = []
        for box in boxes:
            if others:
                others.sort(key=lambda xyxy: abs(areas([xyxy])[0] - box.area))
                wrong.append(Box(*others.pop(0), box.frame).clipped())
            else:
                wrong.append(_alike_elsewhere(box, [*own, *known], environment.views[0].image, rng))
        return _redirected(action, wrong, environment, backend.coordinate_step)

    return intervene


def unmarked(backend: Backend, items: Sequence[Example] = ()) -> Intervention:
    """The action as the model wants it, after which the model sees the image that it acted on, as it was."""

    def intervene(example: Example, environment: Environment, action: Action) -> Action | Observation:
        if not _is_accepted(action, environment):
            return action
        observation = environment.step(action)
        before = environment.views[action.image - 1]
        environment.views[-1] = before
        return replace(observation, image=before.image)

    return intervene


def _true_boxes(example: Example, environment: Environment, action: Action) -> list[Box]:
    """What a perfect reader would act on in place of ``action``, on the first image; empty without regions.

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
    place_P4 = _places(box, rng)
    overlap_P = _overlap(place_P4, taken).max(axis=1)
    free = np.flatnonzero(overlap_P < MAX_OVERLAP)
    x0, y0, x1, y1 = place_P4[free[0] if free.size else overlap_P.argmin()].tolist()
    return Box(x0, y0, x1, y1, box.frame)


def _alike_elsewhere(box: Box, taken: Sequence[Sequence[float]], image: Image.Image, rng: np.random.Generator) -> Box:
    """Of the boxes of the same size that touch none of those ``taken``, the one with the most similar gray levels.

    Similar is a small distance in mean and standard deviation. Without room, the place with the least overlap.
    """
    place_P4 = _places(box, rng)
    overlap_P = _overlap(place_P4, taken).max(axis=1)
    unlike_P = np.hypot(*(_gray_levels(image, place_P4) - _gray_levels(image, np.array([box.xyxy]))).T)
    x0, y0, x1, y1 = place_P4[np.where(overlap_P == overlap_P.min(), unlike_P, np.inf).argmin()].tolist()
    return Box(x0, y0, x1, y1, box.frame)


def _places(box: Box, rng: np.random.Generator) -> np.ndarray:
    """`PLACEMENTS` boxes of the size of ``box``, each place in its frame with equal chance [P, 4]."""
    size = np.array([box.width, box.height])
    room = np.array([box.frame.width, box.frame.height]) - size
    corner_P2 = rng.random((PLACEMENTS, 2)) * room
    return np.concatenate([corner_P2, corner_P2 + size], axis=1)


def _overlap(place_P4: Sequence[Sequence[float]] | np.ndarray, taken: Sequence[Sequence[float]]) -> np.ndarray:
    """The part that each place shares with each box ``taken``, of the smaller of the two [P, F]."""
    smaller_PF = np.minimum(areas(place_P4)[:, None], areas(taken)[None])
    return intersections(place_P4, taken) / smaller_PF


def _gray_levels(image: Image.Image, boxes_N4: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of the gray levels in each box, whole pixels, at least one [N, 2]."""
    gray_hw = np.asarray(image.convert("L"), dtype=float)
    height, width = gray_hw.shape
    x0, y0 = (np.clip(np.rint(boxes_N4[:, i]).astype(int), 0, size - 1) for i, size in ((0, width), (1, height)))
    x1, y1 = (np.rint(boxes_N4[:, i]).astype(int) for i in (2, 3))
    x1, y1 = np.clip(x1, x0 + 1, width), np.clip(y1, y0 + 1, height)
    sums = []
    for power in (1, 2):
        table = np.pad(gray_hw**power, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
        sums.append((table[y1, x1] - table[y0, x1] - table[y1, x0] + table[y0, x0]) / ((x1 - x0) * (y1 - y0)))
    mean_N, square_N = sums
    return np.stack([mean_N, np.sqrt(np.maximum(square_N - mean_N**2, 0))], axis=1)


def _redirected(action: Action, boxes: Sequence[Box], environment: Environment, step: int) -> Action:
    """The same kind of action on ``boxes``, as the model would have written it.

    It acts on the image that the model named or, if that shows nothing of the boxes, on the first image of the
    question, whose regions are known. The model's own action comes back if it is not valid, or if the environment would
    refuse the new one.
    """
    if not _is_accepted(action, environment):
        return action
    for number in (action.image, 1):
        view = environment.views[number - 1]
        if view.source != 1:
            continue
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
