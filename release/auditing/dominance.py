"""Dominance: whether one model is best everywhere."""

from __future__ import annotations

import numpy as np

from routerset.release.auditing.finding import Detector, Finding, mean, rounded, tell
from routerset.release.auditing.halves import Numbers, category_sums
from routerset.release.auditing.subject import Subject

SHOWN = 5


def mean_ranks(subject: Subject) -> Numbers:
    """(models,) rank by accuracy in each category, 1 the best, ties averaged; mean over categories."""
    sums, _ = category_sums(subject)
    return np.asarray(np.mean([_ranks(row) for row in -np.round(sums, 9)], axis=0))


def _ranks(values: Numbers) -> Numbers:
    """Places of values from the least, 1, equal ones sharing theirs: their mean."""
    ordered = np.sort(values)
    before, until = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return np.asarray((before + until + 1) / 2)


def find(subject: Subject) -> Finding:
    """The models of the lowest mean ranks."""
    names = ("best", "best_by_chance")
    if len(subject.models) < 2 or len(subject.names) < 2:
        return Finding.undefined("fewer than two models or two categories", names)
    ranks, (sums, sizes) = mean_ranks(subject), category_sums(subject)
    accuracy = sums.sum(axis=0) / sizes.sum()
    order = np.lexsort((np.arange(len(ranks)), -accuracy, ranks))[:SHOWN]
    lowest = [np.sort(mean_ranks(world))[: len(order)] for world in subject.worlds]
    chance = np.mean(lowest, axis=0) if lowest else np.full(len(order), np.nan)
    rows = tuple(
        (place + 1, subject.models[i], rounded(ranks[i]), rounded(chance[place]), rounded(accuracy[i]))
        for place, i in enumerate(order.tolist())
    )
    best, by_chance = rounded(ranks[order[0]]), rounded(mean([chance[0]]))
    return Finding(
        f"best mean rank {tell(best, 2)} of {len(ranks):,} ({tell(by_chance, 2)} by chance); 1 is best",
        {"best": best, "best_by_chance": by_chance},
        rows,
        "" if lowest else "too few models to make chance of scores between 0 and 1",
    )


DETECTOR = Detector(
    "dominance",
    "Dominance",
    (
        ("place", "Place"),
        ("model", "Model"),
        ("rank", "Mean rank"),
        ("rank_by_chance", "By chance"),
        ("accuracy", "Mean score"),
    ),
    "Models ranked by their mean score in each category, 1 the best; the mean over categories. Near 1, one "
    "model is best nearly everywhere, and there is little to route.",
    "The lowest mean ranks in worlds where models differ in ability alone: noise of small categories mixes "
    "ranks, so that a rank above that of chance says that somebody is better somewhere.",
    find,
)
