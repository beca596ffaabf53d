"""95% intervals and tests from values, standard errors and numbers of test items.

Which of them hold, and from how many items on, was chosen by simulation: benchmarks/coverage.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Interval = Literal["score", "score/reference", "items"]
"""`score`: a mean of scores in [0, 1], by `wilson`; `score/reference`: the same over a constant. `items`: any
statistic of the test items that is smooth in their weights, by `t_limits`."""

LEVEL = 0.95
NORMAL = NormalDist().inv_cdf((1 + LEVEL) / 2)
DETECTABLE = NORMAL + NormalDist().inv_cdf(0.8)
"""A difference of this many standard errors is found by a 5% two-sided test with 80% power."""
FEW_ITEMS = 130
"""Below, what is printed has a mark: a handful of items decides."""
FEWEST_FOR_SCORES, FEWEST = 30, 50
"""Below, no interval of a mean score, and none of anything."""


def interval_note(n: int) -> str | None:
    """Why n test items have no intervals, or not all; None where they have."""
    if n < FEWEST_FOR_SCORES:
        return f"too few items: {n} test items, intervals need {FEWEST_FOR_SCORES}"
    if n < FEWEST:
        return f"too few items: {n} test items, intervals of all but mu_o and V_R need {FEWEST}"
    return None


def wilson(mean: Array, variance: Array, n: int) -> tuple[Array, Array]:
    """Limits of the mean of n scores in [0, 1], whose variance (over n) may be below mean (1 - mean).

    Wilson's interval for the number of 0/1 scores that would know the mean as well; n where all scores are
    equal. For 0/1 scores it is Wilson's own. NaN below 30 items.
    """
    if n < FEWEST_FOR_SCORES:
        return _nothing(mean)
    binary = mean * (1 - mean)
    size = np.divide(binary * n, variance, out=np.full_like(mean, n), where=variance > 1e-12)
    square = NORMAL**2 / size
    centre = (mean + square / 2) / (1 + square)
    reach = np.sqrt(square * np.maximum(binary, 0) + square**2 / 4) / (1 + square)
    return np.maximum(centre - reach, 0), np.minimum(centre + reach, 1)


def t_limits(values: Array, errors: Array, n: int, fewest: int = FEWEST) -> tuple[Array, Array]:
    """values -+ the t quantile of n - 1 degrees of freedom x standard errors; NaN where an error is 0 (the
    same on every test item says nothing of others), and below `fewest` items.
    """
    from scipy.special import stdtrit

    if n < fewest:
        return _nothing(values)
    reach = stdtrit(n - 1, (1 + LEVEL) / 2) * np.where(errors > 1e-9, errors, np.nan)
    return values - reach, values + reach


def t_test(values: Array, errors: Array, n: int) -> Array:
    """Two-sided p-values of values that are 0 by hypothesis; NaN where `t_limits` is."""
    from scipy.special import stdtr

    if n < FEWEST:
        return np.full(np.shape(values), np.nan)
    known = np.where(errors > 1e-9, errors, np.nan)
    return np.asarray(2 * stdtr(n - 1, -np.abs(values) / known))


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values of tests made together (Holm, Scandinavian Journal of Statistics 6, 1979).

    One that is None was made too, and stays None.
    """
    order = sorted((value, i) for i, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    highest = 0.0
    for place, (value, i) in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - place) * value))
        adjusted[i] = round(highest, 6)
    return adjusted


def _nothing(like: Array) -> tuple[Array, Array]:
    return np.full_like(like, np.nan), np.full_like(like, np.nan)
