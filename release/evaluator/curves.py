"""Curves of score over cost, what lies below them, and where they reach a score (RouterBench, UniRoute,
RouterBench+; docs/metrics.md has the formulas)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .ladders import Array, Ladder, Places, concave, steps
from .task import Floats


@dataclass(frozen=True, eq=False)
class Steps:
    """A right-continuous step function of the cap for each of n items.

    item: (steps,) ascending, every item at least once. cost: (steps,) ascending within an item: from there on
    the item has `value`; below its first cost, too, since then its cheapest candidate answers.
    """

    item: Places
    cost: Array
    value: Array

    def areas(self, low: float, high: float) -> Array:
        """Mean value of each item over the caps from low to high: (n,)."""
        n = int(self.item[-1]) + 1
        first = np.diff(self.item, prepend=-1) != 0
        last = np.append(first[1:], True)
        start = np.where(first, low, np.clip(self.cost, low, high))
        end = np.where(last, high, np.append(start[1:], high))
        return np.bincount(self.item, self.value * (end - start), n) / (high - low)

    def curve(self) -> tuple[Array, Array]:
        """Every distinct cost, ascending, and the mean value of all items from there on."""
        n = int(self.item[-1]) + 1
        first = np.diff(self.item, prepend=-1) != 0
        change = np.where(first, 0.0, np.diff(self.value, prepend=0.0))
        costs, at = np.unique(self.cost, return_inverse=True)
        changes = np.bincount(at, change, len(costs))
        return costs, (self.value[first].sum() + np.cumsum(changes)) / n


def cap_steps(ladder: Ladder, scores: Floats) -> Steps:
    """Scores (n, m) of what a router chooses under a cap on the cost of one answer."""
    return Steps(ladder.item, ladder.cost, ladder.of(scores))


def random_steps(scores: Floats, known: Floats) -> Steps:
    """Mean score of all candidates under a cap: what a choice at random gets, exactly."""
    order = np.argsort(known, axis=1, kind="stable")
    costs: Array = np.take_along_axis(np.asarray(known, np.float64), order, axis=1)
    sums = np.cumsum(np.take_along_axis(np.asarray(scores, np.float64), order, axis=1), axis=1)
    ends = np.ones(costs.shape, bool)
    ends[:, :-1] = costs[:, 1:] > costs[:, :-1]
    item, at = np.nonzero(ends)
    return Steps(item, costs[item, at], sums[item, at] / (at + 1))


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a router does as a unit of cost gets cheaper: K policies, the cheapest first.

    cost, score: (K,) mean of what the policy pays and gets.
    """

    cost: Array
    score: Array


def sweep(ladder: Ladder, scores: Floats, paid: Floats) -> Sweep:
    """Policies argmax q - lambda x cost at every lambda that changes one, exactly. scores, paid: (n, m)."""
    hull = concave(ladder)
    price, rung = steps(hull)
    n = int(hull.item[-1]) + 1
    ends = np.append(price[1:] != price[:-1], True) if len(price) else np.zeros(0, bool)
    found = []
    for values in (paid, scores):
        of_rung = hull.of(values)
        base = of_rung[hull.first].sum()
        walk = base + np.cumsum(of_rung[rung] - of_rung[rung - 1])
        found.append(np.append(base, walk[ends]) / n)
    return Sweep(*found)


def area_below(points: Sweep, low: float, high: float) -> float:
    """Mean height over costs from low to high, of the best score that costs no more, linear in between.

    Left of the first point nothing is answered and 0 counts; from the last on its height counts.
    """
    return _integral(*_non_decreasing(points), low, high)


def area_below_hull(points: Sweep, low: float, high: float) -> float:
    """`area_below` of the upper concave hull of the points: AIQ (RouterBench, section 3)."""
    return _integral(*hull_of(points), low, high)


def aiq_as_coded(points: Sweep, high: float) -> float:
    """AIQ as RouterBench's code has it: over costs from 0, divided by the highest."""
    return area_below_hull(points, 0.0, high)


def hull_of(points: Sweep) -> tuple[Array, Array]:
    """Upper concave hull of points, up to its highest one: costs ascending, scores ascending."""
    order = np.lexsort((-points.score, points.cost))
    cost, score = points.cost[order], points.score[order]
    better = np.append(True, score[1:] > np.maximum.accumulate(score)[:-1])
    cost, score = cost[better], score[better]
    zeros = np.zeros(len(cost), np.intp)
    hull = concave(Ladder(zeros, np.arange(len(cost)), cost, score))
    return hull.cost, hull.estimate


def cheapest_at(points: Sweep, score: float) -> float | None:
    """Least mean cost of a policy with at least this mean score; None where there is none.

    Policies between two points of the hull mix both.
    """
    cost, height = hull_of(points)
    if height[-1] < score - 1e-12:
        return None
    if height[0] >= score:
        return float(cost[0])
    return float(np.interp(score, height, cost))


def _non_decreasing(points: Sweep) -> tuple[Array, Array]:
    """Every distinct cost, ascending, and the best score that costs no more."""
    costs, at = np.unique(points.cost, return_inverse=True)
    best = np.full(len(costs), -np.inf)
    np.maximum.at(best, at, points.score)
    return costs, np.maximum.accumulate(best)


def _integral(x: Array, y: Array, low: float, high: float) -> float:
    """Mean over [low, high] of a piecewise linear function: 0 before its first x, flat after its last."""
    start = max(low, float(x[0]))
    if start >= high:
        return 0.0
    grid = np.concatenate([[start], x[(x > start) & (x < high)], [high]])
    return float(np.trapezoid(np.interp(grid, x, y), grid) / (high - low))
