from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from vitar.data.annotated import AnnotatedImage
from vitar.data.curation.questions.facts import Fact, Vocabulary, facts_of, vocabularies
from vitar.data.curation.questions.places import PLACES, Footprint, bounds, box_share
from vitar.data.example import Region

MakeImage = Callable[..., AnnotatedImage]

WORDS = Vocabulary({"cyst": "cyst", "stone": "stone"}, "lesion", True)


def by_ask(image: AnnotatedImage, vocabulary: Vocabulary = WORDS) -> dict[tuple[str, ...], Fact]:
    """(what is asked, its fields, its values) -> fact."""
    found = {}
    for fact in facts_of(image, vocabulary, max_count=12):
        fields = [value for name, value in fact.fields if name != "group"]
        found[fact.ask, *fields, *(fact.values if fact.ask == "where" else ())] = fact
    return found


def test_every_fact_of_a_small_scene(make_image: MakeImage) -> None:
    """A cyst of 20 x 20 in the upper left, two stones of 30 x 20 in the lower right, of 200 x 100 pixels."""
    image = make_image(0, [("cyst", 10, 10, 30, 30), ("stone", 110, 60, 140, 80), ("stone", 160, 70, 190, 90)])
    facts = by_ask(image)
    said = {key: fact.value for key, fact in facts.items()}
    assert said["present", "cyst"] == "yes"
    assert said["present_in", "cyst", "left half"] == "yes"
    assert said["present_in", "cyst", "lower half"] == "no"
    assert said["present_in", "stone", "lower right quadrant"] == "yes"
    assert said["where", "cyst", "left half", "right half"] == "left half"
    assert said["where", "cyst", *PLACES[4:]] == "upper left quadrant"
    assert not any(key[:2] == ("where", "stone") for key in said)  # there are two
    assert said["how_many", "stone"] == "2"
    assert said["how_many_in", "stone", "left half"] == "0"
    assert said["what_in", "left half"] == "cyst"
    assert ("what_in", "right half") not in said  # two stones
    assert said["what_is", "leftmost"] == "cyst"
    assert said["what_is", "lowermost"] == "stone"
    assert said["what_is", "smallest"] == "cyst"
    assert ("what_is", "largest") not in said  # the stones are equally large
    assert said["more_of", "cyst", "stone"] == "stone"
    assert said["more_at", "stone", "left half", "right half"] == "right half"
    assert facts["how_many", "stone"].regions == (1, 2)
    assert facts["present_in", "cyst", "lower half"].regions == (0,)
    assert not any(key[0] in ("which_present", "which_of") for key in said)


def test_nothing_is_said_of_a_label_of_which_a_mark_was_left_out(make_image: MakeImage) -> None:
    image = make_image(0, [("cyst", 10, 10, 30, 30), ("stone", 160, 70, 190, 90)])
    assert {key[0] for key in by_ask(image) if "stone" in key} >= {"present", "how_many", "where"}
    asked = facts_of(replace(image, uncertain=frozenset({"stone"})), WORDS, 9)
    assert {fact.ask for fact in asked} >= {"present", "how_many", "where"}
    assert not any("stone" in (fact.value, *dict(fact.fields).values()) for fact in asked)
    assert not {fact.ask for fact in asked} & {"what_in", "what_is", "which_present"}


def test_sources_that_mark_some_lesions_only_have_no_names(make_image: MakeImage) -> None:
    image = replace(make_image(0, [("lesion", 10, 10, 30, 30)]), source="deeplesion")
    words = vocabularies([image], {}, {}, ())["deeplesion", image.modality]
    assert (words.names, words.complete) == ({}, False)


def test_what_lies_across_a_border_lies_nowhere(make_image: MakeImage) -> None:
    said = by_ask(make_image(0, [("cyst", 80, 10, 120, 30)]))
    assert ("present_in", "cyst", "left half") not in said
    assert ("where", "cyst", "left half", "right half") not in said
    assert said["where", "cyst", "upper half", "lower half"].value == "upper half"
    assert ("how_many_in", "cyst", "right half") not in said
    assert ("what_in", "left half") not in said


@pytest.mark.parametrize(
    ("stone", "expected"),
    [
        ((100, 50, 130, 70), {"is larger": "stone", "is wider": "stone", "reaches farther up": "cyst"}),
        ((100, 10, 110, 90), {"is taller": "stone", "is wider": "cyst", "reaches farther down": "stone"}),
        ((100, 10, 121, 30), {}),  # nearly as the cyst
    ],
)
def test_comparison_of_two(make_image: MakeImage, stone: tuple[int, ...], expected: dict[str, str]) -> None:
    said = by_ask(make_image(0, [("cyst", 10, 10, 30, 30), ("stone", *stone)]))
    compared = {key[1]: fact.value for key, fact in said.items() if key[0] == "which_of"}
    assert expected.items() <= compared.items()
    assert bool(expected) == bool(compared)


