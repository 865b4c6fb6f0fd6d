from typing import Any

import pytest
import torch

from vitar.backends.pretrained import load_processor
from vitar.protocol.messages import assistant_message, user_message
from vitar.training.base.score import score_skills
from vitar.training.masking import IGNORE, assistant_labels


class Says(torch.nn.Module):
    """A learner that predicts the given tokens where labels are, whatever it is asked."""

    def __init__(self, tokens: list[int]) -> None:
        super().__init__()
        self.tokens = tokens
        self.near_tokens = torch.zeros(1)

    def forward(self, labels: torch.Tensor, **_: Any) -> dict[str, torch.Tensor]:
        assert int((labels != IGNORE).sum()) == len(self.tokens)
        return {"predicted": torch.tensor(self.tokens)}


@pytest.mark.parametrize(
    ("skill", "truth", "said", "value"),
    [
        ("told/aloud", "The margin is smooth. Is the margin sharp? no", "It is smooth. Is the margin sharp? no", 1.0),
        (
            "told/aloud",
            "The margin is smooth. Is the margin sharp? no",
            "The margin is smooth. Is the margin sharp? yes",
            0.0,
        ),
        ("told/comparing", "no", "no", 1.0),
        ("region/description", "mass, margin smooth", "cyst, margin smooth", 0.0),
        ("whole/pointing/one", "[100, 100, 300, 300]", "[100, 100, 200, 300]", 0.5),
        ("whole/pointing/one", "[100, 100, 300, 300]", "[100, 100, 300, mass", 0.0),
        (
            "whole/pointing/one",
            'It is in the right lung. {"box": [100, 100, 300, 300]}',
            'It is in the left lung. {"box": [100, 100, 200, 300]}',
            0.5,
        ),
    ],
)
def test_a_turn_is_scored_by_what_its_skill_is(skill: str, truth: str, said: str, value: float) -> None:
    processor = load_processor("tiny-base")
    row = assistant_labels(processor, [user_message("What?"), assistant_message(truth)])
    turn = row["labels"][row["labels"] != IGNORE].tolist()
    words = processor.tokenizer(said)["input_ids"] + turn[-1:]
    spoken = ([0] * len(turn) + words)[-len(turn) :]  # as long as the truth, and with the same end
    row = {**row, "targets": [], "skills": [skill]}
    score = score_skills(Says(spoken), [row], processor.tokenizer)[skill]  # type: ignore[arg-type]
    assert (score.value, score.turns) == (value, 1)
