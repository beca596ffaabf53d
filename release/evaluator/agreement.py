"""How often a router chooses what the heuristic chooses under the same cap (RouterBench+, section 4.3)."""

from __future__ import annotations

import numpy as np

from .cells import Estimates
from .curves import Steps, random_steps
from .ladders import Array, Ladder, Places, ladders
from .metrics import preferred
from .spending import NO_CAP, SAME, Spent
from .task import Task


def agreement_steps(estimates: Estimates, task: Task) -> Steps:
    """Whether an item's choice is the heuristic's, by the cap, as a step function; of a draw, how likely.

    The heuristic takes the candidate with the best mean training score of those that a cap allows. Its costs
    are those of the task; a router's are those that it predicts. `curve()` of what this returns is the
    agreement score of every cap, exactly. Raises ValueError for a task without costs.
    """
    if task.costs is None:
        raise ValueError("agreement under a cap needs costs")
    shape = task.n_test, task.m
    known = np.broadcast_to(task.costs.mean, shape) if task.costs.test is None else task.costs.test
    if estimates.scores is None:  # the heuristic's choice is one of those that a draw is from
        return random_steps(np.eye(task.m)[np.argmin(estimates.known, axis=1)], estimates.known)
    on_train = np.broadcast_to(task.Y_train.mean(axis=0, dtype=np.float64), shape)
    preference = preferred(task)
    return equal_steps(
        ladders(estimates.scores, estimates.known, preference), ladders(on_train, known, preference)
    )


def equal_steps(one: Ladder, other: Ladder) -> Steps:
    """1 where two ladders over the same items have the same candidate under a cap, else 0."""
    item, cost = (np.concatenate([getattr(ladder, of) for ladder in (one, other)]) for of in ("item", "cost"))
    order = np.lexsort((cost, item))
    item, cost = item[order], cost[order]
    last = np.append((np.diff(item) != 0) | (np.diff(cost) != 0), True)
    of_one = order < len(one.item)
    chosen = [
        ladder.candidate[_reached(ladder, item, np.where(of_ladder, order - start, 0))]
        for ladder, of_ladder, start in ((one, of_one, 0), (other, ~of_one, len(one.item)))
    ]
    same = np.asarray(chosen[0] == chosen[1], np.float64)
    return Steps(item[last], cost[last], same[last])


def _reached(ladder: Ladder, item: Places, rung: Places) -> Places:
    """The rung that each row is on: its own, the one before, or where there is none yet the item's first."""
    return np.maximum(np.maximum.accumulate(rung), np.flatnonzero(ladder.first)[item])


def agreement(estimates: Estimates | None, task: Task, caps: tuple[float, float]) -> Spent:
    """Agreement over all caps, from the lowest to the highest."""
    low, high = caps
    if estimates is None or not low < high:
        return Spent(None, why=NO_CAP if estimates is None else SAME)
    areas: Array = agreement_steps(estimates, task).areas(low, high)
    return Spent(float(areas.mean()), areas)
