"""RouterBench+'s pruning of a pool: one model at a time goes, the weakest for what others already can.

Measured on real pools (COSTS_AND_POOLS, section 1): with Jaccard, AvgSim is accuracy once more (correlation
.94 to .96), so that this removes weak models, not redundant ones; `residual` compares what ability does not
tell, and takes the nearest model in place of the average one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from routerset.release.auditing.similarity import jaccard, residual

LAMBDA = 0.5
NOBODY = -2.0
"""Below any correlation."""
TIE = 1e-12
"""Values closer than that are equal: what is left after sums in different orders."""


@dataclass(frozen=True)
class Similarity:
    """A way to say how alike models are. nearest: whether the nearest one counts, not the mean."""

    of: Callable[[np.ndarray], npt.NDArray[np.float32]]
    nearest: bool


SIMILARITIES = {"jaccard": Similarity(jaccard, False), "residual": Similarity(residual, True)}
"""Registry: one row here adds a way."""


def prune(scores: np.ndarray, lam: float = LAMBDA, similarity: str = "jaccard") -> npt.NDArray[np.intp]:
    """All rows, in the order in which they are removed: the last N are a pool pruned to N models.

    Each step removes argmin lam x accuracy - (1 - lam) x similarity to those that are left, a tie the larger
    row, so that with rows ascending by model_id the larger id goes (RouterBench+, our tie rule).

    scores: (models, items) of 0 and 1, or numbers in [0, 1]; of train items alone where groups are chosen.
    Needs (models, models) float32. Raises ValueError for a similarity that is none, or lam outside [0, 1].
    """
    if similarity not in SIMILARITIES:
        raise ValueError(f"similarity: found {similarity!r}, expected one of {', '.join(SIMILARITIES)}")
    if not 0 <= lam <= 1:
        raise ValueError(f"lambda: found {lam}, expected a number from 0 to 1")
    n = len(scores)
    if not n:
        return np.empty(0, np.intp)
    way = SIMILARITIES[similarity]
    alike = way.of(scores)
    accuracy = scores.mean(axis=1, dtype=np.float64)
    np.fill_diagonal(alike, NOBODY if way.nearest else 0)
    alive = np.ones(n, bool)
    total = alike.sum(axis=1, dtype=np.float64)
    nearest = alike.argmax(axis=1)
    removed = np.empty(n, np.intp)
    for step in range(n - 1):
        near = alike[np.arange(n), nearest].astype(np.float64) if way.nearest else total / (n - step - 1)
        worth = np.where(alive, lam * accuracy - (1 - lam) * near, np.inf)
        gone = int(np.flatnonzero(worth <= worth.min() + TIE)[-1])
        removed[step], alive[gone] = gone, False
        if way.nearest:
            alike[:, gone] = NOBODY
            lost = np.flatnonzero(alive & (nearest == gone))
            nearest[lost] = alike[lost].argmax(axis=1)
        else:
            total -= alike[:, gone]
    removed[n - 1] = np.flatnonzero(alive)[0]
    return removed
