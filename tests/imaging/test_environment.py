"""An episode: every bad box is told to the model and costs nothing, every good one gives the image it names."""

import dataclasses
import math
import re

import numpy as np
import pytest
from PIL import Image

from vitar.imaging import (
    THOUSANDTHS,
    ActionError,
    Box,
    Environment,
    EnvironmentConfig,
    Frame,
    Observation,
    ResizedPixels,
    mark_region,
)
from vitar.protocol.actions import MarkRegion, Zoom

IMAGE = Image.fromarray(np.random.default_rng(5).integers(40, 200, (300, 600), dtype=np.uint8))
ORIGINAL = Frame.original(600, 300)
GOOD = (100, 200, 300, 400)


def started(config: EnvironmentConfig | None = None) -> Environment:
    environment = Environment(config or EnvironmentConfig(max_actions=3), THOUSANDTHS)
    environment.reset(IMAGE)
    return environment


def told(observation: Observation) -> tuple[object, ...]:
    """Everything in an observation, comparable."""
    pixels = observation.image and (observation.image.mode, observation.image.size, observation.image.tobytes())
    return observation.text, pixels, observation.boxes, observation.error


BAD_BOXES = [
    ((math.nan, 0, 10, 10), ActionError.NOT_FINITE, "not finite"),
    ((0, 0, math.inf, 10), ActionError.NOT_FINITE, "not finite"),
    ((300, 200, 100, 400), ActionError.REVERSED, r"\[300, 200, 100, 400\] is reversed"),
    ((100, 400, 300, 200), ActionError.REVERSED, "upper left corner comes first"),
    ((100, 200, 100, 400), ActionError.EMPTY, "is empty"),
    ((100, 200, 100 + 1e-9, 400), ActionError.EMPTY, "is empty"),
    ((1000, 0, 1200, 400), ActionError.OUTSIDE, "outside image 1, which has x from 0 to 1000 and y from 0 to 1000"),
    ((-50, -50, -10, -10), ActionError.OUTSIDE, "outside"),
    ((10**400, 0, 10**401, 5), ActionError.EMPTY, "is empty"),
    ((2000, 0, 10**401, 5), ActionError.OUTSIDE, "outside"),
    ((0, 0, 1000, 1000), ActionError.TOO_LARGE, r"\[0, 0, 1000, 1000\] covers nearly all of image 1"),
    ((-9, -9, 2000, 2000), ActionError.TOO_LARGE, r"\[0, 0, 1000, 1000\] covers nearly all"),
    ((1, 2, 3), ActionError.NOT_A_BOX, r"four numbers \[x0, y0, x1, y1\], got \[1, 2, 3\]"),
    ((1, 2, 3, "4"), ActionError.NOT_A_BOX, "four numbers"),
    ((1, 2, 3, True), ActionError.NOT_A_BOX, "four numbers"),
    (("x" * 500,), ActionError.NOT_A_BOX, r"got \['xxx.*\.\.\.\.$"),
    (None, ActionError.NOT_A_BOX, "got None"),
    ("1234", ActionError.NOT_A_BOX, "four numbers"),
]


@pytest.mark.parametrize(("box", "error", "text"), BAD_BOXES)
@pytest.mark.parametrize("tool", ["mark_region", "zoom"])
def test_a_bad_box_is_told_and_costs_nothing(tool: str, box: object, error: ActionError, text: str) -> None:
    environment = started()
    if tool == "mark_region" and error is ActionError.TOO_LARGE:
        text = "The boxes together cover nearly all of image 1. Choose a smaller region"
    observation = environment.mark_region([GOOD, box]) if tool == "mark_region" else environment.zoom(box)
    assert observation.error is error
    assert re.search(text, observation.text)
    assert (observation.image, observation.boxes) == (None, ())
    assert len(observation.text) < 200
    assert (environment.actions_left, environment.turns_left, len(environment.views)) == (3, 3, 1)


