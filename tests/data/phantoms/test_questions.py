"""Questions and answers by hand on small scenes, then balance and neutrality of the text over thousands of items."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from vitar.data.phantoms.dataset import FAMILIES
from vitar.data.phantoms.design import BLOCK, KIND_WEIGHTS, design_of
from vitar.data.phantoms.plan import EXTRA_SHARE, Item, plan_item
from vitar.data.phantoms.questions import (
    ANSWER_TYPES,
    COUNTS,
    NONE,
    QUESTION_KINDS,
    YES_NO,
    pose,
    queries_of,
    questions_of,
)
from vitar.data.phantoms.scene import SIDE_PX, SPLITS, Family, Lesion, LesionSpec, Phantom
from vitar.imaging.geometry import Frame

ITEMS_PER_FAMILY = 1500


def _not_drawn(
    plan: tuple[LesionSpec, ...], rng: np.random.Generator, shifted: bool
) -> tuple[np.ndarray, list[np.ndarray]]:
    raise AssertionError("questions need no pixels")


FRUIT = Family(
    name="fruit",
    modality="photo",
    anatomy="bowl",
    location_noun="side",
    locations=("left half", "right half"),
    kinds=("apple", "glass"),
    attributes={"apple": {"skin": ("smooth", "rough", "none")}},
    render=_not_drawn,
    lesion_noun="thing",
)
SMOOTH_LEFT = LesionSpec("apple", "left half", {"skin": "smooth"}, 1.0)
ROUGH_RIGHT = LesionSpec("apple", "right half", {"skin": "rough"}, 1.6)
GLASS_LEFT = LesionSpec("glass", "left half", {}, 1.0)


def _facts(*plan: LesionSpec) -> set[tuple[str, str, str, str, str]]:
    """(kind, noun, place, attribute, truth) of every query."""
    return {(q.kind, q.noun, q.place, q.attribute, q.truth) for q in queries_of(FRUIT, plan)}


@pytest.fixture(scope="module")
def items() -> dict[str, list[tuple[str, Item]]]:
    """Planned items of the train and test splits, each with its family's name."""
    return {
        split: [
            (name, plan_item(family, split, i)) for i in range(ITEMS_PER_FAMILY) for name, family in FAMILIES.items()
        ]
        for split in ("train", "test")
    }


def test_an_empty_scene_supports_presence_and_count() -> None:
    assert _facts() == {
        ("presence", "thing", "", "", "none"),
        ("presence", "thing", "", "", "no"),
        ("presence", "apple", "", "", "no"),
        ("presence", "glass", "", "", "no"),
        ("count", "thing", "", "", "0"),
        ("count", "apple", "", "", "0"),
        ("count", "glass", "", "", "0"),
    }


def test_two_apples_are_told_apart_by_place_only() -> None:
    assert _facts(SMOOTH_LEFT, ROUGH_RIGHT) == {
        ("presence", "thing", "", "", "apple"),
        ("presence", "thing", "", "", "yes"),
        ("presence", "apple", "", "", "yes"),
        ("presence", "glass", "", "", "no"),
        ("count", "thing", "", "", "2"),
        ("count", "apple", "", "", "2"),
        ("count", "glass", "", "", "0"),
        ("type", "thing", "left half", "", "apple"),
        ("type", "thing", "right half", "", "apple"),
        ("attribute", "apple", "left half", "skin", "smooth"),
        ("attribute", "apple", "right half", "skin", "rough"),
        ("comparison", "thing", "", "", "right half"),
        ("comparison", "apple", "", "", "right half"),
    }


def test_lesions_that_share_a_place_are_told_apart_by_kind_only() -> None:
    facts = _facts(SMOOTH_LEFT, GLASS_LEFT)
    assert ("presence", "thing", "", "", "apple") not in facts  # two kinds: no single finding
    assert {fact for fact in facts if fact[0] in ("location", "type", "attribute", "comparison")} == {
        ("location", "apple", "", "", "left half"),
        ("location", "glass", "", "", "left half"),
        ("attribute", "apple", "", "skin", "smooth"),
        ("attribute", "apple", "left half", "skin", "smooth"),
    }


