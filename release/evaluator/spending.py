"""Metrics of score over cost, of one router in one cell (docs/metrics.md has the formulas and the papers).

Each is a value and, per test item, what the item adds to it to first order: a mean whose spread over items
makes the interval. Those that no interval is known to hold for have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from . import pairs
from .curves import Points, Steps, Sweep, area_below, cap_steps, cheapest_at, random_steps, sweep
from .ladders import Array, Places, ladders
from .task import Floats

ARENA_BETA, ARENA_DEAREST, ARENA_CHEAPEST = 0.1, 200.0, 0.0044
"""RouterArena's constants: the weight of cost, and the costs of 1,000 queries (USD) that count 0 and 1."""


@dataclass(frozen=True)
class CostMetric:
    """name: in JSON. says: what it is. head, width: of its column in the table of the command line, which has
    no others. is_score: whether it is a mean of scores in [0, 1].
    """

    name: str
    says: str
    higher_is_better: bool | None
    head: str = ""
    width: int = 0
    is_score: bool = False


COST_METRICS: dict[str, CostMetric] = {
    metric.name: metric
    for metric in (
        CostMetric("area_cap", "mean score over all caps on the cost of one answer", True, "area", 6, True),
        CostMetric(
            "area_mean", "mean score over all mean costs, what is dominated left out", True, "a(mean)", 8
        ),
        CostMetric("aiq", "the same below the concave hull (RouterBench)", True, "AIQ", 7),
        CostMetric(
            "qnc", "least mean cost that reaches the best single's score, over its cost", False, "QNC", 6
        ),
        CostMetric("peak", "highest mean score under any cap, picked in hindsight", True, "peak", 6, True),
        CostMetric("acc_bmax", "mean score without a cap", True, "score", 6, True),
        CostMetric("cost_bmax", "mean cost without a cap", False, "cost", 8),
        CostMetric(
            "agreement", "how often it takes the heuristic's choice, under all caps", None, "", 0, True
        ),
        CostMetric("arena", "RouterArena's score of score and USD", True, "arena"),
        CostMetric("pgr", "part of the dearer candidate's gain over the cheaper one", True, "PGR"),
        CostMetric("apgr", "mean of that over all shares sent to the dearer one", True, "APGR"),
        CostMetric("cpt20", "least share sent there that recovers 20% of the gain", False, "CPT20"),
        CostMetric("cpt50", "least share sent there that recovers 50% of the gain", False, "CPT50"),
        CostMetric("cpt80", "least share sent there that recovers 80% of the gain", False, "CPT80"),
    )
}
"""Registry, in the order of JSON rows."""


class Spent(NamedTuple):
    """One metric: its value, None where undefined, and what each item adds to it, (n,), None without."""

    value: float | None
    items: Array | None = None


@dataclass(frozen=True, eq=False)
class Cell:
    """What choices under a budget are made of in one cell, all (n, m).

    scores: test scores. known: costs that are known before a call. paid: costs. preference: (m,), candidates
    from best to worst on train. in_usd: whether costs are US dollars of answers.
    """

    scores: Floats
    known: Floats
    paid: Floats
    preference: Places
    in_usd: bool = False

    @property
    def n(self) -> int:
        """Number of test items."""
        return len(self.scores)


def spent(cell: Cell, q: Floats | None) -> dict[str, Spent]:
    """All metrics of a router that estimates scores q (n, m); None for one that draws any candidate."""
    found: dict[str, Spent] = {}
    if q is None:
        steps = random_steps(cell.scores, cell.known)
        policy = np.full(cell.scores.shape, 1 / cell.scores.shape[1])
    else:
        ladder = ladders(q, cell.known, cell.preference)
        steps = cap_steps(ladder, cell.scores)
        dearest = np.append(np.flatnonzero(ladder.first)[1:], len(ladder.item)) - 1
        policy = np.eye(cell.scores.shape[1])[ladder.candidate[dearest]]
        found |= _swept(cell, sweep(ladder))
    areas = steps.areas(float(np.min(cell.known)), float(np.max(cell.known)))
    found["area_cap"] = Spent(float(areas.mean()), areas)
    found["peak"] = _peak(steps)
    score, cost = (policy * cell.scores).sum(axis=1), (policy * cell.paid).sum(axis=1)
    found["acc_bmax"], found["cost_bmax"] = Spent(float(score.mean()), score), Spent(float(cost.mean()), cost)
    if cell.in_usd:
        found["arena"] = _arena(score, cost)
    if cell.scores.shape[1] == 2:
        found |= _pair(cell, q, float(score.mean()))
    return {name: found.get(name, Spent(None)) for name in COST_METRICS}


