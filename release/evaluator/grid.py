"""Tables of categories by routers that fit 80 columns, and the estimates in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from .intervals import FEW_ITEMS, t_limits, wilson
from .plain import plain
from .results import Estimate
from .tables import FEW

Array = npt.NDArray[np.float64]
FEWEST_TESTED = 20
"""Categories of fewer test items are printed, not tested (RouterBench+)."""
NAME, WIDTH = 22, 80


def mean_score(strata: Sequence[Array]) -> Estimate:
    """Unweighted mean over strata of mean scores in [0, 1]; of one stratum with Wilson's interval.

    strata: one array of scores per category.
    """
    if not strata or not all(map(len, strata)):
        return Estimate()
    if len(strata) > 1:
        return Estimate.of(float(np.mean([part.mean() for part in strata])), np.nan, np.nan)
    (values,) = strata
    mean = values.mean(keepdims=True)
    low, high = wilson(mean, values.var(keepdims=True), len(values))
    return Estimate.of(float(mean[0]), float(low[0]), float(high[0]), len(values) < FEW_ITEMS)


def mean_change(strata: Sequence[Array], scale: float = 1.0) -> Estimate:
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


def change_cell(change: Estimate, digits: int = 1) -> str:
    """A difference, half of its interval, and * where that excludes 0: `-12.3 (4.5)*`."""
    if change.value is None:
        return "- "
    told = f"{change.value:+.{digits}f}"
    if change.lo is None or change.hi is None:
        return f"{told} "
    star = "*" if change.lo > 0 or change.hi < 0 else " "
    return f"{told} ({(change.hi - change.lo) / 2:.{digits}f}){star}"


def grid(
    title: str,
    heads: tuple[str, str],
    left: Sequence[tuple[str, str]],
    columns: Mapping[str, Sequence[str]],
    width: int,
) -> str:
    """Cells under their column's name, each `width` wide; what 80 columns do not hold goes on below.

    left: name and number of each row. columns: name -> a cell per row.
    """
    names = list(columns)
    each = max(1, (WIDTH - NAME - 10) // width)
    lines = [title]
    for start in range(0, len(names), each):
        part = names[start : start + each]
        first = "".join(f"{plain(name)[: width - 1]:>{width}}" for name in part)
        lines.append(f"  {heads[0]:<{NAME}}{heads[1]:>7} {first}")
        for at, (name, number) in enumerate(left):
            cells = "".join(f"{columns[column][at]:>{width}}" for column in part)
            lines.append(f"  {plain(name)[: NAME - 1]:<{NAME}}{number:>7} {cells}".rstrip())
    return "\n".join(lines)


def counted(n: int) -> str:
    """Number of test items, with a mark where they are few."""
    return f"{n}{FEW if n < FEW_ITEMS else ' '}"


FEW_LEGEND = f"{FEW}: fewer than {FEW_ITEMS} test items."
