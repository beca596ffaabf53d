"""What a router would choose at every price: the candidates of each item that are worth their cost.

Estimated scores q and the costs that are known before a call, both (n, m), decide; ties go to the higher q,
then the lower cost, then the candidate that is preferred. What an answer scores and costs in fact is not
looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .task import Floats

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Ladder:
    """Rungs of n items, one after the other, each item's by ascending cost, estimated scores ascending, too.

    item, candidate: (rungs,). cost, estimate: (rungs,) known cost and estimated score. Every item has a first
    rung, its cheapest candidate.
    """

    item: Places
    candidate: Places
    cost: Array
    estimate: Array

    @property
    def first(self) -> npt.NDArray[np.bool_]:
        """Whether a rung is the first of its item."""
        return np.asarray(np.diff(self.item, prepend=-1) != 0)

    def take(self, rungs: npt.NDArray[np.bool_] | Places) -> Ladder:
        """Some of the rungs."""
        return Ladder(self.item[rungs], self.candidate[rungs], self.cost[rungs], self.estimate[rungs])

    def under(self, cap: float) -> Places:
        """Candidate of each item, (n,), under a cap on the cost of an answer; else the cheapest."""
        below = np.flatnonzero((self.cost <= cap) | self.first)
        chosen = np.empty(int(self.item[-1]) + 1, np.intp)
        chosen[self.item[below]] = self.candidate[below]  # of the rungs of an item, the last counts
        return chosen

    def of(self, values: Floats) -> Array:
        """What stands in a matrix (n, m) for each rung."""
        return np.asarray(values, np.float64)[self.item, self.candidate]


def ladders(q: Floats, known: Floats, preference: Places) -> Ladder:
    """Candidates that no cheaper one equals in q: what is chosen under a cap, as the cap rises.

    q, known: (n, m). preference: (m,), the candidates from best to worst, for ties.
    """
    estimates: Array = np.asarray(q, np.float64)
    costs: Array = np.asarray(known, np.float64)
    place = np.empty(len(preference), np.intp)
    place[preference] = np.arange(len(preference))
    order = np.lexsort((np.broadcast_to(place, estimates.shape), -estimates, costs), axis=1)
    sorted_q = np.take_along_axis(estimates, order, axis=1)
    best = np.maximum.accumulate(sorted_q, axis=1)
    better = np.ones(order.shape, bool)
    better[:, 1:] = sorted_q[:, 1:] > best[:, :-1]
    item, at = np.nonzero(better)
    candidate = order[item, at]
    return Ladder(item, candidate, costs[item, candidate], estimates[item, candidate])


def joined(parts: Sequence[Ladder]) -> Ladder:
    """One ladder of the items of several, those of the first part first; candidates keep their numbers."""
    ends = np.cumsum([0, *(part.item[-1] + 1 for part in parts)])
    item = np.concatenate([part.item + end for part, end in zip(parts, ends, strict=False)])
    rest = ([getattr(part, of) for part in parts] for of in ("candidate", "cost", "estimate"))
    return Ladder(item, *map(np.concatenate, rest))


def concave(ladder: Ladder) -> Ladder:
    """The rungs that maximise q - lambda x cost for some lambda >= 0: those on each item's upper hull.

    Andrew's chain, of all items at a time: a rung is dropped where the one after it is reached more steeply.
    """
    starts = np.flatnonzero(ladder.first)
    sizes = np.diff(starts, append=len(ladder.item))
    n, width = len(starts), int(sizes.max(initial=0))
    if n == 1:
        return ladder.take(_chain(ladder.cost, ladder.estimate))
    kept = np.zeros((n, width), np.intp)  # of each item, rungs on the hull so far
    height = np.zeros(n, np.intp)
    for at in range(width):
        rows = np.flatnonzero(sizes > at)
        new = starts[rows] + at
        busy = np.arange(len(rows))
        while len(busy):
            busy = busy[height[rows[busy]] >= 2]
            row = rows[busy]
            top, below, coming = kept[row, height[row] - 1], kept[row, height[row] - 2], new[busy]
            rise = (ladder.estimate[top] - ladder.estimate[below]) * (
                ladder.cost[coming] - ladder.cost[below]
            )
            wanted = (ladder.estimate[coming] - ladder.estimate[below]) * (
                ladder.cost[top] - ladder.cost[below]
            )
            busy = busy[rise < wanted]
            height[rows[busy]] -= 1
        kept[rows, height[rows]] = new
        height[rows] += 1
    on_hull = np.zeros(len(ladder.item), bool)
    on_hull[kept[np.arange(width) < height[:, None]]] = True
    return ladder.take(on_hull)


def _chain(cost: Array, estimate: Array) -> Places:
    """`concave` of one long chain, number by number: what stays of it."""
    x, y = cost.tolist(), estimate.tolist()
    kept: list[int] = []
    for at in range(len(x)):
        while len(kept) > 1:
            top, below = kept[-1], kept[-2]
            if (y[top] - y[below]) * (x[at] - x[below]) >= (y[at] - y[below]) * (x[top] - x[below]):
                break
            kept.pop()
        kept.append(at)
    return np.array(kept, np.intp)


def steps(ladder: Ladder) -> tuple[Array, Places]:
    """Prices lambda (descending) at which an item goes one rung up, and the rung that it reaches.

    ladder: of `concave`. The steps up to a price, on top of all first rungs, maximise the sum of
    q - lambda x cost.
    """
    up = np.flatnonzero(~ladder.first)
    price = (ladder.estimate[up] - ladder.estimate[up - 1]) / (ladder.cost[up] - ladder.cost[up - 1])
    order = np.argsort(-price, kind="stable")
    return price[order], up[order]


def reached(ladder: Ladder, taken: Places) -> Places:
    """The highest rung of each item once some rungs are taken, on top of all first ones: (n,)."""
    last = np.flatnonzero(ladder.first)
    np.maximum.at(last, ladder.item[taken], taken)
    return last