@pytest.mark.parametrize(
    ("boxes", "error", "text"),
    [
        ([], ActionError.NO_BOX, "No box was given"),
        ([GOOD] * 9, ActionError.TOO_MANY_BOXES, "9 boxes are too many. Give at most 8"),
        ("all", ActionError.NOT_A_BOX, "a list of"),
        (GOOD, ActionError.NOT_A_BOX, "got 100"),
        ([(0, 0, 500, 1000), (500, 0, 1000, 1000)], ActionError.TOO_LARGE, "together cover nearly all"),
    ],
)
def test_a_bad_list_of_boxes(boxes: object, error: ActionError, text: str) -> None:
    environment = started()
    observation = environment.mark_region(boxes)  # type: ignore[arg-type]
    assert observation.error is error
    assert text in observation.text
    assert environment.actions_left == 3


@pytest.mark.parametrize("box", [(160, 160, 840, 840), (0, 0, 1000, 890), (51, 51, 999, 999), (0, 0, 890, 1000)])
def test_a_zoom_into_a_large_box_shows_less_than_the_whole_image(box: tuple[int, ...]) -> None:
    environment = started()
    assert environment.zoom(box).error is None
    assert environment.views[1].frame.full_box.to(ORIGINAL).share <= 0.92  # 0.9, and whole pixels


def test_a_zoom_that_can_show_nothing_but_the_whole_image_is_refused() -> None:
    environment = Environment(EnvironmentConfig(), THOUSANDTHS)
    environment.reset(Image.new("L", (30, 30)))
    observation = environment.zoom(GOOD)
    assert observation.error is ActionError.TOO_LARGE
    assert observation.text.startswith("The box [100, 200, 300, 400] with its surroundings is all of image 1.")
    assert (environment.actions_left, observation.image, observation.boxes) == (1, None, ())


@pytest.mark.parametrize("image", [0, 2, -1, True, 1.0, "1", None])
def test_an_unknown_image_is_told(image: object) -> None:
    observation = started().zoom(GOOD, image)  # type: ignore[arg-type]
    assert observation.error is ActionError.UNKNOWN_IMAGE
    assert observation.text == f"There is no image {image!r}. There is only image 1."


def test_the_numbers_of_later_images_are_told() -> None:
    environment = started()
    environment.zoom(GOOD)
    assert environment.zoom(GOOD, 3).text == "There is no image 3. The images are numbered 1 to 2."


def test_tools_that_are_off_are_told() -> None:
    environment = started(EnvironmentConfig(tools=("mark_region",)))
    assert environment.zoom(GOOD).error is ActionError.TOOL_UNAVAILABLE
    assert environment.zoom(GOOD).text == "zoom is not available. Use mark_region."
    assert environment.mark_region([GOOD]).error is None
    bare = started(EnvironmentConfig(tools=()))
    assert bare.mark_region([GOOD]).text == "mark_region is not available. Answer from the image."


def test_actions_run_out_but_only_by_success() -> None:
    environment = started(EnvironmentConfig(max_actions=1))
    assert environment.zoom((5, 5, 5, 5)).error is ActionError.EMPTY
    assert environment.zoom(GOOD).error is None
    refused = environment.zoom(GOOD)
    assert refused.error is ActionError.NO_ACTIONS_LEFT
    assert refused.text == "No action is left. Answer the question now."
    assert len(environment.views) == 2


def test_turns_are_counted_by_the_caller() -> None:
    environment = started(EnvironmentConfig(max_turns=2))
    environment.record_turn()
    environment.record_turn()
    assert environment.turns_left == 0
    with pytest.raises(RuntimeError, match="no turn is left"):
        environment.record_turn()


def test_mark() -> None:
    environment = started()
    observation = environment.mark_region([GOOD, (700.4, 10, 800, 99.6)])
    boxes = (Box(60, 60, 180, 120, ORIGINAL), Box(420.24, 3, 480, 29.88, ORIGINAL))
    expected = "Image 2: image 1 with the regions [100, 200, 300, 400], [700, 10, 800, 100] marked."
    assert observation.text == expected
    assert observation.error is None
    assert [b.xyxy for b in observation.boxes] == [pytest.approx(b.xyxy) for b in boxes]
    assert observation.image is environment.views[1].image
    assert observation.image.tobytes() == mark_region(IMAGE, boxes).tobytes()
    assert environment.views[1].frame == environment.views[0].frame
    assert environment.mark_region([GOOD]).text == "Image 3: image 1 with the region [100, 200, 300, 400] marked."
    assert environment.actions_left == 1


