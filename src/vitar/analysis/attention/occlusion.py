"""Does the answer need the region? The second look once more, with the region hidden, or as much of something else.

Attention shows where a model reads, not what it uses. Here the true region of the original is filled with the image's
mean before the second look, the recorded action is carried out on that, and the episode is teacher-forced: all words
and the first look stay as they were, only the later images change. What this does to the log-probability of the
recorded answer is compared with hiding as many pixels elsewhere in the part that the second look shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from vitar.analysis.attention.replay import Episode, LeftOut
from vitar.analysis.attention.tokens import EpisodeTokens, answer_within, encoded
from vitar.backends.local import LocalBackend
from vitar.imaging.geometry import Box
from vitar.protocol.trace import StopReason


@dataclass(frozen=True)
class Occluded:
    """Log-probabilities of what the model wrote after its last look, in nats, summed over tokens.

    Each is an array [3]: for the episode as it was, with the region hidden, and with something else hidden.

    Args:
        answer: of the answer's tokens, given the words before them.
        turn: of the whole last turn, its thought and its end included.
    """

    answer: np.ndarray
    turn: np.ndarray


def occlude(backend: LocalBackend, episode: Episode, tokens: EpisodeTokens, rng: np.random.Generator) -> Occluded:
    """Runs an episode's last turn on three versions of its later looks.

    Raises:
        LeftOut: there is no answer or no region, the second look does not show it, or shows too little beside it;
            or there are more looks, of which one may show another part of the region.
    """
    if episode.trace.stop_reason is not StopReason.ANSWERED:
        raise LeftOut("no answer")
    if len(episode.views) > 2:
        raise LeftOut("more than two looks")
    original, frame = episode.views[0].image, episode.views[1].frame
    window = Box(frame.x0, frame.y0, frame.x1, frame.y1, episode.views[0].frame).pixels()
    region_hw = region_pixels([region.box(*original.size) for region in episode.example.regions], original.size)
    beside_hw = as_many_elsewhere(region_hw, window, rng)
    hidden = [[original, *episode.images_of(filled(original, mask))[1:]] for mask in (region_hw, beside_hw)]
    return _log_probabilities(backend, episode, tokens, [[view.image for view in episode.views], *hidden])


def region_pixels(boxes: Sequence[Box], size: tuple[int, int]) -> np.ndarray:
    """The whole pixels that boxes in pixels of the original touch, bool [H, W].

    Raises:
        LeftOut: there is no box.
    """
    if not boxes:
        raise LeftOut("no region")
    mask_hw = np.zeros(size[::-1], dtype=bool)
    for box in boxes:
        x0, y0, x1, y1 = box.pixels()
        mask_hw[y0:y1, x0:x1] = True
    return mask_hw


def as_many_elsewhere(region_hw: np.ndarray, window: tuple[int, int, int, int], rng: np.random.Generator) -> np.ndarray:
    """A compact patch of as many pixels as the window shows of the region, in the window and off the region.

    A random pixel beside the region is the patch's centre, and its nearest neighbours beside the region fill it. So
    it also finds room in a tight crop, where a second box of the region's size has none.

    Args:
        region_hw: bool, over the original.
        window: xyxy in whole pixels of the original, the part that a look shows.

    Raises:
        LeftOut: the window shows nothing of the region, or less beside it than of it.
    """
    x0, y0, x1, y1 = window
    inside_hw = region_hw[y0:y1, x0:x1]
    y_N, x_N = np.nonzero(~inside_hw)
    needed = int(inside_hw.sum())
    if not needed:
        raise LeftOut("the second look does not show the region")
    if needed > len(y_N):
        raise LeftOut("the second look shows little but the region")
    centre = rng.integers(len(y_N))
    distance_N = (y_N - y_N[centre]) ** 2 + (x_N - x_N[centre]) ** 2
    nearest = np.argsort(distance_N, kind="stable")[:needed]
    patch_hw = np.zeros_like(region_hw)
    patch_hw[y0 + y_N[nearest], x0 + x_N[nearest]] = True
    return patch_hw


def filled(image: Image.Image, mask_hw: np.ndarray) -> Image.Image:
    """A copy whose masked pixels have the image's mean colour."""
    pixels = np.array(image)
    pixels[mask_hw] = pixels.reshape(-1, *pixels.shape[2:]).mean(0).round().astype(pixels.dtype)
    return Image.fromarray(pixels)


def _log_probabilities(
    backend: LocalBackend, episode: Episode, tokens: EpisodeTokens, versions: Sequence[Sequence[Image.Image]]
) -> Occluded:
    """The last turn under each version of the images shown, in one batch: all have the same tokens."""
    tools = episode.environment.config.tools
    batches = [encoded(backend, episode.messages(images), tools) for images in versions]
    inputs = {name: torch.cat([batch[name] for batch in batches]) for name in tokens.inputs}
    span = tokens.turns[-1]
    ids_T = tokens.inputs["input_ids"][0, span.start : span.stop]
    answer = answer_within(backend, ids_T.tolist())
    if answer is None:
        raise LeftOut("no answer between tags")
    rows = torch.arange(span.start - 1, span.stop - 1, device=ids_T.device)
    with torch.inference_mode():
        logits_BTV = backend.model(**inputs, use_cache=False, logits_to_keep=rows).logits.float()
    chosen_BT1 = ids_T.expand(len(versions), -1)[..., None]
    log_BT = logits_BTV.log_softmax(-1).gather(-1, chosen_BT1)[..., 0].double().cpu().numpy()
    return Occluded(log_BT[:, answer.start : answer.stop].sum(-1), log_BT.sum(-1))
