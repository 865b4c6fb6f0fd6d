"""Conditions: what replaces the model's action, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from vitar.backends.scripted import ScriptedBackend
from vitar.data.example import Example
from vitar.evaluation.conditions import CONDITIONS
from vitar.evaluation.interventions import MAX_OVERLAP, oracle_box
from vitar.grading.overlap import areas, intersections, region_iou
from vitar.imaging import THOUSANDTHS, Environment, EnvironmentConfig, Observation, ResizedPixels
from vitar.imaging.coordinates import Coordinates
from vitar.protocol.actions import Action, MarkRegion, Zoom, call_text
from vitar.protocol.messages import Message, images_in, message_text
from vitar.protocol.trace import Round, Trace
from vitar.rollout import rollout

MakeExample = Callable[..., Example]
OWN_ZOOM, OWN_MARKS = Zoom((600, 600, 800, 900)), MarkRegion(((600, 600, 800, 900),))
REGIONS = ((20, 30, 40, 50), (120, 60, 150, 80))


def turn(action: Action) -> str:
    return f"I look.\n<tool_call>\n{call_text(action)}\n</tool_call>"


def ask(
    name: str,
    example: Example,
    *turns: str,
    config: EnvironmentConfig | None = None,
    coordinates: Coordinates = THOUSANDTHS,
    step: int = 1,
    items: Sequence[Example] = (),
) -> tuple[Trace, list[Message]]:
    """The trace under a condition, and the conversation before the last turn."""
    seen: list[Sequence[Message]] = []
    reply = ScriptedBackend.from_texts(*turns, "<answer>yes</answer>").reply

    def recorded(conversation: Sequence[Message]) -> str:
        seen.append(list(conversation))
        return reply(conversation)

    backend = ScriptedBackend(recorded, coordinates=coordinates, coordinate_step=step)
    condition = CONDITIONS[name]
    intervene = condition.intervene(backend, items) if condition.intervene else None
    (trace,) = rollout(backend, [example], config, mode=condition.mode, condition=name, intervene=intervene)
    return trace, list(seen[-1])


def first(name: str, example: Example, action: Action, **how: object) -> Round:
    return ask(name, example, turn(action), **how)[0].rounds[0]  # type: ignore[arg-type]


def test_the_conditions_of_the_design() -> None:
    looks = ["think_twice", "oracle_box", "random_box", "wrong_region", "unmarked"]
    images = ["blank_image", "shuffled_image", "text_only"]
    assert list(CONDITIONS) == [
        "single_pass",
        *looks,
        *images,
        "think_0",
        "think_1",
        "think_2",
        "think_3",
        "majority_k",
    ]
    direct = {name for name, condition in CONDITIONS.items() if condition.mode == "direct"}
    assert direct == {"single_pass", "text_only", "majority_k"}
    assert CONDITIONS["think_1"] == CONDITIONS["think_twice"]


def test_think_twice_changes_nothing(make_example: MakeExample) -> None:
    look = first("think_twice", make_example(), OWN_ZOOM)
    assert (look.parsed_action(), look.intervened) == (OWN_ZOOM, False)


def test_the_oracle_marks_every_region(make_example: MakeExample) -> None:
    trace, conversation = ask("oracle_box", make_example(regions=REGIONS), turn(OWN_MARKS))
    look = trace.rounds[0]
    true = MarkRegion(((600, 600, 750, 800), (100, 300, 200, 500)))  # the larger one first
    assert look.parsed_action() == true
    assert (look.intervened, look.text) == (True, turn(OWN_MARKS))
    assert look.boxes == (REGIONS[1], REGIONS[0])
    assert message_text(conversation[2]) == turn(true)
    assert message_text(conversation[3]) == "Image 2: image 1 with the regions [600, 600, 750, 800], " + (
        "[100, 300, 200, 500] marked."
    )


def test_the_oracle_zooms_on_the_box_around_the_regions(make_example: MakeExample) -> None:
    assert first("oracle_box", make_example(), OWN_ZOOM).parsed_action() == Zoom((100, 300, 200, 500))
    several = first("oracle_box", make_example(regions=REGIONS), OWN_ZOOM)
    assert several.parsed_action() == Zoom((100, 300, 750, 800))
    assert several.boxes == ((20, 30, 150, 80),)


def test_the_oracle_writes_as_the_model_does(make_example: MakeExample) -> None:
    example = make_example(regions=((21, 33, 39, 49),))
    assert first("oracle_box", example, OWN_ZOOM, step=10).parsed_action() == Zoom((110, 330, 200, 490))
    twice = ResizedPixels(lambda width, height: (2 * width, 2 * height))
    assert first("oracle_box", example, Zoom((10, 10, 40, 40)), coordinates=twice).parsed_action() == Zoom(
        (42, 66, 78, 98)
    )


@pytest.mark.parametrize("name", ["oracle_box", "random_box"])
def test_without_a_region_the_action_stays(make_example: MakeExample, name: str) -> None:
    look = first(name, make_example(regions=()), OWN_ZOOM)
    assert (look.parsed_action(), look.intervened) == (OWN_ZOOM, False)


@pytest.mark.parametrize("name", ["oracle_box", "random_box", "wrong_region", "unmarked"])
def test_an_invalid_action_stays_an_error(make_example: MakeExample, name: str) -> None:
    trace, _ = ask(name, make_example(), turn(Zoom((800, 0, 100, 50))), turn(OWN_ZOOM))
    refused, look, _ = trace.rounds
    assert (refused.error, refused.intervened) == ("reversed", False)
    assert (look.error, look.intervened) == (None, True)


@pytest.mark.parametrize("name", ["oracle_box", "random_box", "wrong_region", "unmarked"])
def test_an_answer_at_once_is_left_alone(make_example: MakeExample, name: str) -> None:
    trace, _ = ask(name, make_example())
    assert (len(trace.rounds), trace.answer) == (1, "yes")


def test_the_oracle_keeps_to_the_image_that_was_named_if_it_shows_the_region(make_example: MakeExample) -> None:
    config = EnvironmentConfig(max_actions=2)
    on_crop = turn(Zoom((0, 0, 500, 500), image=2))
    example = make_example(regions=((0, 0, 40, 20), (150, 60, 180, 90)))
    trace, _ = ask("oracle_box", example, turn(MarkRegion(((0, 0, 10, 10),))), on_crop, config=config)
    assert trace.rounds[1].parsed_action() == Zoom((0, 0, 900, 900), image=2)
    # a zoom on the left half, by a condition-free environment, shows nothing of a region at the right
    environment = Environment(config, THOUSANDTHS)
    environment.reset(images_in(ask("think_twice", example)[1])[0])
    environment.step(Zoom((0, 0, 300, 1000)))
    right = make_example(regions=((150, 60, 190, 100),))
    redirected = oracle_box(ScriptedBackend.from_texts(""))(right, environment, Zoom((0, 0, 500, 500), image=2))
    assert redirected == Zoom((750, 600, 950, 1000), image=1)


def test_true_regions_that_the_environment_refuses_leave_the_action(make_example: MakeExample) -> None:
    look = first("oracle_box", make_example(regions=((0, 0, 200, 99),)), OWN_ZOOM)
    assert (look.parsed_action(), look.intervened) == (OWN_ZOOM, False)
    many = make_example(regions=tuple((10 * i, 10, 10 * i + 2 + i, 20) for i in range(6)))
    look = first("oracle_box", many, OWN_MARKS, config=EnvironmentConfig(max_boxes=2))
    assert look.boxes == ((50, 10, 57, 20), (40, 10, 46, 20))  # the two largest


@pytest.mark.parametrize("action", [OWN_ZOOM, OWN_MARKS])
@pytest.mark.parametrize("regions", [REGIONS[:1], REGIONS])
def test_random_boxes_have_the_true_sizes_and_lie_elsewhere(
    make_example: MakeExample, action: Action, regions: tuple[tuple[float, ...], ...]
) -> None:
    for number in range(20):
        example = make_example(number, regions=regions)
        look = first("random_box", example, action)
        oracle = first("oracle_box", example, action)
        assert len(look.boxes) == len(oracle.boxes)
        for found, true in zip(look.boxes, oracle.boxes, strict=True):
            assert found[2] - found[0] == pytest.approx(true[2] - true[0], abs=0.21)  # a thousandth of 200 pixels
            assert found[3] - found[1] == pytest.approx(true[3] - true[1], abs=0.11)
        if len(regions) == 1 or isinstance(action, MarkRegion):  # the box around both leaves no room
            assert max(region_iou([box], [true]) for box in look.boxes for true in regions) < 0.1
            assert (
                intersections(look.boxes, regions) / areas(regions)
            ).max() < MAX_OVERLAP + 0.05  # rounded to the grid


def test_random_boxes_are_the_same_in_each_run_and_others_for_other_items(make_example: MakeExample) -> None:
    once = [first("random_box", make_example(number), OWN_ZOOM).boxes[0] for number in range(100)]
    again = [first("random_box", make_example(number), OWN_ZOOM).boxes[0] for number in range(5)]
    assert again == once[:5]
    left = sorted(box[0] for box in once)
    # 0 to 180 with about equal chance, the place of the region apart: quartiles, give or take three standard errors
    assert [left[25], left[50], left[75]] == pytest.approx([49, 94, 137], abs=25)


def test_where_regions_leave_no_room_the_random_box_takes_the_least_overlap(make_example: MakeExample) -> None:
    look = first("random_box", make_example(regions=((0, 0, 120, 99),)), OWN_ZOOM)
    assert look.intervened
    assert look.boxes[0][0] > 75  # of 0 to 80


@pytest.mark.parametrize("action", [OWN_ZOOM, OWN_MARKS])
def test_unmarked_shows_the_same_image_with_the_same_words(make_example: MakeExample, action: Action) -> None:
    plain, shown_plain = ask("think_twice", make_example(), turn(action))
    trace, conversation = ask("unmarked", make_example(), turn(action))
    look = trace.rounds[0]
    assert look.intervened
    assert (look.parsed_action(), look.boxes, look.observation) == (
        action,
        plain.rounds[0].boxes,
        plain.rounds[0].observation,
    )
    before, after = images_in(conversation)
    assert after is before
    assert images_in(shown_plain)[1].tobytes() != before.tobytes()


def test_unmarked_keeps_later_actions_on_what_was_shown(make_example: MakeExample) -> None:
    second = turn(Zoom((500, 500, 700, 900), image=2))
    trace, _ = ask("unmarked", make_example(), turn(OWN_ZOOM), second, config=EnvironmentConfig(max_actions=2))
    assert trace.rounds[1].boxes == ((100, 50, 140, 90),)  # image 2 was the whole image, not the enlarged region


def test_a_condition_answers_as_a_direct_question(make_example: MakeExample) -> None:
    trace, conversation = ask("single_pass", make_example())
    assert [message["role"] for message in conversation] == ["user"]
    assert trace.answer == "yes"


def of_two_images(make_example: MakeExample) -> Example:
    """Regions on the first image, and a second image of the same size."""
    return replace(make_example(regions=REGIONS[:1]), images=(*make_example(0).images, *make_example(1).images))


@pytest.mark.parametrize("name", ["oracle_box", "random_box", "wrong_region"])
@pytest.mark.parametrize("action", [Zoom((600, 600, 800, 900), image=2), MarkRegion(((600, 600, 800, 900),), image=2)])
def test_an_action_on_another_image_is_moved_to_the_one_with_the_regions(
    make_example: MakeExample, name: str, action: Action
) -> None:
    item = of_two_images(make_example)
    look = first(name, item, action, items=[item])
    moved = look.parsed_action()
    assert moved is not None
    assert (type(moved), moved.image, look.source, look.intervened) == (type(action), 1, 1, True)
    if name == "oracle_box":
        assert look.boxes == (REGIONS[0],)


def test_an_action_stays_on_a_view_of_the_image_with_the_regions(make_example: MakeExample) -> None:
    item, config = of_two_images(make_example), EnvironmentConfig(max_actions=3, max_turns=9)
    first_part = Zoom((0, 0, 500, 800), image=1)  # image 3, which shows the region
    second_part = Zoom((0, 0, 500, 800), image=2)  # image 4, of the other image at the same place
    turns = [turn(first_part), turn(second_part)]
    for number, expected in ((3, 3), (4, 1)):
        seen: list[Action] = []

        def intervene(example: Example, environment: Environment, action: Action, seen: list[Action] = seen) -> Action:
            new = oracle_box(ScriptedBackend.from_texts(""), [item])(example, environment, action)
            assert not isinstance(new, Observation)
            seen.append(new)
            return new if len(environment.views) == 4 else action

        backend = ScriptedBackend.from_texts(
            *turns, turn(Zoom((100, 100, 900, 900), image=number)), "<answer>no</answer>"
        )
        (trace,) = rollout(backend, [item], config, intervene=intervene)
        assert seen[-1].image == expected
        assert trace.rounds[2].source == 1
        assert trace.rounds[2].boxes[0] == pytest.approx(REGIONS[0], abs=0.2)


def test_unmarked_shows_the_image_that_was_acted_on_among_several(make_example: MakeExample) -> None:
    item = of_two_images(make_example)
    trace, conversation = ask("unmarked", item, turn(Zoom((600, 600, 800, 900), image=2)))
    shown = images_in(conversation)
    assert shown[2].tobytes() == shown[1].tobytes() != shown[0].tobytes()
    assert (trace.rounds[0].source, trace.rounds[0].intervened) == (2, True)
