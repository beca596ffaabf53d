"""Curves of score over cost, one per router: what an evaluation returns of them, and their table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import fill
from types import MappingProxyType

import numpy as np

from .curves import Points, hull_of
from .ladders import Array
from .plain import plain
from .task import kinds_of

CURVES = ("cap", "mean")
"""What the scores stand over: the highest cost that one answer may have (RouterBench+), or the mean cost of
all answers (UniRoute, CARROT)."""
BESIDE = MappingProxyType(
    {
        "oracle": "the scores themselves decide",
        "heuristic": "mean train scores do",
        "random": "a draw of what a cap allows",
        "zero": "hull of single candidates, picked in hindsight",
    }
)
"""Lines that stand beside every curve, by the name that they have as a router."""
FOLLOWED = "p: choices under a budget follow probabilities, not estimated scores."
NO_COSTS = "no size whose groups all have costs; --format json has the groups that do\n"
SHOWN = 10


@dataclass(frozen=True, eq=False)
class Curve:
    """Score over cost of one router in one cell; `kind` is "mean" for all kinds together.

    router: its name; one of `BESIDE` for the lines that stand beside all others. costs, cost_unit: what is
    counted. curve: one of `CURVES`. estimates: what choices under a budget follow (see
    `cells.Estimates.made_of`). n_kinds: of groups that it is of.
    cost, score: (K,) exact points, the cheapest first. For `cap` a point holds from its cost to the next one;
    for `mean` each is a policy, and policies between two can be mixed.
    """

    benchmark: str
    m: int
    kind: str
    method: str
    scheme: str
    router: str
    costs: str
    cost_unit: str
    curve: str
    estimates: str
    n_test: int
    n_kinds: int
    cost: Array
    score: Array

    def at(self, costs: Array) -> Array:
        """Score at each cost, NaN below the first point: of a step, or of the best mixture of policies."""
        costs = np.asarray(costs) * (1 + 1e-12)
        if self.curve == "cap":
            place = np.searchsorted(self.cost, costs, side="right") - 1
            return np.where(place < 0, np.nan, self.score[place])
        best = hull_of(Points(self.cost, self.score))
        return np.asarray(np.interp(costs, self.cost[best], self.score[best], left=np.nan))

    def to_dict(self) -> dict[str, object]:
        """All fields; the points as lists."""
        return {**vars(self), "cost": self.cost.tolist(), "score": self.score.tolist()}


def curve_table(curves: Sequence[Curve]) -> str:
    """Scores of the means over kinds at ten costs, at most 80 characters wide."""
    shown = [curve for curve in curves if curve.kind == "mean"]
    if not shown:
        return NO_COSTS
    legend = "".join(f"{name}: {says}. " for name, says in BESIDE.items())
    axis = (
        "Columns: the highest cost that one answer may have; where it allows none, the cheapest answers."
        if shown[0].curve == "cap"
        else "Columns: mean cost of an answer; between two policies the scores of a mixture."
    )
    return "\n\n".join([*_blocks(shown), fill(f"{axis} {legend}{FOLLOWED}", 80)]) + "\n"


def shown_of(curves: Sequence[Curve]) -> list[dict[str, object]]:
    """The means over kinds as fields: with lists of the costs that a table shows and the scores there."""
    return [
        {
            **curve.to_dict(),
            "cost": budgets.tolist(),
            "score": [None if np.isnan(score) else score for score in curve.at(budgets).tolist()],
        }
        for _, members in _members(curve for curve in curves if curve.kind == "mean")
        for budgets in [_budgets(members)]
        for curve in members
    ]


def _members(curves: Iterable[Curve]) -> Iterator[tuple[str, list[Curve]]]:
    for head, block in groupby(curves, lambda of: heading(of.benchmark, of.m, of.method, of.scheme)):
        yield head, list(block)


def _budgets(curves: Sequence[Curve]) -> Array:
    """Costs to show, from the lowest to the highest of some curves."""
    ends = [float(f(curve.cost)) for f in (np.min, np.max) for curve in curves]
    return np.linspace(min(ends), max(ends), SHOWN)


def _blocks(curves: Iterable[Curve]) -> Iterator[str]:
    for head, members in _members(curves):
        budgets = _budgets(members)
        unit, shares = scaled(members[0].cost_unit, budgets)
        lines = [
            f"{head}\n  {members[0].n_test} test items{of_kinds(members[0].n_kinds, members[0].method)}  "
            f"curve: {members[0].curve}",
            f"  costs: {members[0].costs}, {unit}",
            f"  {'router':<12}" + "".join(f"{value:>6}" for value in shares),
        ]
        for curve in members:
            scores = curve.at(budgets)
            cells = ["-" if np.isnan(score) else f"{score:.3f}" for score in scores.tolist()]
            mark = " p" if curve.estimates == "probabilities" else ""
            name = f"{plain(curve.router)[: 12 - len(mark)]}{mark}"
            lines.append(f"  {name:<12}" + "".join(f"{cell:>6}" for cell in cells))
        yield "\n".join(lines)


def heading(benchmark: str, m: int, method: str, scheme: str) -> str:
    """Where a block of a table is from."""
    return f"{benchmark}  m={m}  groups: {method}  split: {scheme}"


def of_kinds(n: int, method: str) -> str:
    """A mark of what is of fewer kinds of groups than the method has."""
    every = len(kinds_of(method))
    return "" if n >= every else f"  {n} of {every} kinds"


def scaled(unit: str, values: Array) -> tuple[str, list[str]]:
    """A unit, perhaps times a power of 1000, and values in it, at most 5 characters each."""
    top = float(np.max(np.abs(values), initial=0.0))
    power = 3 * math.floor(math.log10(top) / 3) if top > 0 else 0
    power = power if power < 0 or top >= 99_999.5 else 0
    digits = [value / 10.0**power for value in values.tolist()]
    return (f"1e{power:+d} {unit}" if power else unit), [_short(value) for value in digits]


def _short(value: float) -> str:
    """At most 5 characters."""
    digits = 2 if abs(value) < 99.995 else 1 if abs(value) < 999.95 else 0
    return f"{value:.{digits}f}"
