"""Which candidate each item gets under a budget: ways to choose by estimated scores and known costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .budgets import ENOUGH, by_ratio, knapsack
from .costs import CellCosts
from .curves import sweep
from .errors import UsageError
from .ladders import Array, Places, ladders
from .reader import Group
from .task import Floats

SHUFFLES = 20
FRACTIONS = (0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Budgets where none are named: so far from what the cheapest answers cost to what the dearest do. They
double, for a few candidates are far dearer than all others."""
MOST_ALPHA = 10.0
ROUNDED = 1 + 1e-8
"""A budget that was read off an error fits."""


@dataclass(frozen=True, eq=False)
class Choice:
    """What decides. q, known: (n, m) estimated scores and the costs that are known before a call.

    budgets: (B,) mean cost of an answer, none below that of the cheapest answers. preference: (m,), for ties.
    orders: (S, n), in which the items come; the first is their own.
    """

    q: Floats
    known: Floats
    budgets: Array
    preference: Places
    orders: Places
    alpha: float


@dataclass(frozen=True, eq=False)
class Picks:
    """What answers under one budget. policy: (n, m), how often each candidate does.

    cheapest_only: share of items for which nothing but their cheapest candidates fitted, of several that cost
    differently; None where all items share the budget. shuffled: (S - 1, n) candidates where the items come
    in other orders, if that matters.
    """

    policy: Array
    cheapest_only: float | None = None
    shuffled: Places | None = None


def within_cap(of: Choice) -> list[Picks]:
    """The best candidate that costs no more than the budget, item by item; the cheapest where none does."""
    ladder = ladders(of.q, of.known, of.preference)
    second = _second(of.known)
    found = []
    for budget in of.budgets.tolist():
        chosen = ladder.under(budget * ENOUGH)
        found.append(Picks(_one_hot(chosen, of.q), float((second > budget * ENOUGH).mean())))
    return found


def by_penalty(of: Choice) -> list[Picks]:
    """argmax q - lambda x cost, lambda the lowest price at which all answers cost no more than the budget."""
    policies = sweep(ladders(of.q, of.known, of.preference))
    costs = policies.means(of.known)
    places = np.searchsorted(costs, of.budgets * ENOUGH, side="right") - 1
    return [Picks(_one_hot(policies.chosen(max(at, 0)), of.q)) for at in places.tolist()]


def greedily(of: Choice) -> list[Picks]:
    """Item by item, the highest q / cost^alpha that leaves enough for the rest (Routoo)."""
    n = len(of.q)
    totals = of.budgets * n
    chosen = by_ratio(of.q, of.known, of.alpha, totals, of.preference, of.orders)
    second, cheapest = _second(of.known), np.min(of.known, axis=1)
    found = []
    for at, total in enumerate(totals.tolist()):
        own = chosen[0, at]
        over = np.cumsum(of.known[np.arange(n), own] - cheapest)
        left = total * ENOUGH - cheapest.sum() - np.append(0.0, over[:-1]) + cheapest
        found.append(Picks(_one_hot(own, of.q), float((second > left).mean()), chosen[1:, at]))
    return found


def optimally(of: Choice) -> list[Picks]:
    """The most q that all answers together can have for the budget; one item may be shared by two."""
    best = knapsack(of.q, of.known, of.preference)
    return [Picks(best.policy(budget)) for budget in (of.budgets * len(of.q)).tolist()]


@dataclass(frozen=True)
class SelectorRow:
    """choose: one `Picks` for each budget. says: what it is."""

    name: str
    choose: Callable[[Choice], list[Picks]]
    says: str


SELECTORS: dict[str, SelectorRow] = {
    row.name: row
    for row in (
        SelectorRow("cap", within_cap, "the best that costs no more than the budget, item by item"),
        SelectorRow("penalty", by_penalty, "score - lambda x cost, lambda as low as the budget allows"),
        SelectorRow("ratio", greedily, "in order, score / cost^alpha, enough left for the cheapest (Routoo)"),
        SelectorRow("optimal", optimally, "the most estimated score for the budget (linear program)"),
    )
}
"""Registry: one function and one row here adds one."""


@dataclass(frozen=True)
class Selector:
    """A key of `SELECTORS` with its budgets, the mean cost of an answer in the unit of costs.

    budgets: empty for `FRACTIONS` of what there is between the cheapest and the dearest answers of a cell.
    alpha: of `ratio`. Raises UsageError for what is no name, no budget above 0 or no alpha from 0 to 10.
    """

    name: str
    budgets: tuple[float, ...] = ()
    alpha: float | None = None

    def __post_init__(self) -> None:
        if self.name not in SELECTORS:
            raise UsageError(f"no selector {self.name!r}; valid: {', '.join(SELECTORS)}")
        if self.alpha is not None and self.name != "ratio":
            raise UsageError(f"alpha {self.alpha:g}: selector {self.name!r} has none; ratio has")
        if self.alpha is not None and not 0 <= self.alpha <= MOST_ALPHA:
            raise UsageError(f"alpha {self.alpha:g}: expected a number from 0 to {MOST_ALPHA:g}")
        for budget in self.budgets:
            if not (math.isfinite(budget) and budget > 0):
                raise UsageError(f"budget {budget:g}: expected a number above 0")

    @property
    def exponent(self) -> float | None:
        """Alpha, 1 where none is named; None of a selector that has none."""
        return None if self.name != "ratio" else 1.0 if self.alpha is None else self.alpha

    def of(self, known: Floats) -> Array:
        """Budgets of a cell. known: (n, m)."""
        if self.budgets:
            return np.array([*dict.fromkeys(self.budgets)])
        low, high = (float(np.mean(f(known, axis=1))) for f in (np.min, np.max))
        return np.array([low + part * (high - low) for part in FRACTIONS])

    def require(self, paid: Mapping[Group, object]) -> None:
        """Raise UsageError for a budget that does not pay for the cheapest answers of every cell.

        paid: `CellCosts` of the groups that have them.
        """
        least = {
            group: float(known_of(costs).min(axis=1).mean())
            for group, costs in paid.items()
            if isinstance(costs, CellCosts)
        }
        lowest = min(self.budgets, default=math.inf) * ROUNDED
        for group, cost in least.items():
            if lowest < cost:
                raise UsageError(
                    f"{group.benchmark}, m = {group.m}, {group.kind}: a budget of {min(self.budgets):g} is "
                    f"too small: the cheapest answers cost {cost:.9g} each; expected at least "
                    f"{max(least.values()):.9g} for all groups of this benchmark that were asked for"
                )


def known_of(costs: CellCosts) -> Array:
    """Costs (n_test, m) that are known before a call: of models, or each one's mean over train."""
    told = costs.costs
    return np.asarray(np.broadcast_to(told.mean, costs.paid.shape) if told.test is None else told.test)


def _second(known: Floats) -> Array:
    """Least cost of each item above that of its cheapest candidates; -inf where all cost the same."""
    cheapest = np.min(known, axis=1, keepdims=True)
    dearer = np.where(known > cheapest, known, np.inf).min(axis=1)
    return np.asarray(np.where(np.isinf(dearer), -np.inf, dearer))


def _one_hot(chosen: Places, like: Floats) -> Array:
    policy = np.zeros(np.shape(like))
    policy[np.arange(len(chosen)), chosen] = 1.0
    return policy
