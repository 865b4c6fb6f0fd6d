"""What the marks on an image say about it: everything that a question can be made of, with its answer.

A fact is kept only where it is clear: a region has to lie in a place or outside it, and of two sizes or numbers one
has to be clearly larger. Every fact needs to know that nothing else of its kind is there. So it is about labels of
which every instance is marked, and what is said of all regions, as of the uppermost one, needs that of all labels.
Fine attributes are asked for where a source tells them, of the only region of its name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from vitar.data.annotated import AnnotatedImage
from vitar.data.curation.questions.places import LEVELS, PLACES, QUADRANTS, SIDES, box_area, box_share

INSIDE, OUTSIDE = 0.75, 0.1
"""Least share of a region in a place that it lies in, and largest share in one that it lies outside of."""

LARGER_AREA, LONGER, LARGER_NUMBER = 1.3, 1.15, 1.5
"""Least ratio of two areas, of two widths or heights, and of two numbers that are compared."""

APART = 0.05
"""Least distance between the outermost region and the next, or between two edges, as a share of the image's side."""

MAX_OPTIONS = 4

NOT_ALL_MARKED = ("deeplesion", "chestxray14")
"""Sources whose authors did not mark every lesion: DeepLesion has those that were measured, ChestX-ray14 some."""

KIND_OF = {
    "present": "presence",
    "present_in": "presence",
    "which_present": "presence",
    "where": "location",
    "how_many": "count",
    "how_many_in": "count",
    "what_in": "type",
    "what_is": "type",
    "attribute_of": "attribute",
    "which_of": "comparison",
    "larger_at": "comparison",
    "more_of": "comparison",
    "more_at": "comparison",
}
"""What is asked -> question kind."""

COMPARATIVES = ("is larger", "is wider", "is taller", "reaches farther up", "reaches farther down")
SUPERLATIVES = ("largest", "smallest", "leftmost", "rightmost", "uppermost", "lowermost")


@dataclass(frozen=True)
class Vocabulary:
    """What is known of one kind of image: one source's images of one modality.

    Args:
        names: label -> what a question calls it, for every label of which all instances are marked.
        noun: what a question calls a region whose label it must not give away.
        complete: these are all labels that occur.
        attributes: name -> fine attribute of regions called so -> its values, where the source tells them.
    """

    names: Mapping[str, str]
    noun: str
    complete: bool
    attributes: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    def group_of(self, name: str) -> tuple[str, ...]:
        """The names that a question about a kind offers beside ``name``, and itself."""
        return group_of(name, set(self.names.values()))


