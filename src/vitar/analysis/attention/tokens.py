"""A whole conversation as one sequence of tokens, and which of them are turns of the model or parts of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

from vitar.analysis.attention.replay import Episode, LeftOut
from vitar.backends.local import LocalBackend
from vitar.backends.placeholders import check_placeholders
from vitar.protocol.actions import ANSWER_CLOSE, ANSWER_OPEN, tool_schemas
from vitar.protocol.messages import Message, images_in
from vitar.protocol.trace import StopReason


@dataclass(frozen=True)
class EpisodeTokens:
    """A conversation for one teacher-forced pass, in which every token is given and none is sampled.

    A generated token's *row* is the one at the token before it: there the model decided what to write. That is what
    ``generate(output_attentions=True)`` calls the attention of a step, too.

    Args:
        inputs: of the model, one sequence of T tokens.
        turns: for each turn of the model its tokens, the end of the turn included if the model wrote one.
        images: for each image its visual tokens.
        grids_hw: rows and columns of each image's visual tokens.
        retokenised: the model wrote the same text in other tokens than the tokenizer does.
    """

    inputs: dict[str, Tensor]
    turns: tuple[range, ...]
    images: tuple[range, ...]
    grids_hw: tuple[tuple[int, int], ...]
    retokenised: bool

    def rows(self, turn: int) -> range:
        """Where the tokens of a turn were decided."""
        span = self.turns[turn]
        return range(span.start - 1, span.stop - 1)


def episode_tokens(backend: LocalBackend, episode: Episode) -> EpisodeTokens:
    """Tokens of an episode, checked against what the trace counted.

    Raises:
        LeftOut: the conversation began with another number of tokens than the trace says.
        PlaceholderMismatch: images and placeholders disagree.
        ValueError: the chat template does not mark the model's turns.
    """
    messages, trace = episode.messages(), episode.trace
    inputs = encoded(backend, messages, episode.environment.config.tools)
    said_T = inputs.pop("assistant_masks")[0]
    turns = _runs(said_T)
    if len(turns) != len(trace.rounds):
        raise ValueError(
            f"the chat template of {backend.name} marks {len(turns)} turns of the model in a conversation that has "
            f"{len(trace.rounds)}; it needs {{% generation %}} blocks around them"
        )
    if trace.stop_reason is StopReason.TRUNCATED:  # the template closes a turn that the model did not
        turns[-1] = turns[-1][:-1]
    began = trace.rounds[0].prompt_tokens
    if began and began != turns[0].start:
        raise LeftOut("the prompt has another length than when the run was made")
    own = [each.generated_tokens for each in trace.rounds]
    retokenised = any(
        wrote not in (0, len(turn)) and not each.intervened
        for wrote, turn, each in zip(own, turns, trace.rounds, strict=True)
    )
    merge = backend.processor.image_processor.merge_size
    grids = [(int(height) // merge, int(width) // merge) for _, height, width in inputs["image_grid_thw"].tolist()]
    places = (inputs["input_ids"][0] == backend.processor.image_token_id).nonzero()[:, 0].tolist()  # type: ignore[attr-defined]
    ends = list(accumulate((rows * columns for rows, columns in grids), initial=0))
    images = tuple(range(places[first], places[last - 1] + 1) for first, last in pairwise(ends))
    return EpisodeTokens(inputs, tuple(turns), images, tuple(grids), retokenised)


def encoded(backend: LocalBackend, messages: Sequence[Message], tools: Sequence[str]) -> dict[str, Tensor]:
    """Model inputs of one whole conversation on the model's device, and ``assistant_masks`` [1, T] on the CPU.

    Raises:
        PlaceholderMismatch: images and placeholders disagree.
    """
    conversations: Any = [list(messages)]
    batch: Any = backend.processor.apply_chat_template(
        conversations,
        tools=tool_schemas(list(tools)) or None,
        chat_template=backend.profile.chat_template,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        return_assistant_tokens_mask=True,
    )
    check_placeholders(batch, len(images_in(messages)), backend.processor)
    masks = torch.as_tensor(batch.pop("assistant_masks"))
    return {name: value.to(backend.model.device) for name, value in batch.items()} | {"assistant_masks": masks}


def answer_within(backend: LocalBackend, turn_ids: Sequence[int]) -> range | None:
    """The tokens of a turn that write its answer, counted from the turn's start; None if it has no answer.

    A token that writes a part of the answer and a part of a tag counts.
    """
    decode = backend.processor.tokenizer.decode
    text = decode(list(turn_ids))
    start = text.rfind(ANSWER_OPEN)
    end = text.find(ANSWER_CLOSE, start)
    if start < 0 or end < 0:
        return None
    start += len(ANSWER_OPEN)
    written = [len(decode(list(turn_ids[:count]))) for count in range(len(turn_ids) + 1)]  # characters by then
    inside = [k for k in range(len(turn_ids)) if written[k] < end and written[k + 1] > start]
    return range(inside[0], inside[-1] + 1)


def _runs(mask_T: Tensor) -> list[range]:
    """Stretches of ones."""
    edges_T = torch.diff(mask_T, prepend=mask_T.new_zeros(1), append=mask_T.new_zeros(1))
    starts, stops = ((edges_T == sign).nonzero()[:, 0].tolist() for sign in (1, -1))
    return [range(start, stop) for start, stop in zip(starts, stops, strict=True)]
