"""Our environment in the form in which TRL drives one: a class with a `reset` and with tools as methods.

TRL shows the model the schema that transformers reads from a tool's signature and docstring, and it is the schema of
`vitar.protocol.actions.TOOLS`, word for word, so that a prompt in training equals the prompt of our own loop. Every
public method of the class is a tool, so the class is made for the tools of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vitar.imaging.coordinates import Coordinates, View
from vitar.imaging.environment import Environment, EnvironmentConfig, Observation
from vitar.protocol.actions import BOX, BOXES, IMAGE, MARK_REGION, ZOOM, ParseFailure, action_from_call
from vitar.protocol.messages import Message, Part, images_in, tool_message


class ToolEnvironment:
    """One rollout at a time.

    Attributes:
        observations: what the calls of this rollout led to, in order; reward functions read them.
    """

    def __init__(self, config: EnvironmentConfig, coordinates: Coordinates) -> None:
        self._environment = Environment(config, coordinates)
        self.observations: list[Observation] = []

    @property
    def views(self) -> list[View]:
        """Every image that the model was shown."""
        return self._environment.views

    def reset(self, prompt: Sequence[Message], **_row: Any) -> None:
        """Begins a rollout over the one image of ``prompt``; the rest of a dataset's row is not looked at."""
        (image,) = images_in(prompt)
        self._environment.reset(image)
        self.observations = []

    def _call(self, name: str, arguments: dict[str, Any]) -> list[Part]:
        """Carries out a call as the model wrote it; gives the content of the tool's message."""
        action = action_from_call(name, arguments)
        if isinstance(action, ParseFailure):  # ends an episode in our own loop; TRL goes on, and nothing is earned
            observation = Observation(action.detail, error=action.reason)
        else:
            observation = self._environment.step(action)
        self.observations.append(observation)
        return tool_message(name, observation.text, observation.image)["content"]


class _AllTools(ToolEnvironment):
    """The methods that a run's class chooses from.

    Signatures and docstrings are what the model reads. A type of the result would be printed in the schema as well, and
    the protocol's schemas have none, so none is declared.
    """

    def mark_region(self, boxes: list[list[float]], image: int = 1):  # type: ignore[no-untyped-def]
        """Outline one or more regions on an image and look at it again.

        Args:
            boxes: The regions, each as [left, top, right, bottom].
            image: Number of the image to use; the first image of the question is 1.
        """
        return self._call(MARK_REGION, {BOXES: boxes, IMAGE: image})

    def zoom(self, box: list[float], image: int = 1):  # type: ignore[no-untyped-def]
        """Enlarge one region of an image and look at it.

        Args:
            box: The region as [left, top, right, bottom].
            image: Number of the image to use; the first image of the question is 1.
        """
        return self._call(ZOOM, {BOX: box, IMAGE: image})


def environment_factory(config: EnvironmentConfig, coordinates: Coordinates) -> Callable[[], ToolEnvironment]:
    """What TRL calls for each environment that it needs; only the tools of ``config`` are methods."""
    kind = type("ToolEnvironment", (ToolEnvironment,), {name: getattr(_AllTools, name) for name in config.tools})
    return lambda: kind(config, coordinates)
