"""Replies on disk, each under the content of what was asked.

A reply is in the cache before anyone sees it. A run that was killed therefore finds every reply that it had used, and
asks for none of them again.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vitar.backends.chat_api import BadReply, ChatReply, EndpointError, read_reply


class ReplyCache:
    """A folder of JSON files ``ab/abcd….json``, named by the SHA-256 of the request.

    A file holds the request, images as digests of their data URLs, and the server's body. Writing is atomic: a file
    that exists is complete.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @staticmethod
    def name(request: Mapping[str, Any]) -> str:
        """The digest of a request, 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps(_without_images(request), sort_keys=True).encode()).hexdigest()

    def get(self, request: Mapping[str, Any]) -> ChatReply | None:
        """The reply to a request, or None if it is not there.

        Raises:
            EndpointError: the file that should hold it was damaged.
        """
        path = self._path(self.name(request))
        return _read(path) if path.is_file() else None

    def put(self, request: Mapping[str, Any], body: str, seconds: float) -> None:
        """Keeps the body of a reply. It is on disk when this returns.

        Args:
            request: all that the reply depends on; values that JSON can hold.
            body: what the server sent; JSON.
        """
        record = {
            "request": _without_images(request),
            "reply": json.loads(body),
            "seconds": seconds,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        path = self._path(self.name(request))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{uuid.uuid4().hex}.partial")
        try:
            with partial.open("w", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def replies(self) -> Iterator[ChatReply]:
        """All replies, in no order that means anything."""
        return (_read(path) for path in sorted(self.folder.glob("*/*.json")))

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / f"{name}.json"


def _without_images(value: Any) -> Any:
    """A JSON value with the digest of each data URL in its place."""
    if isinstance(value, Mapping):
        return {key: _without_images(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_images(item) for item in value]
    if isinstance(value, str) and value.startswith("data:"):
        return f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"
    return value


def _read(path: Path) -> ChatReply:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return read_reply(json.dumps(record["reply"]), record["seconds"])
    except (ValueError, KeyError, TypeError, BadReply) as error:
        raise EndpointError(f"{path} holds no reply ({error}); remove the file, and it is asked for again") from error
