"""A finished episode as the conversation that it was, with every image in its frame.

A trace keeps what was said and names the images that were shown. What it does not keep is where in the original a
zoom lies, so the actions are carried out once more. An image that comes out otherwise than it was shown is a reason to
leave the episode out: its regions would be measured in the wrong place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from vitar.data.example import Example, open_image
from vitar.imaging.coordinates import Coordinates, View
from vitar.imaging.environment import Environment, EnvironmentConfig
from vitar.protocol.actions import Action, tool_call
from vitar.protocol.messages import Message, assistant_message, tool_message
from vitar.protocol.parsing import Turn, parse, render_turn
from vitar.protocol.prompts import interactive_messages
from vitar.protocol.trace import ImageStore, Round, StopReason, Trace


class LeftOut(ValueError):
    """An episode that cannot be analysed; the message is the reason, in words that fit other episodes too."""


@dataclass(frozen=True)
class Step:
    """One action that brought an image.

    Args:
        action: as it was carried out.
        shown: number of the view that the model saw after it, from 0; the newest, unless a condition showed another.
    """

    action: Action
    shown: int


@dataclass(frozen=True)
class Episode:
    """A finished episode with at least one second look.

    Args:
        example: what was asked.
        trace: what became of it.
        environment: how actions are carried out.
        steps: the actions that brought images, in order.
        views: the images shown, in order; the first is the image of the question.
    """

    example: Example
    trace: Trace
    environment: Environment
    steps: tuple[Step, ...]
    views: tuple[View, ...]

    @property
    def looks(self) -> tuple[int, ...]:
        """For each turn of the model, how many images it had been shown: 1 while it thinks, 2 while it rethinks."""
        came_back = [each.image is not None for each in self.trace.rounds]
        return tuple(1 + sum(came_back[:turn]) for turn in range(len(came_back)))

    def messages(self, images: Sequence[Image.Image] | None = None) -> list[Message]:
        """The whole conversation, the model's last turn included.

        Args:
            images: shown in place of the episode's own, as many of them.
        """
        shown = iter(images or [view.image for view in self.views])
        example, tools = self.example, self.environment.config.tools
        messages = interactive_messages(example.question, example.options, [next(shown)], tools)
        for each in self.trace.rounds:
            messages.append(assistant_message(_said(each)))
            if (action := each.parsed_action()) is not None:
                image = next(shown) if each.image is not None else None
                messages.append(tool_message(tool_call(action)["function"]["name"], each.observation or "", image))
        return messages

    def images_of(self, original: Image.Image) -> list[Image.Image]:
        """What the same actions show of another original of the same size, the original itself first."""
        self.environment.reset(original)
        return [original, *(_carry_out(self.environment, step).image for step in self.steps)]


def replay(
    example: Example, trace: Trace, store: ImageStore, coordinates: Coordinates, zoom_side_px: int, tools: Sequence[str]
) -> Episode:
    """Plays an episode again, without a model.

    Args:
        store: the images of the run.
        coordinates, zoom_side_px: of the model; see `Backend`.
        tools: that the model was offered.

    Raises:
        LeftOut: the episode has no second look, was cut off by a failure, or does not come out as it was.
    """
    if trace.stop_reason is StopReason.BACKEND_ERROR:
        raise LeftOut("the backend failed")
    acted = [each for each in trace.rounds if each.image is not None]
    if not acted or acted[0] is trace.rounds[-1]:
        raise LeftOut("no second look")
    if len(example.images) != 1:
        raise LeftOut("a question about several images")
    original = open_image(example.images[0])
    if not trace.images or not _same(original, store.open(trace.images[0])):
        raise LeftOut("the image shown is not the one of the question")
    config = EnvironmentConfig(
        max_actions=len(acted), max_turns=len(trace.rounds), zoom_side_px=zoom_side_px, tools=tuple(tools)
    )
    environment = Environment(config, coordinates)
    environment.reset(original)
    steps = [_step(each, environment, store) for each in acted]
    views = (environment.views[0], *(environment.views[step.shown] for step in steps))
    return Episode(example, trace, environment, tuple(steps), views)


def _step(each: Round, environment: Environment, store: ImageStore) -> Step:
    """Carries out a round's action and finds which view the model saw after it."""
    action = each.parsed_action()
    if action is None or environment.step(action).error is not None:
        raise LeftOut("an action cannot be carried out again")
    assert each.image is not None
    shown = store.open(each.image)
    for number in reversed(range(len(environment.views))):
        if _same(environment.views[number].image, shown):
            step = Step(action, number)
            environment.views[-1] = environment.views[number]  # as the condition that showed it did
            return step
    raise LeftOut("an action does not give the image that was shown")


def _carry_out(environment: Environment, step: Step) -> View:
    environment.step(step.action)
    environment.views[-1] = environment.views[step.shown]
    return environment.views[-1]


def _said(each: Round) -> str:
    """The turn as the conversation holds it: a condition may have put another action into the model's mouth."""
    action = each.parsed_action()
    if action is None or action == parse(each.text).outcome:
        return each.text
    return render_turn(Turn(each.thought, action))


def _same(first: Image.Image, second: Image.Image) -> bool:
    return first.mode == second.mode and first.size == second.size and first.tobytes() == second.tobytes()
