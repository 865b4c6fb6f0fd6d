"""The words with which published evaluation kits ask, verbatim: a score belongs to its prompt.

| kit | repository |
|---|---|
| MedEvalKit | alibaba-damo-academy/MedEvalKit at 9b12e3b |
| lmms-eval | EvolvingLMMs-Lab/lmms-eval at 75571cf |
| VLMEvalKit | open-compass/VLMEvalKit at e8e78f0 |
| MedVLThinker | UCSC-VLAA/MedVLThinker at a3163b1 |
| HuatuoGPT-Vision | its eval.py |
| ViTAR | JLINEkai/ViTAR at a9048b1, inference.py |
| MedXpertQA | TsinghuaC3I/MedXpertQA |
| MMMU-Pro | MMMU-Benchmark/MMMU at a76d44b, mmmu-pro/prompts.yaml |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vitar.protocol.prompts import OPTION_LETTERS


@dataclass(frozen=True)
class Prompt:
    """How one kit asks one kind of question.

    Args:
        kit: whose wording it is.
        answer_types: of the questions that are asked so.
        template: the user's message, with ``{question}`` and, where the options are shown, ``{options}``.
        option: one option, with ``{letter}`` and ``{text}``.
        between: what stands between two options.
        system: the system message; "" if there is none.
        follow_up: a second message of the user after the model's reply; "" if there is none.
    """

    kit: str
    answer_types: tuple[str, ...]
    template: str
    option: str = "{letter}. {text}"
    between: str = "\n"
    system: str = ""
    follow_up: str = ""

    def text(self, question: str, options: Sequence[str] = ()) -> str:
        """The user's message for one question.

        Raises:
            ValueError: there are more options than letters.
        """
        if len(options) > len(OPTION_LETTERS):
            raise ValueError(f"got {len(options)} options, at most {len(OPTION_LETTERS)} have a letter")
        pairs = zip(OPTION_LETTERS, options, strict=False)
        listed = self.between.join(self.option.format(letter=letter, text=text) for letter, text in pairs)
        return self.template.format(question=question, options=listed)


_BY_LETTER = "Answer with the option's letter from the given choices directly."
_BY_PRO_LETTER = "Answer with the option letter from the given choices directly."
_SINGLE_WORD = "Answer the question using a single word or phrase."
_LAST_LINE = (
    "The last line of your response should be of the following format: 'Answer: $LETTER' (without quotes) where "
    "LETTER is one of options."
)

MEDEVALKIT_CHOICE = Prompt(
    "MedEvalKit", ("choice",), "\nQuestion: {question}\nOptions: \n{options}\n" + _BY_LETTER, option="{letter}. {text}"
)
MEDEVALKIT_CHOICE_MEDFRAMEQA = replace(MEDEVALKIT_CHOICE, option="{letter}.{text}")
MEDEVALKIT_CHOICE_PMC_VQA = replace(MEDEVALKIT_CHOICE, option=" {letter}:{text} ")
MEDEVALKIT_YES_NO = Prompt("MedEvalKit", ("yes_no",), "{question}\nPlease output 'yes' or 'no'(no extra output).")
MEDEVALKIT_CLOSED = Prompt("MedEvalKit", ("yes_no", "closed"), "{question}\n" + _SINGLE_WORD)
MEDEVALKIT_OPEN = Prompt("MedEvalKit", ("open",), "{question}\nPlease answer the question concisely.")
MEDEVALKIT_NOT_YES_NO = replace(MEDEVALKIT_OPEN, answer_types=("closed", "open"))
"""Where the kit tells only yes/no questions from the rest."""
_INDENT = "\n\n        "  # of the kit's source code, which gets into its MMMU prompts
MEDEVALKIT_MMMU_CHOICE = Prompt(
    "MedEvalKit", ("choice",), "\n{question}\n\n{options}\n" + _INDENT + _BY_LETTER, option="({letter}) {text}"
)
MEDEVALKIT_MMMU_SHORT = Prompt("MedEvalKit", ("closed",), "\n{question}" + _INDENT + _SINGLE_WORD)

LMMS_EVAL_SLAKE = Prompt("lmms-eval", ("yes_no", "closed", "open"), "{question}\n" + _SINGLE_WORD)
LMMS_EVAL_MMMU = Prompt("lmms-eval", ("choice",), "{question}\n{options}\n\n" + _BY_LETTER)
LMMS_EVAL_MMMU_PRO = Prompt("lmms-eval", ("choice",), "{question}\n{options}\n\n" + _BY_PRO_LETTER)

VLMEVALKIT_CHOICE = Prompt(
    "VLMEvalKit",
    ("choice",),
    "Question: {question}\nOptions:\n{options}\nPlease select the correct answer from the options above. \n",
)

MEDVLTHINKER = Prompt(
    "MedVLThinker",
    ("choice",),
    # The kit writes this as a raw string, so the model reads a backslash and an n, in training and evaluation.
    "You will solve a problem/request. You should provide your thoughts within <think> </think> tags before providing "
    r"the answer.\nWrite your final answer within <answer> </answer> tags."
    "\n\nQuestion: {question}\n\nOptions:\n\n{options}",
    between="\n\n",
)

HUATUOGPT = Prompt("HuatuoGPT-Vision", ("choice",), "{question}\n{options}\n" + _BY_LETTER)

VITAR = Prompt(
    "ViTAR",
    ("choice",),
    "{question}\nOptions:\n{options}",
    option="{letter} {text}",
    system="You are a medical image analysis assistant capable of analyzing medical images and answering questions "
    "about them. Your goal is to answer questions about medical images including modality, body part, and other "
    "medical details. You can rely on your own capabilities or use mark tools to assist in solving.\n"
    "Your output should be in a strict JSON format as follows:\n"
    '{"thought": "the reasoning process", "actions": [{"name": "action", "arguments": {"argument1": "value1"}}]}',
    follow_up="I have marked the region of interest on the image. Please answer the question based on the marked "
    "region.",
)

MEDXPERTQA = Prompt(
    "MedXpertQA",
    ("choice",),
    "Q: {question}\nAnswer Choices: {options}\nA: Let's think step by step.",
    option="({letter}) {text}",
    between=" ",
    system="You are a helpful medical assistant.",
    follow_up="Therefore, among A through E, the answer is",
)

MMMU_PRO_DIRECT = Prompt("MMMU-Pro, direct", ("choice",), "{question}\n{options}\n" + _BY_PRO_LETTER)
MMMU_PRO_REASONED = Prompt(
    "MMMU-Pro, chain of thought",
    ("choice",),
    "{question}\n{options}\nAnswer the preceding multiple choice question. "
    + _LAST_LINE
    + " Think step by step before answering.",
)
MMMU_PRO_VISION_DIRECT = Prompt("MMMU-Pro, direct", ("choice",), f"{_BY_PRO_LETTER} {_LAST_LINE}")
MMMU_PRO_VISION_REASONED = Prompt(
    "MMMU-Pro, chain of thought",
    ("choice",),
    "Write out the multiple-choice question in the image and then solve it. "
    + _LAST_LINE
    + " Think step by step before answering.",
)
