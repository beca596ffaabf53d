"""What an evaluation returns: rows, and differences between routers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from . import frames, tables
from .curve_rows import Curve
from .errors import UsageError
from .html import small_table
from .intervals import holm
from .limits import Limits
from .task import SEEN

if TYPE_CHECKING:
    import pandas as pd

    from .by_category import CategoryScore
    from .holdout_rows import HeldOut
    from .joining_rows import Joined
    from .pair_rows import Routing
    from .selection_rows import Selection
    from .tiers import TierShare

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval; None where it is undefined (a zero denominator), or no interval holds.

    few_items: it has an interval from so few test items that tables mark it with FEW.
    """

    value: float | None = None
    lo: float | None = None
    hi: float | None = None
    few_items: bool = False

    @classmethod
    def of(cls, value: float, lo: float, hi: float, few_items: bool = False, small: bool = False) -> Estimate:
        """Rounds to 6 decimals, or to 9 digits what may be small, as US dollars; an undefined value has no
        interval, and none has the width 0.
        """
        if math.isnan(value):
            return cls()
        value, lo, hi = (float(f"{v:.9g}") if small else round(float(v), 6) + 0.0 for v in (value, lo, hi))
        return cls(value, lo, hi, few_items) if lo < hi else cls(value)


@dataclass(frozen=True)
class Spending:
    """Score over cost of one router in one cell.

    kind, unit: of costs; no unit where there are none. made_of: what choices under a budget follow: `scores`
    that the router estimates, its `probabilities` in their place, or a `draw`; None where they are not
    defined. metrics: by name of `spending.COST_METRICS`. notes: of each that is undefined or has no interval,
    why.
    """

    kind: str
    unit: str | None
    made_of: str | None
    metrics: dict[str, Estimate]
    notes: str | None = None

    def to_dict(self) -> dict[str, Value]:
        """Flat, each metric as `aiq`, `aiq_lo`, `aiq_hi`."""
        told: dict[str, Value] = {"costs": self.kind, "cost_unit": self.unit, "estimates": self.made_of}
        return told | spread(self.metrics) | {"cost_notes": self.notes}


@dataclass(frozen=True)
class SpendingDifference:
    """Score over cost of one router minus another's in one cell, on the same items.

    metrics: differences by name; those that say what each item adds have an interval. p: of the paired t-test
    of area_cap. p_holm: as that of `Difference`.
    """

    kind: str
    unit: str
    metrics: dict[str, Estimate]
    p: float | None = None
    p_holm: float | None = None

    def to_dict(self) -> dict[str, Value]:
        """Flat, as `Spending.to_dict`."""
        told: dict[str, Value] = {"costs": self.kind, "cost_unit": self.unit}
        return told | spread(self.metrics) | {"area_cap_p": self.p, "area_cap_p_holm": self.p_holm}


@dataclass(frozen=True)
class Row(Limits):
    """One router in one cell; `kind` is "mean" for the unweighted mean over the kinds (the paper's tables).

    n_kinds: kinds of groups that were evaluated at this m, of those of the method. metrics: by name of
    `metrics.METRICS`. mdd: the smallest true difference in mu_o that this cell's test items can show between
    two routers that choose independently (5% two-sided, 80% power). best_single_score: test score of the best
    single candidate. reference_score: denominator of V_R. sees_test_scores: an upper bound, no real router.
    track: `unseen` where routers learnt from the other benchmarks. best_on_own_train: there, the test score
    of the candidate that is best on this benchmark's own train items, which no router saw; else null.
    p_best_train: two-sided p-value of the hypothesis that V_B train is 1, by its standard error. few_items:
    fewer test items than `intervals.FEW_ITEMS`. interval_note, v_r_note: why there are no intervals, no V_R.
    spending: score over cost, where asked for and known.
    """

    benchmark: str
    m: int
    kind: str
    method: str
    scheme: str
    router: str
    encoder: str | None
    compat: bool
    n_test: int
    n_kinds: int
    metrics: dict[str, Estimate]
    mdd: float
    best_single_score: float
    oracle_score: float
    reference_score: float | None
    sees_test_scores: bool = False
    track: str = SEEN
    best_on_own_train: float | None = None
    p_best_train: float | None = None
    few_items: bool = False
    interval_note: str | None = None
    v_r_note: str | None = None
    spending: Spending | None = None

    def to_dict(self) -> dict[str, Value]:
        """Flat: each metric as `mu_o`, `mu_o_lo`, `mu_o_hi`."""
        return flat_of(self)


@dataclass(frozen=True)
class Difference:
    """Router a minus router b in one cell, on the same items.

    metrics: differences by name. mdd: the smallest true difference in mu_o that a paired test of these two
    would show (5% two-sided, 80% power). p: of the paired t-test of mu_o; None where there is no interval.
    p_holm, n_comparisons: for means over kinds, p as one of all such comparisons of the evaluation (Holm),
    and how many these are. few_items, interval_note: see `Row`. spending: in score over cost, where asked for
    and known.
    """

    benchmark: str
    m: int
    kind: str
    method: str
    scheme: str
    router_a: str
    router_b: str
    n_kinds: int
    metrics: dict[str, Estimate]
    mdd: float
    track: str = SEEN
    p: float | None = None
    p_holm: float | None = None
    n_comparisons: int | None = None
    few_items: bool = False
    interval_note: str | None = None
    spending: SpendingDifference | None = None

    def to_dict(self) -> dict[str, Value]:
        """Flat, as `Row.to_dict`."""
        return flat_of(self)


