"""Lets a judge look at the open answers of a run, and keeps what it was asked and what it said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from vitar.evaluation.run_folder import RunError, StoredRun
from vitar.files import write_atomically
from vitar.grading import grade_example
from vitar.grading.judge import Agreement, Judge, Judgement, ToJudge, agreement, judge_answers

JUDGEMENTS_FOLDER = "judgements"


@dataclass(frozen=True)
class Judged:
    """What a judge made of one condition, beside the rule."""

    condition: str
    judge: str
    agreement: Agreement


def judge_run(judge: Judge, run: StoredRun, folder: Path) -> list[Judged]:
    """Asks about every open question that got an answer; ``judgements/<condition>.jsonl`` keeps prompts and replies.

    An answer that this judge has given a verdict on before, in the same words, is not asked about again. Episodes
    without an answer are wrong by any judge and are not shown to one.

    Raises:
        RunError: there is a file of judgements that cannot be read.
        OSError: a file cannot be read or written.
    """
    found = []
    examples = {example.id: example for example in run.examples if example.answer_type == "open"}
    for condition, traces in run.traces.items():
        asked = [
            ToJudge(
                example_id=example.id,
                question=example.question,
                answer=example.answer,
                said=trace.answer,
                rule_correct=grade_example(example, trace.answer).correct,
            )
            for trace in traces
            if (example := examples.get(trace.example_id)) and trace.answer is not None
        ]
        if not asked:
            continue
        path = folder / JUDGEMENTS_FOLDER / f"{condition}.jsonl"
        kept = {(j.judge, j.prompt): j for j in _read(path) if j.verdict is not None}
        new = [answer for answer in asked if (judge.name, answer.prompt) not in kept]
        made = {(j.judge, j.prompt): j for j in judge_answers(judge, new)} if new else {}
        judgements = [
            {**kept, **made}[judge.name, answer.prompt].model_copy(
                update={"example_id": answer.example_id, "rule_correct": answer.rule_correct}
            )
            for answer in asked
        ]
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, "".join(judgement.model_dump_json() + "\n" for judgement in judgements))
        found.append(Judged(condition, judge.name, agreement(judgements)))
    return found


def _read(path: Path) -> list[Judgement]:
    if not path.is_file():
        return []
    try:
        return [Judgement.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValidationError as error:
        raise RunError(f"{path} holds a line that is no judgement; remove the file to ask the judge again") from error
