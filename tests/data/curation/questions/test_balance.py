from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from vitar.data.curation.questions.balance import assign_letters, balance, blocks_of
from vitar.data.curation.questions.candidate import Candidate

Make = Callable[..., Candidate]


def asked(make: Make, answers: Sequence[str], start: int = 0, **changes: object) -> list[Candidate]:
    return [make(start + i, answer=answer, **changes) for i, answer in enumerate(answers)]


def test_every_option_is_right_equally_often(make_candidate: Make) -> None:
    candidates = asked(make_candidate, ["cyst", "stone", "stone", "tumour", "stone", "tumour"])
    kept, rejected = balance(candidates, 1, 1, 0)
    assert [each.id for each in kept] == ["made/0#0", "made/0#1", "made/0#3"]
    assert {rejection.reason for rejection in rejected.values()} == {"answer_without_counterpart"}
    assert len(kept) + len(rejected) == len(candidates)


def test_an_option_that_is_never_right_takes_its_cell_with_it(make_candidate: Make) -> None:
    kept, rejected = balance(asked(make_candidate, ["cyst", "stone", "stone"]), 1, 1, 0)
    assert kept == []
    assert len(rejected) == 3


def test_cells_are_apart_in_split_source_frame_form_and_options(make_candidate: Make) -> None:
    changes: list[dict[str, object]] = [
        {"split": "validation"},
        {"source": "other"},
        {"frame": "what_is"},
        {"options": ("cyst", "stone")},
    ]
    alone = [make_candidate(i, answer="cyst", **change) for i, change in enumerate(changes)]
    other = [make_candidate(9, answer="stone"), make_candidate(10, answer="tumour")]
    assert balance([*alone, *other], 1, 1, 0)[0] == []


def test_short_answers_keep_what_keeps_most(make_candidate: Make) -> None:
    """Of 5, 5 and 1 two times five stay, and not three times one."""
    short = {"answer_type": "closed", "options": ()}
    kept, rejected = balance(asked(make_candidate, ["1"] * 5 + ["2"] * 5 + ["3"], **short), 1, 1, 0)
    assert Counter(each.answer for each in kept) == {"1": 5, "2": 5}
    assert len(rejected) == 1


def test_a_question_that_nobody_else_asks_is_kept_unless_it_is_yes_or_no(make_candidate: Make) -> None:
    choices = asked(make_candidate, ["cyst", "stone"], frame="")
    yes_no = asked(make_candidate, ["yes", "yes", "no"], start=5, frame="", answer_type="yes_no", options=())
    kept, _ = balance([*choices, *yes_no], 1, 1, 0)
    assert Counter(each.answer for each in kept) == {"cyst": 1, "stone": 1, "yes": 1, "no": 1}


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ({"a": 100, "b": 20, "c": 20}, 0.5, {"a": 40, "b": 20, "c": 20}),
        ({"a": 100, "b": 60, "c": 20}, 0.4, {"a": 40, "b": 40, "c": 20}),  # two are cut, and 40 of 100 is the limit
        ({"a": 40, "b": 40, "c": 20}, 0.4, {"a": 40, "b": 40, "c": 20}),
        ({"a": 100, "b": 20}, 0.4, {"a": 100, "b": 20}),  # of two parts one always has half
        ({"a": 100}, 1.0, {"a": 100}),
    ],
)
def test_no_source_has_more_than_its_share(
    make_candidate: Make, counts: dict[str, int], share: float, expected: dict[str, int]
) -> None:
    candidates: list[Candidate] = []
    for source, count in counts.items():
        answers = ["yes", "no"] * (count // 2)
        candidates += asked(make_candidate, answers, len(candidates), source=source, answer_type="yes_no", options=())
    kept, rejected = balance(candidates, share, 1, 0)
    assert Counter(each.source for each in kept) == expected
    assert len(kept) + len(rejected) == len(candidates)
    assert all(len(set(Counter(e.answer for e in kept if e.source == s).values())) == 1 for s in expected)


def test_letters_take_turns_in_every_block(make_candidate: Make) -> None:
    candidates = asked(make_candidate, ["cyst", "stone", "tumour"] * 20)
    ordered = assign_letters(candidates, 0)
    assert [(each.id, each.answer) for each in ordered] == [(each.id, each.answer) for each in candidates]
    assert all(sorted(each.options) == ["cyst", "stone", "tumour"] for each in ordered)
    assert Counter(each.options.index(each.answer) for each in ordered) == {0: 20, 1: 20, 2: 20}
    for block in blocks_of(ordered)[0]:
        assert sorted(each.options.index(each.answer) for each in block) == [0, 1, 2]
    by_answer = Counter((each.answer, each.options.index(each.answer)) for each in ordered)
    assert len(by_answer) == 9  # no answer has a letter of its own
    assert assign_letters(candidates, 0) == ordered


def test_nothing_to_balance() -> None:
    assert balance([], 0.5, 0.5, 0) == ([], {})
    assert assign_letters([], 0) == []