def test_a_mark_on_a_mark_keeps_both() -> None:
    environment = started()
    environment.mark_region([GOOD])
    both = environment.mark_region([(600, 600, 700, 700)], image=2).image
    assert both is not None
    once = started().mark_region([GOOD, (600, 600, 700, 700)]).image
    assert once is not None
    assert both.tobytes() == once.tobytes()


def test_a_box_is_cut_to_the_image_and_the_model_is_told() -> None:
    observation = started().zoom((900, -50, 1100, 100))
    assert observation.text == (
        "Image 2: the region [900, 0, 1000, 100] of image 1, enlarged. What lay outside image 1 was cut off."
    )
    assert observation.boxes == (Box(540, 0, 600, 30, ORIGINAL),)


def test_the_box_told_is_never_empty() -> None:
    assert "[500, 500, 501, 501]" in started().zoom((500.1, 500.1, 500.2, 500.2)).text


def test_zoom_of_a_zoom_reads_the_original() -> None:
    environment = started()
    first = environment.zoom((400, 300, 600, 700))
    assert first.text == "Image 2: the region [400, 300, 600, 700] of image 1, enlarged."
    outer = environment.views[1].frame
    assert outer == Frame(448, 448, 210, 60, 390, 240)  # 120 x 120 pixels and a quarter more on each side
    lesion = Box(300, 150, 340, 190, ORIGINAL)
    written = THOUSANDTHS.to_wire(lesion, environment.views[1])
    second = environment.zoom(written, image=2)
    assert second.boxes[0].iou(lesion) > 0.98
    inner = environment.views[2].frame
    assert inner == Frame(448, 448, 290, 140, 350, 200)
    expected = IMAGE.crop((290, 140, 350, 200)).resize((448, 448), Image.Resampling.BICUBIC)
    assert second.image is not None
    assert second.image.tobytes() == expected.tobytes()


def test_a_mark_on_a_zoom_lies_on_the_zoom() -> None:
    environment = started()
    environment.zoom((400, 300, 600, 700))
    marked = environment.mark_region([(500, 500, 600, 600)], image=2)
    assert marked.boxes[0].xyxy == pytest.approx((300, 150, 318, 168))
    assert marked.image is not None
    assert marked.image.size == (448, 448)
    assert environment.views[2].frame == environment.views[1].frame


def test_a_zoom_shows_no_marks() -> None:
    environment = started()
    environment.mark_region([GOOD])
    on_marked, on_original = environment.zoom(GOOD, image=2), environment.zoom(GOOD, image=1)
    assert on_marked.image is not None
    assert on_original.image is not None
    assert on_marked.image.tobytes() == on_original.image.tobytes()


