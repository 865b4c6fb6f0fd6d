"""The choice of items, what is printed of them, and the size of their images."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import pytest
from PIL import Image

from vitar.imaging.geometry import Box, Frame
from vitar.imaging.zoom import region_around
from vitar.protocol.trace import Round
from vitar.reports.load import ReportError, load_runs
from vitar.reports.pictures import encoded, fit
from vitar.reports.viewer import TEXT_LIMIT, choose, show_item, stratum


@pytest.fixture
def run(write_run):
    return load_runs([write_run()])[0]


def _item(run, name):
    return show_item(run, next(example for example in run.examples if example.id == name))


def _trace(item, condition):
    return next(trace for trace in item.traces if trace.condition == condition)


def _changed(run, condition, name, **update):
    """The run with one of its traces changed."""
    trace = run.traces[condition][name].model_copy(update=update)
    return replace(run, traces={**run.traces, condition: {**run.traces[condition], name: trace}})


def _with_rounds(run, condition, name, *rounds):
    return _changed(run, condition, name, rounds=rounds)


def test_every_outcome_is_covered_first(run):
    assert [stratum(run, e.id) for e in run.examples] == ["right", "helped", "hurt", "wrong", "malformed"]
    assert [stratum(run, e.id) for e in choose(run, 3)] == ["malformed", "helped", "hurt"]
    assert len(choose(run, 100)) == 5
    assert choose(run, 0) == []


def test_the_choice_does_not_depend_on_the_order_of_the_run(run):
    assert choose(run, 4) == choose(replace(run, examples=run.examples[::-1]), 4)


def test_kinds_take_turns_within_an_outcome(run):
    right = [replace(run.examples[0], id=f"r{i}", kind="type" if i else "presence") for i in range(6)]
    trace = run.traces["think_twice"]["both"]
    traces = {c: {e.id: trace.model_copy(update={"example_id": e.id}) for e in right} for c in run.conditions}
    kinds = [e.kind for e in choose(replace(run, examples=tuple(right), traces=traces), 2)]
    assert sorted(kinds) == ["presence", "type"]


def test_the_first_image_carries_true_and_chosen_boxes(run):
    (first,) = _trace(_item(run, "helped"), "think_twice").first
    assert first.true_boxes == ((10.0, 5.0, 20.0, 15.0),)
    assert first.acted_boxes == ((10.0, 5.0, 20.0, 15.0),)
    assert first.alt == "Image of the question toy: 1 true regions, 1 acted on (chosen by the model)"


def test_boxes_are_not_drawn_on_another_image(run):
    run = _changed(run, "think_twice", "hurt", images=run.traces["think_twice"]["both"].images)
    (first,) = _trace(_item(run, "hurt"), "think_twice").first
    assert (first.true_boxes, first.acted_boxes) == ((), ())
    assert "another image than the question is about" in first.alt


def test_boxes_are_drawn_on_the_one_of_several_images_that_they_are_on(run):
    changed = _changed(run, "think_twice", "hurt", images=run.traces["think_twice"]["hurt"].images * 2)
    examples = tuple(replace(e, images=e.images * 2) if e.id == "hurt" else e for e in run.examples)
    changed = replace(changed, examples=examples)
    look = changed.traces["think_twice"]["hurt"].rounds[0].model_copy(update={"source": 2})
    shown = _trace(_item(_with_rounds(changed, "think_twice", "hurt", look), "hurt"), "think_twice")
    first, second = shown.first
    assert (len(first.true_boxes), first.acted_boxes) == (1, ())
    assert (second.true_boxes, len(second.acted_boxes)) == ((), 1)
    assert (first.words, second.words) == ("First look, image 1", "First look, image 2")
    assert second.alt == "Image 2 of the question toy: 0 true regions, 1 acted on (chosen by the model)"
    assert "(pixels of image 2)" in shown.rounds[0].did


def test_the_second_image_carries_the_regions_in_its_own_pixels(run):
    """The example's region is [10, 5, 20, 15] of 40 x 30 pixels."""
    marked = _trace(_item(run, "helped"), "think_twice").rounds[0].image
    assert (marked.true_boxes, marked.acted_boxes) == (((10, 5, 20, 15),), ((10, 5, 20, 15),))
    unmarked = _trace(_item(run, "helped"), "unmarked").rounds[0].image
    assert unmarked.true_boxes == ((10, 5, 20, 15),)
    assert _trace(_item(run, "helped"), "think_twice").rounds[1].image is None


