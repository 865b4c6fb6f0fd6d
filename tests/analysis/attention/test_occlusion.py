"""Hiding parts of an image, and what that does to an answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scripted_episodes import ANSWER, mark_turn, zoom_turn

from vitar.analysis.attention import occlusion
from vitar.analysis.attention.occlusion import as_many_elsewhere, filled, occlude, region_pixels
from vitar.analysis.attention.replay import LeftOut
from vitar.analysis.attention.tokens import answer_within, episode_tokens
from vitar.backends.local import LocalBackend
from vitar.imaging.geometry import Box, Frame

ZOOM = zoom_turn((500, 250, 750, 500))  # shows 42..78 x 8..40


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_patch_elsewhere_is_as_large_inside_the_window_and_off_the_region() -> None:
    region = np.zeros((64, 96), dtype=bool)
    region[16:32, 48:72] = True
    for window in ((0, 0, 96, 64), (42, 8, 78, 40), (60, 0, 90, 30)):
        x0, y0, x1, y1 = window
        seen = int(region[y0:y1, x0:x1].sum())
        patches = [as_many_elsewhere(region, window, np.random.default_rng(seed)) for seed in range(5)]
        for patch in patches:
            assert patch.sum() == seen == patch[y0:y1, x0:x1].sum()
            assert not (patch & region).any()
        assert len({patch.tobytes() for patch in patches}) == 5


def test_a_patch_is_compact() -> None:
    region = np.zeros((100, 100), dtype=bool)
    region[:10, :10] = True
    y, x = np.nonzero(as_many_elsewhere(region, (0, 0, 100, 100), rng()))
    assert max(np.ptp(y), np.ptp(x)) <= 15  # a disc of 100 pixels is 11 wide


def test_windows_without_a_contrast_are_left_out() -> None:
    region = np.zeros((10, 10), dtype=bool)
    region[2:8, 2:8] = True
    with pytest.raises(LeftOut, match="the second look does not show the region"):
        as_many_elsewhere(region, (8, 8, 10, 10), rng())
    with pytest.raises(LeftOut, match="the second look shows little but the region"):
        as_many_elsewhere(region, (2, 2, 9, 9), rng())


def test_a_filled_image_has_its_mean_there() -> None:
    gray = Image.fromarray(np.array([[0, 100], [200, 100]], dtype=np.uint8))
    mask = np.array([[True, False], [False, False]])
    assert np.array(filled(gray, mask)).tolist() == [[100, 100], [200, 100]]
    colours = np.zeros((1, 2, 3), dtype=np.uint8)
    colours[0, 1] = (10, 20, 40)
    assert np.array(filled(Image.fromarray(colours), np.array([[False, True]])))[0, 1].tolist() == [5, 10, 20]


def test_a_region_s_pixels_are_those_that_its_boxes_touch() -> None:
    frame = Frame.original(4, 3)
    mask = region_pixels([Box(0.5, 1, 1.5, 2, frame), Box(3, 0, 4, 1, frame)], (4, 3))
    assert mask.astype(int).tolist() == [[0, 0, 0, 1], [1, 1, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("turn", [ZOOM, mark_turn((500, 250, 750, 500))])
def test_only_later_looks_are_hidden_and_words_stay(one_backend: LocalBackend, play, turn: str, monkeypatch) -> None:
    episode = play(one_backend, turn, ANSWER).again(one_backend)
    tokens = episode_tokens(one_backend, episode)
    seen = []
    encoded = occlusion.encoded

    def watched(backend, messages, tools):
        seen.append(encoded(backend, messages, tools))
        return seen[-1]

    monkeypatch.setattr(occlusion, "encoded", watched)
    found = occlude(one_backend, episode, tokens, rng())
    intact, region, elsewhere = seen
    first = intact["image_grid_thw"][0].prod()
    for hidden in (region, elsewhere):
        assert torch.equal(hidden["input_ids"], intact["input_ids"])
        assert torch.equal(hidden["pixel_values"][:first], intact["pixel_values"][:first])
        assert not torch.equal(hidden["pixel_values"][first:], intact["pixel_values"][first:])
    assert not torch.equal(region["pixel_values"], elsewhere["pixel_values"])
    assert len(set(found.turn)) == 3
    assert (found.turn < found.answer).all()
    assert (found.answer < 0).all()


def test_the_log_probability_is_that_of_a_plain_pass(one_backend: LocalBackend, play) -> None:
    episode = play(one_backend, ZOOM, ANSWER).again(one_backend)
    tokens = episode_tokens(one_backend, episode)
    with torch.inference_mode():
        log_TV = one_backend.model(**tokens.inputs).logits[0].log_softmax(-1)
    ids = tokens.inputs["input_ids"][0].tolist()
    written = [log_TV[at - 1, ids[at]].item() for at in tokens.turns[1]]
    answer = answer_within(one_backend, [ids[at] for at in tokens.turns[1]])
    found = occlude(one_backend, episode, tokens, rng())
    assert found.turn[0] == pytest.approx(sum(written), abs=1e-3)
    assert found.answer[0] == pytest.approx(sum(written[at] for at in answer), abs=1e-3)


def test_what_cannot_be_checked_is_left_out(one_backend: LocalBackend, play) -> None:
    for texts, regions, reason in (
        ((ZOOM, ANSWER), (), "no region"),
        ((ZOOM, "It is round."), ((48, 16, 72, 32),), "no answer"),
        ((ZOOM, ANSWER), ((0, 50, 10, 60),), "the second look does not show the region"),
    ):
        episode = play(one_backend, *texts, regions=regions).again(one_backend)
        with pytest.raises(LeftOut, match=reason):
            occlude(one_backend, episode, episode_tokens(one_backend, episode), rng())
    episode = play(one_backend, ZOOM, ANSWER).again(one_backend)
    tokens = episode_tokens(one_backend, episode)
    with pytest.raises(LeftOut, match="more than two looks"):
        occlude(one_backend, replace(episode, views=(*episode.views, episode.views[1])), tokens, rng())