def _swept(cell: Cell, policies: Sweep) -> dict[str, Spent]:
    """Metrics of the curve of mean score over mean cost."""
    points = policies.points(cell.scores, cell.paid)
    least, most = np.min(cell.paid, axis=1), np.max(cell.paid, axis=1)
    found = {"qnc": Spent(_least_cost(cell, points))}
    for name, hull in (("area_mean", False), ("aiq", True)):
        area = area_below(points, float(least.mean()), float(most.mean()), hull)
        change = policies.weighted(cell.scores, area.by_score) + policies.weighted(cell.paid, area.by_cost)
        change += area.by_low * least + area.by_high * most
        found[name] = Spent(area.value, area.value + change - change.mean())
    return found


def _least_cost(cell: Cell, points: Points) -> float | None:
    means: Array = np.asarray(cell.scores, np.float64).mean(axis=0)
    costs: Array = np.asarray(np.mean(cell.paid, axis=0))
    best = int(np.lexsort((costs, -means))[0])
    cost = cheapest_at(points, float(means[best]))
    return None if cost is None or costs[best] <= 0 else cost / float(costs[best])


def _peak(steps: Steps) -> Spent:
    """The highest point of the curve, and the items' values there."""
    caps, scores = steps.curve()
    at = int(scores.argmax())
    below = np.flatnonzero((steps.cost <= caps[at]) | (np.diff(steps.item, prepend=-1) != 0))
    items = np.empty(int(steps.item[-1]) + 1)
    items[steps.item[below]] = steps.value[below]  # of an item's steps up to there, the last counts
    return Spent(float(scores[at]), items)


def _arena(score: Array, cost: Array) -> Spent:
    """S = (1 + b) A C / (b A + C), C the logarithm of the cost of 1,000 queries between its two ends."""
    mean, of_thousand = float(score.mean()), 1000 * float(cost.mean())
    if of_thousand <= 0:
        return Spent(None)
    width = np.log2(ARENA_DEAREST / ARENA_CHEAPEST)
    cheap = float(np.clip(np.log2(ARENA_DEAREST / of_thousand) / width, 0, 1))
    below = ARENA_BETA * mean + cheap
    if below == 0:
        return Spent(None)
    value = (1 + ARENA_BETA) * mean * cheap / below
    by_score = (1 + ARENA_BETA) * cheap**2 / below**2
    by_cheap = (1 + ARENA_BETA) * ARENA_BETA * mean**2 / below**2
    by_cost = by_cheap * -1000 / (of_thousand * np.log(2) * width) if 0 < cheap < 1 else 0.0
    return Spent(value, value + by_score * (score - mean) + by_cost * (cost - cost.mean()))


def _pair(cell: Cell, q: Floats | None, score: float) -> dict[str, Spent]:
    """Metrics of two candidates, of which the one that costs less on average is the small one."""
    small, large = np.argsort(np.mean(cell.paid, axis=0), kind="stable")
    weak, strong = (float(np.mean(cell.scores[:, at], dtype=np.float64)) for at in (small, large))
    confidence = np.zeros(cell.n) if q is None else np.asarray(q)[:, small] - np.asarray(q)[:, large]
    curve = pairs.routing_curve(confidence, cell.scores[:, small], cell.scores[:, large])
    area = pairs.gain_recovered(pairs.routing_area(*curve), weak, strong)
    reached = {f"cpt{p}": Spent(pairs.share_to_reach(*curve, p / 100)) for p in (20, 50, 80)}
    return {"pgr": Spent(pairs.gain_recovered(score, weak, strong)), "apgr": Spent(area), **reached}
