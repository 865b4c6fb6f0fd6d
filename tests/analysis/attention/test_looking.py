"""Maps of looks at images, from rows of attention that are planted by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from scripted_episodes import ANSWER, mark_turn, zoom_turn
from torch import Tensor

from vitar.analysis.attention import looking
from vitar.analysis.attention.looking import EpisodeAttention, Glance, look_at
from vitar.analysis.attention.tokens import EpisodeTokens, episode_tokens
from vitar.backends.local import LocalBackend

HEADS = 2
Rows = Callable[[int, EpisodeTokens], np.ndarray]


@pytest.fixture
def look(one_backend: LocalBackend, play, monkeypatch: pytest.MonkeyPatch) -> Callable[..., EpisodeAttention]:
    """``look(turn, rows, exclude_sinks=…)``: layers 1 and 3, head 1, of a model with the attention ``rows``."""

    def looked(turn: str, rows: Rows, *, exclude_sinks: bool = False) -> EpisodeAttention:
        episode = play(one_backend, turn, ANSWER).again(one_backend)
        tokens = episode_tokens(one_backend, episode)

        @contextmanager
        def planted(
            model: object, positions: Sequence[int], receive: Callable[[int, Tensor], None], layers: Sequence[int]
        ) -> Iterator[None]:
            for layer in layers:
                wrong = np.zeros_like(rows(layer, tokens))  # of the head that was not asked for
                receive(layer, torch.tensor(np.stack([wrong, rows(layer, tokens)]), dtype=torch.float32))
            yield

        monkeypatch.setattr(looking, "captured_rows", planted)
        return look_at(one_backend, episode, tokens, [1, 3], [1], exclude_sinks=exclude_sinks)

    return looked


def on_token_one(layer: int, tokens: EpisodeTokens) -> np.ndarray:
    """0.6 on the first token, 0.4 on an image: in layer 1 on its token 1, in layer 3 evenly.

    The image is the first while thinking and the second while rethinking.
    """
    rows_NT = np.zeros((sum(map(len, tokens.turns)), tokens.inputs["input_ids"].shape[1]))
    rows_NT[:, 0] = 0.6
    thought = len(tokens.turns[0])
    for part, span in ((slice(0, thought), tokens.images[0]), (slice(thought, None), tokens.images[1])):
        if layer == 1:
            rows_NT[part, span.start + 1] = 0.4
        else:
            rows_NT[part, span.start : span.stop] = 0.4 / len(span)
    return rows_NT


def glance(attention: EpisodeAttention, look: int, image: int) -> Glance:
    (found,) = [g for g in attention.glances if (g.look, g.image) == (look, image)]
    return found


def test_two_looks_at_a_marked_image(look: Callable[..., EpisodeAttention]) -> None:
    """The region covers 1/4 of token 1 and 1/8 of token 2 of six, 1/16 of the image."""
    attention = look(mark_turn((0, 0, 200, 200)), on_token_one)
    assert [(g.look, g.image) for g in attention.glances] == [(1, 1), (2, 1), (2, 2)]
    for place in ((1, 1), (2, 2)):
        seen = glance(attention, *place)
        assert seen.grid_hw == (2, 3)
        assert seen.share == pytest.approx(0.4)
        assert seen.share_LH == pytest.approx(np.full((2, 1), 0.4))
        assert seen.attention_T == pytest.approx([0.2 / 6, 0.2 + 0.2 / 6, *[0.2 / 6] * 4])
        assert seen.region_LHM[:, 0, 0] == pytest.approx([4, 1])
        assert seen.region[:2] == pytest.approx([2.5, 1])
    unseen = glance(attention, 2, 1)
    assert unseen.share == 0
    assert np.isnan(unseen.region).all()


def test_an_image_s_share_of_even_attention(look: Callable[..., EpisodeAttention], one_backend, play) -> None:
    turn = mark_turn((0, 0, 200, 200))
    tokens = episode_tokens(one_backend, play(one_backend, turn, ANSWER).again(one_backend))
    attention = look(turn, on_token_one)
    for number in (1, 2):
        even = np.mean([6 / (row + 1) for row in tokens.rows(number - 1)])
        assert glance(attention, number, 1).uniform == pytest.approx(even)


def test_a_region_on_a_zoom_is_measured_in_the_zoom_s_frame(look: Callable[..., EpisodeAttention]) -> None:
    """The crop of 36 x 32 pixels holds the region from 1/6 to 5/6 and from 1/4 to 3/4, on 4 x 4 tokens."""
    seen = glance(look(zoom_turn((500, 250, 750, 500)), on_token_one), 2, 2)
    assert seen.grid_hw == (4, 4)
    assert seen.boxes_N4 == pytest.approx(np.array([[1 / 6, 1 / 4, 5 / 6, 3 / 4]]))
    assert seen.region_LHM[:, 0, 0] == pytest.approx([0, 1])  # token 1 lies in the row above the region


def test_sinks_are_reported_and_can_be_left_out(look: Callable[..., EpisodeAttention]) -> None:
    turn = mark_turn((0, 0, 200, 200))
    kept, excluded = look(turn, on_token_one), look(turn, on_token_one, exclude_sinks=True)
    assert repr(kept.sinks) == repr(excluded.sinks)  # NaN is not equal to itself
    first, text, image_1, image_2 = kept.sinks
    assert (first.place, first.count, first.attention) == ("first_token", 1, pytest.approx((0.6, 0.6)))
    assert (text.place, text.count) == ("text", 0)
    assert (image_1.place, image_1.count) == ("image 1", 0)  # looked at by the thought alone
    assert (image_2.place, image_2.count) == ("image 2", 1)  # seen by the last turn alone, and looked at all through it
    assert image_2.attention == pytest.approx((0, 0.4 / 2 + 0.4 / 12))
    assert image_2.inside_region == pytest.approx(0.25)
    seen = glance(excluded, 1, 1)
    assert seen.share == pytest.approx(1)  # the first token is out
    assert seen.region[0] == pytest.approx(2.5)
    without = glance(excluded, 2, 2)
    assert without.kept_T.tolist() == [True, False, True, True, True, True]
    assert without.region[0] == pytest.approx(1)  # what is left is even
    assert without.uniform < glance(kept, 2, 2).uniform


def test_a_real_pass_adds_up(backend: LocalBackend, play) -> None:
    episode = play(backend, mark_turn((10, 10, 40, 40)), ANSWER).again(backend)
    tokens = episode_tokens(backend, episode)
    heads = backend.model.config.text_config.num_attention_heads
    whole = look_at(backend, episode, tokens, [0, 1, 2], range(heads))
    one = look_at(backend, episode, tokens, [1], [heads - 1])
    for all_of_it, part in zip(whole.glances, one.glances, strict=True):
        assert all_of_it.share_LH.shape == (3, heads)
        assert all_of_it.share == pytest.approx(all_of_it.share_LH.mean())
        assert part.share == pytest.approx(all_of_it.share_LH[1, heads - 1], rel=1e-5)
        assert part.region == pytest.approx(all_of_it.region_LHM[1, heads - 1], rel=1e-5)
        assert 0 < all_of_it.share < 1
