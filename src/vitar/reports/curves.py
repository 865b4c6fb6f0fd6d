"""The curves of a training run, sorted into small plots."""

from __future__ import annotations

from dataclasses import dataclass

from vitar.reports.figures import Line
from vitar.reports.run import Training

MAX_LINES = 6


@dataclass(frozen=True)
class Panel:
    """Quantities that share an axis."""

    title: str
    lines: tuple[Line, ...]


def panels(training: Training) -> list[Panel]:
    """Rewards, loss, accuracy, length of completions and use of tools, as far as the run logged them.

    Names are TRL's: ``reward`` is the weighted sum, ``rewards/NAME/mean`` each reward function by itself.
    """
    keys = list(dict.fromkeys(key for row in training.history for key in row))
    rewards = [key for key in keys if key.startswith("rewards/") and key.endswith("/mean")]
    wanted = {
        "Reward": {"reward": "sum", **{key: key.split("/")[1] for key in rewards}},
        "Loss": {"loss": "training", "eval_loss": "validation"},
        "Token accuracy": {"mean_token_accuracy": "training", "eval_mean_token_accuracy": "validation"},
        "Completion length, tokens": {"completions/mean_length": "mean", "completions/max_length": "longest"},
        "Tool calls": {"tools/call_frequency": "calls per episode", "tools/failure_frequency": "share that failed"},
        "Entropy": {"entropy": "of the next token"},
    }
    found = []
    for title, names in wanted.items():
        lines = tuple(Line(label, points) for key, label in names.items() if (points := training.points(key)))
        if lines:
            found.append(Panel(title, lines[:MAX_LINES]))
    return found
