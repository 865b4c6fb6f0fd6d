"""Episodes played again: the words, the images, and where in the original they lie."""

from __future__ import annotations

import pytest
from scripted_episodes import ANSWER, mark_turn, picture, zoom_turn

from vitar.analysis.attention.replay import LeftOut
from vitar.backends.local import LocalBackend
from vitar.imaging.geometry import Frame
from vitar.protocol.messages import images_in, message_text
from vitar.protocol.trace import StopReason

ZOOM = zoom_turn((500, 250, 750, 500))  # 48..72 x 16..32 of 96 x 64 pixels
WHOLE = Frame.original(96, 64)


def test_a_zoom_lies_where_it_was_cut(one_backend: LocalBackend, play) -> None:
    """A quarter of 24 x 16 pixels on each side, and at least 32 pixels high."""
    episode = play(one_backend, ZOOM, ANSWER).again(one_backend)
    assert [view.frame for view in episode.views] == [WHOLE, Frame(128, 114, 42, 8, 78, 40)]
    assert episode.looks == (1, 2)
    messages = episode.messages()
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert message_text(messages[2]) == ZOOM
    assert message_text(messages[3]) == "Image 2: the region [500, 250, 750, 500] of image 1, enlarged."
    assert message_text(messages[4]) == ANSWER
    assert [image.size for image in images_in(messages)] == [(96, 64), (128, 114)]


def test_a_marked_image_shows_the_whole(one_backend: LocalBackend, play) -> None:
    episode = play(one_backend, mark_turn((0, 0, 500, 500)), ANSWER).again(one_backend)
    assert episode.views[1].frame == WHOLE
    assert episode.views[1].image.tobytes() != episode.views[0].image.tobytes()


def test_a_refused_action_and_a_second_try_are_one_look(one_backend: LocalBackend, play) -> None:
    refused = zoom_turn((750, 250, 500, 500))
    played = play(one_backend, refused, ZOOM, ANSWER)
    episode = played.again(one_backend)
    assert episode.looks == (1, 1, 2)
    assert len(episode.views) == 2
    said = [message_text(message) for message in episode.messages() if message["role"] == "tool"]
    assert said == [played.trace.rounds[0].observation, played.trace.rounds[1].observation]


def test_what_a_condition_showed_is_what_is_replayed(one_backend: LocalBackend, play) -> None:
    unmarked = play(one_backend, ZOOM, ANSWER, condition="unmarked").again(one_backend)
    assert [view.frame for view in unmarked.views] == [WHOLE, WHOLE]
    assert message_text(unmarked.messages()[2]) == ZOOM
    oracle = play(one_backend, zoom_turn((0, 0, 100, 100)), ANSWER, condition="oracle_box").again(one_backend)
    assert oracle.views[1].frame == Frame(128, 114, 42, 8, 78, 40)
    assert message_text(oracle.messages()[2]) == ZOOM  # the words that the condition put into the model's mouth


def test_the_same_actions_on_another_original(one_backend: LocalBackend, play) -> None:
    for turn, condition in ((ZOOM, "think_twice"), (mark_turn((0, 0, 500, 500)), "think_twice"), (ZOOM, "unmarked")):
        played = play(one_backend, turn, ANSWER, condition=condition)
        episode = played.again(one_backend)
        same = episode.images_of(episode.views[0].image)
        assert [image.tobytes() for image in same] == [view.image.tobytes() for view in episode.views]
        other = episode.images_of(picture(1))
        expected = play(one_backend, turn, ANSWER, condition=condition, number=1).again(one_backend)
        assert [image.tobytes() for image in other] == [view.image.tobytes() for view in expected.views]
    assert len(images_in(episode.messages(other))) == 2


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ((ANSWER,), "no second look"),
        (("nothing that parses",), "no second look"),
        ((zoom_turn((750, 250, 500, 500)), ANSWER), "no second look"),
    ],
)
def test_an_episode_without_a_second_look_is_left_out(
    one_backend: LocalBackend, play, texts: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(LeftOut, match=f"^{reason}$"):
        play(one_backend, *texts).again(one_backend)


def test_what_cannot_be_placed_is_left_out(one_backend: LocalBackend, play) -> None:
    played, other = play(one_backend, ZOOM, ANSWER), play(one_backend, ZOOM, ANSWER, number=1)
    first, last = played.trace.rounds
    with pytest.raises(LeftOut, match="the image shown is not the one of the question"):
        played.again(one_backend, images=other.trace.images)
    with pytest.raises(LeftOut, match="the image shown is not the one of the question"):
        played.again(one_backend, images=())
    swapped = first.model_copy(update={"image": other.trace.rounds[0].image})
    with pytest.raises(LeftOut, match="an action does not give the image that was shown"):
        played.again(one_backend, rounds=(swapped, last))
    with pytest.raises(LeftOut, match="an action cannot be carried out again"):
        played.again(one_backend, tools=("mark_region",))
    with pytest.raises(LeftOut, match="no second look"):
        played.again(one_backend, rounds=(first,))  # ran out of turns
    with pytest.raises(LeftOut, match="the backend failed"):
        played.again(one_backend, stop_reason=StopReason.BACKEND_ERROR)
