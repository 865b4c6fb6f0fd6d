from __future__ import annotations

import random

import pytest

from vitar.data.curation.text_match import TextIndex, likeness, words

BENCHMARK = (
    "Is there evidence of a pneumothorax in the left lung?",
    "What modality is shown?",
    "Which organ, the liver or the spleen, lies in the upper left quadrant of this picture?",
    "Is it?",
)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a b c", "c B a!", 1.0),
        ("a b c d", "a b c", 3 / 4),
        ("a a b", "a b b", 2 / 4),  # a repeated word counts each time
        ("a", "b", 0.0),
        ("", "", 0.0),
    ],
)
def test_likeness(first: str, second: str, expected: float) -> None:
    assert likeness(words(first), words(second)) == expected


def test_words_are_letters_and_digits_of_any_script() -> None:
    assert words("T2-weighted, 3.5 cm: ÖDEM_x?") == ("t2", "weighted", "3", "5", "cm", "ödem", "x")


def test_a_text_is_found_in_any_order_of_its_words() -> None:
    index = TextIndex(BENCHMARK)
    for seed in range(20):
        for place, text in enumerate(BENCHMARK[:3]):
            shuffled = list(words(text))
            random.Random(seed).shuffle(shuffled)
            found = index.find(" ".join(shuffled))
            assert found is not None
            assert found[0] == place


def test_one_word_more_or_less_is_the_same_text() -> None:
    found = TextIndex(BENCHMARK).find("Is there evidence of any pneumothorax in a left lung?")
    assert found == (0, "82% of the words in common")


def test_a_sequence_inside_a_longer_text_is_found() -> None:
    longer = (
        "After a look at the whole picture, tell me which organ, the liver or the spleen, lies in the upper left part"
    )
    found = TextIndex(BENCHMARK).find(longer)
    assert found == (2, "the words 'which organ the liver or the spleen lies' in a row")


@pytest.mark.parametrize(
    "text",
    [
        "Is there evidence of a fracture in the right hip?",
        "Which lesion, the larger or the smaller, lies in the lower right quadrant?",
        "Is it?",  # too short to mean anything
        "",
    ],
)
def test_other_texts_are_not_found(text: str) -> None:
    assert TextIndex(BENCHMARK).find(text) is None


def test_prefix_filtering_misses_nothing() -> None:
    """Against comparing with every text."""
    rng = random.Random(0)
    vocabulary = [f"w{i}" for i in range(12)]
    texts = [" ".join(rng.choices(vocabulary, k=rng.randint(3, 7))) for _ in range(150)]
    asked = [" ".join(rng.choices(vocabulary, k=rng.randint(3, 7))) for _ in range(150)]
    index = TextIndex(texts)
    for text in asked:
        alike = any(likeness(words(text), words(other)) >= 0.8 for other in texts)
        assert (index.find(text) is not None) == alike
