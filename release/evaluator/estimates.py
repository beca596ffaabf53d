"""Means over test items with their intervals, as they stand in rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .intervals import FEW_ITEMS, Array, t_limits, wilson
from .results import Estimate

FEWEST_TESTED = 20
"""Categories of fewer test items are printed, not tested (RouterBench+)."""


def mean_score(items: Array, with_interval: bool = True) -> Estimate:
    """Mean of scores in [0, 1], (n,), with Wilson's interval."""
    mean = items.mean(keepdims=True)
    return _estimate(items, wilson(mean, items.var(keepdims=True), len(items)), with_interval)


def mean_of(items: Array, with_interval: bool) -> Estimate:
    """Mean of what items add to a statistic, (n,), with the interval of Student's t."""
    errors = items.std(keepdims=True) / max(len(items) - 1, 1) ** 0.5
    return _estimate(items, t_limits(items.mean(keepdims=True), errors, len(items)), with_interval)


def _estimate(items: Array, limits: tuple[Array, Array], with_interval: bool) -> Estimate:
    low, high = (float(limit[0]) for limit in limits) if with_interval else (float("nan"),) * 2
    return Estimate.of(float(items.mean()), low, high, len(items) < FEW_ITEMS)


def score_of_strata(strata: Sequence[Array]) -> Estimate:
    """Unweighted mean over strata of mean scores in [0, 1]; of one stratum with Wilson's interval.

    strata: one array of scores per category.
    """
    if not strata or not all(map(len, strata)):
        return Estimate()
    if len(strata) == 1:
        return mean_score(strata[0])
    return Estimate.of(float(np.mean([part.mean() for part in strata])), np.nan, np.nan)


def change_of_strata(strata: Sequence[Array], scale: float = 1.0) -> Estimate:
    """Unweighted mean over strata of the mean of paired differences, with its t interval, times `scale`.

    strata: one array of differences per category; of one category alone it is the paired interval.
    """
    if not strata or not all(map(len, strata)):
        return Estimate()
    n = sum(map(len, strata))
    variances = [part.var() / (len(part) - 1) if len(part) > 1 else np.nan for part in strata]
    value = np.array([scale * np.mean([part.mean() for part in strata])])
    error = np.array([scale * np.sqrt(np.sum(variances)) / len(strata)])
    low, high = t_limits(value, error, n - len(strata) + 1, FEWEST_TESTED)
    return Estimate.of(float(value[0]), float(low[0]), float(high[0]), n < FEW_ITEMS)
