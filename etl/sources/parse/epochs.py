"""One score of the several that an LLM got for one item, as Inspect reduces epochs."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from routerset.etl.sources.base import BAD, cost_note
from routerset.etl.sources.blocks import MAX_COST
from routerset.etl.sources.parse.answers import Answer
from routerset.etl.sources.parse.scores import number_of
from routerset.etl.sources.parse.task_files import TaskFile
from routerset.etl.sources.quarantine import BadRow
from routerset.schemas.tables import Reason

MEAN = "mean"
CORRECT = 1.0
"""What a score must reach to count as a success."""
_WITH_K = re.compile(r"(at_least|pass_at|pass_k|pass)_(?:k_)?(\d{1,3})")


def _at_least(scores: Sequence[float], k: int) -> float:
    return float(_successes(scores) >= k)


def _pass_at(scores: Sequence[float], k: int) -> float:
    """That one of k answers is a success: NaN of fewer than k."""
    n, wrong = len(scores), len(scores) - _successes(scores)
    return math.nan if n < k else 1.0 - math.comb(wrong, k) / math.comb(n, k)


def _pass_all(scores: Sequence[float], k: int) -> float:
    """That all of k answers are."""
    n = len(scores)
    return math.nan if n < k else math.comb(_successes(scores), k) / math.comb(n, k)


def _successes(scores: Sequence[float]) -> int:
    return sum(score >= CORRECT for score in scores)


REDUCERS: Mapping[str, Callable[[Sequence[float]], float]] = MappingProxyType(
    {MEAN: statistics.fmean, "median": statistics.median, "mode": statistics.mode, "max": max}
)
_OF_K = {"at_least": _at_least, "pass_at": _pass_at, "pass_k": _pass_all, "pass": _pass_all}
KNOWN = (*REDUCERS, "at_least_K", "pass_at_K", "pass_k_K")
"""Names of reducers, K being a number."""


def reducer_of(name: str) -> Callable[[Sequence[float]], float] | None:
    """What a reducer does with at least one score; None where the name is unknown."""
    known = REDUCERS.get(name.removesuffix("_score"))
    found = None if known else _WITH_K.fullmatch(name)
    if found is None:
        return known
    of_k, k = _OF_K[found[1]], int(found[2])
    return (lambda scores: of_k(scores, k)) if k else None


@dataclass
class Merged:
    """Answers to distinct items.

    bad: those of some epoch that cannot count. n_left_out: further answers that went into one, or repeat one.
    n_reduced: answers that went into one of several. notes: costs that are none, beyond those in `answers`.
    """

    answers: list[Answer] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    n_left_out: int = 0
    n_reduced: int = 0
    notes: Counter[str] = field(default_factory=Counter)


def merge_epochs(
    run: TaskFile,
    items: Iterable[Sequence[tuple[int, Answer]]],
    reduce: Callable[[Sequence[float]], float],
) -> Merged:
    """One answer for each item. items: epochs and answers of each.

    Of an epoch that is given twice the same, the last one counts; given differently, none does. The score is
    what the scores of all other epochs are reduced to, each cost the mean of theirs.
    """
    merged = Merged()
    for of_item in items:
        kept = of_item if len(of_item) == 1 else list(_distinct(run, of_item, merged))
        if len(kept) < 2:
            merged.answers += (answer for _, answer in kept)
            continue
        low, high = run.bounds
        scored = [each for each in kept if low <= each[1].score <= high]
        merged.bad += (_unusable(run, *each) for each in kept if each not in scored)
        if scored:
            merged.answers.append(_reduced([answer for _, answer in scored], reduce, merged.notes))
            merged.n_left_out += len(scored) - 1
            merged.n_reduced += len(scored)
    return merged


def _distinct(
    run: TaskFile, of_item: Sequence[tuple[int, Answer]], merged: Merged
) -> Iterator[tuple[int, Answer]]:
    by_epoch: defaultdict[int, list[Answer]] = defaultdict(list)
    for epoch, answer in of_item:
        by_epoch[epoch].append(answer)
    for epoch, alike in by_epoch.items():
        if len({(repr(answer.score), answer.said) for answer in alike}) == 1:
            merged.n_left_out += len(alike) - 1
            yield epoch, alike[-1]
            continue
        key = alike[0].texts["doc_key"]
        detail = f"document {key}, epoch {epoch}: {len(alike)} samples with different scores, expected one"
        merged.bad += (
            run.bad(each.row, Reason.DUPLICATE_KEY, detail, each.said or f"{each.score:g}") for each in alike
        )


def _unusable(run: TaskFile, epoch: int, answer: Answer) -> BadRow:
    where, (low, high) = f"document {answer.texts['doc_key']}, epoch {epoch}", run.bounds
    if answer.said is None and math.isnan(answer.score):
        return run.bad(answer.row, Reason.MISSING_SCORE, f"{where}: no score")
    found = repr(answer.score) if answer.said is None else ascii(answer.said[:40])
    detail = f"{where}: expected a score in [{low:g}, {high:g}], found {found}"
    return run.bad(answer.row, Reason.SCORE_OUT_OF_RANGE, detail, answer.said)


def _reduced(
    answers: Sequence[Answer], reduce: Callable[[Sequence[float]], float], notes: Counter[str]
) -> Answer:
    costs: dict[str, object] = {}
    for name in answers[0].costs:
        found = [answer.costs[name] for answer in answers if answer.costs[name] is not None]
        numbers = [number_of(value) for value in found]
        good = [value for value in numbers if value is not None and 0 <= value <= MAX_COST]
        costs[name] = statistics.fmean(good) if good else next(iter(found), None)
        notes[cost_note(name, BAD)] += len(found) - len(good) if good else max(len(found) - 1, 0)
    score = reduce([answer.score for answer in answers])
    return replace(answers[0], score=score, costs=costs)
