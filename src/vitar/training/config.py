"""What decides a training stage, and how a recipe file becomes it.

A recipe is YAML whose keys are the fields of the stage's dataclass. Options of TRL's own configuration stand under
``trainer`` and go through as they are; those that this project derives from its own fields may not be set twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from vitar.imaging.environment import EnvironmentConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")

PHANTOMS_PREFIX, CURATED_PREFIX = "phantoms:", "curated:"

MAX_LISTED_ERRORS = 5


class ConfigError(ValueError):
    """A recipe or a setting cannot be used; the message names the key."""


@dataclass(frozen=True)
class SftConfig:
    """Stage I: imitation of trajectories, loss on the model's own tokens.

    Args:
        model: what to start from, a Hub id, a path or an embedded model.
        output_dir: checkpoints, logs, and the finished model under ``final``.
        data: ``phantoms:SPLIT``, whose trajectories the phantom teacher writes; ``curated:DIR``, a folder with its
            trajectories from ``vitar curate trajectories``; or a folder written by `save_examples`.
        traces: JSON Lines of any model's traces over such a folder, as ``vitar eval`` leaves them for ``think_twice``;
            "" for the others.
        start: index of the first example that is used.
        trajectories: number to train on; only trajectories that end in a right answer count.
        direct_share: share of the training set that is a question with its short answer, without tools.
        answer_in_words: answer choices with the option's text, though the prompt asks for its letter. `vitar.grading`
            takes both, the scorer of ViTAR's authors letters alone. For models so small that stage I costs them the
            look-up of letters (docs/experiments.md).
        tools: what the teacher may use; ``[mark_region]`` is the paper's setting.
        max_actions, max_turns: limits of an episode.
        freeze_vision: leave the vision tower as it is, without adapters too.
        dtype: of the weights in memory; bf16 autocast is a trainer option.
        lora: options of `peft.LoraConfig`, or None to train every weight.
        seed: of wording, order, and every random number of the trainer.
        trainer: options of `trl.SFTConfig`.
    """

    model: str
    output_dir: str
    data: str = "phantoms:train"
    traces: str = ""
    start: int = 1_000_000
    trajectories: int = 1000
    direct_share: float = 0.2
    answer_in_words: bool = False
    tools: tuple[str, ...] = ("mark_region", "zoom")
    max_actions: int = 1
    max_turns: int = 3
    freeze_vision: bool = False
    dtype: Literal["float32", "bfloat16"] = "float32"
    lora: dict[str, Any] | None = None
    seed: int = 0
    trainer: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_episode(self)
        if not 0 <= self.direct_share < 1:
            raise ValueError(f"direct_share is a share from 0 up to but not including 1, got {self.direct_share}")
        if self.start < 0 or self.trajectories < 1:
            raise ValueError(
                f"start must be at least 0, trajectories at least 1; got {self.start}, {self.trajectories}"
            )
        if self.data.startswith((PHANTOMS_PREFIX, CURATED_PREFIX)) == bool(self.traces):
            raise ValueError("stored data needs traces; phantoms: and curated: bring their own and take none")


@dataclass(frozen=True)
class GrpoConfig:
    """Stage II: reinforcement from question and answer alone.

    Args:
        model, output_dir, dtype, lora, seed: as in `SftConfig`.
        data: ``phantoms:SPLIT`` or a folder written by `save_examples`.
        start: index of the first example that is used.
        examples: number of questions to draw on.
        kinds: of question -> weight among those drawn, to ask more of what stage I leaves undone; empty to take
            questions as they come.
        tools, max_actions, max_turns: limits of an episode; the paper has one action and two looks.
        accuracy_weight: of the grade of the answer.
        format_weight: of an episode in order with an action that shows a region; the paper gives 0.2 for a mark and 0.2
            for an answer that can be parsed.
        region_iou_weight: of the overlap with the true regions; only above 0 do the rows hold any box.
        freeze_vision: leave the vision tower as it is, without adapters too.
        trainer: options of `trl.GRPOConfig`.
    """

    model: str
    output_dir: str
    data: str = "phantoms:train"
    start: int = 2_000_000
    examples: int = 16_000
    kinds: dict[str, int] = field(default_factory=dict)
    tools: tuple[str, ...] = ("mark_region", "zoom")
    max_actions: int = 1
    max_turns: int = 2
    accuracy_weight: float = 1.0
    format_weight: float = 0.4
    region_iou_weight: float = 0.0
    freeze_vision: bool = False
    dtype: Literal["float32", "bfloat16"] = "float32"
    lora: dict[str, Any] | None = None
    seed: int = 0
    trainer: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_episode(self)
        if min(self.accuracy_weight, self.format_weight, self.region_iou_weight) < 0:
            raise ValueError("reward weights cannot be negative")
        if self.kinds and min(self.kinds.values()) < 1:
            raise ValueError(f"kinds: weights are whole numbers from 1, got {self.kinds}")
        if self.start < 0 or self.examples < 1:
            raise ValueError(f"start is at least 0 and examples at least 1, got {self.start}, {self.examples}")


def _check_episode(config: SftConfig | GrpoConfig) -> None:
    EnvironmentConfig(max_actions=config.max_actions, max_turns=config.max_turns, tools=config.tools)
    if not config.tools or config.tools != tuple(sorted(set(config.tools))):
        # TRL lists an environment's tools by name, and every prompt of a model must list them in the same order.
        raise ValueError(f"tools must be named once each in alphabetical order, got {list(config.tools)}")


class _Loader(yaml.SafeLoader):
    """Reads two things as YAML 1.2 does: ``2e-5`` is a number and ``no`` a word, of trainers' options for instance."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"), list("-+0123456789")
)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if first in "tTfF" or tag != "tag:yaml.org,2002:bool"]
    for first, known in _Loader.yaml_implicit_resolvers.items()
}


def read_config(kind: type[Config], path: str | Path, settings: Sequence[str] = ()) -> Config:
    """A recipe file, with settings in place of what it says.

    Args:
        kind: dataclass of the stage.
        settings: ``key=value`` each; the value is YAML, and a dot reaches into a mapping, as in
            ``trainer.max_steps=3``.

    Raises:
        ConfigError: the file cannot be read, or a key or a value does not fit; the message names all that is wrong.
    """
    try:
        with open(path, encoding="utf-8") as file:
            values = yaml.load(file, _Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the recipe {path}: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"the recipe {path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"the recipe {path} holds {type(values).__name__}; expected lines of the form 'key: value'")
    for setting in settings:
        _apply(values, setting)
    known = [each.name for each in fields(kind)]
    if unknown := [str(key) for key in values if key not in known]:
        raise ConfigError(f"{path}: unknown {', '.join(unknown)}; {kind.__name__} knows {', '.join(known)}")
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        listed = [
            f"{'.'.join(map(str, each['loc'])) or kind.__name__}: {each['msg']}"
            for each in error.errors(include_url=False)[:MAX_LISTED_ERRORS]
        ]
        raise ConfigError(f"{path}: {'; '.join(listed)}") from error


def _apply(values: dict[str, Any], setting: str) -> None:
    """Puts one ``key=value`` into the nested mapping."""
    key, sign, text = setting.partition("=")
    *outer, name = key.strip().split(".")
    if not sign or not name:
        raise ConfigError(f"a setting has the form key=value, got {setting!r}")
    for part in outer:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise ConfigError(f"cannot set {key!r}: {part!r} is no mapping")
    try:
        values[name] = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"the value of {setting!r} is not YAML: {error}") from error
