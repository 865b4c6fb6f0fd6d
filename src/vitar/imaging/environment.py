"""The images of one question as something a model can act on.

A mistake of the model (a reversed box, an unknown image number, one action too many) is a value: an `Observation`
whose text tells the model what was wrong, and the attempt costs no action. A mistake of the caller raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from PIL import Image

from vitar.imaging.coordinates import Coordinates, View, rounded
from vitar.imaging.geometry import Box, Frame
from vitar.imaging.mark import mark_region as outline
from vitar.imaging.reading import ActionError, ReadBoxes, Refusal, quoted, read_boxes, shown
from vitar.imaging.zoom import zoom as enlarge

TOOL_NAMES = ("mark_region", "zoom")


@dataclass(frozen=True)
class EnvironmentConfig:
    """Limits of an episode.

    Args:
        max_actions: actions that change the image; failed attempts do not count.
        max_turns: turns of the model, failed ones included.
        max_boxes: boxes of one `mark_region`.
        zoom_side_px: longer side to which a small crop is enlarged.
        max_box_share: share of the image that the boxes of one action may cover together; more chooses no region.
        tools: names out of `TOOL_NAMES`.

    Raises:
        ValueError: a limit makes no sense, or a tool does not exist.
    """

    max_actions: int = 1
    max_turns: int = 3
    max_boxes: int = 8
    zoom_side_px: int = 448
    max_box_share: float = 0.9
    tools: tuple[str, ...] = TOOL_NAMES

    def __post_init__(self) -> None:
        if self.max_actions < 0 or min(self.max_turns, self.max_boxes, self.zoom_side_px) < 1:
            raise ValueError(f"limits must be positive (max_actions may be 0), got {self}")
        if not 0 < self.max_box_share <= 1:
            raise ValueError(f"max_box_share is a share of the image, above 0 and up to 1, got {self.max_box_share}")
        if unknown := set(self.tools) - set(TOOL_NAMES):
            raise ValueError(f"unknown tools {sorted(unknown)}; the tools are {TOOL_NAMES}")


@dataclass(frozen=True)
class Observation:
    """What an action led to.

    Args:
        text: sentences for the model.
        image: the new image, or None after an error.
        boxes: the regions that were acted on, cut to the image, in pixels of the original; empty after an error.
        error: an `ActionError`, or None.
        source: number of the question's image that the boxes are on, from 1.
    """

    text: str
    image: Image.Image | None = None
    boxes: tuple[Box, ...] = ()
    error: str | None = None
    source: int = 1


@runtime_checkable
class MarkAction(Protocol):
    """Boxes in the model's units on a view: the shape of the protocol's `MarkRegion`."""

    @property
    def boxes(self) -> Sequence[Sequence[float]]: ...
    @property
    def image(self) -> int: ...


@runtime_checkable
class ZoomAction(Protocol):
    """One box in the model's units on a view: the shape of the protocol's `Zoom`."""

    @property
    def box(self) -> Sequence[float]: ...
    @property
    def image(self) -> int: ...


class Environment:
    """One episode over the images of a question: actions in, observations out, no randomness.

    Every image that the model was shown stays available under its number: 1 to n are the images of the question, each
    successful action adds the next. `reset` forgets everything about the episode before.
    """

    def __init__(self, config: EnvironmentConfig, coordinates: Coordinates) -> None:
        self.config = config
        self.coordinates = coordinates
        self.views: list[View] = []
        self.actions_left = 0
        self.turns_left = 0

    def reset(self, *images: Image.Image) -> None:
        """Begin an episode on ``images``, originals of mode ``L`` or ``RGB`` as `load_image` returns them.

        Raises:
            ValueError: the mode of an image is another one.
        """
        for image in images:
            if image.mode not in ("L", "RGB"):
                raise ValueError(f"an environment takes images of mode L or RGB, got {image.mode}; use load_image")
        self.views = [View(image, Frame.original(*image.size), source) for source, image in enumerate(images, start=1)]
        self.actions_left = self.config.max_actions
        self.turns_left = self.config.max_turns

    def record_turn(self) -> None:
        """Count one turn of the model, whatever it held.

        Raises:
            RuntimeError: no turn is left.
        """
        if self.turns_left < 1:
            raise RuntimeError("no turn is left: check turns_left before asking the model, or call reset")
        self.turns_left -= 1

    def step(self, action: MarkAction | ZoomAction) -> Observation:
        """Carry out a parsed action.

        Raises:
            TypeError: the value is no action.
            RuntimeError: `reset` was never called.
        """
        if isinstance(action, MarkAction):
            return self.mark_region(action.boxes, action.image)
        if isinstance(action, ZoomAction):
            return self.zoom(action.box, action.image)
        raise TypeError(f"expected an action with boxes or a box, got {type(action).__name__}")

    def mark_region(self, boxes: Sequence[Sequence[float]], image: int = 1) -> Observation:
        """Outline boxes on a copy of a view; the new view shows the same part of the original.

        Args:
            boxes: xyxy each, in the model's units over the view.
            image: number of the view.
        """
        read = self._read("mark_region", boxes, image)
        if isinstance(read, Refusal):
            return Observation(read.text, error=read.error)
        view = self.views[image - 1]
        listed = ", ".join(shown(rounded(box)) for box in read.boxes)
        regions = "region" if len(read.boxes) == 1 else "regions"
        done = f"image {image} with the {regions} {listed} marked."
        return self._succeed(View(outline(view.image, read.boxes), view.frame, view.source), done, read, image)

    def zoom(self, box: Sequence[float], image: int = 1) -> Observation:
        """Show a region of a view, enlarged from the pixels of the original, without marks drawn before.

        A large box gets less of its surroundings, so that what is shown stays at about ``max_box_share``; where nothing
        smaller than the whole image can be shown, the action is refused.

        Args:
            box: xyxy in the model's units over the view.
            image: number of the view.
        """
        read = self._read("zoom", [box], image)
        if isinstance(read, Refusal):
            return Observation(read.text, error=read.error)
        source = self.views[image - 1].source
        original = self.views[source - 1].image
        side_px, max_share = self.config.zoom_side_px, self.config.max_box_share
        enlarged, crop = enlarge(original, read.boxes[0], side_px, max_share=max_share)
        if crop.share == 1:
            text = f"The box {shown(rounded(read.boxes[0]))} with its surroundings is all of image {source}."
            return Observation(f"{text} Choose a smaller region, or answer.", error=ActionError.TOO_LARGE)
        done = f"the region {shown(rounded(read.boxes[0]))} of image {image}, enlarged."
        return self._succeed(View(enlarged, Frame.over(crop, *enlarged.size), source), done, read, image)

    def _succeed(self, view: View, done: str, read: ReadBoxes, image: int) -> Observation:
        """Take up a new view and use up an action."""
        self.views.append(view)
        self.actions_left -= 1
        cut = f" What lay outside image {image} was cut off." if read.cut else ""
        original = self.views[view.source - 1].frame
        boxes = tuple(box.to(original).clipped() for box in read.boxes)
        return Observation(f"Image {len(self.views)}: {done}{cut}", view.image, boxes, source=view.source)

    def _read(self, tool: str, written: Sequence[Sequence[float]], image: int) -> ReadBoxes | Refusal:
        """The boxes of an action that may be carried out, or the first thing wrong with it."""
        if not self.views:
            raise RuntimeError("the environment holds no image yet: call reset first")
        config = self.config
        if tool not in config.tools:
            advice = f"Use {' or '.join(config.tools)}." if config.tools else "Answer from the image."
            return Refusal(ActionError.TOOL_UNAVAILABLE, f"{tool} is not available. {advice}")
        if self.actions_left < 1:
            return Refusal(ActionError.NO_ACTIONS_LEFT, "No action is left. Answer the question now.")
        last = len(self.views)
        if isinstance(image, bool) or not isinstance(image, int) or not 1 <= image <= last:
            have = "There is only image 1." if last == 1 else f"The images are numbered 1 to {last}."
            return Refusal(ActionError.UNKNOWN_IMAGE, f"There is no image {quoted(image)}. {have}")
        frame = self.coordinates.frame(self.views[image - 1])
        return read_boxes(written, frame, image, max_boxes=config.max_boxes, max_share=config.max_box_share)
