"""What a base model can do, skill by skill, with the right answers so far in view (teacher forcing)."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

import torch
from accelerate.utils import send_to_device
from transformers import PreTrainedTokenizerFast

from vitar.imaging.geometry import Box, Frame
from vitar.training.base.dense import collate
from vitar.training.base.learner import BaseLearner
from vitar.training.masking import IGNORE

_THOUSANDTHS = Frame.original(1000, 1000)


class Rows(Protocol):
    """A dataset of model inputs, as `lessons` makes them."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> dict[str, Any]: ...


@dataclass(frozen=True)
class SkillScore:
    """Share of turns of a skill that were right to the last token.

    For pointing at one lesion the mean IoU; for comparing aloud the share of right verdicts, since the words before a
    verdict may be chosen freely.
    """

    value: float
    turns: int


@torch.no_grad()
def score_skills(
    learner: BaseLearner, lessons: Rows, tokenizer: PreTrainedTokenizerFast, batch: int = 8
) -> dict[str, SkillScore]:
    """Scores every skill that occurs in ``lessons``, by name."""
    was_training = learner.training
    learner.eval()
    values: defaultdict[str, list[float]] = defaultdict(list)
    device = learner.near_tokens.device
    for start in range(0, len(lessons), batch):
        some = [lessons[index] for index in range(start, min(start + batch, len(lessons)))]
        inputs = send_to_device(collate(some, tokenizer.pad_token_id), device)
        predicted = learner(**inputs)["predicted"].cpu().tolist()
        for one in some:
            for skill, turn in zip(one["skills"], _turns(one["labels"].tolist()), strict=True):
                said, predicted = predicted[: len(turn)], predicted[len(turn) :]
                value = float(said[-2:] == turn[-2:] if skill.endswith("aloud") else said == turn)
                if skill.endswith("pointing/one"):
                    value = _iou(str(tokenizer.decode(said[:-1])), str(tokenizer.decode(turn[:-1])))
                values[skill].append(value)
    learner.train(was_training)
    return {skill: SkillScore(sum(v) / len(v), len(v)) for skill, v in sorted(values.items())}


def _turns(labels: list[int]) -> Iterator[list[int]]:
    """The supervised tokens of each assistant turn."""
    for supervised, run in groupby(labels, lambda label: label != IGNORE):
        if supervised:
            yield list(run)


def _iou(said: str, truth: str) -> float:
    try:
        box = _box(said)
    except (SyntaxError, ValueError, TypeError):
        return 0.0
    return box.iou(_box(truth))


def _box(written: str) -> Box:
    x0, y0, x1, y1 = ast.literal_eval(written[written.rindex("[") : written.rindex("]") + 1])
    return Box(x0, y0, x1, y1, _THOUSANDTHS)
