"""Small run folders, written by the classes that real runs are written with."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from vitar.data.example import Example, ImageRef, Region
from vitar.evaluation.metrics import compute_metrics
from vitar.evaluation.run_folder import keep_examples
from vitar.imaging.mark import mark_region
from vitar.protocol.actions import MarkRegion
from vitar.protocol.trace import Failure, ImageStore, Round, StopReason, Trace, TraceWriter, action_record

sys.path.insert(0, str(Path(__file__).parent))  # for made_up_figures

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"

OUTCOMES = {  # item -> right with one look, right with two looks; None is malformed
    "both": (True, True),
    "helped": (False, True),
    "hurt": (True, False),
    "neither": (False, False),
    "broken": (True, None),
}

CONDITIONS = ("single_pass", "think_twice", "oracle_box", "random_box", "unmarked")

RunWriter = Callable[..., Path]


@pytest.fixture
def write_run(tmp_path: Path) -> RunWriter:
    """Writes a run with one item per entry of `OUTCOMES`, and returns its folder."""

    def write(name: str = "run", model: str = "tiny", conditions: tuple[str, ...] = CONDITIONS) -> Path:
        folder = tmp_path / name
        (folder / "images").mkdir(parents=True)
        examples = keep_examples(folder, [_example(item, tmp_path) for item in OUTCOMES])
        store = ImageStore(folder / "images")
        traces = {c: [_trace(e, c, model, store) for e in examples] for c in conditions}
        for condition, episodes in traces.items():
            with TraceWriter(folder / "traces" / f"{condition}.jsonl") as writer:
                for trace in episodes:
                    writer.append(trace)
        metrics = compute_metrics(examples, traces, model=model, data="toys:test")
        (folder / "metrics.json").write_text(metrics.model_dump_json())
        record = {"command": "EvaluationConfig", "config": {"seed": 7}, "vitar": "0.0", "commit": "a" * 40}
        (folder / "run.json").write_text(json.dumps(record))
        return folder

    return write


@pytest.fixture
def training_dir(tmp_path: Path) -> Path:
    """A training run of four steps; the third diverged."""
    folder = tmp_path / "grpo"
    folder.mkdir()
    rewards = (0.5, 1.0, float("nan"), 1.5)
    history = [
        {"step": step, "loss": 1 / step, "reward": reward, "rewards/accuracy/mean": reward / 2}
        for step, reward in enumerate(rewards, start=1)
    ]
    (folder / "history.json").write_text(json.dumps([*history, {"step": 4, "train_runtime": 1.0}]))
    return folder


def _example(item: str, folder: Path) -> Example:
    path = folder / f"{item}.png"
    Image.new("L", (40, 30), 40 + 20 * list(OUTCOMES).index(item)).save(path)
    return Example(
        id=item,
        images=(ImageRef(str(path)),),
        question=f"Is it round? {HOSTILE}",
        options=("round", "flat", "torn") if item == "both" else (),
        answer="round" if item == "both" else "yes",
        answer_type="choice" if item == "both" else "yes_no",
        regions=(Region("thing", (10.0, 5.0, 20.0, 15.0)),),
        modality="toy",
        anatomy="",
        kind="type" if item == "both" else "presence",
        source="toys",
        split="test",
        licence="CC0-1.0",
        group=item,
    )


def _trace(example: Example, condition: str, model: str, store: ImageStore) -> Trace:
    single, think = OUTCOMES[example.id]
    right = single if condition == "single_pass" else think
    if condition == "unmarked" and right is not None:
        right = False
    first = store.open(Path(example.images[0].uri).name)
    rounds = [] if condition == "single_pass" else [_look(example, condition, store, first)]
    words = {True: ("A", "yes"), False: ("B", "no")}
    answer = None if right is None else words[right][example.answer_type == "yes_no"]
    last = f"It is {HOSTILE}" if answer is None else f"<answer>{answer}</answer>"
    failure = Failure(reason="no_action", detail="Nothing was said.", span=(3, 9)) if answer is None else None
    return Trace(
        example_id=example.id,
        model=model,
        condition=condition,
        images=(store.put(first),),
        rounds=(*rounds, Round(text=last, generated_tokens=5, seconds=0.25)),
        answer=answer,
        stop_reason=StopReason.MALFORMED if answer is None else StopReason.ANSWERED,
        failure=failure,
    )


def _look(example: Example, condition: str, store: ImageStore, first: Image.Image) -> Round:
    box = example.regions[0].box(*first.size)
    moved = condition in ("oracle_box", "random_box")
    call = '{"name": "mark_region", "arguments": {"boxes": [[200, 100, 400, 300]]}}'
    back = first if condition == "unmarked" else mark_region(first, [box])
    return Round(
        text=f"I look.\n<tool_call>\n{call}\n</tool_call>",
        thought="I look.",
        action=action_record(MarkRegion(((250, 167, 500, 500) if moved else (200, 100, 400, 300),))),
        intervened=moved or condition == "unmarked",
        boxes=(box.xyxy,),
        image=store.put(back),
        observation="Image 2: marked.",
        generated_tokens=20,
        seconds=0.5,
    )