def test_resized_pixels_are_read_in_the_size_the_model_saw() -> None:
    environment = Environment(EnvironmentConfig(), ResizedPixels(lambda width, height: (width // 2, height // 3)))
    environment.reset(IMAGE)
    assert environment.zoom((30, 20, 90, 40)).boxes == (Box(60, 60, 180, 120, ORIGINAL),)
    outside = environment.zoom((301, 0, 400, 50))
    assert outside.error is ActionError.NO_ACTIONS_LEFT


def test_step_takes_the_actions_of_the_protocol() -> None:
    direct, stepped = started(), started()
    assert told(stepped.step(MarkRegion((GOOD,)))) == told(direct.mark_region([GOOD]))
    assert told(stepped.step(Zoom(GOOD, image=2))) == told(direct.zoom(GOOD, 2))
    with pytest.raises(TypeError, match="expected an action"):
        stepped.step("zoom")  # type: ignore[arg-type]


SCRIPT = [MarkRegion((GOOD,)), Zoom((9, 9, 9, 9)), Zoom(GOOD, 2), Zoom((200, 200, 800, 800), 3), Zoom(GOOD)]


def test_a_reused_environment_is_a_fresh_one() -> None:
    reused = Environment(EnvironmentConfig(max_actions=3), THOUSANDTHS)
    reused.reset(Image.new("RGB", (50, 900), (1, 2, 3)))
    reused.record_turn()
    for action in SCRIPT:
        reused.step(action)
    reused.reset(IMAGE)
    fresh = started()
    assert {k: v for k, v in vars(reused).items() if k not in ("views", "config")} == {
        k: v for k, v in vars(fresh).items() if k not in ("views", "config")
    }
    assert [told(reused.step(a)) for a in SCRIPT] == [told(fresh.step(a)) for a in SCRIPT]
    assert [v.frame for v in reused.views] == [v.frame for v in fresh.views]


def test_the_image_given_stays_as_it_is() -> None:
    before = IMAGE.tobytes()
    environment = started()
    for action in SCRIPT:
        environment.step(action)
    assert before == IMAGE.tobytes()


def test_callers_mistakes_raise() -> None:
    environment = Environment(EnvironmentConfig(), THOUSANDTHS)
    with pytest.raises(RuntimeError, match="call reset first"):
        environment.zoom(GOOD)
    with pytest.raises(ValueError, match="mode L or RGB, got RGBA"):
        environment.reset(Image.new("RGBA", (5, 5)))


@pytest.mark.parametrize(
    "change",
    [{"max_actions": -1}, {"max_turns": 0}, {"zoom_side_px": 0}, {"max_box_share": 0.0}, {"tools": ("window",)}],
)
def test_an_impossible_configuration_raises(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"limits|max_box_share|unknown tools"):
        dataclasses.replace(EnvironmentConfig(), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (900, 3), (33, 17)])
def test_any_image_and_any_box_give_an_observation(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(size)
    environment = Environment(EnvironmentConfig(max_actions=1000), THOUSANDTHS)
    environment.reset(Image.new("L", size, 90))
    for _ in range(100):
        box = tuple(rng.normal(500, 600, 4).round(int(rng.integers(0, 4))))
        image = int(rng.integers(1, min(len(environment.views), 5) + 1))
        for observation in (environment.zoom(box, image), environment.mark_region([box], image)):
            assert (observation.error is None) == (observation.image is not None)
            assert all(b.is_valid for b in observation.boxes)


def test_several_images_are_acted_on_by_their_numbers_and_boxes_are_on_the_right_one() -> None:
    wide, tall = IMAGE, Image.fromarray(np.random.default_rng(6).integers(40, 200, (400, 200), dtype=np.uint8))
    environment = Environment(EnvironmentConfig(max_actions=4), THOUSANDTHS)
    environment.reset(wide, tall)
    zoomed = environment.zoom((500, 500, 1000, 1000), image=2)  # 100 x 200 at the lower right of 200 x 400
    assert zoomed.text == "Image 3: the region [500, 500, 1000, 1000] of image 2, enlarged."
    assert (zoomed.source, [box.xyxy for box in zoomed.boxes]) == (2, [(100, 200, 200, 400)])
    assert (environment.views[2].source, environment.views[2].frame.x1, environment.views[2].frame.y1) == (2, 200, 400)
    # the crop is a quarter larger on each side, as far as there is image: 50-200 x 100-400
    inner = environment.mark_region([(0, 0, 500, 500)], image=3)
    assert (inner.source, [box.xyxy for box in inner.boxes]) == (2, [(50, 100, 125, 250)])
    again = environment.zoom((0, 0, 500, 500), image=4)  # a zoom on the marked crop reads the tall original
    assert (again.source, [box.xyxy for box in again.boxes]) == (2, [(50, 100, 125, 250)])
    first = environment.mark_region([(0, 0, 500, 500)])
    assert first.text == "Image 6: image 1 with the region [0, 0, 500, 500] marked."
    assert (first.source, [box.xyxy for box in first.boxes]) == (1, [(0, 0, 300, 150)])
    assert [view.source for view in environment.views] == [1, 2, 2, 2, 2, 1]


def test_an_image_that_is_not_there_is_told_among_several() -> None:
    environment = Environment(EnvironmentConfig(), THOUSANDTHS)
    environment.reset(IMAGE, IMAGE)
    for number in (0, 3):
        observation = environment.zoom(GOOD, image=number)
        assert observation.error is ActionError.UNKNOWN_IMAGE
        assert observation.text == f"There is no image {number}. The images are numbered 1 to 2."
    assert environment.actions_left == 1


def test_without_an_image_nothing_can_be_acted_on() -> None:
    environment = Environment(EnvironmentConfig(), THOUSANDTHS)
    environment.reset()
    with pytest.raises(RuntimeError, match="holds no image"):
        environment.zoom(GOOD)
