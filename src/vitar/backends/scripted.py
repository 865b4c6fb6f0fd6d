"""A backend whose turns are computed by a function: for teachers, and for tests of everything around a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vitar.backends.base import Completion
from vitar.imaging.coordinates import THOUSANDTHS, Coordinates
from vitar.protocol.messages import Message

Reply = Callable[[Sequence[Message]], str]


class ScriptedBackend:
    """Answers each conversation with ``reply(conversation)``.

    Args:
        reply: the assistant's next turn for a conversation. An exception that it raises becomes a completion with
            ``finish == "error"``, as a server's failure would.
    """

    def __init__(
        self,
        reply: Reply,
        *,
        name: str = "scripted",
        coordinates: Coordinates = THOUSANDTHS,
        coordinate_step: int = 1,
        zoom_side_px: int = 448,
    ) -> None:
        self.reply, self.name, self.coordinates = reply, name, coordinates
        self.coordinate_step, self.zoom_side_px = coordinate_step, zoom_side_px

    @classmethod
    def from_texts(cls, *turns: str, name: str = "scripted") -> ScriptedBackend:
        """Says ``turns[k]`` as its k-th turn in every conversation, and the last one from then on."""

        def reply(conversation: Sequence[Message]) -> str:
            said = sum(message["role"] == "assistant" for message in conversation)
            return turns[min(said, len(turns) - 1)]

        return cls(reply, name=name)

    def generate(self, conversations: Sequence[Sequence[Message]], tools: Sequence[str]) -> list[Completion]:
        return [self._complete(conversation) for conversation in conversations]

    def _complete(self, conversation: Sequence[Message]) -> Completion:
        try:
            text = self.reply(conversation)
        except Exception as error:  # whatever a script raises stands for a failed server
            return Completion("", (), None, 0, "error", 0.0, f"{type(error).__name__}: {error}")
        return Completion(text, (), None, 0, "stop", 0.0)
