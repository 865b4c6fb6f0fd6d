"""TRL's view of the environment: the same prompts, observations and limits as in our own loop."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest
from PIL import Image
from transformers.utils import get_json_schema

from vitar.imaging.coordinates import THOUSANDTHS
from vitar.imaging.environment import Environment, EnvironmentConfig
from vitar.protocol.actions import TOOLS, FailureReason, Zoom
from vitar.protocol.messages import tool_message, user_message
from vitar.training.tool_environment import ToolEnvironment, environment_factory

CONFIG = EnvironmentConfig(zoom_side_px=64)
IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96), dtype=np.uint8))


def tools_of(environment: ToolEnvironment) -> list[str]:
    """As `GRPOTrainer` finds them."""
    members = inspect.getmembers(type(environment), predicate=inspect.isfunction)
    return [name for name, _ in members if name != "reset" and not name.startswith("_")]


def begun(config: EnvironmentConfig = CONFIG) -> ToolEnvironment:
    environment = environment_factory(config, THOUSANDTHS)()
    environment.reset(prompt=[user_message("What is it?", IMAGE)], answer="A", index=3)
    return environment


def test_the_schemas_are_the_protocols_word_for_word() -> None:
    environment = begun()
    for name in tools_of(environment):
        assert json.dumps(get_json_schema(getattr(environment, name))) == json.dumps(TOOLS[name])


@pytest.mark.parametrize("tools", [("mark_region", "zoom"), ("mark_region",), ("zoom",)])
def test_only_the_tools_of_the_run_exist(tools: tuple[str, ...]) -> None:
    assert tools_of(begun(EnvironmentConfig(tools=tools))) == list(tools)


def test_a_call_answers_as_our_loop_does() -> None:
    ours = Environment(CONFIG, THOUSANDTHS)
    ours.reset(IMAGE)
    observation = ours.step(Zoom((100, 100, 400, 600)))
    environment = begun()
    content = environment.zoom([100, 100, 400, 600])  # type: ignore[attr-defined]
    expected = tool_message("zoom", observation.text, observation.image)["content"]
    assert [part["type"] for part in content] == ["image", "text"]
    assert content[1] == expected[1]
    assert content[0]["image"].tobytes() == observation.image.tobytes()  # type: ignore[union-attr]
    assert environment.observations[0].boxes == observation.boxes


@pytest.mark.parametrize("box", [[1, 2, 3], "left", [[1, 2, 3, 4]], None, [1, 2, True, 4]])
def test_arguments_are_checked_before_the_environment_sees_them(box: object) -> None:
    environment = begun()
    (part,) = environment.zoom(box)  # type: ignore[attr-defined]
    assert part["text"] == "The box of zoom must be four numbers, [left, top, right, bottom]."
    assert environment.observations[0].error == FailureReason.BAD_ARGUMENTS


def test_reset_forgets_the_episode_before() -> None:
    environment = begun()
    environment.mark_region([[0, 0, 500, 500]])  # type: ignore[attr-defined]
    assert len(environment.views) == 2
    environment.reset(prompt=[user_message("And now?", IMAGE)])
    assert environment.observations == []
    assert len(environment.views) == 1
    environment.mark_region([[0, 0, 500, 500]])  # type: ignore[attr-defined]
    assert environment.observations[0].error is None  # an action is left again


def test_a_prompt_without_its_image_is_refused() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        begun().reset(prompt=[user_message("What is it?")])
