"""Paired bootstrap over test items (ROUTEREVAL.md, point 9: test slices hold 55 to 1430 items)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .task import Scores

RESAMPLES = 10_000


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


def standard_errors(replicates: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.float64]:
    """Of the values that (resamples, ...) replicates over n items are of, from the resamples where they are
    defined; NaN where fewer than two are.
    """
    defined = np.isfinite(replicates)
    count = defined.sum(axis=0)
    mean = np.where(defined, replicates, 0).sum(axis=0) / np.maximum(count, 1)
    squares = np.where(defined, (replicates - mean) ** 2, 0).sum(axis=0)
    return np.asarray(np.sqrt(squares / np.where(count > 1, count, np.nan) * (n / max(n - 1, 1))))
