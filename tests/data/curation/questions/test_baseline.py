from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vitar.data.curation.questions.baseline import answerable, audit, beats_chance, guesses
from vitar.data.curation.questions.candidate import Candidate

pytest.importorskip("sklearn", reason="the extra curate is not installed")

Make = Callable[..., Candidate]

OPTIONS = ("cyst", "stone", "tumour")


def balanced(make: Make, blocks: int) -> list[Candidate]:
    """Blocks of one question for each option, the right one under each letter in turn."""
    found = []
    for block in range(blocks):
        for number, answer in enumerate(OPTIONS):
            others = [option for option in OPTIONS if option != answer]
            others.insert((number + block) % 3, answer)
            question = f"What lies in the {('left', 'right')[block % 2]} half?"
            fields = {"question": question, "frame": question, "options": tuple(others), "answer": answer}
            found.append(make(3 * block + number, **fields))
    return found


def test_balanced_questions_are_answered_at_chance(make_candidate: Make) -> None:
    candidates = balanced(make_candidate, 120)
    overall, kind = audit(candidates, guesses(candidates, 0))
    assert (overall.kind, kind.kind, overall.n) == ("all", "type", 360)
    assert overall.chance == pytest.approx(1 / 3)
    assert overall.at_chance
    assert answerable(candidates, guesses(candidates, 0), margin=0.2) == {}


def test_wilsons_interval_of_a_known_case(make_candidate: Make) -> None:
    """One of two: 0.0945 to 0.9055."""
    candidates = [make_candidate(0), make_candidate(1)]
    first, second = guesses(balanced(make_candidate, 100), 0)[:2]
    right, wrong = (first, second) if first.right else (second, first)
    found = audit(candidates, [type(right)(True, 0.5, 0.5), type(wrong)(False, 0.5, 0.5)])[0]
    assert (found.low, found.high) == (pytest.approx(0.0945, abs=1e-4), pytest.approx(0.9055, abs=1e-4))


@pytest.mark.parametrize("leak", ["word", "letter", "rare answer"])
def test_what_the_text_gives_away_is_found(make_candidate: Make, leak: str) -> None:
    rng = np.random.default_rng(0)
    leaky = []
    for each in balanced(make_candidate, 100):
        if leak == "word":  # each answer has a wording of its own
            each = make_candidate(
                int(each.id.split("#")[1]), **_with(each, question=f"{each.question} {hash_of(each)}?")
            )
        elif leak == "letter":
            each = each.with_options([each.answer, *(o for o in each.options if o != each.answer)])
        elif each.answer != "stone" and rng.random() < 0.8:
            continue
        leaky.append(each)
    guessed = guesses(leaky, 0)
    overall = audit(leaky, guessed)[0]
    assert overall.low > overall.chance
    found = answerable(leaky, guessed, margin=0.2)
    assert len(found) > 0.4 * len(leaky)
    assert {rejection.reason for rejection in found.values()} == {"text_baseline_right"}


def hash_of(candidate: Candidate) -> str:
    return {"cyst": "alpha", "stone": "beta", "tumour": "gamma"}[candidate.answer]


def _with(candidate: Candidate, **changes: str) -> dict[str, object]:
    names = ("question", "options", "answer", "frame")
    return {**{name: getattr(candidate, name) for name in names}, **changes}


def test_short_answers_are_held_against_the_most_frequent_one(make_candidate: Make) -> None:
    answers = ["1"] * 30 + ["2"] * 20 + ["3"] * 10
    short = [make_candidate(i, answer=a, answer_type="closed", options=()) for i, a in enumerate(answers)]
    overall = audit(short, guesses(short, 0))[0]
    assert overall.chance == 0.5
    assert overall.accuracy <= 0.5


def test_guesses_do_not_depend_on_anything_but_the_seed(make_candidate: Make) -> None:
    candidates = balanced(make_candidate, 20)
    assert guesses(candidates, 3) == guesses(candidates, 3)


@pytest.mark.parametrize(
    ("right", "n", "chance", "expected"),
    [(50, 100, 0.5, False), (58, 100, 0.5, False), (70, 100, 0.5, True), (10, 10, 0.5, True), (3, 3, 0.5, False)],
)
def test_better_than_chance(right: int, n: int, chance: float, expected: bool) -> None:
    """62 of 100 are needed for 1% at a half; 3 of 3 happen in one of eight cases."""
    assert beats_chance([i < right for i in range(n)], [chance] * n) == expected


def test_nothing_to_guess() -> None:
    assert guesses([], 0) == []
    assert audit([], []) == []
