"""Text that the tokenizer is trained on: the questions, answers and turns of phantoms, none of them drawn."""

from __future__ import annotations

from collections.abc import Iterator

from vitar.data.curation.phantom_teacher import plan_look
from vitar.data.phantoms.dataset import FAMILIES, phantom_item
from vitar.data.phantoms.scene import seeded_rng
from vitar.protocol.actions import MARK_REGION, ZOOM, MarkRegion, Zoom, call_text
from vitar.protocol.prompts import OPTION_LETTERS, direct_text, question_text, system_interactive

ITEMS = 3000


def corpus(seed: int) -> Iterator[str]:
    """Texts of the first items of the training split and of the wire format, in a fixed order."""
    yield from (system_interactive(tools) for tools in ((MARK_REGION, ZOOM), (MARK_REGION,), (ZOOM,)))
    yield from (f"\n{letter}. Which option is {letter}? What is option {letter}?" for letter in OPTION_LETTERS[:8])
    for index in range(ITEMS):
        name, _, item = phantom_item("train", index)
        question, family = item.question, FAMILIES[name]
        look = plan_look(family, item, (MARK_REGION, ZOOM), seeded_rng("corpus", seed, index))
        yield direct_text(question.text, question.options, question.answer_type)
        yield question_text(f"Give the box of the {family.lesion_noun}. Which option is {question.answer}?", ())
        yield f"{look.thought}\n<tool_call>\n{call_text(Zoom((10, 20, 30, 40)))}\n</tool_call>"
        yield f"{look.rethought}\n<answer>{look.answer}</answer>"
        yield f"{call_text(MarkRegion(((10, 20, 30, 40),)))}\nGive the boxes of all {family.lesion_noun}s."
        yield "Image 2: the region [10, 20, 30, 40] of image 1, enlarged."
        yield "Image 2: image 1 with the regions [10, 20, 30, 40], [50, 60, 70, 80] marked."
