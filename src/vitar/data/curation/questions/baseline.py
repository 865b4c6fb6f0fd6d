"""What a reader of the text alone gets right: a linear model that never sees an image.

It scores each answer that a question allows by the words of question and answer together, their order among the
options, and their numbers, and is always asked about questions that it was not fitted to. Folds keep the blocks of
`balance` whole: a fold that lacks one answer of a block would teach the opposite of it, and a model that learns this
falls below chance.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vitar.data.curation.questions.candidate import Candidate, Rejection
from vitar.data.curation.text_match import words
from vitar.data.phantoms.scene import seeded_rng
from vitar.statistics import wilson

TEXT_ONLY = "answerable_from_text"

FOLDS = 5
MAX_ANSWERS = 12
"""Short answers that are considered for a question, the most frequent ones to such questions."""

_FEATURES = 2**18


@dataclass(frozen=True)
class Guess:
    """What the baseline makes of one candidate.

    Args:
        right: its first choice is the answer.
        probability: that it gives to the answer.
        chance: share right of the best guess that does not read the question's own words.
    """

    right: bool
    probability: float
    chance: float


@dataclass(frozen=True)
class Audit:
    """How often the baseline is right on one kind of question.

    Args:
        kind: question kind, or "all".
        low, high: Wilson's 95% interval of the accuracy.
    """

    kind: str
    n: int
    accuracy: float
    low: float
    high: float
    chance: float

    @property
    def at_chance(self) -> bool:
        return self.low <= self.chance <= self.high


def guesses(candidates: Sequence[Candidate], seed: int) -> list[Guess]:
    """The cross-fitted guess for each candidate; a fit never sees a block of which it is asked."""
    if not candidates:
        return []
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.linear_model import SGDClassifier

    answers = _answers(candidates)
    rows = [(i, answer) for i, allowed in enumerate(answers) for answer in allowed]
    item_R = np.array([i for i, _ in rows])
    right_R = np.array([answer == candidates[i].answer for i, answer in rows])
    hasher = FeatureHasher(_FEATURES, input_type="string", alternate_sign=False)
    features = hasher.transform(list(_features(candidates[i], answers[i], answer)) for i, answer in rows)
    fold_R = np.array(_folds(candidates, seed))[item_R]
    score_R = np.zeros(len(rows))
    for fold in np.unique(fold_R):
        fitted = fold_R != fold
        if right_R[fitted].any() and not right_R[fitted].all():
            model = SGDClassifier(loss="log_loss", alpha=1e-4, max_iter=20, tol=None, random_state=seed, average=True)
            model.fit(features[fitted], right_R[fitted])
            score_R[fold_R == fold] = model.decision_function(features[fold_R == fold])
    return _read_off(candidates, answers, score_R, seed)


def answerable(candidates: Sequence[Candidate], guessed: Sequence[Guess], margin: float) -> dict[str, Rejection]:
    """Candidates whose answer the text gives away; id -> rejection.

    Where the guesses on one kind of question of one source are not better than chance, the right ones are luck, however
    sure the model is of them, and none is a reason to leave a question out.

    Args:
        margin: probability above chance from which a right guess counts.
    """
    groups: defaultdict[tuple[str, str], list[tuple[Candidate, Guess]]] = defaultdict(list)
    for candidate, guess in zip(candidates, guessed, strict=True):
        groups[candidate.source, candidate.kind].append((candidate, guess))
    found = {}
    for group in groups.values():
        if not beats_chance([guess.right for _, guess in group], [guess.chance for _, guess in group]):
            continue
        for candidate, guess in group:
            if guess.right and guess.probability > guess.chance + margin:
                detail = f"the text alone gives the answer {guess.probability:.0%}, and chance is {guess.chance:.0%}"
                found[candidate.id] = Rejection(TEXT_ONLY, "text_baseline_right", detail)
    return found


def beats_chance(right: Sequence[bool], chance: Sequence[float]) -> bool:
    """Whether so many right answers would be luck in less than 1% of cases, at the mean chance."""
    from scipy.stats import binomtest

    mean = sum(chance) / len(chance)
    return bool(binomtest(sum(right), len(right), mean, alternative="greater").pvalue < 0.01)


def audit(candidates: Sequence[Candidate], guessed: Sequence[Guess]) -> list[Audit]:
    """Accuracy over everything, and for each question kind."""
    by_kind: defaultdict[str, list[Guess]] = defaultdict(list)
    for candidate, guess in zip(candidates, guessed, strict=True):
        by_kind["all"].append(guess)
        by_kind[candidate.kind].append(guess)
    return [_audit(kind, by_kind[kind]) for kind in sorted(by_kind, key=lambda kind: (kind != "all", kind))]


def _audit(kind: str, guessed: Sequence[Guess]) -> Audit:
    right = sum(guess.right for guess in guessed)
    interval = wilson(right, len(guessed))
    chance = sum(guess.chance for guess in guessed) / len(guessed)
    return Audit(kind, len(guessed), right / len(guessed), interval.low, interval.high, chance)


def _answers(candidates: Sequence[Candidate]) -> list[tuple[str, ...]]:
    """What the answer to each can be, as a reader of the text knows."""
    frequent: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for each in candidates:
        frequent[_peers(each)][each.answer] += 1
    common = {key: tuple(sorted(a for a, _ in counts.most_common(MAX_ANSWERS))) for key, counts in frequent.items()}
    return [each.possible_answers or common[_peers(each)] for each in candidates]


def _peers(candidate: Candidate) -> tuple[str, ...]:
    """Candidates that have short answers in common."""
    return (candidate.source, candidate.modality, candidate.kind, candidate.frame)


def _folds(candidates: Sequence[Candidate], seed: int) -> list[int]:
    """A fold for each candidate; the n-th of each answer of a cell share one."""
    seen: Counter[tuple[object, ...]] = Counter()
    offsets: dict[tuple[str, ...], int] = {}
    folds = []
    for each in candidates:
        cell = each.cell if each.frame else (*each.cell, each.id)
        if cell not in offsets:
            offsets[cell] = int(seeded_rng("fold", seed, *cell).integers(FOLDS))
        folds.append((offsets[cell] + seen[cell, each.answer]) % FOLDS)
        seen[cell, each.answer] += 1
    return folds


def _features(candidate: Candidate, allowed: Sequence[str], answer: str) -> Iterator[str]:
    """What the model sees of a question and one of its answers."""
    asked, said = words(candidate.question), words(answer)
    about = f"{candidate.kind}|{candidate.answer_type}"
    yield f"{about}|{answer}"
    yield f"text|{candidate.question}|{answer}"
    yield f"length|{candidate.answer_type}|{sum(len(other) < len(answer) for other in allowed)}"
    if candidate.options:
        yield f"letter|{candidate.options.index(answer)}"
        yield f"among|{'|'.join(sorted(candidate.options))}|{answer}"
        if all(option.isdecimal() for option in candidate.options):
            yield f"rank|{len(allowed)}|{sum(int(other) < int(answer) for other in allowed)}"
    for word in dict.fromkeys(asked):
        yield from (f"{word}|{part}" for part in said)
    for pair in pairwise(asked):
        yield f"{pair[0]} {pair[1]}|{answer}"


def _read_off(
    candidates: Sequence[Candidate], answers: Sequence[tuple[str, ...]], score_R: np.ndarray, seed: int
) -> list[Guess]:
    """Guesses from the scores of all answers; equal scores are decided by lot."""
    rng = seeded_rng("ties", seed)
    share = _most_frequent(candidates)
    found, start = [], 0
    for each, allowed in zip(candidates, answers, strict=True):
        score_A = score_R[start : start + len(allowed)]
        start += len(allowed)
        weight_A = np.exp(score_A - score_A.max())
        probability_A = weight_A / weight_A.sum()
        best = rng.choice(np.flatnonzero(score_A >= score_A.max() - 1e-9))
        probability = float(probability_A[allowed.index(each.answer)]) if each.answer in allowed else 0.0
        chance = 1 / len(each.possible_answers) if each.possible_answers else share[_peers(each)]
        found.append(Guess(allowed[best] == each.answer, probability, chance))
    return found


def _most_frequent(candidates: Sequence[Candidate]) -> dict[tuple[str, ...], float]:
    """The share of the most frequent short answer to questions that have short answers in common."""
    counts: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for each in candidates:
        if each.answer_type not in ("yes_no", "choice"):
            counts[_peers(each)][each.answer] += 1
    return {key: counter.most_common(1)[0][1] / counter.total() for key, counter in counts.items()}
