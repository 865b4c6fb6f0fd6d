"""Pictures for the report: some of what was kept of each kind, and some of what was left out for each reason."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from vitar.data.annotated import AnnotatedImage
from vitar.data.curation.questions.candidate import Candidate, Rejection
from vitar.data.curation.questions.images import SurveyedImage
from vitar.data.curation.questions.report import KEPT, SAMPLE_LIST_NAME, SAMPLES_NAME, Sample, SampleList
from vitar.data.example import Region, open_image

PER_KIND, PER_REASON = 8, 4
SIDE_PX = 360
_QUALITY = 85


def write_samples(
    out: Path,
    surveyed: Sequence[SurveyedImage],
    rejected_images: Mapping[int, Rejection],
    candidates: Sequence[Candidate],
    rejected: Mapping[str, Rejection],
    images: Mapping[str, AnnotatedImage],
) -> None:
    """Writes the folder of samples.

    Args:
        rejected_images: by place in ``surveyed``.
        images: by id, those that candidates are about.
    """
    folder = out / SAMPLES_NAME
    folder.mkdir(exist_ok=True)
    samples = []
    for place in _some(rejected_images, lambda place: (rejected_images[place].filter, rejected_images[place].reason)):
        image, why = surveyed[place].image, rejected_images[place]
        readable = surveyed[place].fingerprint is not None
        text = ", ".join(word for word in (image.source, image.modality) if word)
        samples.append(_sample(folder, why, why.reason, image.id, text, image if readable else None, image.regions))
    chosen = _some(
        [place for place, each in enumerate(candidates) if each.id in rejected],
        lambda place: (rejected[candidates[place].id].filter, rejected[candidates[place].id].reason),
    )
    kept = [place for place, each in enumerate(candidates) if each.id not in rejected]
    chosen += _some(kept, lambda place: (candidates[place].kind, ""), PER_KIND)
    for place in chosen:
        each = candidates[place]
        out_for = rejected.get(each.id)
        reason = out_for.reason if out_for else each.kind
        sample = _sample(folder, out_for, reason, each.id, each.question, images[each.image_id], each.regions)
        samples.append(sample.model_copy(update={"options": each.options, "answer": each.answer}))
    listed = SampleList(samples=tuple(samples)).model_dump_json(indent=1)
    (folder / SAMPLE_LIST_NAME).write_text(listed + "\n", encoding="utf-8")


def _some(places: Iterable[int], group_of: Callable[[int], tuple[str, str]], most: int = PER_REASON) -> list[int]:
    """Up to ``most`` places of each group, evenly spread over it."""
    groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for place in places:
        groups[group_of(place)].append(place)
    chosen = []
    for members in groups.values():
        count = min(most, len(members))
        chosen += [members[number * len(members) // count] for number in range(count)]
    return chosen


def _sample(
    folder: Path,
    why: Rejection | None,
    reason: str,
    id: str,
    text: str,
    image: AnnotatedImage | None,
    regions: Sequence[Region],
) -> Sample:
    name = ""
    if image is not None:
        name = hashlib.sha256(image.id.encode()).hexdigest()[:16] + ".jpg"
        if not (folder / name).exists():
            picture = open_image(image.image)
            picture.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
            picture.save(folder / name, format="JPEG", quality=_QUALITY)
    return Sample(
        filter=why.filter if why else KEPT,
        reason=reason,
        id=id,
        text=text,
        detail=why.detail if why else "",
        picture=name,
        width=image.width if image else 0,
        height=image.height if image else 0,
        boxes=tuple(region.box_xyxy for region in regions),
    )
