"""Choices under a budget for all items together: Routoo's greedy ratio, and the optimum beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import UsageError
from .ladders import Array, Ladder, Places, concave, ladders, reached, steps
from .task import Floats

ENOUGH = 1 + 1e-12
"""Costs that exceed a budget by rounding alone fit."""


@dataclass(frozen=True, eq=False)
class Knapsack:
    """Policies that maximise the sum of q under a budget for the sum of costs: the LP of the multiple-choice
    knapsack, exactly. Increments of each item's upper hull are taken by what they bring for their cost.

    hull: the rungs that some policy takes. rung: in the order in which they are taken, the first ones apart.
    shape: (n, m).
    """

    hull: Ladder
    rung: Places
    shape: tuple[int, ...]

    def policy(self, budget: float) -> Array:
        """How often each candidate answers, (n, m); at most one item is shared between two candidates.

        Raises UsageError where not even the cheapest answers fit.
        """
        hull, rung = self.hull, self.rung
        spent = float(hull.cost[hull.first].sum())
        _require(budget, spent)
        extra = hull.cost[rung] - hull.cost[rung - 1]
        total = spent + np.cumsum(extra)
        whole = int(np.searchsorted(total, budget * ENOUGH, side="right"))
        last = reached(hull, rung[:whole])
        policy = np.zeros(self.shape)
        policy[hull.item[last], hull.candidate[last]] = 1.0
        if whole < len(rung):
            part = max(0.0, budget - (total[whole] - extra[whole])) / extra[whole]
            item, better = hull.item[rung[whole]], hull.candidate[rung[whole]]
            policy[item] *= 1.0 - part
            policy[item, better] += part
        return policy


def knapsack(q: Floats, known: Floats, preference: Places) -> Knapsack:
    """The optimum for estimated scores q at any budget. q, known: (n, m). preference: (m,), for ties."""
    hull = concave(ladders(q, known, preference))
    return Knapsack(hull, steps(hull)[1], np.shape(q))


def by_ratio(
    q: Floats, known: Floats, alpha: float, budgets: Floats, preference: Places, orders: Places
) -> Places:
    """Candidate of each item: the highest q / cost^alpha that leaves enough for the items after it (Routoo).

    A choice is admissible while the items after it can still get their cheapest candidate: no query goes
    unanswered. An estimate below 0 counts 0. Ties go to the higher q, the lower cost, then the candidate that
    is preferred. budgets: (B,), each for the sum of all costs. orders: (S, n), in which the items come.
    Returns (S, B, n). Raises UsageError where not even the cheapest answers fit.
    """
    q, known, budgets = (np.asarray(values, np.float64) for values in (q, known, budgets))
    n, cheapest = len(q), known.min(axis=1)
    _require(float(budgets.min()), float(cheapest.sum()))
    place = np.empty(len(preference), np.intp)
    place[preference] = np.arange(len(preference))
    order = np.lexsort((np.broadcast_to(place, q.shape), known, -q, -_ratio(q, known, alpha)), axis=1)
    order, costs = _cheaper(order, np.take_along_axis(known, order, axis=1))
    least = costs.argmin(axis=1)
    # of each item in turn, for all orders and budgets together
    left = np.repeat(budgets[None] * ENOUGH, len(orders), axis=0) - cheapest.sum()
    chosen = np.empty((len(orders), len(budgets), n), np.intp)
    for items in orders.T:
        left += cheapest[items, None]
        fits = costs[items, None, :] <= left[..., None]
        # rounding never starves a query
        taken = np.where(fits.any(axis=2), fits.argmax(axis=2), least[items, None])
        chosen[np.arange(len(orders)), :, items] = order[items[:, None], taken]
        left -= costs[items[:, None], taken]
    return chosen


def _cheaper(order: Places, costs: Array) -> tuple[Places, Array]:
    """Candidates (n, m) that cost less than all before them, as no others are fallen back on; then inf."""
    useful = np.ones(costs.shape, bool)
    useful[:, 1:] = costs[:, 1:] < np.minimum.accumulate(costs, axis=1)[:, :-1]
    kept = np.argsort(~useful, axis=1, kind="stable")[:, : useful.sum(axis=1).max()]
    costs = np.where(useful, costs, np.inf)
    return np.take_along_axis(order, kept, axis=1), np.take_along_axis(costs, kept, axis=1)


def _ratio(q: Array, known: Array, alpha: float) -> Array:
    """What a unit of cost brings; what is worth nothing brings nothing, also where it is free."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(q > 0, q / known**alpha, 0.0))


def _require(budget: float, least: float) -> None:
    if least > budget * ENOUGH:
        raise UsageError(f"a budget of {budget:g} is too small: the cheapest answers cost {least:g}")
