"""How many models there are to choose from, and how many different ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routerset.release.auditing.similarity import unit_residuals
from routerset.schemas.dealing import deal
from routerset.schemas.groups import STRONGEST, WEAKEST
from routerset.schemas.matrix import ScoreMatrix
from routerset.schemas.twins import row_digest

NEAR = 0.98
"""Share of the items on which near twins agree, at least."""
MOST = 2000
"""Models whose correlations are worked out, at most, where there are more items than that."""
BLOCK = 512
"""Models that are compared with as many others in one go."""
ITEMS = 2048
"""Items on which they are compared in one go."""


@dataclass(frozen=True)
class Pool:
    """The models of one benchmark.

    complete: those with a score on every item. able: those of them with a mean score in (.1, .9], that groups
    are chosen from; all else is of these. twin_models: those whose scores equal another one's; twin_sets:
    of how many kinds. near_twins: pairs of models that agree on NEAR of the items, but not on all, without
    second copies. effective: number of independent models that would show as much correlation between their
    residuals. `_by_chance`: the same where the scores of each item are dealt anew among models of like
    ability. None: not for scores between 0 and 1.
    """

    benchmark: str
    models: int
    complete: int
    able: int
    twin_sets: int
    twin_models: int
    twin_models_by_chance: int
    near_twins: int | None = None
    near_twins_by_chance: int | None = None
    effective: float | None = None
    effective_by_chance: float | None = None


def pool_of(benchmark: str, matrix: ScoreMatrix, seed: int) -> Pool:
    """What the scores of one benchmark say of its models. seed: of the world of chance."""
    complete = matrix.scores[matrix.coverage == matrix.scores.shape[1]]
    means = complete.mean(axis=1, dtype=np.float64)
    scores = complete[(means > WEAKEST) & (means <= STRONGEST)]
    order = np.argsort(scores.mean(axis=1, dtype=np.float64), kind="stable")
    chance = deal(scores, order, np.random.default_rng(seed))
    sizes, by_chance = _twins(scores), _twins(chance)
    counted = (
        len(matrix.models),
        len(complete),
        len(scores),
        int((sizes > 1).sum()),
        int(sizes[sizes > 1].sum()),
        int(by_chance[by_chance > 1].sum()),
    )
    if scores.dtype != np.uint8:
        return Pool(benchmark, *counted)
    near = near_twins(scores), near_twins(chance)
    effective = (effective_number(each) for each in (scores, chance))
    # sums of float32 differ between machines in their last digits, and a report does not
    rounded = (None if number is None else float(f"{number:.3g}") for number in effective)
    return Pool(benchmark, *counted, *near, *rounded)


def near_twins(scores: np.ndarray) -> int:
    """Pairs of different rows of 0 and 1 (models, items) that agree on NEAR of the items, at least.

    Rows with totals further apart than that are not looked at.
    """
    rows = np.unique(np.packbits(scores, axis=1), axis=0)
    totals = np.bitwise_count(rows).sum(axis=1, dtype=np.int64)
    order = np.argsort(totals, kind="stable")
    rows, totals = rows[order], totals[order]
    n_items = scores.shape[1]
    most = int(np.floor((1 - NEAR) * n_items + 1e-9))

    def block(start: int) -> np.ndarray:
        part = np.unpackbits(rows[start : start + BLOCK], axis=1, count=n_items)
        return part.astype(np.float32)  # exact: totals are far below 2^24

    found = 0
    for start in range(0, len(rows), BLOCK):
        ours = block(start)
        end = int(np.searchsorted(totals, totals[start : start + BLOCK][-1] + most, side="right"))
        for other in range(start, end, BLOCK):
            theirs = ours if other == start else block(other)
            apart = np.zeros((len(ours), len(theirs)), np.float32)
            if other == start:
                apart[np.tril_indices(len(ours))] = np.inf  # each pair once
            for item in range(0, n_items, ITEMS):
                a, b = (each[:, item : item + ITEMS] for each in (ours, theirs))
                apart += a.sum(axis=1)[:, None] + b.sum(axis=1) - 2 * (a @ b.T)
                if apart.min() > most:  # as most blocks are after the first items
                    break
            found += int((apart <= most).sum())
    return found


def effective_number(scores: np.ndarray) -> float | None:
    """Participation ratio of the eigenvalues of the correlations between models' residuals; None without any.

    Of n models with correlations c the ratio is n^2 / sum c^2, that is n / (1 + (n - 1) mean c^2 over pairs);
    where there are many models and items, the mean is that of MOST of the models. See `unit_residuals`.

    scores: (models, items) of 0 and 1. With correlations of chance alone it is about 1 / (1/n + 1/items).
    """
    _, residuals = unit_residuals(scores)
    n = len(residuals)
    if n < 2:
        return None
    if min(residuals.shape) > MOST:
        residuals = residuals[np.random.default_rng(0).permutation(n)[:MOST]]
    some, n_items = residuals.shape
    gram = residuals @ residuals.T if some <= n_items else residuals.T @ residuals
    squares = float(np.square(gram, out=gram).sum(dtype=np.float64))
    between = max(squares - some, 0.0) / (some * (some - 1))
    return float(n / (1 + (n - 1) * between))


def _twins(scores: np.ndarray) -> np.ndarray:
    """Models with each kind of scores."""
    counts: dict[bytes, int] = {}
    for row in scores:
        key = row_digest(row)
        counts[key] = counts.get(key, 0) + 1
    return np.array([*counts.values()], np.int64)