def test_a_zoom_carries_the_true_region_where_it_lies_in_the_crop(run):
    enlarged = run.images.put(Image.new("L", (320, 320)))
    action = {"name": "zoom", "arguments": {"box": [0, 0, 300, 400], "image": 1}}
    look = Round(text="x", action=action, boxes=((0, 0, 15, 12),), image=enlarged, observation="Image 2: enlarged.")
    shown = _trace(_item(_with_rounds(run, "think_twice", "helped", look), "helped"), "think_twice").rounds[0].image
    crop = region_around(Box(0, 0, 15, 12, Frame.original(40, 30)))
    expected = Box(10, 5, 20, 15, Frame.original(40, 30)).to(Frame.over(crop, 320, 320))
    assert shown.true_boxes == (pytest.approx(expected.clipped().xyxy),)
    assert shown.acted_boxes == (pytest.approx((0, 0, 15 * 320 / crop.width, 12 * 320 / crop.height)),)
    assert shown.words.endswith("and the true region")


def test_boxes_that_are_not_finite_are_not_drawn(run):
    look = run.traces["think_twice"]["hurt"].rounds[0].model_copy(update={"boxes": ((float("nan"), 0.0, 1.0, 1.0),)})
    run = _with_rounds(run, "think_twice", "hurt", look)
    (first,) = _trace(_item(run, "hurt"), "think_twice").first
    assert first.acted_boxes == ()


def test_who_chose_the_region_is_said(run):
    item = _item(run, "helped")
    assert _trace(item, "think_twice").rounds[0].did == "marks [10, 5, 20, 15] (pixels of the original)"
    assert _trace(item, "oracle_box").rounds[0].did.endswith("the region is set by the condition")
    assert "condition" not in _trace(item, "unmarked").rounds[0].did  # the model's own region, shown without its mark


def test_a_refused_action_is_said(run):
    action = {"name": "zoom", "arguments": {"box": [5, 5, 5, 5]}}
    refused = Round(text="x", action=action, error="empty_box", observation="The box is empty.")
    look = _trace(_item(_with_rounds(run, "think_twice", "hurt", refused), "hurt"), "think_twice").rounds[0]
    assert (look.did, look.observation) == ("calls zoom; refused: empty box", "The box is empty.")


def test_options_answers_and_failures(run):
    both, broken = _item(run, "both"), _item(run, "broken")
    assert both.options == (("A", "round", True), ("B", "flat", False), ("C", "torn", False))
    trace = _trace(broken, "think_twice")
    assert (trace.answer, trace.ending) == (None, "malformed: Nothing was said.")
    assert trace.rounds[-1].raw[:2] == ("It ", "is </s")
    assert broken.effect == "hurt"


def test_endless_text_is_cut(run):
    run = _with_rounds(run, "single_pass", "both", Round(text="a" * (TEXT_LIMIT + 1234)))
    raw = _trace(_item(run, "both"), "single_pass").rounds[0].raw[0]
    assert raw.endswith("a … (1,234 more characters)")
    assert len(raw) < TEXT_LIMIT + 40


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_an_image_becomes_a_small_data_url(mode: str):
    image = Image.effect_noise((600, 300), 80).convert(mode)
    url = encoded(image, 200)
    head, content = url.split(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(content))) as back:
        assert back.size == (200, 100)
    assert encoded(Image.new(mode, (300, 300)), 200).startswith("data:image/png")


def test_images_are_stored_once_and_in_their_own_size(run):
    item = _item(run, "helped")
    kept, pictures = fit([(run, item), (run, item)], 1_000_000)
    assert len(kept) == 2
    assert pictures.keys() == item.images
    assert len(pictures) == 2  # the question's, and the marked one; the unmarked condition shows the first again
    assert {(p.width, p.height) for p in pictures.values()} == {(40, 30)}


def test_items_that_do_not_fit_are_left_out_from_the_end(run):
    items = [(run, show_item(run, example)) for example in choose(run, 5)]
    kept, pictures = fit(items, 30_000)
    assert 0 < len(kept) < 5
    assert kept == [item for _, item in items[: len(kept)]]
    assert pictures.keys() == set().union(*(item.images for item in kept))
    assert fit(items, 10) == ([], {})


def test_coarser_images_come_before_fewer_items(run):
    noise = Image.effect_noise((600, 600), 80)
    name = run.images.put(noise)
    for condition in run.conditions:
        run = _changed(run, condition, "both", images=() if name is None else (name,), rounds=())
    item = _item(run, "both")
    coarse = len(encoded(noise, 288))
    kept, pictures = fit([(run, item)], coarse + 15_000)
    assert kept == [item]
    assert (pictures[name].width, len(pictures[name].data_url)) == (600, coarse)


def test_a_missing_image_is_named(run):
    item = _item(run, "helped")
    (run.folder / "images" / sorted(item.images)[0]).unlink()
    with pytest.raises(ReportError, match=r"image .*\.png of a trace cannot be read"):
        fit([(run, item)], 1_000_000)
