"""How well a model points when it is asked for a box and nothing else, by the form of the answer.

    python benchmarks/pointing.py MODEL [--count N]

Phantoms of the validation split with one lesion, whole images. A model that points in one form and not in another has
learned where its answers begin, not where lesions are; what stage I makes of its pointing is the IoU of `vitar eval`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from itertools import count, islice

from vitar.backends.local import LocalBackend
from vitar.data.phantoms.dataset import FAMILIES, phantom
from vitar.data.phantoms.scene import Phantom
from vitar.imaging.coordinates import Coordinates, View
from vitar.imaging.geometry import Box
from vitar.protocol.messages import user_message
from vitar.training.base.exchanges import JSON, PLACE
from vitar.training.base.lessons import whole_view

FORMS = {"bare": "", "in JSON": f" {JSON}", "place first": f" {PLACE}", "place first, in JSON": f" {JSON} {PLACE}"}
_BOX = re.compile(r"\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\]")


def scenes() -> Iterator[Phantom]:
    """Phantoms with one lesion, the families by turns."""
    for index in count():
        scene = phantom(list(FAMILIES)[index % len(FAMILIES)], "validation", index // len(FAMILIES))
        if len(scene.lesions) == 1:
            yield scene


def overlap(reply: str, scene: Phantom, view: View, coordinates: Coordinates) -> float:
    """IoU of the last box in a reply with the lesion; 0 without one."""
    found = _BOX.findall(reply)
    if not found:
        return 0.0
    truth = scene.lesions[0].box
    x0, y0, x1, y1 = map(float, found[-1])
    said = Box(x0, y0, x1, y1, coordinates.frame(view)).to(truth.frame).clipped()
    return said.iou(truth) if said.area > 0 else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description="IoU of a model's boxes by the form in which it is asked.")
    parser.add_argument("model")
    parser.add_argument("--count", type=int, default=128)
    args = parser.parse_args()
    backend = LocalBackend.load(args.model)
    taken = list(islice(scenes(), args.count))
    views = [whole_view(scene) for scene in taken]
    for name, form in FORMS.items():
        questions = [f"Give the box of the {scene.family.lesion_noun}.{form}" for scene in taken]
        asked = [[user_message(text, view.image)] for text, view in zip(questions, views, strict=True)]
        replies = [reply.text for reply in backend.generate(asked, ())]
        ious = [overlap(*each, backend.coordinates) for each in zip(replies, taken, views, strict=True)]
        sys.stdout.write(f"{name:<22}mean IoU {sum(ious) / len(ious):.2f}  such as {replies[0]!r}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
