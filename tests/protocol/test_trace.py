"""Traces on disk: what is written comes back, and a kill costs at most the line being written."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

import pytest
from PIL import Image
from pydantic import ValidationError

from vitar.protocol.actions import MarkRegion, Zoom
from vitar.protocol.trace import (
    Failure,
    ImageStore,
    Round,
    Sampling,
    StopReason,
    Trace,
    TraceError,
    TraceWriter,
    action_record,
    read_traces,
)


def trace(number: int = 0) -> Trace:
    look = Round(
        text="I enlarge it.\n<tool_call>…</tool_call>",
        thought="I enlarge it.",
        action=action_record(Zoom((620, 310, 740, 430))),
        boxes=((62.5, 31, 74, 43),),
        image="0" * 32 + ".png",
        observation="Image 2: the region [620, 310, 740, 430] of image 1, enlarged.",
        prompt_tokens=90,
        generated_tokens=40,
        seconds=0.5,
    )
    last = Round(text="Ein Rand.\u2028<answer>C</answer>", thought="Ein Rand.", generated_tokens=9, seconds=0.25)
    return Trace(
        example_id=f"chest/test/{number}",
        model="tiny",
        condition="think_twice",
        rounds=(look, last),
        answer="C",
        stop_reason=StopReason.ANSWERED,
        sampling=Sampling(temperature=1.0, seed=7),
    )


def test_traces_come_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "run" / "traces.jsonl"
    with TraceWriter(path) as writer:
        writer.append(trace(0))
    with TraceWriter(path) as writer:
        writer.append(trace(1))
    assert list(read_traces(path)) == [trace(0), trace(1)]
    assert len(path.read_bytes().splitlines()) == 2


def test_records_of_version_1_are_read() -> None:
    record = json.loads(trace().model_dump_json())
    del record["images"], record["rounds"][0]["source"]
    for image in (None, "0" * 32 + ".png"):
        old = Trace.model_validate_json(json.dumps({**record, "schema_version": 1, "image": image}))
        assert old == trace().model_copy(update={"images": (image,) if image else ()})
        assert Trace.model_validate_json(old.model_dump_json()) == old
    with pytest.raises(ValidationError, match="image"):
        Trace.model_validate_json(json.dumps({**record, "image": "0" * 32 + ".png"}))


def test_the_first_action_is_the_first_that_was_carried_out() -> None:
    refused = Round(text="x", action=action_record(Zoom((0, 0, 0, 0))), error="empty")
    look = trace().rounds[0].model_copy(update={"source": 2})
    acted = trace().model_copy(update={"rounds": (refused, look, trace().rounds[1])})
    assert (acted.first_action, acted.first_boxes) == (look, ((62.5, 31, 74, 43),))
    idle = trace().model_copy(update={"rounds": (refused,)})
    assert (idle.first_action, idle.first_boxes) == (None, ())


def test_totals() -> None:
    assert trace().seconds == 0.75
    assert trace().generated_tokens == 49


def test_actions_come_back_as_values() -> None:
    assert trace().rounds[0].parsed_action() == Zoom((620, 310, 740, 430))
    assert trace().rounds[1].parsed_action() is None


def test_numbers_that_are_not_finite_are_plain_json() -> None:
    action = MarkRegion(((math.inf, -math.inf, 0, 1.5),), image=2)
    written = Round(text="x", action=action_record(action), boxes=((math.inf, 0, 1, 2),)).model_dump_json()

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    json.loads(written, parse_constant=refuse)
    read = Round.model_validate_json(written)
    assert read.parsed_action() == action
    assert read.boxes == ((math.inf, 0, 1, 2),)
    nan = Round(text="x", action=action_record(Zoom((math.nan, 0, 1, 1))))
    again = Round.model_validate_json(nan.model_dump_json()).parsed_action()
    assert isinstance(again, Zoom)
    assert math.isnan(again.box[0])


@pytest.mark.parametrize(
    "action",
    [
        {"name": "zoom"},
        {"name": "crop", "arguments": {"box": [0, 0, 1, 1]}},
        {"name": "zoom", "arguments": {"box": [0, 0, 1]}},
        {"name": "zoom", "arguments": {"box": [0, 0, 1, 1]}, "id": 1},
    ],
)
def test_a_round_refuses_what_is_no_action(action: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Round(text="x", action=action)


def test_an_answer_goes_with_the_stop_reason_answered_alone() -> None:
    with pytest.raises(ValidationError, match="does not go with"):
        Trace(example_id="a", model="m", condition="c", stop_reason=StopReason.ANSWERED)
    with pytest.raises(ValidationError, match="does not go with"):
        Trace(example_id="a", model="m", condition="c", answer="B", stop_reason=StopReason.TRUNCATED)
    failed = Trace(
        example_id="a",
        model="m",
        condition="c",
        stop_reason=StopReason.MALFORMED,
        failure=Failure(reason="bad_json", detail="The tool call is not JSON.", span=(3, 9)),
    )
    assert Trace.model_validate_json(failed.model_dump_json()) == failed


def test_half_a_last_line_is_dropped_by_the_reader_and_removed_by_the_writer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "traces.jsonl"
    with TraceWriter(path) as writer:
        writer.append(trace(0))
        writer.append(trace(1))
    whole = path.read_bytes()
    for cut in (1, 100, len(whole) // 2 - 1):
        path.write_bytes(whole[: len(whole) - cut])
        with caplog.at_level(logging.WARNING):
            found = list(read_traces(path))
        assert found == ([trace(0), trace(1)] if cut == 1 else [trace(0)])
        with TraceWriter(path) as writer:
            writer.append(trace(2))
        assert list(read_traces(path)) == [*found, trace(2)]
    assert "traces.jsonl:2: dropped an incomplete last line" in caplog.text
    assert "removed an incomplete last line" in caplog.text


def test_a_bad_line_elsewhere_is_an_error_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    good = trace().model_dump_json()
    for bad in ("", "{", good.replace('"schema_version":2', '"schema_version":99'), good.replace('"text"', '"texts"')):
        path.write_text(f"{good}\n{bad}\n{good}\n", encoding="utf-8")
        with pytest.raises(TraceError, match=r"traces\.jsonl:2: not a trace"):
            list(read_traces(path))
    with pytest.raises(FileNotFoundError):
        list(read_traces(tmp_path / "missing.jsonl"))


def test_image_store_keeps_each_distinct_image_once(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")
    gray, rgb = Image.new("L", (3, 2), 7), Image.new("RGB", (3, 2), (7, 7, 7))
    names = [store.put(gray), store.put(gray.copy()), store.put(rgb), store.put(Image.new("L", (2, 3), 7))]
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert sorted(path.name for path in store.folder.iterdir()) == sorted(set(names))
    again = store.open(names[0])
    assert (again.mode, again.size, again.tobytes()) == ("L", (3, 2), gray.tobytes())


def test_image_store_refuses_what_it_cannot_keep(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    with pytest.raises(ValueError, match="RGBA"):
        store.put(Image.new("RGBA", (2, 2)))
    for name in ("../secret.png", "a.png", "0" * 32):
        with pytest.raises(ValueError, match="not the name"):
            store.open(name)
    with pytest.raises(FileNotFoundError):
        store.open("0" * 32 + ".png")


def test_image_store_leaves_nothing_behind_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        ImageStore(tmp_path).put(Image.new("L", (2, 2)))
    assert list(tmp_path.iterdir()) == []
