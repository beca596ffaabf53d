"""Groups of any strength: Routoo's universe, and a pool pruned as RouterBench+ does, down to m."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from routerset.etl.groups.candidates import (
    Group,
    Kind,
    Skipped,
    checked_sizes,
    open_pool,
    skip,
)
from routerset.release.auditing.pruning import prune
from routerset.schemas.coverage import Gains, integer_coverage, train_means
from routerset.schemas.greedy import greedy_order
from routerset.schemas.groups import WEAKEST

ANY = -1.0
"""Below any mean score: no model is too weak."""


def universe_groups(
    scores: np.ndarray, sizes: Sequence[int], train: np.ndarray
) -> tuple[list[Group], list[Skipped]]:
    """The first m models of Routoo's universe: again and again the one that adds most to what is covered.

    Covered is the best score of any of them on each train item. Models that have nearly everything right
    (mean train score above `STRONGEST`) are left out, since one of them would end it. Ties go to the higher
    sum of train scores, then to the lower row. Routoo stops where no model adds anything (`stops_at`); from
    there on, further layers of coverage fill the places (`schemas.greedy`).

    Arguments, result and errors are those of `greedy_groups`, the kind is `open` alone.
    """

    def order(pool: np.ndarray, cover: Gains, m: int) -> np.ndarray:
        ranked = _strongest_first(pool, cover)
        first: np.ndarray = ranked[greedy_order(cover, cover.rows[ranked], m)]
        return first

    return _first_of_each(scores, sizes, train, ANY, order)


def diverse_groups(
    scores: np.ndarray, sizes: Sequence[int], train: np.ndarray
) -> tuple[list[Group], list[Skipped]]:
    """The m models that RouterBench+'s pruning leaves last, with residual similarity (`pruning.prune`).

    What counts is to be accurate on train, and unlike the nearest other model in what ability does not tell.
    A model that is always wrong is unlike any other, so the pool begins above `WEAKEST`, as elsewhere.

    Arguments, result and errors are those of `greedy_groups`, the kind is `open` alone.
    """

    def order(pool: np.ndarray, cover: Gains, m: int) -> np.ndarray:
        return pool[prune(scores[np.ix_(pool, train)], similarity="residual")[::-1]]

    return _first_of_each(scores, sizes, train, WEAKEST, order)


def stops_at(scores: np.ndarray, train: np.ndarray) -> int:
    """How many models Routoo's rule takes of the pool of `universe_groups`: it ends where none adds anything.

    Arguments as of `greedy_groups`.
    """
    if not len(train):
        return 0
    cover = integer_coverage(scores, train)
    states = cover.rows[_strongest_first(open_pool(train_means(scores, train), ANY), cover)]
    return len(greedy_order(cover, states, len(states), layers=False))


def _strongest_first(pool: np.ndarray, cover: Gains) -> np.ndarray:
    """Rows of the pool by sum of scores, descending; of equal ones the lower row first."""
    ranked: np.ndarray = pool[np.lexsort((pool, -cover.value(cover.rows[pool])))]
    return ranked


def _first_of_each(
    scores: np.ndarray,
    sizes: Sequence[int],
    train: np.ndarray,
    weakest: float,
    order: Callable[[np.ndarray, Gains, int], np.ndarray],
) -> tuple[list[Group], list[Skipped]]:
    """Groups of the first m models of one order, each stored in ascending order of train score, ties by row.

    order: of a pool (rows, ascending), its coverage and the largest m that it fills, at least m rows.
    """
    wanted = checked_sizes(sizes)
    # without train items there is nothing to tell models by
    pool = open_pool(train_means(scores, train), weakest) if len(train) else np.empty(0, np.intp)
    fit = [m for m in wanted if m <= len(pool)]
    groups = []
    if fit:
        cover = integer_coverage(scores, train)
        first = order(pool, cover, fit[-1])
        for m in fit:
            rows = np.sort(first[:m])
            rows = rows[np.argsort(cover.value(cover.rows[rows]), kind="stable")]
            groups.append(Group(m, Kind.OPEN, rows.astype(np.int32)))
    return groups, [skip(m, Kind.OPEN, pool) for m in wanted if m > len(pool)]
