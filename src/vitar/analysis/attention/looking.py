"""One episode's attention, look by look and image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vitar.analysis.attention.capture import captured_rows
from vitar.analysis.attention.measures import region_measures
from vitar.analysis.attention.regions import coverage, unit_boxes
from vitar.analysis.attention.replay import Episode
from vitar.analysis.attention.sinks import find_sinks
from vitar.analysis.attention.tokens import EpisodeTokens
from vitar.backends.local import LocalBackend


@dataclass(frozen=True)
class Glance:
    """Attention of one look's generated tokens on one image, sinks left out if that was asked for.

    Args:
        look: 1 while the model thinks, 2 while it rethinks after one new image.
        image: 1 is the image of the question.
        grid_hw: rows and columns of its T visual tokens.
        kept_T: the visual tokens that count.
        attention_T: on each, averaged over the look's tokens, layers and heads; 0 where not kept.
        boxes_N4: the true regions that it shows, in unit coordinates.
        uniform: its share of the tokens that a generated token can see, so its share of even attention.
        share_LH: its share of all attention, for each layer and head.
        region_LHM: `REGION_MEASURES` for each layer and head.
    """

    look: int
    image: int
    grid_hw: tuple[int, int]
    kept_T: np.ndarray
    attention_T: np.ndarray
    boxes_N4: np.ndarray
    uniform: float
    share_LH: np.ndarray
    region_LHM: np.ndarray

    @property
    def share(self) -> float:
        """The image's share of all attention, averaged over layers and heads."""
        return float(self.attention_T.sum())

    def against(self, *placements: np.ndarray) -> np.ndarray:
        """`REGION_MEASURES` of the averaged attention against regions at each of P placements [P, 3].

        Args:
            placements: the boxes of each, in unit coordinates [N, 4].
        """
        inside_PT = np.stack([coverage(boxes_N4, self.grid_hw) for boxes_N4 in placements])
        return region_measures(self.attention_T[self.kept_T], inside_PT[:, self.kept_T])

    @property
    def region(self) -> np.ndarray:
        """`REGION_MEASURES` of the averaged attention against the true regions [3]."""
        return self.against(self.boxes_N4)[0]


@dataclass(frozen=True)
class SinkTally:
    """The sinks of one episode in one place.

    Args:
        place: ``first_token``, ``text`` or ``image 1``, ``image 2``, ….
        count: sinks there.
        attention: for each look the share of all attention that goes to them.
        inside_region: mean share of them that true regions cover; NaN for text and where there is none.
    """

    place: str
    count: int
    attention: tuple[float, ...]
    inside_region: float


@dataclass(frozen=True)
class EpisodeAttention:
    """What one teacher-forced pass showed."""

    glances: tuple[Glance, ...]
    sinks: tuple[SinkTally, ...]


