"""Finds out what a server takes, by counting the tokens that it says it read.

A server that does not know a thing may refuse it, or take the request and drop the thing: ``transformers serve``
without torchvision drops every image that way, and a run on it would look healthy. So one conversation is sent whole,
and then without each of its parts in turn; a part arrived if the prompt is shorter without it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image

from vitar.backends.chat_api import ChatRequest, EndpointError, RequestFailed
from vitar.backends.dialect import DIALECTS, wire_messages
from vitar.backends.endpoint import Endpoint, EndpointConfig
from vitar.protocol.actions import ZOOM, Zoom, tool_schemas
from vitar.protocol.messages import Message, assistant_message, system_message, tool_message, user_message
from vitar.protocol.parsing import Turn, render_turn

logger = logging.getLogger(__name__)

_SIDE_PX = 256
_MAX_TOKENS = 16  # with fewer, some hosted models give an error in place of a cut reply
_ATTEMPTS = 2  # some servers fail where they should refuse


async def find_dialect(config: EndpointConfig, template: str, names: Sequence[str] = tuple(DIALECTS)) -> str:
    """The first dialect out of ``names`` in which nothing of a conversation is lost.

    Args:
        template: see `wire_messages`.

    Raises:
        EndpointError: there is none, or the server cannot be asked, or several are named and it does not say how many
            tokens it read. (One is taken on trust then, with a logged warning.)
    """
    config = replace(config, attempts=min(config.attempts, _ATTEMPTS))
    problem = ""
    async with Endpoint(config, cache=None) as endpoint:
        for name in names:
            try:
                lost = await _lost(endpoint, name, template)
            except RequestFailed as error:
                problem = f"{name}: {error}"
                continue
            except _Uncounted:
                if len(names) == 1:
                    logger.warning("%s does not count tokens: nobody knows if it looks at images", config.base_url)
                    return name
                raise EndpointError(
                    f"{config.base_url} does not say how many tokens it read, so what it takes cannot be found out; "
                    f"name its dialect, one of {', '.join(DIALECTS)}"
                ) from None
            if not lost:
                return name
            problem = f"{name}: the prompt is no shorter without {' and without '.join(lost)}"
    raise EndpointError(
        f"{config.base_url} does not take what the loop sends to model {config.model!r} ({problem}). Where a dialect "
        "was named, leave it out to have one found. Otherwise serve the model with its image processor and its chat "
        "template; transformers serve drops images where torchvision is missing, vitar serve does not."
    )


class _Uncounted(Exception):
    """The server's replies have no usage."""


@dataclass(frozen=True)
class _Parts:
    """Which parts of the conversation are sent."""

    tools: bool = True
    thought: bool = True
    image: bool = True
    new_image: bool = True


_WITHOUT = {
    "the image": (_Parts(image=False), 16),
    "the tools": (_Parts(tools=False), 4),
    "the thought before a call": (_Parts(thought=False), 4),
    "the image of an observation": (_Parts(new_image=False), 16),
}
"""Part -> the conversation without it, and the fewest tokens that it can be; less is a matter of form."""


async def _lost(endpoint: Endpoint, name: str, template: str) -> list[str]:
    """The parts that do not arrive in the dialect ``name``.

    Raises:
        RequestFailed: the server refuses the conversation.
    """
    whole = await _prompt_tokens(endpoint, name, template, _Parts())
    lost = []
    for what, (parts, fewest) in _WITHOUT.items():
        try:
            rest = await _prompt_tokens(endpoint, name, template, parts)
        except RequestFailed:  # a server that insists on a part has read it
            continue
        if whole - rest < fewest:
            lost.append(what)
    return lost


async def _prompt_tokens(endpoint: Endpoint, name: str, template: str, parts: _Parts) -> int:
    dialect, tools = DIALECTS[name], (ZOOM,) if parts.tools else ()
    messages = wire_messages(_conversation(parts), tools, dialect, template, _SIDE_PX**2)
    schemas = tuple(tool_schemas(tools)) if dialect.tools else ()
    reply = await endpoint.ask(ChatRequest(messages, _MAX_TOKENS, tools=schemas))
    if reply.prompt_tokens is None:
        raise _Uncounted
    return reply.prompt_tokens


def _conversation(parts: _Parts) -> list[Message]:
    picture = Image.new("RGB", (_SIDE_PX, _SIDE_PX), "gray")
    thought = "The lower left part is darker than the rest." if parts.thought else ""
    return [
        system_message("Look at the image. Enlarge a region with a tool, and answer."),
        user_message("What is in the picture?", picture if parts.image else None),
        assistant_message(render_turn(Turn(thought, Zoom((0, 500, 500, 1000))))),
        tool_message(ZOOM, "The region, enlarged.", picture if parts.new_image else None),
    ]
