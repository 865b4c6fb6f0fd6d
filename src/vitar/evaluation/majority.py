"""The fair rival of a second look: the same tokens, spent on asking once more and voting.

Self-consistency (Wang et al., ICLR 2023) draws several answers to one question and takes the most frequent. Here each
is a single pass, and a question gets as many as fit into the tokens that its `REFERENCE` episode took: tokens read,
those of images among them, and tokens written count alike. The first is always drawn.

In the trace each round is one sample, and the sums over rounds are what the vote cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from vitar.backends.base import Backend, Resampling
from vitar.data.example import Example
from vitar.evaluation.comparisons import REFERENCE
from vitar.evaluation.run_folder import RunError
from vitar.grading import reading
from vitar.imaging.environment import EnvironmentConfig
from vitar.protocol.trace import Failure, ImageStore, Sampling, StopReason, Trace
from vitar.rollout import Opening, rollout

TEMPERATURE = 0.7
"""Of the samples where the run itself takes the most likely token; the value of the original paper."""

MAX_SAMPLES = 32


def majority(
    backend: Backend,
    examples: Sequence[Example],
    budgets: Mapping[str, int],
    limits: EnvironmentConfig,
    *,
    condition: str,
    opening: Opening | None,
    store: ImageStore,
    sampling: Sampling,
    at_once: int,
) -> Iterator[Trace]:
    """Runs one vote per example, and yields the traces in order.

    Args:
        budgets: example id -> tokens, read and written, that its samples may take. An example without one ends as an
            infrastructure failure: its `REFERENCE` episode was one.
        sampling: of the run; its temperature is used where it is above 0.

    Raises:
        RunError: the backend cannot sample or counts no tokens, or there are no budgets.
    """
    if not isinstance(backend, Resampling):
        raise RunError(f"{condition} draws samples, and the backend of {backend.name} has one way of choosing tokens")
    if not budgets or min(budgets.values()) < 1:
        found = "an episode that took none" if budgets else "no such episode"
        raise RunError(
            f"{condition} spends the tokens that {REFERENCE} took, and the run has {found}; run {REFERENCE} in "
            "the same folder, with a backend that counts tokens"
        )
    drawn = sampling.model_copy(update={"temperature": sampling.temperature or TEMPERATURE})
    samples: dict[str, list[Trace]] = {example.id: [] for example in examples}
    waiting = [example for example in examples if example.id in budgets]
    for number in range(MAX_SAMPLES):
        if not waiting:
            break
        sampler = backend.with_sampling(drawn.temperature, seed=MAX_SAMPLES * (sampling.seed or 0) + number)
        traces = rollout(
            sampler,
            waiting,
            limits,
            mode="direct",
            condition=condition,
            opening=opening,
            store=store,
            sampling=drawn,
            at_once=at_once,
        )
        for trace in traces:
            samples[trace.example_id].append(trace)
        waiting = [example for example in waiting if _fits_another(samples[example.id], budgets[example.id])]
    failure = Failure(reason="no_budget", detail=f"The backend failed under {REFERENCE}, so no budget is known.")
    for example in examples:
        yield (
            voted(example, samples[example.id])
            if samples[example.id]
            else Trace(
                example_id=example.id,
                model=backend.name,
                condition=condition,
                stop_reason=StopReason.BACKEND_ERROR,
                failure=failure,
                sampling=drawn,
            )
        )


def voted(example: Example, samples: Sequence[Trace]) -> Trace:
    """One trace of several samples, with the answer of most of them.

    Answers vote by what they are read as; of several that are as frequent, the one that came first wins. A sample
    without a readable answer has no vote. If none has one, the last stands for all, and a failure of the backend in
    any of them for the whole.
    """
    rounds = tuple(record for sample in samples for record in sample.rounds)
    if failed := [sample for sample in samples if sample.stop_reason is StopReason.BACKEND_ERROR]:
        return failed[0].model_copy(update={"rounds": rounds})
    read = [reading(example.answer_type, example.options, sample.answer) for sample in samples]
    votes = Counter(said for said in read if said)
    chosen = read.index(votes.most_common(1)[0][0]) if votes else -1
    return samples[chosen].model_copy(update={"rounds": rounds})


def _fits_another(samples: Sequence[Trace], budget: int) -> bool:
    """Whether one more sample, as long as these were on average, stays within the budget."""
    if samples[-1].stop_reason is StopReason.BACKEND_ERROR:
        return False
    spent = sum(sample.prompt_tokens + sample.generated_tokens for sample in samples)
    return spent + spent / len(samples) <= budget
