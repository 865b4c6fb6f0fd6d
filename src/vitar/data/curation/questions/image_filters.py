"""Which images questions may be about."""

from __future__ import annotations

from collections.abc import Sequence

from vitar.data.curation.contamination import Benchmark, contaminated_images
from vitar.data.curation.duplicates import near_duplicates
from vitar.data.curation.fingerprints import Gallery
from vitar.data.curation.questions.candidate import Rejection
from vitar.data.curation.questions.images import Survey
from vitar.data.curation.questions.ledger import Ledger

UNREADABLE, REPEATED_ID, COPY, CONTAMINATED = "unreadable", "repeated_id", "near_duplicate_image", "contamination"

ABOUT = {
    UNREADABLE: "The image can be decoded, and has the size at which it was annotated.",
    REPEATED_ID: "No earlier image has the same id.",
    COPY: "No earlier image shows the same, whatever its compression, size, brightness or border.",
    CONTAMINATED: "No prepared benchmark has the image, or asks the question in the same words.",
}
"""Filter -> what holds of what passes it."""

NO_BENCHMARK = "no prepared benchmark was given"


def filter_images(found: Survey, benchmarks: Sequence[Benchmark]) -> Ledger[int]:
    """The images by place, and which of them questions may be about."""
    ledger: Ledger[int] = Ledger(range(len(found.images)))
    unreadable = {
        place: Rejection(UNREADABLE, "unreadable", each.problem)
        for place, each in enumerate(found.images)
        if each.fingerprint is None
    }
    ledger.reject(UNREADABLE, ABOUT[UNREADABLE], unreadable)
    ledger.reject(REPEATED_ID, ABOUT[REPEATED_ID], _repeated(found, ledger.left))
    ledger.reject(COPY, ABOUT[COPY], _copies(found, ledger.left))
    if not benchmarks:
        ledger.skip(CONTAMINATED, ABOUT[CONTAMINATED], NO_BENCHMARK)
        return ledger
    places = ledger.left
    taken = {
        places[query]: Rejection(CONTAMINATED, f"image_in_{same.benchmark}", f"{same.item} has it: {same.detail}")
        for query, same in contaminated_images(_gallery(found, places), benchmarks).items()
    }
    ledger.reject(CONTAMINATED, ABOUT[CONTAMINATED], taken)
    return ledger


def _repeated(found: Survey, places: Sequence[int]) -> dict[int, Rejection]:
    seen: set[str] = set()
    repeated = {}
    for place in places:
        name = found.images[place].image.id
        if name in seen:
            repeated[place] = Rejection(REPEATED_ID, "repeated_id", f"an earlier image is called {name} too")
        seen.add(name)
    return repeated


def _copies(found: Survey, places: Sequence[int]) -> dict[int, Rejection]:
    """Images of which an earlier one, that stays, is a copy."""
    copies: dict[int, Rejection] = {}
    for copy in near_duplicates(_gallery(found, places)):
        place, first = places[copy.query], places[copy.reference]
        if first not in copies and place not in copies:
            same = "equal pixels" if copy.agreement == 1 else f"agreement {copy.agreement:.3f} once aligned"
            copies[place] = Rejection(COPY, "copy", f"shows the same as {found.images[first].image.id}: {same}")
    return copies


def _gallery(found: Survey, places: Sequence[int]) -> Gallery:
    return Gallery([known for place in places if (known := found.images[place].fingerprint)])
