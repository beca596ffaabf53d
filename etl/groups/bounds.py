"""How much a group of candidates can cover at most: an upper bound, and a proof where the group reaches it.

For scores of 0 and 1. Maximum coverage as an integer program: x_i says whether model i is taken, y_j whether
item j is covered, y_j <= sum of x_i over the models that have j right, sum of x <= m (one model per bin where
there are bins). Its linear relaxation bounds it, and so does every group by what models add to it (Nemhauser,
Wolsey, Fisher 1978). HiGHS solves it, within a number of nodes, not of seconds: every machine says the same.
A relaxation that is far off is no proof that a few nodes complete, so the tree is searched where it is close.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from routerset.schemas.coverage import Bits, packed

MAX_SIZE = 100
"""Candidates of a group, at most, for which a program is solved."""
MAX_ENTRIES, MAX_SEARCHED = 400_000, 100_000
"""Right answers in a program, at most, and in one whose tree is searched."""
NODES, CLOSE = 50, 3
"""Nodes of the search tree, at most; items that the relaxation is off by, at most, for one to be searched."""
ROUNDING = 1e-6


@dataclass(frozen=True)
class Bound:
    """covered: train items that the group covers. at_most: that no group of its kind covers more than.

    by: what says so: `pool` (all that the pool covers), `gains`, `lp` or `milp`.
    """

    covered: int
    at_most: int
    by: str

    @property
    def optimal(self) -> bool:
        """Whether no group of the same kind covers more."""
        return self.covered == self.at_most


def bound(
    scores: np.ndarray,
    pool: np.ndarray,
    group: np.ndarray,
    bins: np.ndarray | None = None,
    *,
    solve: bool = True,
) -> Bound:
    """Upper bound of what `len(group)` models of `pool` can cover.

    scores: (models, items) of 0 and 1, items of train alone. pool, group: rows of it, the group within the
    pool. bins: the bin of each model of the pool, where a group takes one of each. solve: whether programs
    are solved for it, which is worth its time for a group that was chosen to cover most.
    """
    right, m = scores[pool], len(group)
    cover, chosen = Bits(packed(right)), np.isin(pool, group)
    inside, all_of_them = (cover.join.reduce(rows, axis=0) for rows in (cover.rows[chosen], cover.rows))
    covered, ceiling = cover.value(np.stack([inside, all_of_them])).tolist()
    best = Bound(covered, ceiling, "pool")
    if best.optimal or len(pool) == m:
        return Bound(covered, min(ceiling, covered) if len(pool) == m else ceiling, "pool")
    gains = covered + _largest(cover.gain(cover.rows, inside), m, bins)
    best = min(best, Bound(covered, gains, "gains"), key=lambda one: one.at_most)
    if best.optimal or m > MAX_SIZE or not solve:
        return best
    for by, at_most in _programs(right.astype(bool), m, bins):
        if at_most < best.at_most:
            best = Bound(covered, at_most, by)
        if best.optimal or best.at_most - covered > CLOSE:
            break
    return best


def _largest(gains: np.ndarray, m: int, bins: np.ndarray | None) -> int:
    """Sum of the m largest gains of models over a group (of different bins)."""
    if bins is not None:
        gains = np.array([gains[bins == one].max() for one in np.unique(bins)])
    return int(np.sort(gains)[-m:].sum())


def _programs(right: np.ndarray, m: int, bins: np.ndarray | None) -> Iterator[tuple[str, int]]:
    """Bounds of the linear relaxation, then of the integer program, by name."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array, eye_array, hstack, vstack

    # items that many models have right are covered by any m of them; equal items are one with a weight
    counts = right.sum(axis=0)
    sure = counts > len(right) - m
    right = right[:, (counts > 0) & ~sure]
    if not right.size or right.sum() > 10 * MAX_ENTRIES:
        return
    of = np.zeros(len(right), np.intp) if bins is None else bins
    kept = _undominated(right, of)
    columns, weights = np.unique(np.packbits(right[kept], axis=0), axis=1, return_counts=True)
    cover = np.unpackbits(columns, axis=0, count=len(kept)).T
    if cover.sum() > MAX_ENTRIES:
        return
    n_items, n_models = cover.shape
    names, row = np.unique(of[kept], return_inverse=True)
    choice = csr_array((np.ones(n_models), (row, np.arange(n_models))))
    solved = functools.partial(
        milp,
        np.concatenate([np.zeros(n_models), -weights.astype(np.float64)]),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(
            vstack(
                [
                    hstack([csr_array(-cover.astype(np.float64)), eye_array(n_items)]),
                    hstack([choice, csr_array((len(names), n_items))]),
                ]
            ),
            ub=np.concatenate([np.zeros(n_items), np.full(len(names), m if bins is None else 1.0)]),
        ),
        options={"node_limit": NODES},
    )
    for by, whole in (("lp", 0), ("milp", 1))[: 2 if cover.sum() <= MAX_SEARCHED else 1]:
        found = solved(integrality=np.repeat([whole, 0], [n_models, n_items]))
        value = found.mip_dual_bound if whole else found.fun
        if value is not None and np.isfinite(value):
            yield by, int(sure.sum()) + int(np.floor(-value + ROUNDING))


def _undominated(right: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Models but those that another of their bin can stand for, being right wherever they are, ascending."""
    kept = []
    for one in np.unique(bins):
        rows = np.flatnonzero(bins == one)
        ones = right[rows].astype(np.float32)
        alone = ones @ (1 - ones).T  # [i, k]: items that i has right and k has not
        order = np.arange(len(rows))
        better = (alone == 0) & ((alone.T > 0) | (order < order[:, np.newaxis]))
        kept.append(rows[~better.any(axis=1)])
    return np.sort(np.concatenate(kept))
