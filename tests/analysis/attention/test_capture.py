"""Captured rows against the matrix that they are rows of."""

from __future__ import annotations

import pytest
import torch
from scripted_episodes import ANSWER, zoom_turn
from torch import Tensor

from vitar.analysis.attention.capture import IMPLEMENTATION, attention_rows, captured_rows
from vitar.analysis.attention.tokens import EpisodeTokens, episode_tokens
from vitar.backends.local import LocalBackend


@pytest.fixture
def tokens(backend: LocalBackend, play) -> EpisodeTokens:
    box = (500, 250, 750, 500) if backend.name == "small-qwen3-vl" else (40, 20, 60, 40)
    return episode_tokens(backend, play(backend, zoom_turn(box), ANSWER).again(backend))


def rows_of(tokens: EpisodeTokens) -> list[int]:
    return [row for turn in range(len(tokens.turns)) for row in tokens.rows(turn)]


def full_matrices(backend: LocalBackend, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """Eager attention of every layer [1, H, T, T]."""
    backend.model.set_attn_implementation("eager")
    with torch.inference_mode():
        attentions = backend.model(**inputs, output_attentions=True, use_cache=False).attentions
    backend.model.set_attn_implementation("sdpa")
    return attentions


def test_rows_equal_those_of_the_eager_full_matrix(backend: LocalBackend, tokens: EpisodeTokens) -> None:
    expected = full_matrices(backend, tokens.inputs)
    found: dict[int, Tensor] = {}
    positions = rows_of(tokens)
    with torch.inference_mode(), captured_rows(backend.model, positions, found.__setitem__):
        captured_logits = backend.model(**tokens.inputs, use_cache=False).logits
        captured = dict(found)
    with torch.inference_mode():
        plain_logits = backend.model(**tokens.inputs, use_cache=False).logits
    assert list(captured) == list(range(len(expected)))
    for layer, rows_HNT in captured.items():
        assert rows_HNT.shape == (expected[layer].shape[1], len(positions), expected[layer].shape[3])
        # fused and eager float32 drift apart over the layers of these sharpened models, by up to 1.1e-5
        assert (rows_HNT - expected[layer][0, :, positions]).abs().max() <= 2e-5
    assert torch.equal(captured_logits, plain_logits)  # watching changes nothing
    peak = torch.stack([rows.amax(-1) for rows in captured.values()]).median()
    assert peak > 5 / len(tokens.inputs["input_ids"][0])  # the test would be empty on even attention


def test_a_row_is_the_attention_of_the_step_that_wrote_the_token(backend: LocalBackend) -> None:
    ids = torch.tensor([[7, 300, 11, 450, 23, 8]])
    backend.model.set_attn_implementation("eager")
    steps = backend.model.generate(  # type: ignore[operator]
        input_ids=ids,
        max_new_tokens=4,
        min_new_tokens=4,
        do_sample=False,
        return_dict_in_generate=True,
        output_attentions=True,
        pad_token_id=0,
    )
    backend.model.set_attn_implementation("sdpa")
    found: dict[int, Tensor] = {}
    positions = range(5, 9)  # the last token of the prompt decides the first new one, and so on
    with torch.inference_mode(), captured_rows(backend.model, positions, found.__setitem__):
        backend.model(input_ids=steps.sequences)
    for number, position in enumerate(positions):
        for layer, rows_HNT in found.items():
            expected_HT = steps.attentions[number][layer][0, :, -1]
            assert (rows_HNT[:, number, : position + 1] - expected_HT).abs().max() <= 1e-5
            assert rows_HNT[:, number, position + 1 :].abs().max() == 0


def test_only_chosen_layers_are_handed_over(backend: LocalBackend, tokens: EpisodeTokens) -> None:
    found: dict[int, Tensor] = {}
    with torch.inference_mode(), captured_rows(backend.model, [20, 30], found.__setitem__, layers=[2, 0]):
        backend.model(**tokens.inputs)
    assert set(found) == {0, 2}
    with pytest.raises(ValueError, match=r"the model has layers 0 to [23], got "):
        captured_rows(backend.model, [1], found.__setitem__, layers=[99]).__enter__()


def test_the_model_is_left_as_it_was_found(backend: LocalBackend, tokens: EpisodeTokens) -> None:
    def fail(layer: int, rows_HNT: Tensor) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), captured_rows(backend.model, [1], fail):
        backend.model(**tokens.inputs)
    assert backend.model.config.text_config._attn_implementation == "sdpa"
    assert backend.model.config.vision_config._attn_implementation == "sdpa"
    with pytest.raises(ValueError, match=IMPLEMENTATION):
        backend.model.set_attn_implementation({"text_config": IMPLEMENTATION})


def test_several_sequences_at_once_are_refused(backend: LocalBackend) -> None:
    with pytest.raises(ValueError, match="one sequence at a time, got 2"), captured_rows(backend.model, [1], print):
        backend.model(input_ids=torch.ones((2, 4), dtype=torch.long))


def test_rows_by_hand() -> None:
    """Two heads that share one key; scores are log 1, log 3 and, in the future, anything."""
    query = torch.zeros(1, 2, 3, 1)
    query[0, :, 1, 0] = torch.tensor([1.0, 2.0])
    key = torch.tensor([0.0, 3.0, 9.0]).clamp(min=1).log().reshape(1, 1, 3, 1)
    rows_HNT = attention_rows(query, key, [1], 1.0, None)
    assert torch.allclose(rows_HNT[:, 0], torch.tensor([[1 / 4, 3 / 4, 0], [1 / 10, 9 / 10, 0]]))
    mask = torch.tensor([[1, 0, 0], [0, 1, 1], [1, 1, 1]], dtype=torch.bool).reshape(1, 1, 3, 3)
    masked_HNT = attention_rows(query, key, [1], 1.0, mask)
    assert torch.allclose(masked_HNT[0, 0], torch.tensor([0, 1 / 4, 3 / 4]))
