"""Questions by rule, balanced by construction: whatever is asked is asked of a block of images, one for each answer.

All questions of a block have the same words and the same options, and each option is right exactly once, so that the
text says nothing about the answer. VQA v2 was balanced by such complementary images (Y. Goyal et al., CVPR 2017).
Facts for which there is no counterpart are not asked.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vitar.data.curation.questions.candidate import YES_NO, Candidate
from vitar.data.curation.questions.facts import KIND_OF, MAX_OPTIONS, Fact, Vocabulary, facts_of, vocabularies
from vitar.data.curation.questions.generator import SplitImage
from vitar.data.curation.questions.wording import OPEN, PROPOSED, TEMPLATES, WHERE_CLOSED, fill, image_phrase
from vitar.data.phantoms.questions import NONE
from vitar.data.phantoms.scene import seeded_rng

FORMS = ("choice", "yes_no", "closed")

MIN_NUMBERS = 3
"""Numbers that a choice offers at least."""


@dataclass
class _Frame:
    """What is asked, and the facts that answer it.

    Attributes:
        pools: answer -> (place of the image, fact), the next one at the end.
        numbers: of a question for a number, the answers that a short answer may have.
        blocks: made so far.
    """

    split: str
    source: str
    modality: str
    ask: str
    fields: tuple[tuple[str, str], ...]
    values: tuple[str, ...]
    pools: dict[str, list[tuple[int, Fact]]] = field(default_factory=lambda: defaultdict(list))
    numbers: tuple[str, ...] = ()
    blocks: int = 0

    @property
    def name(self) -> str:
        described = [f"{name}={value}" for name, value in self.fields]
        return " ".join([self.ask, *described, "/".join(self.values) or "number"])

    @property
    def forms(self) -> tuple[str, ...]:
        return ("yes_no",) if self.values == YES_NO else FORMS

    def available(self) -> list[str]:
        """Answers with facts left, in the order of the values, or of numbers."""
        order = self.values or sorted(self.pools, key=int)
        return [value for value in order if self.pools.get(value)]


@dataclass(frozen=True)
class _Block:
    """One image for each answer, and what their questions have in common.

    Args:
        answers: right ones, each with its fact.
        proposal: the answer that a yes/no question names; "" for none.
    """

    form: str
    answers: tuple[tuple[str, tuple[int, Fact]], ...]
    proposal: str = ""


class RuleGenerator:
    """Asks what the marks on the images say.

    Args:
        items: number of questions to aim for; every fact with a counterpart is used up before there are fewer.
        max_per_image: questions about one image.
        max_count: larger numbers are not asked for.
        names, nouns, incomplete: see `vocabularies`.
        seed: of which facts are asked, and of wording.
    """

    name = "rules"

    def __init__(
        self,
        *,
        items: int,
        max_per_image: int,
        max_count: int,
        names: Mapping[str, str],
        nouns: Mapping[str, str],
        incomplete: Sequence[str],
        seed: int,
    ) -> None:
        self.items, self.max_per_image, self.max_count, self.seed = items, max_per_image, max_count, seed
        self.names, self.nouns, self.incomplete = names, nouns, incomplete
        self.account: dict[str, int] = {}

    async def generate(self, images: Sequence[SplitImage]) -> list[Candidate]:
        words = vocabularies((each.image for each in images), self.names, self.nouns, self.incomplete)
        frames = self._frames(images, words)
        facts = Counter(KIND_OF[frame.ask] for frame in frames for pool in frame.pools.values() for _ in pool)
        self.account = {f"facts_{kind}": count for kind, count in sorted(facts.items())}
        used = Counter[int]()
        candidates: list[Candidate] = []
        for split, members in sorted(Counter(each.split for each in images).items()):
            wanted = round(self.items * members / len(images))
            mine = [frame for frame in frames if frame.split == split]
            for frame, block in self._blocks(mine, used, wanted):
                candidates += self._pose(frame, block, words[frame.source, frame.modality], images, used)
        return candidates

    def _frames(self, images: Sequence[SplitImage], words: Mapping[tuple[str, str], Vocabulary]) -> list[_Frame]:
        """Every fact of every image, in the frame that it answers."""
        frames: dict[tuple[object, ...], _Frame] = {}
        for place, each in enumerate(images):
            image = each.image
            for fact in facts_of(image, words[image.source, image.modality], self.max_count):
                key = (each.split, image.source, image.modality, fact.ask, fact.fields, fact.values)
                frame = frames.setdefault(key, _Frame(*key))
                frame.pools[fact.value].append((place, fact))
        for frame in frames.values():
            rng = seeded_rng("facts", self.seed, frame.split, frame.source, frame.modality, frame.name)
            for value in sorted(frame.pools):
                rng.shuffle(frame.pools[value])
            if not frame.values:
                common = sorted(frame.pools, key=lambda value: (-len(frame.pools[value]), int(value)))
                frame.numbers = tuple(sorted(common[:MAX_OPTIONS], key=int))
        return list(frames.values())

    def _blocks(self, frames: Sequence[_Frame], used: Counter[int], wanted: int) -> Iterator[tuple[_Frame, _Block]]:
        """Blocks from the source, modality and question kind with the fewest items so far, its frames by turns."""
        strata: defaultdict[tuple[str, str, str], deque[_Frame]] = defaultdict(deque)
        for place in seeded_rng("frames", self.seed).permutation(len(frames)):
            frame = frames[place]
            strata[frame.source, frame.modality, KIND_OF[frame.ask]].append(frame)
        behind = [(0, key) for key in sorted(strata)]  # a heap: (items, stratum)
        made = 0
        while behind and made < wanted:
            items, key = behind[0]
            frame = strata[key].popleft()
            if block := self._block(frame, used):
                strata[key].append(frame)
                made += len(block.answers)
                heapq.heapreplace(behind, (items + len(block.answers), key))
                yield frame, block
            elif not strata[key]:
                heapq.heappop(behind)

    def _block(self, frame: _Frame, used: Counter[int]) -> _Block | None:
        """The next block of a frame in the form whose turn it is, or in another one; None if nothing is left."""
        for pool in frame.pools.values():
            while pool and used[pool[-1][0]] >= self.max_per_image:
                pool.pop()
        first = frame.blocks % len(frame.forms)
        for form in (*frame.forms[first:], *frame.forms[:first]):
            answers, proposal = _answers(frame, form)
            if answers:
                frame.blocks += 1
                return _Block(form, tuple((value, frame.pools[value].pop()) for value in answers), proposal)
        return None

    def _pose(
        self, frame: _Frame, block: _Block, vocabulary: Vocabulary, images: Sequence[SplitImage], used: Counter[int]
    ) -> Iterator[Candidate]:
        """The questions of a block. Their regions are called what the questions call them."""
        rng = seeded_rng("words", self.seed, frame.split, frame.source, frame.modality, frame.name, frame.blocks)
        question = _words(frame, block, vocabulary.noun, rng)
        values = [value for value, _ in block.answers]
        turn = int(rng.integers(len(values)))
        for number, (value, (place, fact)) in enumerate(block.answers):
            image = images[place].image
            marks = [image.regions[region] for region in fact.regions]
            options: list[str] = []
            answer = value
            if block.form == "choice":
                options = [other for other in values if other != value]
                rng.shuffle(options)
                options.insert((number + turn) % len(values), value)
            elif block.form == "yes_no" and frame.values != YES_NO:
                answer = YES_NO[value != block.proposal]
            elif frame.ask == "where":
                answer = value.removesuffix(" half").removesuffix(" quadrant")
            used[place] += 1
            yield Candidate(
                id=f"{image.id}#{used[place]}",
                image_id=image.id,
                split=frame.split,
                source=frame.source,
                modality=frame.modality,
                question=question,
                options=tuple(options),
                answer=answer,
                answer_type=block.form,
                kind=KIND_OF[frame.ask],
                regions=tuple(replace(mark, label=vocabulary.names[mark.label]) for mark in marks),
                frame=f"{frame.name} {block.proposal}".rstrip(),
                generator=self.name,
            )


def _answers(frame: _Frame, form: str) -> tuple[list[str], str]:
    """Answers for the next block in a form, and the proposal of a yes/no question; none if there are too few."""
    values = frame.available()
    most = max(values, key=lambda value: len(frame.pools[value]), default="")
    if form == "closed":
        needed = frame.values or frame.numbers
        return (list(needed), "") if len(needed) > 1 and set(needed) <= set(values) else ([], "")
    if len(values) < 2:
        return [], ""
    if form == "choice" and frame.values:
        return values, ""
    if form == "choice":
        near = _nearest(values, most, MAX_OPTIONS)
        return (near, "") if len(near) >= MIN_NUMBERS else ([], "")
    if frame.values == YES_NO:
        return values, ""
    others = [value for value in values if value != most]
    other = max(others, key=lambda value: len(frame.pools[value]))
    return [most, _nearest(others, most, 1)[0] if not frame.values else other], most


def _nearest(numbers: Sequence[str], to: str, count: int) -> list[str]:
    """The ``count`` numbers nearest to one, in order."""
    return sorted(sorted(numbers, key=lambda number: (abs(int(number) - int(to)), int(number)))[:count], key=int)


def _words(frame: _Frame, block: _Block, noun: str, rng: np.random.Generator) -> str:
    """The text that all questions of a block share."""
    how = PROPOSED if block.proposal else OPEN
    lacks = frame.ask == "attribute_of" and block.proposal == NONE
    wordings = TEMPLATES["lacks" if lacks else frame.ask, how]
    template = wordings[int(rng.integers(len(wordings)))]
    if frame.ask == "where" and block.form == "closed":
        template = WHERE_CLOSED[frame.values]
    fields = {**dict(frame.fields), "noun": noun, "image": image_phrase(frame.modality)}
    return fill(template, fields | ({"value": block.proposal} if block.proposal else {}))
