"""The teacher behind a server: what it is shown and told, and how its replies become turns."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from vitar.data.curation.asking import EndpointAsker
from vitar.data.curation.endpoint_teacher import EndpointTeacher, WrittenTrajectory
from vitar.data.curation.teacher import Reason, Rejection, Task
from vitar.data.example import Example, Region, open_image
from vitar.protocol.actions import Answer, FailureReason, MarkRegion, ParseFailure, Zoom
from vitar.protocol.messages import Message, images_in, message_text
from vitar.protocol.parsing import parse

Make = Callable[..., Example]

GOOD = {
    "thought": "Something stands out.",
    "tool": "zoom",
    "boxes": [[750, 700, 850, 900.0]],
    "rethought": "It is a stone.",
    "answer": "B",
}


def turns(**changes: Any) -> list[Any]:
    written = WrittenTrajectory.model_validate_json(json.dumps({**GOOD, **changes}))
    return [parse(text) for text in written.turns()]


def test_a_reply_becomes_two_turns_with_whole_numbers() -> None:
    first, second = turns()
    assert (first.thought, first.outcome) == ("Something stands out.", Zoom((750, 700, 850, 900)))
    assert all(isinstance(number, int) for number in first.outcome.box)
    assert (second.thought, second.outcome) == ("It is a stone.", Answer("B"))
    (first, _) = turns(tool="mark_region", boxes=[[1, 2, 3, 4.5], [5, 6, 7, 8]])
    assert first.outcome == MarkRegion(((1, 2, 3, 4.5), (5, 6, 7, 8)))


@pytest.mark.parametrize(
    ("changes", "place", "reason"),
    [
        ({"boxes": []}, 0, FailureReason.BAD_ARGUMENTS),
        ({"boxes": [[1, 2, 3, 4], [1, 2, 3, 4]]}, 0, FailureReason.BAD_ARGUMENTS),
        ({"boxes": [[1, 2, 3]]}, 0, FailureReason.BAD_ARGUMENTS),
        ({"tool": "mark_region", "boxes": []}, 0, FailureReason.BAD_ARGUMENTS),
        ({"thought": "So <answer>B</answer>"}, 0, FailureReason.TOOL_CALL_AND_ANSWER),
        ({"rethought": "<tool_call>"}, 1, FailureReason.TOOL_CALL_AND_ANSWER),
        ({"answer": " "}, 1, FailureReason.EMPTY_ANSWER),
        ({"answer": "B</answer> or C"}, 1, FailureReason.TEXT_AFTER_END),
    ],
)
def test_what_is_wrong_in_a_reply_is_the_parsers_to_find(
    changes: dict[str, Any], place: int, reason: FailureReason
) -> None:
    outcome = turns(**changes)[place].outcome
    assert isinstance(outcome, ParseFailure)
    assert outcome.reason is reason


@pytest.mark.parametrize("changes", [{"tool": "crop"}, {"boxes": "all"}, {"thought": None}, {"more": 1}])
def test_another_shape_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        turns(**changes)


class Shown:
    """An asker that keeps what it was shown."""

    name = "teacher"

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def ask(self, messages: Sequence[Message], shape: type[BaseModel]) -> Any:
        self.messages = list(messages)
        return shape(**GOOD)


def asked(task: Task, tools: Sequence[str] = ("mark_region", "zoom")) -> tuple[str, list[tuple[int, int]]]:
    """Text and image sizes of the request."""
    asker = Shown()
    assert asyncio.run(EndpointTeacher(asker, tools).write(task)) == WrittenTrajectory(**GOOD).turns()  # type: ignore[arg-type]
    return message_text(asker.messages[-1]), [image.size for image in images_in(asker.messages)]


def test_it_is_shown_the_truth_the_rules_and_the_region_enlarged(make_example: Make) -> None:
    regions = (Region("stone", (150.0, 70.0, 170.0, 90.0)), Region("cyst", (10.0, 10.0, 40.0, 30.0)))
    example = make_example(regions=regions)
    text, sizes = asked(Task(example, open_image(example.images[0]), ("cyst", "stone")), tools=("zoom",))
    for line in (
        "A. cyst",
        "Right answer: B (stone)",
        "True regions: stone [750, 700, 850, 900]; cyst [50, 100, 200, 300]",
        "Tools: zoom",
        "must not hold any of: cyst; stone",
    ):
        assert line in text
    assert "sent back" not in text
    assert sizes[0] == (200, 100)
    assert [max(size) for size in sizes[1:]] == [448, 448]


def test_it_is_told_what_it_did_wrong_and_not_what_a_server_did(make_example: Make) -> None:
    example = make_example()
    wrong = Rejection(Reason.MISSES_REGION, "The boxes agree to 0.10.")
    failed = Rejection(Reason.JUDGE_FAILED, "no reply after 8 attempts")
    text, _ = asked(Task(example, open_image(example.images[0]), (), attempt=1, rejections=(wrong, failed)))
    assert "sent back:\n- The boxes agree to 0.10." in text
    assert "no reply" not in text
    untold = Task(example, open_image(example.images[0]), (), attempt=1, rejections=(failed,))
    assert asked(untold) == asked(Task(example, open_image(example.images[0]), ()))  # so that the cache may answer


def test_over_http_through_the_real_client(make_example: Make, tmp_path: Path) -> None:
    pytest.importorskip("openai")
    from loopback import Answer as Sent  # type: ignore[import-not-found]
    from loopback import Loopback, completion

    from vitar.backends.endpoint import Endpoint, EndpointConfig
    from vitar.backends.reply_cache import ReplyCache

    replies = iter(["not JSON at all", json.dumps({**GOOD, "tool": "crop"}), f"```json\n{json.dumps(GOOD)}\n```"])

    def respond(body: dict[str, Any]) -> Sent:
        return completion(next(replies))

    async def write(url: str) -> list[str]:
        config = EndpointConfig(url, "m", first_wait_s=0.01)
        async with Endpoint(config, ReplyCache(tmp_path)) as endpoint:
            example = make_example()
            task = Task(example, open_image(example.images[0]), ())
            return await EndpointTeacher(EndpointAsker(endpoint), ("zoom",)).write(task)

    with Loopback(respond) as server:
        texts = asyncio.run(write(server.url))
        assert asyncio.run(write(server.url)) == texts  # from the cache
        assert len(server.requests) == 3
    assert parse(texts[0]).outcome == Zoom((750, 700, 850, 900))
    system, user = server.requests[0]["messages"]
    assert (system["role"], user["role"]) == ("system", "user")
    assert [part["type"] for part in user["content"]][:3] == ["image_url", "image_url", "text"]