def group_of(value: str, values: Iterable[str]) -> tuple[str, ...]:
    """The values in lists short enough for options, and of these the one with ``value``: its distractors and itself."""
    ordered = sorted(values)
    count = -(-len(ordered) // MAX_OPTIONS)
    return next(group for start in range(count) if value in (group := tuple(ordered[start::count])))


@dataclass(frozen=True)
class Fact:
    """One thing that is true of an image.

    Args:
        ask: key of `KIND_OF`.
        fields: what the words of the question need beside the answer, by name.
        value: the answer.
        values: all that could be the answer; empty for a number.
        regions: places, in the image's regions, of those that the fact is about.
    """

    ask: str
    fields: tuple[tuple[str, str], ...]
    value: str
    values: tuple[str, ...]
    regions: tuple[int, ...]


def vocabularies(
    images: Iterable[AnnotatedImage], names: Mapping[str, str], nouns: Mapping[str, str], incomplete: Sequence[str]
) -> dict[tuple[str, str], Vocabulary]:
    """The vocabulary of each source and modality.

    Args:
        names: label -> words, where the label itself does not read well.
        nouns: source -> noun; "structure" where there is none.
        incomplete: sources, or ``SOURCE:LABEL``, of which not every instance is marked, beside `NOT_ALL_MARKED`.
    """
    kinds: defaultdict[tuple[str, str], list[AnnotatedImage]] = defaultdict(list)
    for image in images:
        kinds[image.source, image.modality].append(image)
    return {key: _vocabulary(key[0], of_kind, names, nouns, incomplete) for key, of_kind in kinds.items()}


def _vocabulary(
    source: str,
    images: Sequence[AnnotatedImage],
    names: Mapping[str, str],
    nouns: Mapping[str, str],
    incomplete: Sequence[str],
) -> Vocabulary:
    labels = sorted({region.label for image in images for region in image.regions})
    called = {label: names.get(label, _readable(label)) for label in labels}
    not_whole = {*NOT_ALL_MARKED, *incomplete}
    partly = {name for label, name in called.items() if not_whole & {source, f"{source}:{label}"}}
    known = {label: name for label, name in called.items() if name not in partly}
    values: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for image in images:
        for region, attributes in zip(image.regions, image.attributes, strict=False):  # () where the source has none
            for attribute, value in attributes.items() if region.label in known else ():
                values[known[region.label]][attribute].add(value)
    fine = {
        name: {attribute: tuple(sorted(found)) for attribute, found in sorted(by.items())}
        for name, by in sorted(values.items())
    }
    return Vocabulary(known, nouns.get(source, "structure"), not partly, fine)


def facts_of(image: AnnotatedImage, vocabulary: Vocabulary, max_count: int) -> list[Fact]:
    """Every fact of an image, in a fixed order.

    Args:
        max_count: larger numbers are not asked for.
    """
    if image.uncertain:
        unsure = {vocabulary.names.get(label) for label in image.uncertain}
        names = {label: name for label, name in vocabulary.names.items() if name not in unsure}
        fine = {name: by for name, by in vocabulary.attributes.items() if name not in unsure}
        vocabulary = replace(vocabulary, names=names, attributes=fine, complete=False)
    scene = _Scene(image, vocabulary)
    found = [*_where(scene), *_which_of(scene), *_larger_at(scene)]
    found += [*_presence(scene), *_how_many(scene, max_count), *_more(scene), *_attribute_of(scene)]
    if vocabulary.complete:
        found += [*_what_in(scene), *_what_is(scene), *_which_present(scene)]
    return found


class _Scene:
    """An image with what is asked of it again and again.

    Attributes:
        names: of the regions, in their order; "" for one whose label is not in the vocabulary.
        by_name: name -> places of the regions called so; every name of the vocabulary is there.
    """

    def __init__(self, image: AnnotatedImage, vocabulary: Vocabulary) -> None:
        self.image, self.vocabulary = image, vocabulary
        self.names = [vocabulary.names.get(region.label, "") for region in image.regions]
        self.by_name = {
            name: tuple(i for i, n in enumerate(self.names) if n == name)
            for name in sorted(set(vocabulary.names.values()))
        }
        self.areas = [box_area(region) for region in image.regions]
        self._shares = {place: [box_share(region, image, place) for region in image.regions] for place in PLACES}

    def inside(self, place: str, among: Sequence[int]) -> tuple[int, ...]:
        return tuple(i for i in among if self._shares[place][i] >= INSIDE)

    def clear(self, place: str, among: Sequence[int]) -> bool:
        """Whether each of the regions lies inside or outside."""
        return all(not OUTSIDE < self._shares[place][i] < INSIDE for i in among)

    @property
    def everything(self) -> range:
        return range(len(self.names))


def _presence(scene: _Scene) -> Iterator[Fact]:
    for name, found in scene.by_name.items():
        yield Fact("present", (("label", name),), _yes(found), ("yes", "no"), found)
        for place in PLACES:
            inside = scene.inside(place, found)
            if inside or scene.clear(place, found):
                yield Fact(
                    "present_in", (("label", name), ("place", place)), _yes(inside), ("yes", "no"), inside or found
                )


def _which_present(scene: _Scene) -> Iterator[Fact]:
    present = [name for name, found in scene.by_name.items() if found]
    if len(present) == 1:
        yield from _named(scene, "which_present", (), scene.by_name[present[0]])


def _where(scene: _Scene) -> Iterator[Fact]:
    for name, found in scene.by_name.items():
        for places in (SIDES, LEVELS, QUADRANTS) if len(found) == 1 else ():
            if place := next((place for place in places if scene.inside(place, found)), None):
                yield Fact("where", (("label", name),), place, places, found)


def _attribute_of(scene: _Scene) -> Iterator[Fact]:
    for name, known in scene.vocabulary.attributes.items():
        if len(found := scene.by_name[name]) == 1 and scene.image.attributes:
            for attribute, value in sorted(scene.image.attributes[found[0]].items()):
                fields = (("attribute", attribute), ("label", name))
                yield Fact("attribute_of", fields, value, group_of(value, known[attribute]), found)


def _how_many(scene: _Scene, max_count: int) -> Iterator[Fact]:
    for name, found in scene.by_name.items():
        if len(found) <= max_count:
            yield Fact("how_many", (("label", name),), str(len(found)), (), found)
        for place in (*SIDES, *LEVELS):
            inside = scene.inside(place, found)
            if scene.clear(place, found) and len(inside) <= max_count:
                yield Fact("how_many_in", (("label", name), ("place", place)), str(len(inside)), (), inside or found)


def _what_in(scene: _Scene) -> Iterator[Fact]:
    for place in PLACES:
        inside = scene.inside(place, scene.everything)
        if len(inside) == 1 and scene.clear(place, scene.everything):
            yield from _named(scene, "what_in", (("place", place),), inside)


def _what_is(scene: _Scene) -> Iterator[Fact]:
    if len(set(scene.names)) < 2:
        return
    boxes = [region.box_xyxy for region in scene.image.regions]
    across = [(x0 + x1) / 2 / scene.image.width for x0, _, x1, _ in boxes]
    down = [(y0 + y1) / 2 / scene.image.height for _, y0, _, y1 in boxes]
    measures = (scene.areas, [-area for area in scene.areas], [-x for x in across], across, [-y for y in down], down)
    for superlative, measure in zip(SUPERLATIVES, measures, strict=True):
        second, first = sorted(scene.everything, key=measure.__getitem__)[-2:]
        if superlative in ("largest", "smallest"):
            sizes = sorted((scene.areas[first], scene.areas[second]))
            clear = sizes[1] >= LARGER_AREA * sizes[0]
        else:
            clear = measure[first] - measure[second] >= APART
        if clear:
            yield from _named(scene, "what_is", (("superlative", superlative),), (first,))


def _named(scene: _Scene, ask: str, fields: tuple[tuple[str, str], ...], regions: tuple[int, ...]) -> Iterator[Fact]:
    """The name that regions have in common, among names that could be it."""
    name = scene.names[regions[0]]
    group = scene.vocabulary.group_of(name)
    if len(group) > 1:
        yield Fact(ask, (*fields, ("group", ", ".join(group))), name, group, regions)


def _which_of(scene: _Scene) -> Iterator[Fact]:
    single = {name: found[0] for name, found in scene.by_name.items() if len(found) == 1}
    for names in combinations(single, 2):
        regions = tuple(single[name] for name in names)
        (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = (scene.image.regions[region].box_xyxy for region in regions)
        height = scene.image.height
        winners = (
            _larger(scene.areas[regions[0]], scene.areas[regions[1]], LARGER_AREA),
            _larger(ax1 - ax0, bx1 - bx0, LONGER),
            _larger(ay1 - ay0, by1 - by0, LONGER),
            None if abs(ay0 - by0) < APART * height else int(by0 < ay0),
            None if abs(ay1 - by1) < APART * height else int(by1 > ay1),
        )
        for comparative, winner in zip(COMPARATIVES, winners, strict=True):
            if winner is not None:
                fields = (("comparative", comparative), ("label", names[0]), ("other", names[1]))
                yield Fact("which_of", fields, names[winner], names, regions)


def _larger_at(scene: _Scene) -> Iterator[Fact]:
    for name, found in scene.by_name.items():
        for places in (SIDES, LEVELS):
            inside = [scene.inside(place, found) for place in places]
            if len(found) == 2 and all(len(each) == 1 for each in inside):
                first, second = inside[0][0], inside[1][0]
                if (larger := _larger(scene.areas[first], scene.areas[second], LARGER_AREA)) is not None:
                    yield Fact("larger_at", _two_places(name, places), places[larger], places, (first, second))


def _more(scene: _Scene) -> Iterator[Fact]:
    """Comparisons of numbers."""
    present = {name: found for name, found in scene.by_name.items() if found}
    for first, second in combinations(present, 2):
        if (larger := _larger(len(present[first]), len(present[second]), LARGER_NUMBER)) is not None:
            fields, found = (("label", first), ("other", second)), tuple(sorted(present[first] + present[second]))
            yield Fact("more_of", fields, (first, second)[larger], (first, second), found)
    for name, found in present.items():
        for places in (SIDES, LEVELS):
            numbers = [len(scene.inside(place, found)) for place in places]
            if scene.clear(places[0], found) and (larger := _larger(numbers[0], numbers[1], LARGER_NUMBER)) is not None:
                yield Fact("more_at", _two_places(name, places), places[larger], places, found)


def _two_places(name: str, places: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return (("label", name), ("place", places[0]), ("other_place", places[1]))


def _larger(first: float, second: float, ratio: float) -> int | None:
    """0 or 1, which is larger; None where neither is by so much."""
    if max(first, second) < ratio * min(first, second) or first == second:
        return None
    return int(second > first)


def _yes(found: Sequence[int]) -> str:
    return "yes" if found else "no"


def _readable(label: str) -> str:
    """A label as words: no underscores, lower case unless it is an abbreviation."""
    words = label.replace("_", " ").split()
    return " ".join(word if word.isupper() else word.lower() for word in words)
