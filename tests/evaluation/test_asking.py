"""Conditions that change what is asked: other images, none, more or fewer actions, several samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitar.backends.base import Completion
from vitar.backends.scripted import ScriptedBackend
from vitar.data.example import Example, ImageRef, open_image
from vitar.evaluation.asking import asking
from vitar.evaluation.majority import MAX_SAMPLES, TEMPERATURE, voted
from vitar.evaluation.replaced_images import shuffled_image
from vitar.evaluation.run_folder import RunError
from vitar.evaluation.runner import EvaluationConfig, evaluate
from vitar.protocol.actions import Zoom, call_text
from vitar.protocol.messages import Message, images_in, message_text
from vitar.protocol.trace import ImageStore, Round, Sampling, StopReason, Trace, read_traces

MakeExample = Callable[..., Example]
ZOOM = "I look.\n<tool_call>\n" + call_text(Zoom((100, 200, 300, 400))) + "\n</tool_call>"
ANSWER = "<answer>yes</answer>"


class Recording(ScriptedBackend):
    """Keeps every conversation, counts words as tokens, and answers by its seed when it is asked to sample."""

    def __init__(self, reply: Callable[[Sequence[Message]], str], sampled: Callable[[int, str], str] | None = None):
        super().__init__(reply)
        self.seen: list[list[Message]] = []
        self.sampled, self.samplings = sampled, []

    def with_sampling(self, temperature: float, seed: int) -> Recording:
        self.samplings.append((temperature, seed))
        other = Recording(lambda conversation: self.sampled(seed, message_text(conversation[-1])))
        other.seen = self.seen
        return other

    def generate(self, conversations: Sequence[Sequence[Message]], tools: Sequence[str]) -> list[Completion]:
        self.seen += [list(conversation) for conversation in conversations]
        return [
            replace(done, token_ids=tuple(range(len(done.text.split()))), prompt_tokens=10)
            for done in super().generate(conversations, tools)
        ]


def ask(
    name: str,
    backend: Recording,
    items: Sequence[Example],
    tmp_path: Path,
    budgets: dict[str, int] | None = None,
    sampling: Sampling | None = None,
    prompt: str = "",
) -> list[Trace]:
    traces = asking(
        name,
        backend,
        items,
        tools=("mark_region", "zoom"),
        prompt=prompt,
        sampling=sampling or Sampling(),
        store=ImageStore(tmp_path),
        at_once=4,
        budgets=budgets or {},
    )
    return [trace for start in range(0, len(items), 4) for trace in traces(items[start : start + 4])]


def looking(*turns: str) -> Recording:
    return Recording(ScriptedBackend.from_texts(*turns).reply)


def test_a_blank_image_is_gray_and_as_large_as_the_true_one(make_example: MakeExample, tmp_path: Path) -> None:
    backend = looking(ZOOM, ANSWER)
    (trace,) = ask("blank_image", backend, [make_example()], tmp_path)
    image, enlarged = images_in(backend.seen[-1])
    assert (image.mode, image.size, set(image.tobytes())) == ("L", (200, 100), {128})
    assert set(enlarged.tobytes()) == {128}
    assert (trace.example_id, trace.condition, len(trace.rounds)) == ("item-0", "blank_image", 2)
    assert not trace.is_about("0.png")


def test_a_blank_image_keeps_the_mode(make_example: MakeExample, tmp_path: Path) -> None:
    path = tmp_path / "colour.png"
    Image.new("RGB", (30, 20), "red").save(path)
    backend = looking(ANSWER)
    ask("blank_image", backend, [replace(make_example(), images=(ImageRef(str(path)),))], tmp_path / "store")
    (image,) = images_in(backend.seen[-1])
    assert (image.mode, image.size, image.getpixel((0, 0))) == ("RGB", (30, 20), (128, 128, 128))


def test_shuffled_images_are_those_of_other_patients(make_example: MakeExample) -> None:
    items = [make_example(number, group=f"patient-{number // 3}") for number in range(30)]
    instead = shuffled_image(items)
    shown = {item.id: instead(item).images for item in items}
    groups = {item.images: item.group for item in items}
    assert all(groups[shown[item.id]] != item.group for item in items)
    assert max(Counter(shown.values()).values()) <= 3
    assert {item.id: shuffled_image(items)(item).images for item in items} == shown
    asked = instead(items[4])
    assert replace(asked, images=items[4].images) == items[4]


def test_shuffled_images_keep_the_modality_where_they_can(make_example: MakeExample) -> None:
    items = [replace(make_example(number), modality=("CT", "MR")[number % 2]) for number in range(20)]
    items.append(replace(make_example(20), modality="ultrasound"))
    instead = shuffled_image(items)
    modality = {item.images: item.modality for item in items}
    assert all(modality[instead(item).images] == item.modality for item in items[:20])
    assert modality[instead(items[20]).images] != "ultrasound"


def test_one_patient_has_no_other_image(make_example: MakeExample) -> None:
    items = [make_example(number, group="the only one") for number in range(3)]
    with pytest.raises(RunError, match="the run has 0 for the 1 of item-"):
        shuffled_image(items)
    same = [replace(make_example(number), images=make_example(0).images) for number in range(2)]
    with pytest.raises(RunError, match="has 0 for the 1 of"):
        shuffled_image(same)


def test_shuffled_images_are_what_the_model_sees(make_example: MakeExample, tmp_path: Path) -> None:
    items = [make_example(number) for number in range(6)]
    backend = looking(ZOOM, ANSWER)
    traces = ask("shuffled_image", backend, items, tmp_path)
    assert [trace.example_id for trace in traces] == [item.id for item in items]
    instead = shuffled_image(items)
    for conversation, item in zip([c for c in backend.seen if len(c) == 2], items, strict=True):
        assert message_text(conversation[1]).startswith(item.question)
        assert images_in(conversation)[0].tobytes() == open_image(instead(item).images[0]).tobytes()


def test_each_of_several_images_is_blank_or_of_another_patient(make_example: MakeExample, tmp_path: Path) -> None:
    pictures = [ref for number in range(12) for ref in make_example(number).images]
    items = [
        replace(make_example(100 + number), images=tuple(pictures[start:end]), modality="CT")
        for number, (start, end) in enumerate([(0, 3), (3, 4), (4, 6), (6, 7), (7, 12)])
    ]
    instead = shuffled_image(items)
    for item in items[:4]:
        shown = instead(item).images
        assert len({ref.uri for ref in shown}) == len(shown) == len(item.images)
        assert not {ref.uri for ref in shown} & {ref.uri for ref in item.images}
    with pytest.raises(RunError, match="the run has 3 for the 5 of item-4; add items"):
        shuffled_image([replace(items[0], id="a", group="a"), replace(items[4], id="item-4", group="b")])
    backend = looking(ANSWER)
    ask("blank_image", backend, items[2:3], tmp_path)
    assert [set(image.tobytes()) for image in images_in(backend.seen[-1])] == [{128}, {128}]


def test_text_only_asks_as_a_single_pass_without_the_image(make_example: MakeExample, tmp_path: Path) -> None:
    blind, seeing = looking("yes"), looking("yes")
    (trace,) = ask("text_only", blind, [make_example()], tmp_path)
    ask("single_pass", seeing, [make_example()], tmp_path)
    assert images_in(blind.seen[0]) == []
    assert [m["role"] for m in blind.seen[0]] == ["user"]
    assert message_text(blind.seen[0][0]) == message_text(seeing.seen[0][0])
    assert (trace.images, trace.answer, trace.condition) == ((), "yes", "text_only")


@pytest.mark.parametrize(("name", "acts"), [("think_0", 0), ("think_1", 1), ("think_2", 2), ("think_3", 3)])
def test_think_n_allows_n_actions(make_example: MakeExample, tmp_path: Path, name: str, acts: int) -> None:
    backend = looking(*[ZOOM] * (acts + 1), ANSWER)  # one more than there are
    (trace,) = ask(name, backend, [make_example()], tmp_path)
    assert [record.error for record in trace.rounds] == [None] * acts + ["no_actions_left", None]
    assert trace.answer == "yes"
    assert message_text(backend.seen[-1][-1]) == "No action is left. Answer the question now."
    (stubborn,) = ask(name, looking(*[ZOOM] * 9), [make_example()], tmp_path)
    assert (len(stubborn.rounds), stubborn.stop_reason) == (acts + 2, StopReason.OUT_OF_TURNS)


def of_benchmark(example: Example, source: str, **changes: object) -> Example:
    return replace(example, source=source, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["single_pass", "text_only", "majority_k"])
def test_direct_conditions_ask_in_the_words_of_a_kit(make_example: MakeExample, tmp_path: Path, name: str) -> None:
    choice = {"answer_type": "choice", "options": ("flat", "round"), "answer": "flat"}
    items = [
        of_benchmark(make_example(0), "mmmu-health/Pharmacy", question="What is <image 1>?", **choice),
        of_benchmark(make_example(1), "slake", answer_type="closed", answer="CT"),
        of_benchmark(make_example(2), "vqa-rad"),
        of_benchmark(make_example(3), "med-frame-qa", images=make_example(0).images * 2, **choice),
    ]
    backend = Recording(lambda _: "A", lambda seed, _: "A")
    ask(name, backend, items, tmp_path, {item.id: 11 for item in items}, prompt="MedEvalKit")
    asked = [message_text(conversation[-1]) for conversation in backend.seen]
    by_letter = "Answer with the option's letter from the given choices directly."
    assert asked == [
        f"\nWhat is <image 1>?\n\n(A) flat\n(B) round\n\n\n        {by_letter}",
        f"{items[1].question}\nAnswer the question using a single word or phrase.",
        f"{items[2].question}\nPlease output 'yes' or 'no'(no extra output).",
        ("" if name == "text_only" else "Image 1: \nImage 2: \n")
        + f"\nQuestion: {items[3].question}\nOptions: \nA.flat\nB.round\n{by_letter}",
    ]
    kinds = [[part["type"] for part in conversation[-1]["content"]] for conversation in backend.seen]
    assert kinds[0] == (["text"] if name == "text_only" else ["text", "image", "text"])


def test_a_kit_is_not_asked_for_what_it_does_not_ask(make_example: MakeExample, tmp_path: Path) -> None:
    item = of_benchmark(make_example(), "med-frame-qa")
    with pytest.raises(
        RunError, match=r"MedEvalKit has no prompt for item 'item-0', a question of type yes_no from med"
    ):
        ask("single_pass", looking("A"), [item], tmp_path, prompt="MedEvalKit")
    with pytest.raises(RunError, match="such questions are asked by MedEvalKit, lmms-eval"):
        ask("single_pass", looking("A"), [replace(item, source="slake", answer_type="open")], tmp_path, prompt="ViTAR")
    backend = looking(ZOOM, ANSWER)
    ask("think_twice", backend, [item], tmp_path, prompt="MedEvalKit")
    assert message_text(backend.seen[0][-1]) == item.question, "the loop has its own words"


def test_a_vote_takes_as_many_samples_as_the_budget_holds(make_example: MakeExample, tmp_path: Path) -> None:
    items = [make_example(number) for number in range(4)]
    backend = Recording(lambda _: "", lambda seed, _: "yes" if seed % 3 else "no")  # eleven tokens a sample
    budgets = {"item-0": 5, "item-1": 33, "item-2": 54, "item-3": 10_000}
    traces = ask("majority_k", backend, items, tmp_path, budgets)
    assert [len(trace.rounds) for trace in traces] == [1, 3, 4, MAX_SAMPLES]
    assert [trace.prompt_tokens + trace.generated_tokens for trace in traces[:3]] == [11, 33, 44]
    assert [trace.answer for trace in traces] == ["no", "yes", "no", "yes"]  # seeds 0, 0 to 2, 0 to 3: two each
    assert backend.samplings == [(TEMPERATURE, number) for number in range(MAX_SAMPLES)]
    assert {trace.sampling.temperature for trace in traces} == {TEMPERATURE}
    assert [len(images_in(conversation)) for conversation in backend.seen] == [1] * len(backend.seen)
    again = Recording(lambda _: "", lambda seed, _: "yes" if seed % 3 else "no")
    assert ask("majority_k", again, items, tmp_path, budgets) == traces


def test_a_vote_keeps_the_temperature_and_seed_of_the_run(make_example: MakeExample, tmp_path: Path) -> None:
    backend = Recording(lambda _: "", lambda seed, _: "yes")
    sampling = Sampling(temperature=0.3, seed=2)
    (trace,) = ask("majority_k", backend, [make_example()], tmp_path, {"item-0": 22}, sampling)
    assert backend.samplings == [(0.3, 2 * MAX_SAMPLES), (0.3, 2 * MAX_SAMPLES + 1)]
    assert trace.sampling == sampling


def test_a_vote_needs_a_budget_and_a_backend_that_samples(make_example: MakeExample, tmp_path: Path) -> None:
    backend = Recording(lambda _: "", lambda seed, _: "yes")
    for budgets, told in (({}, "has no such episode"), ({"item-0": 0}, "has an episode that took none")):
        with pytest.raises(RunError, match=f"the run {told}; run think_twice in the same folder"):
            ask("majority_k", backend, [make_example()], tmp_path, budgets)
    with pytest.raises(RunError, match="the backend of scripted has one way of choosing tokens"):
        ask("majority_k", ScriptedBackend.from_texts("yes"), [make_example()], tmp_path, {"item-0": 9})  # type: ignore[arg-type]


def test_a_vote_without_a_budget_of_its_own_is_a_failure_to_repeat(make_example: MakeExample, tmp_path: Path) -> None:
    backend = Recording(lambda _: "", lambda seed, _: "yes")
    first, second = ask("majority_k", backend, [make_example(0), make_example(1)], tmp_path, {"item-1": 11})
    assert (first.stop_reason, first.failure.reason) == (StopReason.BACKEND_ERROR, "no_budget")
    assert (second.answer, len(second.rounds)) == ("yes", 1)


def samples(*answers: str | None) -> Iterator[Trace]:
    for number, answer in enumerate(answers):
        yield Trace(
            example_id="item-0",
            model="m",
            condition="majority_k",
            rounds=(Round(text=str(number), generated_tokens=1),),
            answer=answer,
            stop_reason=StopReason.ANSWERED if answer else StopReason.MALFORMED,
        )


@pytest.mark.parametrize(
    ("answers", "chosen"),
    [
        (("B", "(b)", "A"), "B"),
        (("A", "round", "B. round"), "round"),
        (("A", "B", "B", "A"), "A"),
        ((None, "perhaps", "A"), "A"),
        (("perhaps", "maybe", "A"), "A"),
        ((None, "perhaps"), "perhaps"),
        (("perhaps", None), None),
    ],
)
def test_answers_vote_by_what_they_are_read_as(
    make_example: MakeExample, answers: tuple[str | None, ...], chosen: str | None
) -> None:
    example = make_example(answer="round", answer_type="choice", options=("flat", "round"))
    vote = voted(example, list(samples(*answers)))
    assert vote.answer == chosen
    assert [record.text for record in vote.rounds] == [str(number) for number in range(len(answers))]


def test_a_sample_that_failed_fails_the_vote(make_example: MakeExample) -> None:
    good, bad = samples("yes", None)
    bad = bad.model_copy(update={"stop_reason": StopReason.BACKEND_ERROR})
    assert voted(make_example(), [good, bad]).stop_reason is StopReason.BACKEND_ERROR


def picture(make_example: MakeExample, tmp_path: Path) -> Example:
    """A bright lesion on tissue at the left, tissue at the right, nothing in between."""
    gray = np.zeros((100, 200), dtype=np.uint8)
    gray[:, :60] = gray[:, 150:] = 90
    gray[40:60, 20:40] = 120
    path = tmp_path / "picture.png"
    Image.fromarray(gray).save(path)
    return replace(make_example(regions=((20, 40, 40, 60),)), images=(ImageRef(str(path)),))


def test_a_wrong_region_lies_on_tissue_and_is_as_large(make_example: MakeExample, tmp_path: Path) -> None:
    example = picture(make_example, tmp_path)
    (trace,) = ask("wrong_region", looking(ZOOM, ANSWER), [example], tmp_path / "store")
    (box,) = trace.rounds[0].boxes
    assert trace.rounds[0].intervened
    assert (box[2] - box[0], box[3] - box[1]) == pytest.approx((20, 20), abs=0.3)
    middle = (box[0] + box[2]) / 2
    assert middle < 60 or middle > 150
    assert box[0] > 39.7 or box[2] < 20.3 or box[1] > 59.8 or box[3] < 40.2  # beside the lesion, give or take rounding
    assert ask("wrong_region", looking(ZOOM, ANSWER), [example], tmp_path / "store") == [trace]


def test_a_wrong_region_is_another_lesion_where_one_is_known(make_example: MakeExample, tmp_path: Path) -> None:
    example = picture(make_example, tmp_path)
    lesions = ((150, 10, 190, 40), (160, 70, 182, 90), (25, 45, 45, 65))  # the last overlaps the one asked about
    others = [
        replace(example, id=f"other-{number}", regions=tuple(replace(r, box_xyxy=box) for r in example.regions))
        for number, box in enumerate(lesions)
    ]
    trace, *_ = ask("wrong_region", looking(ZOOM, ANSWER), [example, *others], tmp_path / "store")
    assert trace.rounds[0].boxes[0] == pytest.approx((160, 70, 182, 90), abs=0.3)  # the one of a more similar size
    elsewhere = [replace(other, images=make_example(7).images) for other in others]
    trace, *_ = ask("wrong_region", looking(ZOOM, ANSWER), [example, *elsewhere], tmp_path / "store")
    assert trace.rounds[0].boxes[0] != pytest.approx((160, 70, 182, 90), abs=0.3)


def test_without_a_true_region_there_is_no_wrong_one(make_example: MakeExample, tmp_path: Path) -> None:
    (trace,) = ask("wrong_region", looking(ZOOM, ANSWER), [make_example(regions=())], tmp_path)
    assert (trace.rounds[0].intervened, trace.rounds[0].parsed_action()) == (False, Zoom((100, 200, 300, 400)))


def test_a_run_votes_last_and_goes_on_to_the_same_end(make_example: MakeExample, tmp_path: Path) -> None:
    items = [make_example(number) for number in range(6)]
    settings = EvaluationConfig("scripted", "made up", ("majority_k", "think_twice"), count=6, batch_size=1)

    def backend() -> Recording:
        return Recording(ScriptedBackend.from_texts(ZOOM, ANSWER).reply, lambda seed, _: "yes" if seed % 3 else "no")

    whole = evaluate(settings, backend(), items, tmp_path / "run")
    path = tmp_path / "run" / "traces" / "majority_k.jsonl"
    written = path.read_bytes()
    assert {len(trace.rounds) for trace in read_traces(path)} == {
        3
    }  # of eleven tokens; two looks took three times that
    for kept in (0, 1, 4):
        path.write_bytes(b"".join(written.splitlines(keepends=True)[:kept]))
        assert evaluate(settings, backend(), items, tmp_path / "run") == whole
        assert path.read_bytes() == written


def test_a_vote_may_be_added_to_a_run_with_two_looks_and_to_no_other(make_example: MakeExample, tmp_path: Path) -> None:
    items = [make_example(number) for number in range(2)]
    backend = Recording(ScriptedBackend.from_texts(ZOOM, ANSWER).reply, lambda seed, _: "yes")
    settings = EvaluationConfig("scripted", "made up", ("single_pass",), count=2, batch_size=1)
    evaluate(settings, backend, items, tmp_path)
    vote = replace(settings, conditions=("majority_k",))
    with pytest.raises(RunError, match="the run has no such episode; run think_twice in the same folder"):
        evaluate(vote, backend, items, tmp_path)
    found = evaluate(replace(settings, conditions=("think_twice",)), backend, items, tmp_path)
    assert {cell.condition for cell in found.cells} == {"single_pass", "think_twice", "majority_k"}
