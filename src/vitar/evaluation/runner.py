"""Runs a model under several conditions on the same items.

A run can be killed at any moment and gone on with: traces that are on disk stay, and only what is missing is made.
Items are taken in blocks whose bounds do not depend on where a run was interrupted, since a batched model's numbers
depend, in their last digits, on what shares the batch, and sampled tokens depend on it altogether. A block of which a
part is missing is therefore run as a whole, and only the missing part is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from vitar.backends.base import Backend
from vitar.data.example import Example
from vitar.evaluation.asking import asking
from vitar.evaluation.comparisons import REFERENCE
from vitar.evaluation.conditions import CONDITIONS
from vitar.evaluation.metrics import Metrics, compute_metrics
from vitar.evaluation.openings import KITS, kit_opening
from vitar.evaluation.run_folder import METRICS_NAME, claim, keep_examples, kept_traces
from vitar.files import write_atomically
from vitar.imaging.environment import TOOL_NAMES
from vitar.protocol.trace import ImageStore, Sampling, StopReason, TraceWriter, read_traces

BATCHES_PER_BLOCK = 4
"""Episodes end after one look or after several; a block of some batches keeps the batches of the last looks full."""


@dataclass(frozen=True)
class EvaluationConfig:
    """Everything that decides the traces of a run.

    Args:
        model: what the backend was loaded from.
        weights: see `weights_digest`; "" if unknown.
        data: see `open_source`.
        start, count: which items of the data.
        conditions: names out of `CONDITIONS`.
        tools: names of the tools that the model may use.
        prompt: name out of `KITS`, in whose words the conditions that ask directly do; "" for our own.
        temperature: 0 takes the most likely token.
        max_new_tokens: limit of one turn.
        batch_size: conversations per forward pass, or requests to a server at a time.
        seed: of sampling, and of the bootstrap.
        server: address of the server that has the model, dialect and unit of boxes; "" for a model on this machine.

    Raises:
        ValueError: a setting makes no sense.
    """

    model: str
    data: str
    conditions: tuple[str, ...]
    count: int
    start: int = 0
    weights: str = ""
    tools: tuple[str, ...] = TOOL_NAMES
    temperature: float = 0.0
    max_new_tokens: int = 256
    batch_size: int = 16
    seed: int = 0
    server: str = ""
    prompt: str = ""

    def __post_init__(self) -> None:
        _check_names("condition", self.conditions, tuple(CONDITIONS))
        _check_names("tool", self.tools, TOOL_NAMES)
        if self.prompt and self.prompt not in KITS:
            raise ValueError(f"no kit called {self.prompt!r} asks in one message; known are {', '.join(KITS)}")
        if min(self.count, self.max_new_tokens, self.batch_size) < 1 or self.start < 0:
            raise ValueError(
                "count, max_new_tokens and batch_size must be at least 1 and start at least 0, "
                f"got {self.count}, {self.max_new_tokens}, {self.batch_size} and {self.start}"
            )
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"the temperature is a number from 0 up, got {self.temperature}")


def evaluate(config: EvaluationConfig, backend: Backend, examples: Sequence[Example], out: Path) -> Metrics:
    """Runs what is missing of a run in the folder ``out``, and writes its ``metrics.json``.

    Conditions that the run already had are finished too; those that vote come last, since they spend the tokens that
    another one took. Progress goes to stderr, with the time left.

    Args:
        backend: the model, with the sampling and the batch size of ``config``.
        examples: the items that ``config`` describes.

    Raises:
        RunError: ``out`` holds another run, or an example cannot be evaluated.
        ImageError: an image cannot be read.
        TraceError: a trace file was damaged by something else than a kill.
    """
    if config.prompt:  # a kit that does not know this data is refused before there is a folder
        kit_opening(config.prompt, examples[:1])
    conditions = claim(out, config)
    with tqdm(examples, desc="items", unit="item") as shown:
        items = keep_examples(out, shown)
    paths = {name: out / "traces" / f"{name}.jsonl" for name in conditions}
    ids = {item.id for item in items}
    done = {name: kept_traces(path, name, ids) for name, path in paths.items()}
    with tqdm(total=len(items) * len(paths), initial=sum(map(len, done.values())), unit="episode") as bar:
        for name, path in sorted(paths.items(), key=lambda pair: CONDITIONS[pair[0]].votes):
            bar.set_description(name)
            _run_condition(name, config, backend, items, done[name], path, bar)
    traces = {name: read_traces(path) for name, path in paths.items()}
    metrics = compute_metrics(items, traces, model=config.model, data=config.data, seed=config.seed)
    write_atomically(out / METRICS_NAME, metrics.model_dump_json(indent=2) + "\n")
    return metrics


def _run_condition(
    name: str,
    config: EvaluationConfig,
    backend: Backend,
    items: Sequence[Example],
    done: set[str],
    path: Path,
    bar: tqdm,
) -> None:
    block = BATCHES_PER_BLOCK * config.batch_size
    ask = asking(
        name,
        backend,
        items,
        tools=config.tools,
        prompt=config.prompt,
        sampling=Sampling(temperature=config.temperature, max_new_tokens=config.max_new_tokens, seed=config.seed),
        store=ImageStore(path.parent.parent / "images"),
        at_once=block,
        budgets=_tokens_spent(path.with_stem(REFERENCE)) if CONDITIONS[name].votes else {},
    )
    with TraceWriter(path) as writer:
        for start in range(0, len(items), block):
            chosen = items[start : start + block]
            if done.issuperset(item.id for item in chosen):
                continue
            for trace in ask(chosen):
                if trace.example_id not in done:
                    writer.append(trace)
                    bar.update()


def _tokens_spent(path: Path) -> dict[str, int]:
    """Example id -> tokens read and written, of the episodes in a file that the infrastructure did not end."""
    traces = [t for t in read_traces(path) if t.stop_reason is not StopReason.BACKEND_ERROR] if path.is_file() else []
    return {trace.example_id: trace.prompt_tokens + trace.generated_tokens for trace in traces}


def _check_names(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    if not names or len(set(names)) < len(names) or set(names) - set(known):
        raise ValueError(f"expected different {what}s out of {', '.join(known)}; got {', '.join(names) or 'none'}")
