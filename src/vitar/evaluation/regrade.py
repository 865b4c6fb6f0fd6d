"""Scores the traces of a run again, without a model: by the grader of this version, and by those of other projects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from vitar.data.example import Example
from vitar.evaluation.conditions import CONDITIONS
from vitar.evaluation.metrics import Metrics, compute_metrics
from vitar.evaluation.outcomes import ALL
from vitar.evaluation.run_folder import METRICS_NAME, StoredRun
from vitar.files import write_atomically
from vitar.grading.kits import KITS, KitScore
from vitar.protocol.trace import StopReason, Trace

GRADERS_NAME = "graders.json"
OURS = "vitar"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GraderCell(_Record):
    """What one grader makes of one condition; None where a figure is undefined.

    Args:
        answer_type: an answer type, or `ALL` for every item that the grader has a rule for.
        n: these items, without failures of the infrastructure.
        counted: those in the grader's own denominator.
        accuracy: as its project reports it, ``correct / counted``.
        raised: items that it takes for right and our grader does not.
        lowered: the reverse.
        stopped: items at which its own program ends with an error; they are wrong here.
    """

    grader: str
    condition: str
    answer_type: str
    n: int
    counted: int
    correct: int
    accuracy: float | None
    raised: int
    lowered: int
    stopped: int


class Disagreement(_Record):
    """An answer that the graders do not score alike: grader -> whether it is right."""

    condition: str
    example_id: str
    answer_type: str
    gold: str
    said: str
    verdicts: dict[str, bool]


class Graders(_Record):
    """The content of `GRADERS_NAME`."""

    schema_version: Literal[1] = 1
    cells: tuple[GraderCell, ...]
    disagreements: tuple[Disagreement, ...]


def regrade(run: StoredRun, folder: Path) -> Metrics:
    """Writes ``metrics.json`` anew from the traces of a run.

    Raises:
        OSError: the file cannot be written.
    """
    metrics = compute_metrics(
        run.examples, run.traces, model=run.config["model"], data=run.config["data"], seed=run.config["seed"]
    )
    write_atomically(folder / METRICS_NAME, metrics.model_dump_json(indent=2) + "\n")
    return metrics


def compare_graders(run: StoredRun, names: Sequence[str]) -> Graders:
    """Several graders on the same traces, side by side.

    Args:
        names: out of `KITS`.
    """
    cells: list[GraderCell] = []
    disagreements: list[Disagreement] = []
    for condition, traces in run.traces.items():
        scored = list(_scored(run.examples, traces, {OURS, *names}))
        types = (ALL, *sorted({example.answer_type for example, _, _ in scored}))
        cells += [
            cell
            for answer_type in types
            for name in names
            if (
                cell := _cell(
                    name, condition, answer_type, [s for s in scored if answer_type in (ALL, s[0].answer_type)]
                )
            )
        ]
        for example, trace, scores in scored:
            verdicts = {name: score.correct for name in names if (score := scores[name])}
            if len(set(verdicts.values())) > 1:
                said = trace.rounds[-1].text
                disagreements.append(
                    Disagreement(
                        condition=condition,
                        example_id=example.id,
                        answer_type=example.answer_type,
                        gold=example.answer,
                        said=said,
                        verdicts=verdicts,
                    )
                )
    return Graders(cells=tuple(cells), disagreements=tuple(disagreements))


Scored = tuple[Example, Trace, Mapping[str, KitScore | None]]


def _scored(examples: Sequence[Example], traces: Sequence[Trace], names: set[str]) -> Iterator[Scored]:
    """Every episode that counts with its score by every grader.

    Graders of other projects read a model's last turn as it stands; of a vote, its outcome.
    """
    by_id = {trace.example_id: trace for trace in traces}
    for example in examples:
        trace = by_id[example.id]
        if trace.stop_reason is not StopReason.BACKEND_ERROR:
            votes = trace.condition in CONDITIONS and CONDITIONS[trace.condition].votes
            said = trace.answer or "" if votes else trace.rounds[-1].text
            yield example, trace, {name: KITS[name](example, said, trace.answer) for name in names}


def _cell(name: str, condition: str, answer_type: str, scored: Sequence[Scored]) -> GraderCell | None:
    """None where the grader has no rule for any of these items."""
    pairs = [(score, ours) for _, _, by in scored if (score := by[name]) and (ours := by[OURS])]
    if not pairs:
        return None
    counted, correct = sum(score.counted for score, _ in pairs), sum(score.correct for score, _ in pairs)
    return GraderCell(
        grader=name,
        condition=condition,
        answer_type=answer_type,
        n=len(pairs),
        counted=counted,
        correct=correct,
        accuracy=correct / counted if counted else None,
        raised=sum(score.correct and not ours.correct for score, ours in pairs),
        lowered=sum(ours.correct and not score.correct for score, ours in pairs),
        stopped=sum(bool(score.error) for score, _ in pairs),
    )