def test_similar_sizes_are_not_compared() -> None:
    similar = LesionSpec("apple", "right half", {"skin": "rough"}, 1.49)
    assert not [fact for fact in _facts(SMOOTH_LEFT, similar) if fact[0] == "comparison"]


def test_wordings_by_hand() -> None:
    rng = np.random.default_rng(0)

    def texts(kind: str, form: str, named: str, *plan: LesionSpec, noun: str = "") -> set[str]:
        queries = [q for q in queries_of(FRUIT, plan, [kind]) if form in q.answer_types and noun in ("", q.noun)]
        return {pose(FRUIT, q, form, rng, named=named).text for q in queries for _ in range(40)}

    assert texts("location", "closed", "", GLASS_LEFT, noun="glass") == {
        "Where is the glass?",
        "On which side is the glass?",
    }
    assert texts("count", "yes_no", "2", GLASS_LEFT, noun="glass") == {
        "Is the number of glasses 2?",
        "Does the photo show exactly 2 glasses?",
    }
    assert "Does the photo show exactly 1 apple?" in texts("count", "yes_no", "1", noun="apple")
    assert "Is the thing an apple?" in texts("type", "yes_no", "apple", GLASS_LEFT)
    assert texts("attribute", "yes_no", "none", SMOOTH_LEFT) == {
        f"{start}?"
        for subject in ("apple", "apple in the left half")
        for start in (f"Is the {subject} without skin", f"Does the {subject} have no skin")
    }
    assert "Is the thing in the right half larger than the one in the left half?" in texts(
        "comparison", "yes_no", "", SMOOTH_LEFT, ROUGH_RIGHT
    )


def test_comparison_is_true_of_the_first_mentioned() -> None:
    rng = np.random.default_rng(0)
    for query in queries_of(FRUIT, (SMOOTH_LEFT, ROUGH_RIGHT), ["comparison"]):
        question = pose(FRUIT, query, "yes_no", rng)
        assert question.answer == ("yes" if query.values[0] == "right half" else "no")
        assert question.text.index(query.values[0]) < question.text.index(query.values[1])


def test_a_query_refuses_a_form_it_does_not_have() -> None:
    presence = next(iter(queries_of(FRUIT, (), ["presence"])))
    with pytest.raises(ValueError, match="choice, closed, not 'yes_no'"):
        pose(FRUIT, presence, "yes_no", np.random.default_rng(0))


def test_questions_of_a_phantom_are_about_all_of_it() -> None:
    box = Frame.original(SIDE_PX, SIDE_PX).full_box
    lesions = tuple(Lesion(spec, box, np.ones((1, 1), bool)) for spec in (SMOOTH_LEFT, ROUGH_RIGHT))
    phantom = Phantom(FRUIT, "train", 0, np.zeros((1, 1), np.uint8), lesions)
    asked = [questions_of(phantom, np.random.default_rng(seed)) for seed in range(200)]
    assert {question.kind for questions in asked for question in questions} == set(QUESTION_KINDS) - {"location"}
    for questions in asked:
        assert sorted(q.lesions for q in questions if q.kind in ("type", "attribute")) == [(0,), (0,), (1,), (1,)]
    proposals = [
        q.answer for questions in asked for q in questions if q.kind == "attribute" and q.answer_type == "yes_no"
    ]
    assert abs(proposals.count("yes") / len(proposals) - 0.5) < 0.15


@pytest.mark.parametrize("name", FAMILIES)
def test_a_block_holds_each_kind_and_form_by_weight(name: str) -> None:
    cells = Counter((d.kind, d.answer_type) for d in (design_of(FAMILIES[name], "test", i) for i in range(BLOCK)))
    assert cells == {(kind, form): weight for kind, weight in KIND_WEIGHTS.items() for form in ANSWER_TYPES}
    assert KIND_WEIGHTS["attribute"] / sum(KIND_WEIGHTS.values()) >= 0.4