def test_the_one_kind_that_is_present(make_image: MakeImage) -> None:
    said = by_ask(make_image(0, [("cyst", 10, 10, 30, 30), ("cyst", 60, 10, 80, 40)]))
    assert said["which_present",].value == "cyst"
    assert ("larger_at", "cyst", "left half", "right half") not in said  # both lie on the left


def test_a_label_that_is_not_always_marked_is_not_asked_about(make_image: MakeImage) -> None:
    """And nothing is said of the uppermost lesion, which may be one that nobody marked."""
    image = make_image(0, [("cyst", 10, 10, 30, 30), ("stone", 110, 60, 140, 80)])
    words = vocabularies([image], {}, {}, ["made:stone"])["made", "CT"]
    assert words == Vocabulary({"cyst": "cyst"}, "structure", complete=False)
    facts = facts_of(image, words, 12)
    assert {fact.ask for fact in facts} == {"where", "present", "present_in", "how_many", "how_many_in", "more_at"}
    assert {value for fact in facts for name, value in fact.fields if name == "label"} == {"cyst"}


def test_a_fine_attribute_is_asked_of_the_only_one_of_its_name(make_image: MakeImage) -> None:
    marks = [("cyst", 10, 10, 30, 30), ("stone", 110, 60, 140, 80), ("stone", 160, 70, 190, 90)]
    margins = ({"margin": "smooth", "wall": "thin"}, {"margin": "rough"}, {"margin": "smooth"})
    image = make_image(0, marks, attributes=margins)
    other = make_image(1, [("cyst", 10, 10, 30, 30)], attributes=({"margin": "lobulated"},))
    words = vocabularies([image, other], {}, {}, [])["made", "CT"]
    assert words.attributes == {
        "cyst": {"margin": ("lobulated", "smooth"), "wall": ("thin",)},
        "stone": {"margin": ("rough", "smooth")},
    }
    facts = [fact for fact in facts_of(image, words, 12) if fact.ask == "attribute_of"]
    margin = (("attribute", "margin"), ("label", "cyst"))
    assert facts[0] == Fact("attribute_of", margin, "smooth", ("lobulated", "smooth"), (0,))
    assert [fact.fields for fact in facts] == [margin, (("attribute", "wall"), ("label", "cyst"))]


def test_attributes_of_another_number_of_regions_are_refused(make_image: MakeImage) -> None:
    with pytest.raises(ValueError, match="attributes of 2 regions, and 1 regions"):
        make_image(0, [("cyst", 10, 10, 30, 30)], attributes=({}, {}))


def test_numbers_beyond_the_limit_are_not_asked(make_image: MakeImage) -> None:
    image = make_image(0, [("stone", 10 * i, 10, 10 * i + 5, 15) for i in range(1, 8)])
    assert not any(f.ask == "how_many" and ("label", "stone") in f.fields for f in facts_of(image, WORDS, 6))
    assert any(f.ask == "how_many" and f.value == "7" for f in facts_of(image, WORDS, 7))


def test_vocabularies_are_of_one_source_and_modality(make_image: MakeImage) -> None:
    images = [
        make_image(0, [("RBC", 1, 1, 5, 5)], source="blood", modality="micrograph"),
        make_image(1, [("Right_Lung", 1, 1, 5, 5)]),
        make_image(2, [], source="empty"),
    ]
    words = vocabularies(images, {"RBC": "red blood cell"}, {"blood": "cell"}, ["made"])
    assert words["blood", "micrograph"] == Vocabulary({"RBC": "red blood cell"}, "cell", True)
    assert words["made", "CT"] == Vocabulary({}, "structure", False)
    assert words["empty", "CT"].names == {}


def test_long_vocabularies_are_cut_into_lists_of_four_at_most() -> None:
    names = {f"label {i}": f"label {i}" for i in range(9)}
    groups = {Vocabulary(names, "lesion", True).group_of(name) for name in names}
    assert sorted(name for group in groups for name in group) == sorted(names)
    assert {len(group) for group in groups} == {3}


def test_places_cover_the_image() -> None:
    assert bounds("left half") == (0, 0, 0.5, 1)
    assert bounds("lower right quadrant") == (0.5, 0.5, 1, 1)


def test_share_of_a_box_and_of_a_mask(make_image: MakeImage) -> None:
    """An L-shaped region from 90 to 110: half of its box lies on the left, and three quarters of its pixels."""
    mask_hw = np.zeros((100, 200), bool)
    mask_hw[10:30, 90:100] = True
    mask_hw[10:16, 100:110] = True
    region = Region.of_mask("cyst", mask_hw)
    image = make_image(0, [])
    assert box_share(region, image, "left half") == 0.5
    footprint = Footprint(region, image)
    assert footprint.area == 260
    assert footprint.share_in("left half") == pytest.approx(200 / 260)
    assert footprint.share_in("right half") == pytest.approx(60 / 260)
    assert footprint.share_in("upper half") == 1
    assert footprint.centre[0] == pytest.approx((200 * 95 + 60 * 105) / 260)
    assert Footprint(Region("cyst", region.box_xyxy), image).share_in("left half") == 0.5
