"""The offline teacher: it reads phantoms as their own teacher does, and everything else by its regions."""

from __future__ import annotations

from collections.abc import Sequence

from vitar.data.curation.phantom_teacher import PhantomTeacher
from vitar.data.curation.region_teacher import RegionTeacher
from vitar.data.curation.teacher import Task
from vitar.data.example import PHANTOM_PREFIX, Example
from vitar.data.phantoms.dataset import FAMILIES, phantom_item
from vitar.data.phantoms.questions import COUNTS
from vitar.imaging.coordinates import THOUSANDTHS
from vitar.protocol.parsing import render_turn


class ScriptedTeacher:
    """`PhantomTeacher` for the question that a phantom is planned with, `RegionTeacher` for the rest and for retries.

    Args:
        tools: that it may use.
        seed: of the wording.
    """

    def __init__(self, tools: Sequence[str], seed: int = 0) -> None:
        self.name = "scripted-teacher"
        self._phantoms = PhantomTeacher(tools, THOUSANDTHS, seed=seed)
        self._regions = RegionTeacher(tools, seed)

    async def write(self, task: Task) -> list[str]:
        place = _planned_phantom(task.example)
        if place is None or task.attempt:
            return await self._regions.write(task)
        return [render_turn(turn) for turn in self._phantoms.turns(*place)]


def phantom_values() -> dict[tuple[str, str], set[str]]:
    """What answers about phantoms can be, without drawing one; see `first_look.answer_values`."""
    values: dict[tuple[str, str], set[str]] = {}
    for family in FAMILIES.values():
        fine = {value for each in family.attributes.values() for known in each.values() for value in known}
        for kind, more in (
            ("attribute", fine),
            ("type", set(family.kinds)),
            ("presence", set(family.kinds)),
            ("location", set(family.locations)),
            ("comparison", set(family.locations)),
            ("count", set(COUNTS)),
        ):
            values.setdefault(("phantoms", kind), set()).update(more)
    return values


def _planned_phantom(example: Example) -> tuple[str, int] | None:
    """Split and index of the phantom whose planned question the example asks, or None."""
    family, _, rest = example.id.removeprefix(PHANTOM_PREFIX).partition("/")
    split, _, number = rest.partition("/")
    if not example.id.startswith(PHANTOM_PREFIX) or family not in FAMILIES or not number.isdecimal():
        return None
    index = int(number) * len(FAMILIES) + tuple(FAMILIES).index(family)
    question = phantom_item(split, index)[2].question
    same = (question.text, question.options, question.answer) == (example.question, example.options, example.answer)
    return (split, index) if same else None