def test_same_identity_same_item_and_splits_differ() -> None:
    plans = {}
    for split in SPLITS:
        plans[split] = [plan_item(family, split, i) for family in FAMILIES.values() for i in range(60)]
        assert plans[split] == [plan_item(family, split, i) for family in FAMILIES.values() for i in range(60)]
    scales = [{spec.scale for item in items for spec in item.lesions} for items in plans.values()]
    assert sum(map(len, scales)) == len(set.union(*scales))  # no two splits share a scene


def test_an_item_does_not_depend_on_its_neighbours() -> None:
    family = FAMILIES["brain"]
    alone = plan_item(family, "test", 700)
    assert [plan_item(family, "test", i) for i in range(650, 701)][-1] == alone


@pytest.mark.parametrize(("split", "index"), [("exam", 0), ("test", -1)])
def test_unknown_items_are_refused(split: str, index: int) -> None:
    with pytest.raises(ValueError, match=r"expected one of train|numbered from 0"):
        plan_item(FAMILIES["chest"], split, index)


def test_items_are_true_and_unique(items: dict[str, list[tuple[str, Item]]]) -> None:
    for name, item in items["train"]:
        family, question, plan = FAMILIES[name], item.question, item.lesions
        about = [plan[i] for i in question.lesions]
        text = question.text
        nouns = (family.lesion_noun, *family.kinds)
        if question.answer_type == "choice":
            assert question.options[item.design.slot] == question.answer
        if question.kind in ("location", "type", "attribute"):
            (subject,) = about
            others = [spec for spec in plan if spec is not subject]
            named_place = f"the {{}} in the {subject.location}"
            if question.kind == "attribute":
                assert subject.kind in text
                if f"{subject.kind} in the {subject.location}" not in text:
                    assert all(spec.kind != subject.kind for spec in others)
                assert all((spec.kind, spec.location) != (subject.kind, subject.location) for spec in others)
                truth = subject.attributes[question.attribute]
            elif question.kind == "type":
                if named_place.format(family.lesion_noun) not in text:
                    assert not others
                assert all(spec.location != subject.location for spec in others)
                truth = subject.kind
            else:
                if f"the {subject.kind}" not in text:
                    assert not others
                assert all(spec.kind != subject.kind for spec in others)
                truth = subject.location
            if question.answer_type == "yes_no":
                assert (question.answer == "yes") == (truth == item.design.named)
            else:
                assert question.answer == truth
        elif question.kind == "count":
            count = str(len(about))
            assert question.answer == (
                YES_NO[count != item.design.named] if question.answer_type == "yes_no" else count
            )
            assert len(about) == sum(item.design.noun in (family.lesion_noun, spec.kind) for spec in plan)
        elif question.kind == "comparison":
            small, large = sorted(about, key=lambda spec: spec.scale)
            assert large.scale >= 1.5 * small.scale
            assert large.kind == small.kind
            assert large.location != small.location
            first_larger = text.index(large.location) < text.index(small.location)
            assert question.answer == (YES_NO[not first_larger] if question.answer_type == "yes_no" else large.location)
            if large.kind not in text:  # the family's word for any lesion
                assert all(spec in about or spec.location not in (small.location, large.location) for spec in plan)
        elif question.answer_type == "yes_no":
            (noun,) = [noun for noun in nouns if text.rstrip("?").endswith((f" {noun}", f" {noun} present"))][-1:]
            assert (question.answer == "yes") == any(noun in (family.lesion_noun, spec.kind) for spec in plan)
        else:
            assert {spec.kind for spec in plan} == ({question.answer} if question.answer != NONE else set())


def test_extra_lesions_are_in_about_a_quarter_of_the_scenes(items: dict[str, list[tuple[str, Item]]]) -> None:
    single = [item for _, item in items["train"] if item.question.kind in ("location", "type", "attribute")]
    assert abs(np.mean([len(item.lesions) == 2 for item in single]) - EXTRA_SHARE) < 0.03


