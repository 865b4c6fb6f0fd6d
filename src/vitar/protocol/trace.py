"""The record of one episode, as a line of JSON beside a folder of images.

A trace file is JSON Lines; each line is one `Trace`. Pictures are not in it: a round names the file of the image that
the environment gave back, and an `ImageStore` keeps each distinct image once, under a name made from its pixels.
Numbers that are not finite, which a model may write into a box, are stored as the strings ``"NaN"``, ``"Infinity"`` and
``"-Infinity"``, so that every line is JSON that a browser reads too.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import uuid
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from vitar.protocol.actions import Action, ParseFailure, action_from_call, tool_call

logger = logging.getLogger(__name__)

_NON_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_IMAGE_MODES = ("L", "RGB")
_IMAGE_NAME = re.compile(r"[0-9a-f]{32}\.png")


class TraceError(ValueError):
    """A trace file holds a line that is not a trace."""


class StopReason(StrEnum):
    """How an episode ended. Compare with ``is``: every member is a true value."""

    ANSWERED = "answered"
    OUT_OF_TURNS = "out_of_turns"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    BACKEND_ERROR = "backend_error"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Sampling(_Record):
    """How the model's tokens were drawn; the defaults are greedy decoding."""

    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    max_new_tokens: int | None = None
    seed: int | None = None


class Failure(_Record):
    """Why an episode has no answer.

    Args:
        reason: a `FailureReason` for a malformed turn, else a short name of the boundary that failed.
        detail: one sentence.
        span: the offending characters of the last round's text, where the text is to blame.
    """

    reason: str
    detail: str
    span: tuple[int, int] | None = None


