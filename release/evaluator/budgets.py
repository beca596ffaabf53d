"""Choices under a budget for all items together: Routoo's greedy ratio, and the optimum beside it."""

from __future__ import annotations

import numpy as np

from .errors import UsageError
from .ladders import Array, Places, concave, ladders, steps
from .task import Floats


def optimal(q: Floats, known: Floats, budget: float, preference: Places) -> Array:
    """Policy (n, m) that maximises the sum of q while the sum of costs is at most `budget`.

    The LP of the multiple-choice knapsack, exactly: increments of each item's upper hull, taken by the score
    that they bring for their cost. At most one item is shared between two candidates.
    Raises UsageError where not even the cheapest answers fit.
    """
    q = np.asarray(q, np.float64)
    hull = concave(ladders(q, known, preference))
    first = hull.first
    spent = float(hull.cost[first].sum())
    if spent > budget * (1 + 1e-12):
        raise UsageError(f"a budget of {budget:g} is too small: the cheapest answers cost {spent:g}")
    _, rung = steps(hull)
    extra = hull.cost[rung] - hull.cost[rung - 1]
    total = spent + np.cumsum(extra)
    whole = int(np.searchsorted(total, budget * (1 + 1e-12), side="right"))
    last = np.flatnonzero(first)
    for_item = hull.item[rung[:whole]]
    np.maximum.at(last, for_item, rung[:whole])
    policy = np.zeros(q.shape)
    policy[hull.item[last], hull.candidate[last]] = 1.0
    if whole < len(rung):
        part = max(0.0, budget - (total[whole] - extra[whole])) / extra[whole]
        item, better = hull.item[rung[whole]], hull.candidate[rung[whole]]
        policy[item] *= 1.0 - part
        policy[item, better] += part
    return policy


def by_ratio(q: Floats, known: Floats, alpha: float, budget: float, preference: Places) -> Places:
    """Candidate of each item, in order: the highest q / cost^alpha that leaves enough for the rest (Routoo).

    A choice is admissible while the items after it can still get their cheapest candidate: no query goes
    unanswered. Ties go to the higher q, the lower cost, then the candidate that is preferred.
    Raises UsageError where not even the cheapest answers fit.
    """
    q, known = np.asarray(q, np.float64), np.asarray(known, np.float64)
    cheapest = known.min(axis=1)
    reserve = np.append(np.cumsum(cheapest[::-1])[::-1][1:], 0.0)
    if cheapest.sum() > budget * (1 + 1e-12):
        raise UsageError(f"a budget of {budget:g} is too small: the cheapest answers cost {cheapest.sum():g}")
    place = np.empty(len(preference), np.intp)
    place[preference] = np.arange(len(preference))
    # what costs nothing is worth more than all that costs, if it is worth anything
    free = np.where(q == 0, 0.0, np.copysign(np.inf, q))
    ratio = q / known**alpha if alpha == 0 else np.divide(q, known**alpha, out=free, where=known > 0)
    order = np.lexsort((np.broadcast_to(place, q.shape), known, -q, -ratio), axis=1)
    chosen = np.empty(len(q), np.intp)
    left = budget * (1 + 1e-12)
    for item, candidates in enumerate(order):
        fits = known[item, candidates] <= left - reserve[item]
        fits[int(known[item, candidates].argmin())] = True  # rounding never starves a query
        chosen[item] = candidates[int(np.argmax(fits))]
        left -= known[item, chosen[item]]
    return chosen
