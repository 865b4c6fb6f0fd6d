from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vitar.data.annotated import AnnotatedImage
from vitar.data.curation.questions.candidate import Candidate
from vitar.data.curation.questions.generator import SplitImage
from vitar.data.curation.questions.rules import RuleGenerator
from vitar.data.curation.questions.verify import RuleVerifier
from vitar.data.example import Region

MakeImage = Callable[..., AnnotatedImage]

NAMES = {"RBC": "red blood cell"}
NOUNS = {"made": "cell"}
LABELS = ("RBC", "WBC", "platelet")


@pytest.fixture(scope="module")
def images(make_image: MakeImage) -> list[SplitImage]:
    """Eighty scenes with up to five cells each; one in eight is for validation. Cells have granules or none."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(80):
        marks = []
        for _ in range(int(rng.integers(0, 6))):
            width, height = rng.integers(8, 30, 2)
            x, y = rng.integers(0, 200 - width), rng.integers(0, 100 - height)
            marks.append((LABELS[rng.integers(3)], float(x), float(y), float(x + width), float(y + height)))
        granules = [{"granules": str(amount)} for amount in rng.choice(("none", "few", "many"), len(marks))]
        image = make_image(number, marks, attributes=tuple(granules))
        found.append(SplitImage(image, "validation" if number % 8 == 0 else "train"))
    return found


def generate(images: list[SplitImage], **changes: Any) -> list[Candidate]:
    settings: dict[str, Any] = {"items": 10_000, "max_per_image": 8, "max_count": 12, "seed": 0}
    settings |= {"names": NAMES, "nouns": NOUNS, "incomplete": ()}
    return asyncio.run(RuleGenerator(**{**settings, **changes}).generate(images))


@pytest.fixture(scope="module")
def candidates(images: list[SplitImage]) -> list[Candidate]:
    return generate(images)


def test_every_kind_and_every_form_is_asked(candidates: list[Candidate]) -> None:
    assert {each.kind for each in candidates} == {"presence", "location", "count", "type", "attribute", "comparison"}
    assert {each.answer_type for each in candidates} == {"choice", "yes_no", "closed"}
    assert any("red blood cell" in each.question for each in candidates)
    assert not any("RBC" in each.question for each in candidates)
    assert {region.label for each in candidates for region in each.regions} == {"red blood cell", "WBC", "platelet"}


def test_a_yes_no_question_proposes_that_an_attribute_is_missing(candidates: list[Candidate]) -> None:
    asked = {each.question for each in candidates if each.kind == "attribute" and each.answer_type == "yes_no"}
    assert any(question.endswith(" without granules?") for question in asked)
    assert not any(question.endswith("none?") for question in asked)


def test_the_text_says_nothing_about_the_answer(candidates: list[Candidate]) -> None:
    """Whoever knows the question, the options and the source can only guess: every answer is equally frequent."""
    cells: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for each in candidates:
        cells[each.split, each.question, each.answer_type, *sorted(each.options)][each.answer] += 1
    for key, answers in cells.items():
        assert len(set(answers.values())) == 1, (key, answers)
        assert len(answers) > 1, (key, answers)
        if key[2] == "choice":
            assert set(answers) == set(key[3:])


def test_each_letter_is_right_once_in_a_block(candidates: list[Candidate]) -> None:
    for count in (2, 3, 4):
        choices = [each for each in candidates if len(each.options) == count]
        letters = Counter(each.options.index(each.answer) for each in choices)
        assert len(letters) == count
        assert len(set(letters.values())) == 1


def test_every_question_is_confirmed_from_its_words(images: list[SplitImage], candidates: list[Candidate]) -> None:
    by_id = {each.image.id: each.image for each in images}
    verifier = RuleVerifier(NAMES, NOUNS, ())
    pairs = [(each, by_id[each.image_id]) for each in candidates]
    assert {objection for objection in asyncio.run(verifier.objections(pairs)) if objection} == set()


def test_limits_hold(images: list[SplitImage]) -> None:
    few = generate(images, max_per_image=3)
    assert max(Counter(each.image_id for each in few).values()) <= 3
    assert len({each.id for each in few}) == len(few)
    some = generate(images, items=60)
    assert 60 <= len(some) <= 60 + 2 * 3  # whole blocks, in each split
    assert abs(Counter(each.split for each in some)["validation"] - 60 / 8) <= 3


def test_kinds_take_turns(images: list[SplitImage]) -> None:
    kinds = Counter(each.kind for each in generate(images, items=200))
    assert max(kinds.values()) - min(kinds.values()) <= 2 * 4  # a block in each split


def test_the_same_seed_gives_the_same_and_another_seed_another(images: list[SplitImage]) -> None:
    assert generate(images, items=100) == generate(images, items=100)
    assert generate(images, items=100) != generate(images, items=100, seed=1)


def test_a_question_is_about_images_of_its_split(images: list[SplitImage], candidates: list[Candidate]) -> None:
    splits = {each.image.id: each.split for each in images}
    assert all(each.split == splits[each.image_id] for each in candidates)


def test_nothing_to_ask(make_image: MakeImage) -> None:
    assert generate([]) == []
    always = [SplitImage(make_image(i, [("RBC", 10, 10, 30, 30)]), "train") for i in range(5)]
    assert generate(always) == []  # what is always so has no counterpart


class TestVerifier:
    """What would be wrong with a question gets found."""

    @pytest.fixture
    def scene(self, make_image: MakeImage) -> AnnotatedImage:
        """A red cell in the upper left and a smaller white one in the lower right, with a round nucleus."""
        attributes = ({"nucleus": "none"}, {"nucleus": "round", "granules": "many"})
        return make_image(0, [("RBC", 10, 10, 50, 40), ("WBC", 150, 60, 170, 80)], attributes=attributes)

    def objection(self, scene: AnnotatedImage, candidate: Candidate) -> str:
        return asyncio.run(RuleVerifier(NAMES, NOUNS, ()).objections([(candidate, scene)]))[0]

    @pytest.mark.parametrize(
        ("question", "answer_type", "options", "answer"),
        [
            ("Is there a WBC in the lower right quadrant of this CT?", "yes_no", (), "yes"),
            ("Is there a WBC in the left half of this CT?", "yes_no", (), "no"),
            ("How many red blood cells does this CT show?", "closed", (), "1"),
            ("Is the number of WBCs in the left half of this CT equal to 0?", "yes_no", (), "yes"),
            ("Where in this CT does the WBC lie?", "choice", ("left half", "right half"), "right half"),
            ("In which quadrant of this CT does the WBC lie?", "closed", (), "lower right"),
            ("Which kind of cell is the largest in this CT?", "choice", ("WBC", "red blood cell"), "red blood cell"),
            ("Which is taller in this CT, the red blood cell or the WBC?", "closed", (), "red blood cell"),
            ("Of the WBC and the red blood cell in this CT, is it the WBC that is wider?", "yes_no", (), "no"),
            ("Which nucleus does the WBC in this CT have?", "choice", ("lobed", "round"), "round"),
            ("Is the nucleus of the WBC in this CT lobed?", "yes_no", (), "no"),
            ("Is the red blood cell in this CT without nucleus?", "yes_no", (), "yes"),
            ("Does the WBC in this CT have no nucleus?", "yes_no", (), "no"),
        ],
    )
    def test_right_questions(
        self,
        scene: AnnotatedImage,
        make_candidate: Callable[..., Candidate],
        question: str,
        answer_type: str,
        options: tuple[str, ...],
        answer: str,
    ) -> None:
        asked = make_candidate(question=question, answer_type=answer_type, options=options, answer=answer)
        assert self.objection(scene, asked) == ""
        wrong = {"yes": "no", "no": "yes"}.get(answer) or next((o for o in options if o != answer), "another")
        assert "the pixels say" in self.objection(scene, replace(asked, answer=wrong))

    @pytest.mark.parametrize(
        ("question", "answer_type", "answer", "part"),
        [
            ("Is there a WBC in this MRI?", "yes_no", "yes", "0 ways"),  # it is a CT
            ("Is there a spleen in this CT?", "yes_no", "no", "0 ways"),  # no such label
            ("Is there WBC in this CT?", "yes_no", "yes", "0 ways"),  # no such wording
            ("Which is larger in this CT, the WBC or the platelet?", "closed", "WBC", "0 ways"),
            ("What is the texture of the WBC in this CT?", "closed", "smooth", "0 ways"),
            ("What is the granules of the red blood cell in this CT?", "closed", "many", "nothing is known"),
        ],
    )
    def test_words_that_make_no_sense(
        self,
        scene: AnnotatedImage,
        make_candidate: Callable[..., Candidate],
        question: str,
        answer_type: str,
        answer: str,
        part: str,
    ) -> None:
        asked = make_candidate(question=question, answer_type=answer_type, options=(), answer=answer)
        assert part in self.objection(scene, asked)

    def test_a_mask_overrules_its_box(self, make_image: MakeImage, make_candidate: Callable[..., Candidate]) -> None:
        """The red cell has the larger box and fewer pixels."""
        mask_hw = np.zeros((100, 200), bool)
        mask_hw[10:70, 10:13] = mask_hw[67:70, 10:70] = True
        scene = make_image(0, [("WBC", 120, 10, 150, 40)])
        scene = replace(scene, regions=(*scene.regions, Region.of_mask("RBC", mask_hw)))
        asked = make_candidate(
            question="Which is larger in this CT, the red blood cell or the WBC?",
            answer_type="choice",
            options=("WBC", "red blood cell"),
            answer="red blood cell",
        )
        assert self.objection(scene, asked) == "the pixels say 'WBC', and not 'red blood cell'"

    def test_what_the_pixels_do_not_decide(
        self, make_image: MakeImage, make_candidate: Callable[..., Candidate]
    ) -> None:
        scene = make_image(0, [("RBC", 80, 10, 120, 30), ("WBC", 10, 60, 51, 80)])
        cases = {
            "Is there a red blood cell in the left half of this CT?": "lies across the border",
            "Which is larger in this CT, the red blood cell or the WBC?": "neither of",
            "How many red blood cells lie in the left half of this CT?": "lies across the border",
            "Which kind of cell is the largest in this CT?": "no region is clearly the largest",
        }
        for question, part in cases.items():
            asked = make_candidate(question=question, answer_type="closed", options=(), answer="WBC")
            assert part in self.objection(scene, asked)
