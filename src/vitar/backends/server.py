"""Generation by a model behind an OpenAI-compatible server: vLLM, SGLang, ``transformers serve``, or a hosted one."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vitar.backends.base import Completion
from vitar.backends.chat_api import CUT, WITHHELD, ChatRequest, RequestFailed, shrunk_size
from vitar.backends.dialect import DIALECTS, reply_text, wire_messages
from vitar.backends.endpoint import Endpoint, EndpointConfig, in_order, run_to_end
from vitar.backends.local import Sampling
from vitar.backends.probe import find_dialect
from vitar.backends.profiles import Profile, named_profile
from vitar.backends.reply_cache import ReplyCache
from vitar.imaging.coordinates import Coordinates, ResizedPixels
from vitar.protocol.actions import tool_schemas
from vitar.protocol.messages import Message, images_in, message_text
from vitar.protocol.templates import HERMES_TEMPLATE

MAX_IMAGE_PIXELS = 4_194_304
"""2048 x 2048: a larger image is made smaller before it is sent."""

GREEDY = Sampling()

_REPEAT = 1 << 16  # between the seeds of one conversation that is in a batch several times


class ServerBackend:
    """A served model as a `Backend`.

    A request that the server refuses, or that fails however often it is made, gives a completion with
    ``finish == "error"``, and so does one whose text the provider withholds. What no request can survive, such as a
    key that is refused or a spent budget, raises `EndpointError`.

    Args:
        dialect: a key of `DIALECTS`.
        profile: how the model writes boxes; its ``chat_template`` says how tools are listed for a server without them.
        sampling: ``logprobs`` are not read from servers. With a temperature, a seed is sent; whether it is heeded is
            up to the server.
        max_image_pixels: of an image as it is sent.

    Raises:
        ValueError: ``sampling`` asks for probabilities.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        dialect: str,
        profile: Profile,
        sampling: Sampling = GREEDY,
        max_image_pixels: int = MAX_IMAGE_PIXELS,
    ) -> None:
        if sampling.logprobs:
            raise ValueError("probabilities of tokens are not read from servers; load the model locally for them")
        self.endpoint, self.name = endpoint, endpoint.config.model
        self.dialect, self.sampling, self.max_image_pixels = dialect, sampling, max_image_pixels
        self.coordinates = _of_sent_images(profile.coordinates, max_image_pixels)
        self.coordinate_step = profile.coordinate_step
        self.zoom_side_px = profile.zoom_side_px
        self._template = profile.chat_template or HERMES_TEMPLATE

    @classmethod
    def connect(
        cls,
        config: EndpointConfig,
        replies: str | Path,
        *,
        dialect: str | None = None,
        like: str | None = None,
        sampling: Sampling = GREEDY,
    ) -> ServerBackend:
        """Finds out how to talk to a server, and makes sure that it looks at images.

        Args:
            replies: folder of the `ReplyCache`.
            dialect: a key of `DIALECTS`; None tries them in turn.
            like: name or folder of a model that writes boxes as this one does; by default the server's name for it.

        Raises:
            EndpointError: the server cannot be used.
        """
        profile = named_profile(like or config.model)
        names = [dialect] if dialect else list(DIALECTS)
        found = run_to_end(find_dialect(config, profile.chat_template or HERMES_TEMPLATE, names))
        return cls(Endpoint(config, ReplyCache(replies)), dialect=found, profile=profile, sampling=sampling)

    def with_sampling(self, temperature: float, seed: int) -> ServerBackend:
        """The same model over the same endpoint, with another temperature and seed."""
        other = copy.copy(self)
        other.sampling = replace(self.sampling, temperature=temperature, seed=seed)
        return other

    def generate(self, conversations: Sequence[Sequence[Message]], tools: Sequence[str]) -> list[Completion]:
        return run_to_end(self._generate(conversations, tools))

    async def _generate(self, conversations: Sequence[Sequence[Message]], tools: Sequence[str]) -> list[Completion]:
        async def complete(turn: tuple[Sequence[Message], int]) -> Completion:
            return await self._complete(*turn, tools)

        turns = zip(conversations, _seeds(conversations, self.sampling.seed), strict=True)
        async with self.endpoint:
            return [done async for done in in_order(turns, complete, self.endpoint.config.concurrency)]

    async def _complete(self, conversation: Sequence[Message], seed: int, tools: Sequence[str]) -> Completion:
        dialect = DIALECTS[self.dialect]
        request = ChatRequest(
            wire_messages(conversation, tools, dialect, self._template, self.max_image_pixels),
            self.sampling.max_new_tokens,
            temperature=self.sampling.temperature,
            top_p=self.sampling.top_p,
            seed=seed,
            tools=tuple(tool_schemas(list(tools))) if dialect.tools else (),
        )
        try:
            reply = await self.endpoint.ask(request)
        except RequestFailed as error:
            return Completion("", (), None, 0, "error", 0.0, str(error))
        if reply.finish == WITHHELD:
            return Completion(
                "", (), None, 0, "error", reply.seconds, "the provider withheld the reply (content filter)"
            )
        return Completion(
            text=reply_text(reply),
            token_ids=(),
            logprobs=None,
            prompt_tokens=reply.prompt_tokens or 0,
            finish="length" if reply.finish == CUT else "stop",
            seconds=reply.seconds,
            counted_tokens=reply.completion_tokens or 0,
        )


def _seeds(conversations: Sequence[Sequence[Message]], seed: int) -> list[int]:
    """One seed per conversation; another one for each repetition, or all samples of a conversation would be one."""
    seen: Counter[int] = Counter()
    seeds = []
    for conversation in conversations:
        texts = tuple((message["role"], message_text(message)) for message in conversation)
        same = hash((texts, tuple(image.tobytes() for image in images_in(conversation))))
        seeds.append(seed + _REPEAT * seen[same])
        seen[same] += 1
    return seeds


def _of_sent_images(coordinates: Coordinates, max_pixels: int) -> Coordinates:
    """Pixels count on what the server's processor makes of the image that was sent, which may have been shrunk."""
    if not isinstance(coordinates, ResizedPixels):
        return coordinates
    resize = coordinates.resize
    return ResizedPixels(lambda width, height: resize(*shrunk_size(width, height, max_pixels)))