def flat_of(record: Any) -> dict[str, Any]:
    """Fields of a dataclass of results: an estimate as `score`, `score_lo`, `score_hi`, metrics likewise by
    their names, an array as a list.
    """
    flat: dict[str, Any] = {}
    for field in sorted(fields(record), key=lambda field: bool(field.kw_only)):
        value = getattr(record, field.name)
        if field.name == "metrics":
            flat |= spread(value)
        elif field.name == "spending":
            flat |= value.to_dict() if value else {}
        elif isinstance(value, Estimate):
            flat |= spread({field.name: value})
        else:
            flat[field.name] = value.tolist() if isinstance(value, np.ndarray) else value
    return flat


def spread(metrics: Mapping[str, Estimate]) -> dict[str, Value]:
    """Each metric as `mu_o`, `mu_o_lo`, `mu_o_hi`."""
    flat: dict[str, Value] = {}
    for name, e in metrics.items():
        flat |= {name: e.value, f"{name}_lo": e.lo, f"{name}_hi": e.hi}
    return flat


@dataclass(frozen=True)
class Evaluation:
    """rows: one per cell and router. means: the same, averaged over the kinds. differences: where asked for,
    every pair of routers in every cell and mean. notes: what was left out, and why. overall: means over all
    benchmarks (`averages.ALL`), of the sizes m that every router has results of on every one of several.
    overall_differences: the same of differences. curves: of score over cost, where asked for, in every cell
    and mean. selections: likewise, scores under budgets. routings: of two models that were named, a row per
    router and benchmark. held_out: what routers lose on categories that they do not learn from.
    by_category, by_tier: scores by category, and choices by size of model. joined: agreement without and with
    pseudo-specialists.
    """

    rows: tuple[Row, ...]
    means: tuple[Row, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    overall: tuple[Row, ...] = ()
    overall_differences: tuple[Difference, ...] = ()
    curves: tuple[Curve, ...] = ()
    selections: tuple[Selection, ...] = ()
    routings: tuple[Routing, ...] = ()
    held_out: tuple[HeldOut, ...] = ()
    by_category: tuple[CategoryScore, ...] = ()
    by_tier: tuple[TierShare, ...] = ()
    joined: tuple[Joined, ...] = ()

    def table(self) -> str:
        """The means over kinds, then over benchmarks, at most 80 characters wide."""
        return tables.mean_table((*self.means, *self.overall))

    def _repr_html_(self) -> str:
        """The first of the same means, for a notebook."""
        heads = ("benchmark", "m", "router", "mu_o", "V_B tr", "V_R", "E_p")
        rows = [
            (
                r.benchmark,
                r.m,
                r.router,
                *(r.metrics[name].value for name in ("mu_o", "v_b_train", "v_r", "e_p")),
            )
            for r in (*self.means, *self.overall)
        ]
        return small_table("Means over the kinds of groups", heads, rows, ": .table(), .to_frame()")

    def cost_table(self) -> str:
        """Score over cost of the same means, at most 80 characters wide."""
        return tables.cost_table((*self.means, *self.overall))

    def difference_table(self) -> str:
        """Differences of the same means; * where the test of the difference in mu_o, as one of all over kinds
        or of all over benchmarks, rejects.
        """
        return tables.difference_table(self.differences, self.overall_differences)

    def cost_difference_table(self) -> str:
        """The same in the area of score over cost."""
        return tables.cost_difference_table(self.differences, self.overall_differences)

    def to_arrow(self, which: str = "rows") -> pa.Table:
        """A table of the rows, or another field: a column for each key of `to_dict`, of a type that does not
        depend on the values. Raises UsageError for a field that is none of results.
        """
        valid = [field.name for field in fields(self) if field.name != "notes"]
        if which not in valid:
            raise UsageError(f"no results {which!r}; valid: {', '.join(valid)}")
        # which are made of estimates of this module
        from .by_category import CategoryScore
        from .holdout_rows import HeldOut
        from .joining_rows import Joined
        from .pair_rows import Routing
        from .selection_rows import Selection
        from .tiers import TierShare

        found = getattr(self, which)
        others = {
            "curves": Curve, "selections": Selection, "routings": Routing, "held_out": HeldOut,
            "by_category": CategoryScore, "by_tier": TierShare, "joined": Joined,
        }  # fmt: skip
        of = others.get(which) or (Difference if "differences" in which else Row)
        return frames.to_arrow([record.to_dict() for record in found], of)

    def to_frame(self, which: str = "rows") -> pd.DataFrame:
        """The same as a data frame of nullable types. Raises InputError where pandas is not installed."""
        return frames.to_frame(self.to_arrow(which))


def adjust(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """Differences with the p-values of the means over kinds adjusted for their number."""
    every = list(differences)
    places = [i for i, d in enumerate(every) if d.kind == "mean"]
    for i, p in zip(places, holm([every[i].p for i in places]), strict=True):
        every[i] = replace(every[i], p_holm=p, n_comparisons=len(places))
    spent = {i: told for i in places if (told := every[i].spending) is not None}
    for (i, told), p in zip(spent.items(), holm([told.p for told in spent.values()]), strict=True):
        every[i] = replace(every[i], spending=replace(told, p_holm=p))
    return tuple(every)
