"""Paired bootstrap over test items (ROUTEREVAL.md, point 9: test slices hold 55 to 1430 items)."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from .task import Scores

RESAMPLES = 10_000
LEVEL = 0.95
DETECTABLE = NormalDist().inv_cdf(1 - (1 - LEVEL) / 2) + NormalDist().inv_cdf(0.8)
"""A difference of this many standard errors is found by a 5% two-sided test with 80% power."""


def resample_counts(n: int, resamples: int, seed: int) -> Scores:
    """How often each of n items is drawn, (resamples, n): one matrix serves every router and every cell,
    which is what makes their comparison paired. float32 counts keep sums of 0/1 scores exact.
    """
    rng = np.random.default_rng([seed, n])
    counts = np.empty((resamples, n), np.float32)
    for start in range(0, resamples, 1000):
        drawn = rng.integers(0, n, (min(1000, resamples - start), n), dtype=np.int32)
        drawn += n * np.arange(len(drawn), dtype=np.int32)[:, None]
        counts[start : start + len(drawn)] = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(
            drawn.shape
        )
    return counts


def percentile_interval(replicates: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
    """Lower and upper 95% limits along axis 0, over the resamples where the value is defined.

    NaN where it never is (or where there are no resamples at all).
    """
    low, high = (np.full(replicates.shape[1:], np.nan) for _ in range(2))
    defined = np.isfinite(replicates)
    whole = defined.all(axis=0) & (len(replicates) > 0)
    limits = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    if whole.any():
        low[whole], high[whole] = np.quantile(replicates[:, whole], limits, axis=0)
    for index in zip(*np.nonzero(~whole & defined.any(axis=0)), strict=True):
        column = replicates[(slice(None), *index)]
        low[index], high[index] = np.quantile(column[np.isfinite(column)], limits)
    return low, high
