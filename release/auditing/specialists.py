"""Specialist scores: how much better than the generalist is the best other model in a category.

RouterBench+'s score of category t is the mean over budgets b of [max over i in M_b but gen_b of ACC(i, t),
less ACC(gen_b, t)], where M_b are the models that cost at most b and gen_b is the one of them that is best
overall. The maximum of many noisy accuracies is too high, so the score is given cross-fitted, too: generalist
and specialist are picked on one half of the items, and counted on the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from routerset.release.auditing.finding import Detector, Finding, mean, rounded, tell
from routerset.release.auditing.halves import Numbers, category_sums, halves
from routerset.release.auditing.subject import Codes, Subject

CLEAR = 0.05
"""Scores from which on RouterBench+ speaks of a specialist."""


@dataclass(frozen=True, eq=False)
class Budgets:
    """The distinct costs of a pool, where more than one model can be paid.

    order: models by ascending cost, then by row. reach: (budgets,) how many of them each budget pays.
    weights: of the budgets, the distance to the next one, so that the mean is uniform over the cost axis.
    """

    order: Codes
    reach: npt.NDArray[np.intp]
    weights: Numbers

    @classmethod
    def of(cls, costs: np.ndarray | None, n: int) -> Budgets:
        """Of costs (models,), or one budget that pays all `n` models. Needs two models."""
        if costs is None:
            costs = np.zeros(n)
        order = np.argsort(costs, kind="stable")
        distinct = np.unique(costs)
        reach = np.searchsorted(costs[order], distinct, side="right")
        weights = np.append(np.diff(distinct), 0.0)[reach >= 2]
        return cls(order, reach[reach >= 2], weights if weights.any() else np.ones_like(weights))

    def parts(self, best: npt.NDArray[np.intp]) -> Iterator[tuple[int, slice]]:
        """Budgets of one generalist each. best: (models,) the generalist of the first models in `order`."""
        of_budget = best[self.reach - 1]
        edges = np.flatnonzero(np.diff(of_budget, prepend=-1)).tolist()
        for start, stop in zip(edges, [*edges[1:], len(of_budget)], strict=True):
            yield int(of_budget[start]), slice(start, stop)


def scores_of(
    sums: Numbers, sizes: Numbers, other: Numbers, n_other: Numbers, budgets: Budgets
) -> tuple[Numbers, Codes]:
    """(categories,) specialist scores, picked by some sums and counted on others, and the best model each.

    sums: (categories, models) to pick by, sizes: (categories,) their items; other, n_other: to count on, the
    same again for the naive score. NaN for a category without items on either side. Of equal models the one
    that is better overall is picked, then the first.
    """
    overall = sums.sum(axis=0)
    n_models = len(overall)
    rank = np.empty(n_models, np.int64)
    rank[np.lexsort((np.arange(n_models), -overall))] = np.arange(n_models)
    order = budgets.order
    # one number that orders by accuracy in the category, then by that overall, then by row
    worth = _dense(sums)[:, order] * n_models + (n_models - 1 - rank[order])
    ranked = np.minimum.accumulate(rank[order])
    by_rank = np.argsort(rank)
    place = np.empty_like(order)
    place[order] = np.arange(n_models)
    counts, there = np.maximum(n_other, 1)[:, None], n_other[:, None] > 0
    total = np.zeros(len(sums))
    specialist = np.zeros(len(sums), np.intp)
    for gen, part in budgets.parts(by_rank[ranked]):
        reach = budgets.reach[part]
        own = worth[:, place[gen]].copy()
        worth[:, place[gen]] = -1
        between = np.maximum.reduceat(worth[:, : reach[-1]], np.append(0, reach[:-1]), axis=1)
        worth[:, place[gen]] = own
        specialist_at = by_rank[n_models - 1 - np.maximum.accumulate(between, axis=1) % n_models]
        of_specialist, of_gen = (
            np.where(there, right / counts, np.nan)
            for right in (np.take_along_axis(other, specialist_at, axis=1), other[:, [gen]])
        )
        gains = of_specialist - of_gen
        total += gains @ budgets.weights[part]
        specialist = specialist_at[:, -1]
    return np.where(sizes > 0, total / budgets.weights.sum(), np.nan), specialist


def _dense(sums: Numbers) -> npt.NDArray[np.int64]:
    """Whole numbers in the order of the sums in each row: such sums themselves, or ranks from 0 that equal
    sums share."""
    if np.array_equal(sums, whole := np.rint(sums)):
        return whole.astype(np.int64)
    return np.array([np.unique(row, return_inverse=True)[1] for row in np.round(sums, 9)], np.int64)


def naive(subject: Subject) -> tuple[Numbers, Codes]:
    """(categories,) naive specialist scores, and the specialist at the highest budget."""
    sums, sizes = category_sums(subject)
    return scores_of(sums, sizes, sums, sizes, _budgets(subject))


def cross_fitted(subject: Subject) -> Numbers:
    """(categories,) mean specialist scores over half splits, both ways; NaN below two items."""
    budgets = _budgets(subject)
    found = [scores_of(*half, budgets)[0] for half in halves(subject)]
    return np.asarray(np.mean(found, axis=0))


def _budgets(subject: Subject) -> Budgets:
    return Budgets.of(subject.costs.values if subject.costs.known else None, len(subject.models))


def find(subject: Subject) -> Finding:
    """Specialist scores of every category; means are of those that have enough items."""
    names = (
        "naive",
        "naive_by_chance",
        "cross_fitted",
        "cross_fitted_by_chance",
        "clear",
        "negative",
        "tested",
    )
    if len(subject.models) < 2 or len(subject.names) < 2:
        return Finding.undefined("fewer than two models or two categories", names)
    values, who = naive(subject)
    fitted, tested = cross_fitted(subject), subject.tested
    chance = [(naive(world)[0], cross_fitted(world)) for world in subject.worlds]
    by_chance = np.mean(chance, axis=0) if chance else np.full((2, len(values)), np.nan)
    n_items = np.bincount(subject.categories, minlength=len(values))
    rows = tuple(
        (
            subject.names[t],
            int(n_items[t]),
            *(rounded(float(each[t])) for each in (values, by_chance[0], fitted, by_chance[1])),
            subject.models[int(who[t])],
            "yes" if tested[t] else "no",
        )
        for t in range(len(values))
    )
    why = "" if tested.any() else "no category has 20 items"
    if not chance:
        why = "; ".join(filter(None, [why, "too few models to make chance of scores between 0 and 1"]))
    told = [rounded(mean(each[tested])) for each in (values, by_chance[0], fitted, by_chance[1])]
    clear = {
        name: int((each[tested] >= CLEAR).sum()) for name, each in (("naive", values), ("fitted", fitted))
    }
    negative = {name: int((each[tested] < 0).sum()) for name, each in (("naive", values), ("fitted", fitted))}
    numbers = dict(zip(names[:4], told, strict=True))
    costs = subject.costs
    return Finding(
        f"{tell(told[2])} per category, cross-fitted ({tell(told[3])} by chance; naive {tell(told[0])})",
        {
            **numbers,
            "clear": clear["fitted"],
            "clear_naive": clear["naive"],
            "negative": negative["fitted"],
            "negative_naive": negative["naive"],
            "tested": int(tested.sum()),
            "budgets": len(_budgets(subject).reach),
            "costs": costs.kind if costs.known else None,
            "costs_why_not": "" if costs.known else costs.why,
        },
        rows,
        why,
    )


DETECTOR = Detector(
    "specialists",
    "Specialists of categories",
    (
        ("category", "Category"),
        ("items", "Items"),
        ("naive", "Naive"),
        ("naive_by_chance", "Naive by chance"),
        ("cross_fitted", "Cross-fitted"),
        ("cross_fitted_by_chance", "Cross-fitted by chance"),
        ("specialist", "Specialist, naive"),
        ("tested", "20 items"),
    ),
    "How far the best other model is above the generalist in a category, on average over budgets. The naive "
    "score picks and counts on the same items; the cross-fitted one picks on one half and on the other.",
    "The same where nobody is a specialist: worlds with the same abilities and difficulties. There the naive "
    "score is well above 0, and the cross-fitted one is not.",
    find,
)
