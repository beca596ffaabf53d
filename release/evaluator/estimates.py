"""Means over test items with their intervals, as they stand in rows."""

from __future__ import annotations

from .intervals import FEW_ITEMS, Array, t_limits, wilson
from .results import Estimate


def mean_score(items: Array, with_interval: bool) -> Estimate:
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