class Round(_Record):
    """One turn of the model and what the environment made of it.

    Args:
        text: all that the model wrote, as it wrote it.
        thought: the part before the action or the answer.
        action: the action that was applied, as ``{"name": …, "arguments": {…}}``; None if there was none.
        intervened: True if ``action`` or the observation is not what the model's own action would have given.
        boxes: the boxes of the action, left, top, right, bottom, in pixels of the original image.
        source: number of the question's image that the boxes are on, from 1, also where the action was on a view of it.
        image: `ImageStore` name of the image that came back.
        observation: the text that came back.
        error: what was wrong with the action, if the environment refused it.
        prompt_tokens, generated_tokens: counted by the backend, image tokens included.
        image_tokens: those of the prompt that stand for images; None if the backend did not say.
        seconds: wall clock time of the generation.
        peak_memory_bytes: most memory in use meanwhile, see `vitar.backends.memory`; None if the backend did not say.
    """

    text: str
    thought: str = ""
    action: dict[str, Any] | None = None
    intervened: bool = False
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    source: int = 1
    image: str | None = None
    observation: str | None = None
    error: str | None = None
    prompt_tokens: int = 0
    generated_tokens: int = 0
    image_tokens: int | None = None
    seconds: float = 0.0
    peak_memory_bytes: int | None = None

    @field_validator("action")
    @classmethod
    def _is_an_action(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is None:
            return None
        value = _finite_or_not(value)
        if value.keys() != {"name", "arguments"}:
            raise ValueError(f"an action has name and arguments, got {sorted(value)}")
        outcome = action_from_call(value["name"], value["arguments"])
        if isinstance(outcome, ParseFailure):
            raise ValueError(outcome.detail)
        return action_record(outcome)

    def parsed_action(self) -> Action | None:
        """The applied action as a value."""
        if self.action is None:
            return None
        outcome = action_from_call(self.action["name"], self.action["arguments"])
        assert not isinstance(outcome, ParseFailure)  # the validator has read it already
        return outcome


class Trace(_Record):
    """One episode.

    Args:
        example_id: the example that was asked.
        model: name of the model.
        condition: name of the evaluation condition, e.g. ``think_twice``.
        images: `ImageStore` names of the images of the question, in order; empty if nothing was kept or shown.
        rounds: the turns in order.
        answer: what was answered, without tags; given exactly when ``stop_reason`` is ``answered``.
        stop_reason: how the episode ended.
        failure: details when it did not end in an answer.
        sampling: how tokens were drawn.
        schema_version: version of this record's fields. In version 1 there was one ``image``.
    """

    schema_version: Literal[2] = 2
    example_id: str
    model: str
    condition: str
    images: tuple[str, ...] = ()
    rounds: tuple[Round, ...] = ()
    answer: str | None = None
    stop_reason: StopReason
    failure: Failure | None = None
    sampling: Sampling = Sampling()

    @model_validator(mode="before")
    @classmethod
    def _of_one_image(cls, data: Any) -> Any:
        """A record of version 1 as one of today."""
        if not isinstance(data, dict) or data.get("schema_version") != 1:
            return data
        image = data.get("image")
        rest = {name: value for name, value in data.items() if name != "image"}
        return {**rest, "schema_version": 2, "images": () if image is None else (image,)}

    @model_validator(mode="after")
    def _answer_fits_stop_reason(self) -> Self:
        if (self.answer is not None) != (self.stop_reason is StopReason.ANSWERED):
            raise ValueError(f"stop_reason {self.stop_reason} does not go with answer {self.answer!r}")
        return self

    @property
    def seconds(self) -> float:
        """Generation time of all rounds."""
        return sum(r.seconds for r in self.rounds)

    @property
    def peak_memory_bytes(self) -> int | None:
        """The largest of all rounds; None if the backend told it of none."""
        return max((r.peak_memory_bytes for r in self.rounds if r.peak_memory_bytes is not None), default=None)

    @property
    def generated_tokens(self) -> int:
        """Tokens that the model wrote in all rounds."""
        return sum(r.generated_tokens for r in self.rounds)

    @property
    def prompt_tokens(self) -> int:
        """Tokens that the model read in all rounds; what it reads again counts again."""
        return sum(r.prompt_tokens for r in self.rounds)

    @property
    def image_tokens(self) -> int | None:
        """Those of the ``prompt_tokens`` that stand for images; None if a round does not say."""
        counts = [r.image_tokens for r in self.rounds]
        return None if None in counts else sum(count for count in counts if count is not None)

    @property
    def first_action(self) -> Round | None:
        """The first round whose action was carried out; None without one."""
        return next((r for r in self.rounds if r.boxes), None)

    @property
    def first_boxes(self) -> tuple[tuple[float, float, float, float], ...]:
        """Boxes of the first action that was carried out; empty without one."""
        return self.first_action.boxes if self.first_action else ()

    def is_about(self, image_uri: str) -> bool:
        """Whether this is the question's first image that was shown; a trace that names no image may be about any."""
        return not self.images or self.images[0] == Path(image_uri).name


def action_record(action: Action) -> dict[str, Any]:
    """The action as `Round.action` holds it, the same object that stands inside ``<tool_call>``."""
    return dict(tool_call(action)["function"])


class ImageStore:
    """A folder of PNG files named after the pixels they hold.

    The name is made from mode, size and pixels rather than from the file, so it does not change with the PNG encoder,
    and storing an image twice costs one file. Writing is atomic: a file that exists is complete.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def put(self, image: Image.Image) -> str:
        """Stores a mode ``L`` or ``RGB`` image and returns its name. Raises ValueError for another mode."""
        if image.mode not in _IMAGE_MODES:
            raise ValueError(f"an image to store must be in mode {' or '.join(_IMAGE_MODES)}, got {image.mode}")
        digest = hashlib.sha256(f"{image.mode} {image.width} {image.height} ".encode())
        digest.update(image.tobytes())
        name = digest.hexdigest()[:32] + ".png"
        path = self.folder / name
        if path.exists():
            return name
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f".{uuid.uuid4().hex}.partial"
        try:
            with partial.open("wb") as file:
                image.save(file, format="PNG")
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return name

    def open(self, name: str) -> Image.Image:
        """The image stored as ``name``.

        Raises:
            ValueError: ``name`` is not one that `put` gives, for instance a path out of the folder.
            FileNotFoundError: there is no such image.
        """
        with Image.open(self._path(name)) as image:
            image.load()
            return image.copy()

    def size(self, name: str) -> tuple[int, int]:
        """Width and height of an image, without reading its pixels; raises what `open` raises."""
        with Image.open(self._path(name)) as image:
            return image.size

    def _path(self, name: str) -> Path:
        if not _IMAGE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a stored image")
        return self.folder / name


class TraceWriter:
    """Appends traces to a file, each on disk before `append` returns; a context manager.

    A file that a killed process left with half a line is repaired first: the half line goes. One writer per file.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        _repair_end(path, self._file)

    def append(self, trace: Trace) -> None:
        self._file.write(trace.model_dump_json().encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


def read_traces(path: str | Path) -> Iterator[Trace]:
    """The traces of a file in order.

    A last line that does not end in a line break and is not a trace is what a kill leaves behind: it is dropped with a
    logged warning.

    Raises:
        TraceError: any other line is not a trace; the message names the file and the line.
        FileNotFoundError: there is no such file.
    """
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                trace = Trace.model_validate_json(line)
            except ValidationError as error:
                if not line.endswith(b"\n"):
                    logger.warning("%s:%d: dropped an incomplete last line of %d bytes", path, number, len(line))
                    return
                first = error.errors(include_url=False)[0]
                where = ".".join(str(key) for key in first["loc"]) or "the line"
                raise TraceError(f"{path}:{number}: not a trace: {where}: {first['msg']}") from error
            yield trace


def _repair_end(path: Path, file: Any) -> None:
    """Ends the file with a whole line: completes a trace that lacks its line break, cuts off anything less."""
    content = path.read_bytes()
    start = content.rfind(b"\n") + 1
    if start == len(content):
        return
    try:
        Trace.model_validate_json(content[start:])
    except ValidationError:
        logger.warning("%s: removed an incomplete last line of %d bytes", path, len(content) - start)
        file.truncate(start)
        return
    file.write(b"\n")


def _finite_or_not(value: Any) -> Any:
    """The strings that stand for NaN and infinity in a decoded record, back as floats."""
    if isinstance(value, dict):
        return {key: _finite_or_not(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite_or_not(item) for item in value]
    return _NON_FINITE.get(value, value) if isinstance(value, str) else value
