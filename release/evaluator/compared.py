"""Differences between routers in score over cost, on the same items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from .costed import Spends
from .intervals import FEW_ITEMS, t_limits, t_test
from .results import Difference, Estimate, SpendingDifference
from .spending import Spent


def with_costs(
    differences: Iterable[Difference], spends: Sequence[Spends | None], n: int
) -> Iterator[Difference]:
    """Differences of one cell with those in cost metrics. spends: of its routers. n: test items."""
    for d, (a, b) in zip(differences, combinations(spends, 2), strict=True):
        yield d if a is None or b is None else replace(d, spending=_difference(a, b, n))


def _difference(a: Spends, b: Spends, n: int) -> SpendingDifference:
    metrics, p = {}, {}
    for name, of_a in a.metrics.items():
        metrics[name], p[name] = _paired(of_a, b.metrics[name], n)
    return SpendingDifference(a.kind, a.unit, metrics, p["area_cap"])


def _paired(a: Spent, b: Spent, n: int) -> tuple[Estimate, float | None]:
    """a - b, with an interval and a p-value by the paired t-test where both say what each item adds."""
    if a.value is None or b.value is None:
        return Estimate(), None
    value = np.array([a.value - b.value])
    errors = np.full(1, np.nan)
    if a.items is not None and b.items is not None:
        errors = (a.items - b.items).std(keepdims=True) / max(n - 1, 1) ** 0.5
    low, high = t_limits(value, errors, n)
    (p,) = t_test(value, errors, n)
    found = Estimate.of(float(value[0]), float(low[0]), float(high[0]), n < FEW_ITEMS)
    return found, None if np.isnan(p) else float(p)
