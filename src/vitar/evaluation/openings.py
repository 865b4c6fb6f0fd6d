"""Questions in the words of a published evaluation kit: a score can only be held against one with the same prompt."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from vitar.data.benchmarks.prompts import Prompt
from vitar.data.benchmarks.registry import BENCHMARKS
from vitar.data.example import Example
from vitar.evaluation.run_folder import RunError
from vitar.protocol.messages import Message, system_message
from vitar.protocol.prompts import illustrated
from vitar.rollout import Opening

KITS = tuple(dict.fromkeys(p.kit for b in BENCHMARKS.values() for p in b.prompts if not p.follow_up))
"""Names of the kits that ask in one message."""


def kit_opening(kit: str, items: Sequence[Example]) -> Opening:
    """The first messages in the words of ``kit``: its system prompt, if any, and the question with its images.

    Args:
        kit: one of `KITS`.
        items: all that will be asked.

    Raises:
        RunError: the kit is not known to ask one of them.
    """
    for item in items:
        _prompt(kit, item)

    def opening(example: Example, images: Sequence[Image.Image]) -> list[Message]:
        prompt = _prompt(kit, example)
        asked = illustrated(prompt.text(example.question, example.options), images)
        return [system_message(prompt.system), asked] if prompt.system else [asked]

    return opening


def _prompt(kit: str, example: Example) -> Prompt:
    """How the kit asks this question of a benchmark, of which the example names the family in its source."""
    family = example.source.partition("/")[0]
    known = [p for b in BENCHMARKS.values() if b.family == family for p in b.prompts if not p.follow_up]
    for prompt in known:
        if prompt.kit == kit and example.answer_type in prompt.answer_types:
            return prompt
    asked_by = ", ".join(dict.fromkeys(p.kit for p in known if example.answer_type in p.answer_types)) or "no kit"
    raise RunError(
        f"{kit} has no prompt for item {example.id!r}, a question of type {example.answer_type} from "
        f"{family or 'an unnamed source'}; such questions are asked by {asked_by}. Name another prompt, or none"
    )
