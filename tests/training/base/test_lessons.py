import ast
import json
import re
from collections import Counter

import pytest

from vitar.data.phantoms.scene import seeded_rng
from vitar.imaging.geometry import Box
from vitar.protocol.messages import images_in, message_text
from vitar.training.base.exchanges import JSON, PLACE, kinds_of_values
from vitar.training.base.lessons import Lesson, lesson, region_view, words_lesson


@pytest.fixture(scope="module")
def lessons() -> list[Lesson]:
    return [lesson(index, "train") for index in range(48)]


def test_the_base_never_meets_the_interaction_format(lessons: list[Lesson]) -> None:
    text = "".join(message_text(message) for each in lessons for message in each.messages)
    assert not any(tag in text for tag in ("<tool_call>", "<answer>", "mark_region", "zoom", "<tool_response>"))
    assert not any(message["role"] in ("system", "tool") for each in lessons for message in each.messages)


def test_one_skill_per_answer_and_one_view_per_image(lessons: list[Lesson]) -> None:
    for each in lessons:
        answers = [message for message in each.messages if message["role"] == "assistant"]
        assert len(answers) == len(each.skills) > 0
        assert [image.size for image in images_in(each.messages)] == [view.image.size for view in each.views]


def test_pointing_answers_are_the_true_boxes_in_the_form_asked_for(lessons: list[Lesson]) -> None:
    forms: Counter[tuple[bool, bool]] = Counter()
    for each in lessons:
        asked = [message_text(m) for m in each.messages if m["role"] == "user"]
        answers = [message_text(m) for m in each.messages if m["role"] == "assistant"]
        for skill, question, answer in zip(each.skills, asked, answers, strict=True):
            if skill == "whole/pointing/one":
                place, box = re.fullmatch(r"(?:It is in the ([\w ]+)\. )?(.+)", answer).groups()  # type: ignore[union-attr]
                in_json, place_first = JSON in question, PLACE in question
                box = json.loads(box)["box"] if in_json else ast.literal_eval(box)
                said = Box(*box, each.views[0].frame.thousandths())
                found = max(each.scene.lesions, key=lambda lesion: said.iou(lesion.box))
                assert said.iou(found.box) > 0.7  # rounded to hundredths
                assert place == (found.spec.location if place_first else None)
                forms[in_json, place_first] += 1
    assert len(forms) == 4
    assert forms.total() > 10


def test_matching_answers_are_right_without_the_picture(lessons: list[Lesson]) -> None:
    checked = 0
    for each in lessons:
        asked = [message_text(m) for m in each.messages if m["role"] == "user"]
        answers = [message_text(m) for m in each.messages if m["role"] == "assistant"]
        for skill, text, answer in zip(each.skills, asked, answers, strict=True):
            if skill == "whole/matching":
                question, *lines = text.split("\n")
                options = dict(line.split(". ", 1) for line in lines)
                wanted = question.removeprefix("Which option is ").removeprefix("What is option ").rstrip("?")
                assert options.get(wanted) == answer or options.get(answer) == wanted
                checked += 1
    assert checked > 3


def test_an_answer_aloud_decides_by_its_own_words(lessons: list[Lesson]) -> None:
    verdicts: dict[str, list[bool]] = {}
    for each in lessons:
        answers = [message_text(m) for m in each.messages if m["role"] == "assistant"]
        for skill, said in zip(each.skills, answers, strict=True):
            if skill.endswith("/aloud"):
                seen, proposed, verdict = decided_aloud(said)
                assert (seen == proposed) == (verdict == "yes")
                verdicts.setdefault(skill, []).append(verdict == "yes")
                _, kind, _ = skill.split("/")
                specs = [lesion.spec for lesion in each.scene.lesions]
                true = {
                    "attribute": {value for spec in specs for value in spec.attributes.values()},
                    "type": {spec.kind for spec in specs},
                    "location": {spec.location for spec in specs},
                    "count": {str(number) for number in range(len(specs) + 1)},
                }[kind]
                assert seen in true
    assert set(verdicts) == {"whole/location/aloud", "whole/count/aloud", "region/type/aloud", "region/attribute/aloud"}
    for skill in ("region/type/aloud", "region/attribute/aloud"):
        assert 0.3 < sum(verdicts[skill]) / len(verdicts[skill]) < 0.7


def decided_aloud(said: str) -> tuple[str, str, str]:
    """The value seen, the proposed one, and the verdict, without articles."""
    found = re.fullmatch(r"(?:The (.+)|It) is (.+)\. Is (?:the \1|it) (.+)\? (yes|no)", said)
    assert found, said
    bare = [re.sub(r"^(an? |in the )", "", value) for value in found.groups()[1:3]]
    return bare[0], bare[1], found[4]


def test_lessons_are_reproducible_and_differ() -> None:
    assert message_text(lesson(5, "train").messages[0]) == message_text(lesson(5, "train").messages[0])
    assert len({message_text(lesson(i, "train").messages[0]) for i in range(12)}) > 6


def test_a_region_holds_most_of_its_lesion(lessons: list[Lesson]) -> None:
    rng = seeded_rng("test")
    shares = []
    for each in lessons:
        for found in each.scene.lesions:
            view = region_view(each.scene, found, rng)
            shares.append(found.box.to(view.frame).clipped().area / found.box.to(view.frame).area)
    assert sum(share > 0.8 for share in shares) / len(shares) > 0.9


def test_words_lessons_answer_from_their_text() -> None:
    verdicts: list[str] = []
    aloud: list[str] = []
    wrong: list[tuple[str, str]] = []
    repeated = 0
    for index in range(40):
        messages, skills = words_lesson(index, "train")
        assert not images_in(messages)
        options: dict[str, str] = {}
        texts = [message_text(message) for message in messages]
        for skill, asked, said in zip(skills, texts[::2], texts[1::2], strict=True):
            if skill == "told/comparing":
                told = re.search(r"The [\w ]+? is ([^.]+)\.", asked)
                proposed = re.search(r"Is the [^?]+\?", asked)
                assert told
                assert proposed
                assert proposed[0].endswith(f" {told[1]}?") == (said == "yes")
                verdicts.append(said)
            elif skill == "told/aloud":
                told, proposed, verdict = decided_aloud(said)
                assert f": {told}. Is the " in asked
                assert f" {proposed}? " in asked
                assert (told == proposed) == (verdict == "yes")
                aloud.append(verdict)
                wrong += [(told, proposed)] if verdict == "no" else []
            else:
                question, *lines = asked.split("\n")
                repeated += not lines
                options = dict(line.split(". ", 1) for line in lines) or options
                wanted = question.removeprefix("Which option is ").removeprefix("What is option ").rstrip("?")
                assert options.get(wanted) == said or options.get(said) == wanted
    assert 10 < verdicts.count("yes") < 30
    assert 50 < aloud.count("yes") < 110
    alike = [pair for pair in wrong if any({*pair} <= {*values} for _, values in kinds_of_values())]
    assert 0.4 < len(alike) / len(wrong) < 0.8
    assert repeated > 20
