"""The phantom teacher's words."""

from vitar.data.curation.phantom_teacher import PROPOSED, plan_look
from vitar.data.phantoms.dataset import FAMILIES, phantom_item
from vitar.data.phantoms.scene import seeded_rng


def test_a_proposed_value_is_judged_before_the_answer() -> None:
    verdicts = []
    for index in range(120):
        name, _, item = phantom_item("train", index)
        look = plan_look(FAMILIES[name], item, ("mark_region", "zoom"), seeded_rng("test", index))
        last = look.rethought or look.thought
        if item.question.answer_type == "yes_no" and item.question.kind in PROPOSED:
            assert last.endswith(f"? {look.answer}.")
            verdicts.append(look.answer)
        else:
            assert "?" not in last
    assert {"yes", "no"} == set(verdicts)
