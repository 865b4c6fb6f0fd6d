"""Answers that are equally frequent wherever the text is the same, and letters that are too.

A *cell* holds the candidates that differ in image and answer alone. Within a cell each answer is kept equally often, so
that knowing the text, or the source, or the modality, is of no help. What has no counterpart is left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from vitar.data.curation.questions.candidate import Candidate, Rejection
from vitar.data.phantoms.scene import seeded_rng

BALANCE = "balance"

Block = tuple[Candidate, ...]
"""One candidate for each answer of a cell."""


def blocks_of(candidates: Sequence[Candidate]) -> tuple[list[Block], list[Candidate]]:
    """The candidates in blocks, and those that are left over; both in the order in which they came.

    A choice or a yes/no question needs one candidate for each answer that it allows. A short answer has no such list:
    of its answers those are taken with which most candidates stay. A question that has a frame of its own, as a
    teacher's has, is a block by itself, unless it is a yes/no question.
    """
    cells: defaultdict[tuple[str, ...], defaultdict[str, list[Candidate]]] = defaultdict(lambda: defaultdict(list))
    blocks: list[Block] = []
    for candidate in candidates:
        if candidate.frame or candidate.answer_type == "yes_no":
            cells[candidate.cell][candidate.answer].append(candidate)
        else:
            blocks.append((candidate,))
    left = []
    for by_answer in cells.values():
        chosen = _answers(by_answer)
        depth = min((len(by_answer[answer]) for answer in chosen), default=0)
        blocks += [tuple(by_answer[answer][level] for answer in chosen) for level in range(depth)]
        left += [each for answer, found in by_answer.items() for each in found[depth if answer in chosen else 0 :]]
    places = {candidate.id: place for place, candidate in enumerate(candidates)}
    blocks.sort(key=lambda block: min(places[each.id] for each in block))
    return blocks, sorted(left, key=lambda each: places[each.id])


def _answers(by_answer: Mapping[str, Sequence[Candidate]]) -> list[str]:
    """The answers of a cell that are kept equally often; none if one that has to be there is missing."""
    possible = next(iter(by_answer.values()))[0].possible_answers
    if possible:
        return list(possible) if set(possible) <= by_answer.keys() else []
    order = sorted(by_answer, key=lambda answer: (-len(by_answer[answer]), answer))
    sizes = range(2, len(order) + 1)
    return order[: max(sizes, key=lambda size: size * len(by_answer[order[size - 1]]), default=0)]


def balance(
    candidates: Sequence[Candidate], max_source_share: float, max_modality_share: float, seed: int
) -> tuple[list[Candidate], dict[str, Rejection]]:
    """The candidates that stay, and why the others do not.

    Args:
        max_source_share, max_modality_share: of all that stay; whole blocks go, until the largest fits.
    """
    blocks, left = blocks_of(candidates)
    rejected = {each.id: Rejection(BALANCE, "answer_without_counterpart", _alone(each)) for each in left}
    kinds: tuple[tuple[str, float, Callable[[Candidate], str]], ...] = (
        ("source", max_source_share, lambda each: each.source),
        ("modality", max_modality_share, lambda each: each.modality),
    )
    for name, share, of in kinds:
        blocks, dropped = _capped(blocks, share, of, seed)
        detail = f"its {name} would have more than {share:.0%} of all items"
        rejected |= {each.id: Rejection(BALANCE, f"{name}_share", detail) for block in dropped for each in block}
    kept = {each.id for block in blocks for each in block}
    return [each for each in candidates if each.id in kept], rejected


def _alone(candidate: Candidate) -> str:
    return f"no other question with the same words and options is left whose answer is not {candidate.answer!r}"


def _capped(
    blocks: Sequence[Block], share: float, of: Callable[[Candidate], str], seed: int
) -> tuple[list[Block], list[Block]]:
    """Blocks of which no part has more than ``share`` of the items, and those that had to go, drawn at random."""
    counts = Counter[str]()
    for block in blocks:
        counts[of(block[0])] += len(block)
    most = _most(counts, share)
    dropped: set[str] = set()
    for place in seeded_rng("balance", seed, len(blocks)).permutation(len(blocks)):
        block = blocks[place]
        if counts[of(block[0])] > most:
            counts[of(block[0])] -= len(block)
            dropped.add(block[0].id)
    return [b for b in blocks if b[0].id not in dropped], [b for b in blocks if b[0].id in dropped]


def _most(counts: Mapping[str, int], share: float) -> float:
    """The number of items beyond which a part has to be cut, so that none has more than ``share`` of what remains.

    Where even equal parts would have more, nothing can be done, and nothing is cut.
    """
    ordered = sorted(counts.values(), reverse=True)
    if share * len(ordered) < 1 or not ordered or ordered[0] <= share * sum(ordered):
        return float("inf")
    for cut in range(1, len(ordered)):  # so many parts are cut to the same number
        if share * cut < 1:
            most = share * sum(ordered[cut:]) / (1 - share * cut)
            if ordered[cut] <= most:
                return most
    return ordered[-1]


def assign_letters(candidates: Sequence[Candidate], seed: int) -> list[Candidate]:
    """The same questions with their options in another order: in every block each letter is right once."""
    blocks, left = blocks_of([each for each in candidates if each.answer_type == "choice"])
    ordered: dict[str, Candidate] = {}
    for block in [*blocks, *((each,) for each in left)]:
        rng = seeded_rng("letters", seed, block[0].id)
        count = len(block[0].options)
        slots = rng.permutation(count)
        for number, each in enumerate(block):
            others = sorted(option for option in each.options if option != each.answer)
            rng.shuffle(others)
            others.insert(int(slots[number % count]), each.answer)
            ordered[each.id] = each.with_options(others)
    return [ordered.get(each.id, each) for each in candidates]
