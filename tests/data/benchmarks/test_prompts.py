"""The prompts as the kits send them, letter for letter."""

from __future__ import annotations

import pytest

from vitar.data.benchmarks import prompts
from vitar.data.benchmarks.prompts import Prompt
from vitar.data.benchmarks.registry import BENCHMARKS

LETTER = "Answer with the option's letter from the given choices directly."


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (prompts.MEDEVALKIT_CHOICE, f"\nQuestion: Q?\nOptions: \nA. x\nB. y\n{LETTER}"),
        (prompts.MEDEVALKIT_CHOICE_MEDFRAMEQA, f"\nQuestion: Q?\nOptions: \nA.x\nB.y\n{LETTER}"),
        (prompts.MEDEVALKIT_CHOICE_PMC_VQA, f"\nQuestion: Q?\nOptions: \n A:x \n B:y \n{LETTER}"),
        (prompts.MEDEVALKIT_YES_NO, "Q?\nPlease output 'yes' or 'no'(no extra output)."),
        (prompts.MEDEVALKIT_CLOSED, "Q?\nAnswer the question using a single word or phrase."),
        (prompts.MEDEVALKIT_OPEN, "Q?\nPlease answer the question concisely."),
        (prompts.MEDEVALKIT_MMMU_CHOICE, f"\nQ?\n\n(A) x\n(B) y\n\n\n        {LETTER}"),
        (prompts.MEDEVALKIT_MMMU_SHORT, "\nQ?\n\n        Answer the question using a single word or phrase."),
        (prompts.LMMS_EVAL_SLAKE, "Q?\nAnswer the question using a single word or phrase."),
        (prompts.LMMS_EVAL_MMMU, f"Q?\nA. x\nB. y\n\n{LETTER}"),
        (
            prompts.LMMS_EVAL_MMMU_PRO,
            "Q?\nA. x\nB. y\n\nAnswer with the option letter from the given choices directly.",
        ),
        (
            prompts.VLMEVALKIT_CHOICE,
            "Question: Q?\nOptions:\nA. x\nB. y\nPlease select the correct answer from the options above. \n",
        ),
        (
            prompts.MEDVLTHINKER,
            "You will solve a problem/request. You should provide your thoughts within <think> </think> tags before "
            "providing the answer.\\nWrite your final answer within <answer> </answer> tags.\n\nQuestion: Q?\n\n"
            "Options:\n\nA. x\n\nB. y",
        ),
        (prompts.HUATUOGPT, f"Q?\nA. x\nB. y\n{LETTER}"),
        (prompts.VITAR, "Q?\nOptions:\nA x\nB y"),
        (prompts.MEDXPERTQA, "Q: Q?\nAnswer Choices: (A) x (B) y\nA: Let's think step by step."),
        (
            prompts.MMMU_PRO_DIRECT,
            "Q?\nA. x\nB. y\nAnswer with the option letter from the given choices directly.",
        ),
    ],
)
def test_verbatim(prompt: Prompt, expected: str) -> None:
    assert prompt.text("Q?", ("x", "y")) == expected


def test_pro_vision_shows_neither_question_nor_options() -> None:
    for prompt in (prompts.MMMU_PRO_VISION_DIRECT, prompts.MMMU_PRO_VISION_REASONED):
        assert "Q?" not in prompt.text("Q?", ("xyz", "zyx"))
        assert "xyz" not in prompt.text("Q?", ("xyz", "zyx"))
        assert "'Answer: $LETTER' (without quotes) where LETTER is one of options." in prompt.text("Q?")


def test_braces_in_a_question_stay() -> None:
    assert prompts.HUATUOGPT.text("{options}?", ("{x}", "y")).startswith("{options}?\nA. {x}\n")


def test_more_options_than_letters_are_refused() -> None:
    with pytest.raises(ValueError, match="got 27 options, at most 26"):
        prompts.HUATUOGPT.text("Q?", [str(i) for i in range(27)])


def test_every_benchmark_has_prompts_in_different_words() -> None:
    for benchmark in BENCHMARKS.values():
        assert benchmark.prompts
        assert len(set(benchmark.prompts)) == len(benchmark.prompts)
