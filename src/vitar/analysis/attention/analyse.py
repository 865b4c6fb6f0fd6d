"""Reads the finished episodes of a run again, and writes down where the model looked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import ValidationError
from tqdm import tqdm

from vitar.analysis.attention import nulls, sinks
from vitar.analysis.attention.looking import look_at
from vitar.analysis.attention.maps import picture_of
from vitar.analysis.attention.occlusion import occlude
from vitar.analysis.attention.record import (
    ATTENTION_NAME,
    PICTURES_FOLDER,
    Attention,
    AttentionFile,
    Occlusion,
    Sinks,
    look_name,
)
from vitar.analysis.attention.replay import LeftOut, replay
from vitar.analysis.attention.summary import Item, Summary
from vitar.analysis.attention.tokens import episode_tokens
from vitar.backends.local import LocalBackend
from vitar.data.example import Example
from vitar.files import write_atomically
from vitar.protocol.trace import ImageStore, Trace


class AttentionError(ValueError):
    """An analysis cannot be made of these episodes or with these settings; the message says why."""


@dataclass(frozen=True)
class AttentionConfig:
    """What to analyse.

    Args:
        condition: of the run, whose traces are read.
        tools: that the model was offered in the run.
        layers, heads: numbers of those that count; empty for all.
        limit: at most so many episodes, the first that can be analysed; None for all.
        exclude_sinks: leave attention sinks out of all measures.
        pictures: number of episodes to draw.
        seed: of nulls, occlusion elsewhere, and bootstrap.
    """

    condition: str
    tools: tuple[str, ...]
    layers: tuple[int, ...] = ()
    heads: tuple[int, ...] = ()
    limit: int | None = None
    exclude_sinks: bool = False
    pictures: int = 12
    seed: int = 0


def analyse(
    config: AttentionConfig,
    backend: LocalBackend,
    examples: Sequence[Example],
    traces: Mapping[str, Trace],
    folder: Path,
) -> Attention:
    """Analyses one condition of a run and writes `ATTENTION_NAME` and pictures into its folder.

    Args:
        backend: the model that wrote the traces.
        examples: of the run, in order.
        traces: example id -> its trace under the condition.
        folder: of the run.

    Raises:
        AttentionError: no episode can be analysed, the model is of no Qwen-VL family or has no such layer or head, or
            an older file is in the way.
        ImageError: an image cannot be read.
    """
    if not hasattr(backend.processor.image_processor, "merge_size"):
        raise AttentionError(f"{backend.name} is of no Qwen-VL family; where its image tokens lie is not known here")
    earlier = _read(folder / ATTENTION_NAME)
    text_config = backend.model.config.get_text_config()
    layers = _chosen("layer", config.layers, text_config.num_hidden_layers)
    heads = _chosen("head", config.heads, text_config.num_attention_heads)
    for name in earlier[config.condition].pictures if config.condition in earlier else ():
        (folder / name).unlink(missing_ok=True)
    store = ImageStore(folder / "images")
    items: list[Item] = []
    left_out: Counter[str] = Counter()
    unchecked: Counter[str] = Counter()
    retokenised = 0
    pictures: list[str] = []
    progress = tqdm(examples, desc=f"attention, {config.condition}", unit="item")
    for number, example in enumerate(progress):
        if len(items) == config.limit:
            break
        try:
            if example.id not in traces:
                raise LeftOut("no trace")
            episode = replay(
                example, traces[example.id], store, backend.coordinates, backend.zoom_side_px, config.tools
            )
            tokens = episode_tokens(backend, episode)
        except LeftOut as reason:
            left_out[str(reason)] += 1
            continue
        attention = look_at(backend, episode, tokens, layers, heads, exclude_sinks=config.exclude_sinks)
        try:
            occluded = occlude(backend, episode, tokens, np.random.default_rng([config.seed, number]))
        except LeftOut as reason:
            unchecked[str(reason)] += 1
            occluded = None
        items.append(Item(example.id, example.group, attention, occluded))
        retokenised += tokens.retokenised
        if len(pictures) < config.pictures:
            picture = picture_of(episode, attention.glances, {g.look: look_name(g.look) for g in attention.glances})
            pictures.append(_save(picture, folder, config.condition, example.id, len(pictures)))
    if not items:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in left_out.most_common()) or "there are none"
        raise AttentionError(
            f"none of the {len(examples)} episodes under {config.condition} can be analysed ({reasons}). The analysis "
            "needs episodes with a second look, such as those of think_twice, and the model and version that made them."
        )
    summary = Summary(items, config.seed)
    result = Attention(
        model=backend.name,
        condition=config.condition,
        layers=tuple(layers),
        heads=tuple(heads),
        items=len(items),
        groups=len(set(summary.groups)),
        left_out=dict(left_out),
        retokenised=retokenised,
        seed=config.seed,
        placements=nulls.PLACEMENTS,
        others=nulls.OTHERS,
        measures=summary.measures(),
        by_head=summary.by_head(),
        sinks=Sinks(
            excluded=config.exclude_sinks,
            factor=sinks.FACTOR,
            persistence=sinks.PERSISTENCE,
            places=summary.sinks(),
        ),
        occlusion=Occlusion(changes=summary.changes(), left_out=dict(unchecked)),
        pictures=tuple(pictures),
    )
    content = AttentionFile(conditions={**earlier, config.condition: result})
    write_atomically(folder / ATTENTION_NAME, content.model_dump_json(indent=1) + "\n")
    return result


def _chosen(what: str, numbers: Sequence[int], count: int) -> list[int]:
    if wrong := [number for number in numbers if not 0 <= number < count]:
        raise AttentionError(f"the model has {what}s 0 to {count - 1}, got {', '.join(map(str, wrong))}")
    return sorted(set(numbers)) or list(range(count))


def _read(path: Path) -> dict[str, Attention]:
    """The analyses that are in a folder already, by condition."""
    if not path.is_file():
        return {}
    try:
        return AttentionFile.model_validate_json(path.read_bytes()).conditions
    except ValidationError as error:
        raise AttentionError(
            f"{path} is there and is no analysis that this version reads; remove it to write a new one"
        ) from error


def _save(picture: Image.Image, folder: Path, condition: str, example_id: str, number: int) -> str:
    """Writes a picture and returns its name within the run's folder."""
    short = re.sub(r"[^A-Za-z0-9]+", "-", example_id).strip("-")[:60]
    name = f"{PICTURES_FOLDER}/{condition}-{number:03d}-{short}.png"
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    picture.save(path)
    return name
