"""Curves of score over cost, what lies below them, and where they reach a score (RouterBench, UniRoute,
RouterBench+; docs/metrics.md has the formulas)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .ladders import Array, Ladder, Places, concave, reached, steps
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
        return costs, np.asarray((self.value[first].sum() + np.cumsum(changes)) / n)


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
class Points:
    """Policies, K of them: the mean cost of each and its mean score, (K,)."""

    cost: Array
    score: Array


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a router does as a unit of cost gets cheaper: policies argmax q - lambda x cost, exactly.

    hull: the rungs that some lambda chooses. rung, since: (steps,) rungs in the order in which they are
    reached, and the first policy of the K that has each.
    """

    hull: Ladder
    rung: Places
    since: Places

    @property
    def n(self) -> int:
        """Number of items."""
        return int(self.hull.item[-1]) + 1

    def means(self, values: Floats) -> Array:
        """Mean of a matrix (n, m) over what each policy chooses: (K,), the cheapest policy first."""
        of_rung = self.hull.of(values)
        changes = np.bincount(
            self.since, of_rung[self.rung] - of_rung[self.rung - 1], self.since.max(initial=0) + 1
        )
        return np.asarray((of_rung[self.hull.first].sum() + np.cumsum(changes)) / self.n)

    def weighted(self, values: Floats, weights: Array) -> Array:
        """Sum over policies of weights (K,) x what the policy's choice has in a matrix (n, m): (n,)."""
        of_rung = self.hull.of(values)
        left = np.cumsum(weights[::-1])[::-1]
        base = of_rung[self.hull.first] * left[0]
        changes = (of_rung[self.rung] - of_rung[self.rung - 1]) * left[self.since]
        return np.asarray(base + np.bincount(self.hull.item[self.rung], changes, self.n))

    def chosen(self, policy: int) -> Places:
        """Candidate of each item under one of the K policies: (n,)."""
        return self.hull.candidate[reached(self.hull, self.rung[self.since <= policy])]

    def points(self, scores: Floats, paid: Floats) -> Points:
        """What the policies pay and get. scores, paid: (n, m)."""
        return Points(self.means(paid), self.means(scores))


def sweep(ladder: Ladder) -> Sweep:
    """The policies of every lambda that changes one."""
    hull = concave(ladder)
    price, rung = steps(hull)
    return Sweep(hull, rung, np.cumsum(np.diff(price, prepend=np.inf) != 0))


@dataclass(frozen=True, eq=False)
class Area:
    """Mean height over costs from low to high, and what it gains per unit of each point and limit.

    by_cost, by_score: (K,); the derivatives that intervals are made of.
    """

    value: float
    by_cost: Array
    by_score: Array
    by_low: float
    by_high: float


def area_below(points: Points, low: float, high: float, hull: bool = False) -> Area:
    """Area below the best score that costs no more, linear in between; with hull, below the concave hull.

    The second is AIQ (RouterBench, section 3), whose code has low = 0. Left of the first point nothing is
    answered and 0 counts; from the last on its height counts. Every point lies between low and high.
    """
    at = hull_of(points) if hull else _ascending(points)
    x, y, width = points.cost[at], points.score[at], high - low
    value = (float(np.trapezoid(y, x)) + (high - x[-1]) * y[-1]) / width
    before, after = np.append(x[0], x[:-1]), np.append(x[1:], high)
    lower, upper = np.append(-y[0], y[:-1]), np.append(y[1:], y[-1])
    by_cost, by_score = np.zeros(len(points.cost)), np.zeros(len(points.cost))
    by_cost[at] = (lower - upper) / 2 / width
    by_score[at] = (after - before) / 2 / width
    by_score[at[-1]] += (high - x[-1]) / 2 / width
    return Area(value, by_cost, by_score, value / width, (y[-1] - value) / width)


def cheapest_at(points: Points, score: float) -> float | None:
    """Least mean cost of a policy with at least this mean score; None where there is none.

    Policies between two points of the hull mix both.
    """
    at = hull_of(points)
    cost, height = points.cost[at], points.score[at]
    if height[-1] < score - 1e-12:
        return None
    return float(np.interp(score, height, cost))


def hull_of(points: Points) -> Places:
    """Points on the upper concave hull, up to the highest one: costs and scores ascend."""
    at = _ascending(points)
    zeros = np.zeros(len(at), np.intp)
    hull = concave(Ladder(zeros, at, points.cost[at], points.score[at]))
    return hull.candidate


@dataclass(frozen=True, eq=False)
class Front:
    """Policies that no other one beats, by cost.

    cost_range, score_range: of all policies, what distances are counted in.
    """

    points: Points
    cost_range: float
    score_range: float

    def distances(self, points: Points) -> Array:
        """Of policies to the nearest one of the front, costs and scores each counted in their range."""
        from scipy.spatial import cKDTree

        nearest, _ = cKDTree(self._scaled(self.points)).query(self._scaled(points))
        return np.asarray(nearest)

    def _scaled(self, points: Points) -> Array:
        of = (points.cost, self.cost_range), (points.score, self.score_range)
        return np.column_stack([values / (width or 1.0) for values, width in of])


def front_of(every: Sequence[Points]) -> Front:
    """The front of several routers' policies."""
    cost, score = (np.concatenate([getattr(of, name) for of in every]) for name in ("cost", "score"))
    points = Points(cost, score)
    at = _ascending(points)
    return Front(Points(cost[at], score[at]), float(np.ptp(cost)), float(np.ptp(score)))


def _ascending(points: Points) -> Places:
    """Points that no cheaper one equals, by cost: both cost and score ascend, strictly."""
    order = np.lexsort((-points.score, points.cost))
    score = points.score[order]
    best = np.maximum.accumulate(score)
    return np.asarray(order[np.append(True, score[1:] > best[:-1])])