def test_answers_are_balanced_in_every_cell(items: dict[str, list[tuple[str, Item]]]) -> None:
    """Counts of the answers of a cell, and of its letters, differ by no more than an unfinished set per context."""
    for split in items.values():
        values: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        letters: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
        for name, item in split:
            q = item.question
            context = (name, q.kind, q.answer_type, q.attribute, item.design.noun if q.attribute else "")
            values[context][q.answer] += 1
            if q.options:
                letters[name, q.kind, str(len(q.options))][item.design.slot] += 1
        for counts in (*values.values(), *letters.values()):
            assert len(counts) > 1
            assert max(counts.values()) - min(counts.values()) <= 3, (values, letters)


def test_any_run_of_items_is_nearly_balanced(items: dict[str, list[tuple[str, Item]]]) -> None:
    for start in (0, 333, 1000):
        run = [item for _, item in items["test"][start : start + 300]]
        answers = Counter(item.question.answer for item in run if item.question.answer_type == "yes_no")
        assert abs(answers["yes"] - answers["no"]) <= 24  # one open pair in each of 4 x 6 cells
        for count in (2, 3, 4):
            slots = Counter(item.design.slot for item in run if len(item.question.options) == count)
            assert max(slots.values()) - min(slots.values()) <= 16


def _chance(name: str, item: Item) -> float:
    """Probability of guessing the answer of an item for who knows the text and the design, but not the image."""
    family, question = FAMILIES[name], item.question
    if question.answer_type == "yes_no" or question.kind == "comparison":
        return 0.5
    values = {
        "presence": (*family.kinds, NONE),
        "location": family.locations,
        "count": COUNTS,
        "type": family.kinds,
    }.get(question.kind)
    return 1 / len(values or family.attributes[item.design.noun][question.attribute])


def _text(item: Item) -> str:
    """The question with one word per option and its letter, so that a bag of words sees the order of the options."""
    options = (f"{chr(ord('A') + i)}={option.replace(' ', '_')}" for i, option in enumerate(item.question.options))
    return " ".join([item.question.text, *item.question.options, *options])


@pytest.mark.parametrize(("form", "target"), [*((form, "answer") for form in ANSWER_TYPES), ("choice", "letter")])
@pytest.mark.parametrize("kind", QUESTION_KINDS)
def test_the_text_does_not_give_the_answer(
    items: dict[str, list[tuple[str, Item]]], kind: str, form: str, target: str
) -> None:
    """A table of texts and an n-gram model, both fitted on train, stay at chance on test.

    One-sided, at 99.95%: a model that names a value which the text rules out falls below chance, which is no leak.
    """
    cells = {
        split: [(n, i) for n, i in pairs if (i.question.kind, i.question.answer_type) == (kind, form)]
        for split, pairs in items.items()
    }

    def goal(item: Item) -> str:
        return item.question.answer if target == "answer" else str(item.design.slot)

    texts = {split: [_text(item) for _, item in cell] for split, cell in cells.items()}
    goals = {split: [goal(item) for _, item in cell] for split, cell in cells.items()}
    chances = [_chance(name, item) for name, item in cells["test"]]
    most = binom.ppf(0.9995, len(chances), np.mean(chances))

    table: dict[str, Counter[str]] = defaultdict(Counter)
    for (_, item), answer in zip(cells["train"], goals["train"], strict=True):
        table[item.question.text][answer] += 1
    overall = Counter(goals["train"])
    by_text = [
        max(table[i.question.text] or overall, key=(table[i.question.text] or overall).get) for _, i in cells["test"]
    ]
    assert sum(a == b for a, b in zip(by_text, goals["test"], strict=True)) <= most

    model = make_pipeline(
        CountVectorizer(ngram_range=(1, 3), token_pattern=r"[^\s?,]+", binary=True), LogisticRegression(max_iter=200)
    )
    model.fit(texts["train"], goals["train"])
    assert sum(model.predict(texts["test"]) == np.array(goals["test"])) <= most


def test_the_vocabulary_is_small(items: dict[str, list[tuple[str, Item]]]) -> None:
    words = {
        word.strip("?,").lower()
        for _, item in items["train"]
        for text in (item.question.text, item.question.answer, *item.question.options)
        for word in text.split()
    }
    assert len(words) < 150
