"""Which tokens are whose."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from scripted_episodes import ANSWER, mark_turn

from vitar.analysis.attention.replay import LeftOut
from vitar.analysis.attention.tokens import answer_within, episode_tokens
from vitar.backends.local import LocalBackend
from vitar.protocol.trace import StopReason

MARK = mark_turn((10, 10, 40, 40))  # thousandths or pixels: valid in both


def test_turns_and_images_of_both_families(backend: LocalBackend, play) -> None:
    episode = play(backend, MARK, ANSWER).again(backend)
    tokens = episode_tokens(backend, episode)
    ids = tokens.inputs["input_ids"][0].tolist()
    decode = backend.processor.tokenizer.decode
    assert [decode([ids[at] for at in turn]) for turn in tokens.turns] == [f"{t}<|im_end|>" for t in (MARK, ANSWER)]
    assert [ids[row + 1] for row in tokens.rows(1)] == [ids[at] for at in tokens.turns[1]]
    placeholder = backend.processor.image_token_id
    assert [at for span in tokens.images for at in span] == [at for at, id_ in enumerate(ids) if id_ == placeholder]
    assert tokens.grids_hw == ((2, 3), (2, 3))  # tokens of 32 pixels, and of 28
    assert [len(span) for span in tokens.images] == [rows * columns for rows, columns in tokens.grids_hw]
    assert tokens.images[0].stop <= tokens.turns[0].start < tokens.turns[0].stop <= tokens.images[1].start


def test_the_prompt_is_the_one_that_the_model_was_given(backend: LocalBackend, play) -> None:
    """What the backend counts while it generates is where the turns begin here."""
    played = play(backend, MARK, ANSWER)
    episode = played.again(backend)
    tokens = episode_tokens(backend, episode)
    messages, tools = episode.messages(), episode.environment.config.tools
    for turn, upto in zip(tokens.turns, (2, 4), strict=True):
        prompt = backend.encode([messages[:upto]], tools)["input_ids"][0]
        assert torch.equal(prompt, tokens.inputs["input_ids"][0, : turn.start])
    first, last = played.trace.rounds
    counted = first.model_copy(update={"prompt_tokens": tokens.turns[0].start})
    assert episode_tokens(backend, played.again(backend, rounds=(counted, last))).turns == tokens.turns
    miscounted = first.model_copy(update={"prompt_tokens": tokens.turns[0].start + 1})
    with pytest.raises(LeftOut, match="the prompt has another length than when the run was made"):
        episode_tokens(backend, played.again(backend, rounds=(miscounted, last)))


def test_other_tokens_than_were_written_are_noticed(one_backend: LocalBackend, play) -> None:
    played = play(one_backend, MARK, ANSWER)
    tokens = episode_tokens(one_backend, played.again(one_backend))
    assert not tokens.retokenised  # a scripted backend counts nothing
    for extra in (0, 1):
        rounds = tuple(
            each.model_copy(update={"generated_tokens": len(turn) + extra})
            for each, turn in zip(played.trace.rounds, tokens.turns, strict=True)
        )
        assert episode_tokens(one_backend, played.again(one_backend, rounds=rounds)).retokenised == bool(extra)


def test_a_turn_that_was_cut_off_has_no_end(one_backend: LocalBackend, play) -> None:
    played = play(one_backend, MARK, "It is rou")
    whole = episode_tokens(one_backend, played.again(one_backend))
    cut = episode_tokens(one_backend, played.again(one_backend, stop_reason=StopReason.TRUNCATED))
    assert cut.turns == (whole.turns[0], whole.turns[1][:-1])


def test_a_template_that_does_not_mark_turns_is_an_error(one_backend: LocalBackend, play, monkeypatch) -> None:
    template = one_backend.processor.chat_template.replace("{%- generation -%}", "").replace(
        "{%- endgeneration -%}", ""
    )
    monkeypatch.setattr(one_backend, "profile", replace(one_backend.profile, chat_template=template))
    with pytest.raises(ValueError, match="marks 0 turns of the model in a conversation that has 2"):
        episode_tokens(one_backend, play(one_backend, MARK, ANSWER).again(one_backend))


@pytest.mark.parametrize("answer", ["yes", "B", "left upper lobe", "ground-glass opacity, 3.5 cm"])
def test_the_tokens_of_an_answer(one_backend: LocalBackend, answer: str) -> None:
    tokenizer = one_backend.processor.tokenizer
    ids = tokenizer(f"It is so.\n<answer>{answer}</answer><|im_end|>")["input_ids"]
    span = answer_within(one_backend, ids)
    assert span is not None
    assert tokenizer.decode(ids[span.start : span.stop]) == answer


def test_a_turn_without_an_answer(one_backend: LocalBackend) -> None:
    ids = one_backend.processor.tokenizer("It is so.<|im_end|>")["input_ids"]
    assert answer_within(one_backend, ids) is None
