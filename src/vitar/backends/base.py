"""What the loop needs from a model: conversations in, completions out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from vitar.imaging.coordinates import Coordinates
from vitar.protocol.messages import Message

Finish = Literal["stop", "length", "error"]


@dataclass(frozen=True)
class Completion:
    """One assistant turn as it was generated.

    Args:
        text: without the end-of-turn token.
        token_ids: what was generated, the end-of-turn token included; empty when the backend does not know.
        logprobs: natural logarithm of each generated token's probability, or None when the backend does not say.
        prompt_tokens: length of the input, image placeholders included.
        finish: ``stop`` at the end of a turn, ``length`` at the token limit, ``error`` when nothing was generated.
        seconds: wall time of the batch that held this turn, divided by the batch's size; of a server, from the
            request to the end of the reply.
        error: what went wrong, with ``finish == "error"``.
        image_tokens: those of the prompt that stand for images, or None when the backend does not say.
        counted_tokens: number of generated tokens where a server counts them and does not show them.
        peak_memory_bytes: see `vitar.backends.memory`, of the batch that held this turn; None when it is not known.
    """

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...] | None
    prompt_tokens: int
    finish: Finish
    seconds: float
    error: str = ""
    image_tokens: int | None = None
    counted_tokens: int | None = None
    peak_memory_bytes: int | None = None

    @property
    def generated_tokens(self) -> int:
        """How many tokens were generated, the end-of-turn token included."""
        return len(self.token_ids) if self.counted_tokens is None else self.counted_tokens


class Backend(Protocol):
    """A model that continues conversations.

    Attributes:
        name: what a trace calls the model.
        coordinates: how the model writes boxes.
        coordinate_step: the model writes multiples of this many units; 1 for most.
        zoom_side_px: side that an enlarged region should have for this model, in pixels.
    """

    name: str
    coordinates: Coordinates
    coordinate_step: int
    zoom_side_px: int

    def generate(self, conversations: Sequence[Sequence[Message]], tools: Sequence[str]) -> list[Completion]:
        """Writes the next assistant turn of every conversation, in order.

        Args:
            tools: names of the tools to announce to the model; empty for none.

        A conversation that cannot be continued gives a completion with ``finish == "error"``; it does not raise.
        """
        ...


@runtime_checkable
class Resampling(Protocol):
    """What a backend declares that can draw its tokens in another way than it was made for."""

    def with_sampling(self, temperature: float, seed: int) -> Backend:
        """The same model with another temperature and seed; this one stays as it is."""
        ...