def look_at(
    backend: LocalBackend,
    episode: Episode,
    tokens: EpisodeTokens,
    layers: Sequence[int],
    heads: Sequence[int],
    *,
    exclude_sinks: bool = False,
) -> EpisodeAttention:
    """Attention of each look on each image that it saw.

    Args:
        layers, heads: numbers of those that count.
        exclude_sinks: take sinks out of the images and out of the text, so that shares are of the other tokens.
    """
    positions = [row for turn in range(len(tokens.turns)) for row in tokens.rows(turn)]
    look_N = np.repeat(episode.looks, [len(turn) for turn in tokens.turns])
    maps_KLHT, rows_NT = _mean_maps(backend, tokens, positions, look_N, layers, heads)
    sink_T = find_sinks(rows_NT, positions)
    boxes = [region.box(*episode.views[0].image.size) for region in episode.example.regions]
    boxes_by_image = [unit_boxes(boxes, view.frame) for view in episode.views]
    tallies = _tally(sink_T, maps_KLHT, tokens, boxes_by_image)
    kept_T = ~sink_T if exclude_sinks else np.ones_like(sink_T)
    visible_NT = (np.arange(len(kept_T)) <= np.asarray(positions)[:, None]) & kept_T
    even_NT = visible_NT / visible_NT.sum(-1, keepdims=True)
    glances = []
    for look in np.unique(look_N):
        map_LHT = maps_KLHT[look - 1] * kept_T
        total_LH1 = map_LHT.sum(-1, keepdims=True)  # 0 for a head that attends to sinks alone, which adds nothing
        map_LHT = np.divide(map_LHT, total_LH1, out=np.zeros_like(map_LHT), where=total_LH1 > 0)
        for number, span in enumerate(tokens.images[:look]):
            part = slice(span.start, span.stop)
            kept, attention_LHT = kept_T[part], map_LHT[..., part]
            inside_T = coverage(boxes_by_image[number], tokens.grids_hw[number])
            glances.append(
                Glance(
                    look=int(look),
                    image=number + 1,
                    grid_hw=tokens.grids_hw[number],
                    kept_T=kept,
                    attention_T=attention_LHT.mean((0, 1)),
                    boxes_N4=boxes_by_image[number],
                    uniform=float(even_NT[look_N == look, part].sum(-1).mean()),
                    share_LH=attention_LHT.sum(-1),
                    region_LHM=region_measures(attention_LHT[..., kept], inside_T[kept]),
                )
            )
    return EpisodeAttention(tuple(glances), tallies)


def _mean_maps(
    backend: LocalBackend,
    tokens: EpisodeTokens,
    positions: Sequence[int],
    look_N: np.ndarray,
    layers: Sequence[int],
    heads: Sequence[int],
) -> tuple[np.ndarray, np.ndarray]:
    """Attention averaged over the tokens of each look [looks, L, H, T], and each row's mean over heads [N, T]."""
    looks, length = int(look_N.max()), tokens.inputs["input_ids"].shape[1]
    in_look_KN = look_N == np.arange(1, looks + 1)[:, None]
    weight_KN = torch.tensor(in_look_KN / np.maximum(in_look_KN.sum(1, keepdims=True), 1), dtype=torch.float32)
    maps_KLHT = np.zeros((looks, len(layers), len(heads), length))
    rows_NT = np.zeros((len(positions), length))

    def receive(layer: int, rows_HNT: Tensor) -> None:
        chosen_HNT = rows_HNT[list(heads)]
        mean_KHT = torch.einsum("kn,hnt->kht", weight_KN.to(chosen_HNT.device), chosen_HNT)
        maps_KLHT[:, list(layers).index(layer)] = mean_KHT.cpu().numpy()
        rows_NT[:] += chosen_HNT.mean(0).cpu().numpy() / len(layers)

    with torch.inference_mode(), captured_rows(backend.model, positions, receive, layers):
        backend.model(**tokens.inputs, use_cache=False, logits_to_keep=1)
    return maps_KLHT, rows_NT


def _tally(
    sink_T: np.ndarray, maps_KLHT: np.ndarray, tokens: EpisodeTokens, boxes_by_image: Sequence[np.ndarray]
) -> tuple[SinkTally, ...]:
    """The sinks of an episode, place by place."""
    place_T = np.full(len(sink_T), "text", dtype=object)
    place_T[0] = "first_token"
    inside_T = np.full(len(sink_T), np.nan)
    for number, span in enumerate(tokens.images):
        place_T[span.start : span.stop] = f"image {number + 1}"
        inside_T[span.start : span.stop] = coverage(boxes_by_image[number], tokens.grids_hw[number])
    mean_KT = maps_KLHT.mean((1, 2))
    tallies = []
    for place in ("first_token", "text", *(f"image {number + 1}" for number in range(len(tokens.images)))):
        here_T = sink_T & (place_T == place)
        shares = tuple(mean_KT[:, here_T].sum(-1).tolist())
        inside = float(inside_T[here_T].mean()) if here_T.any() else float("nan")
        tallies.append(SinkTally(place, int(here_T.sum()), shares, inside))
    return tuple(tallies)
