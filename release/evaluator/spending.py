"""Metrics of score over cost, of one router in one cell (docs/metrics.md has the formulas and the papers).

Each is a value and, per test item, what the item adds to it to first order: a mean whose spread over items
makes the interval. What is undefined says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from . import pairs
from .curves import Front, Points, Steps, Sweep, area_below, cap_steps, cheapest_at, random_steps, sweep
from .intervals import FEW_ITEMS, FEWEST
from .ladders import Array, Places, ladders
from .task import Floats

ARENA_BETA, ARENA_DEAREST, ARENA_CHEAPEST = 0.1, 200.0, 0.0044
"""RouterArena's constants: the weight of cost, and the costs of 1,000 queries (USD) that count 0 and 1."""


Interval = Literal["score", "items", "resampled"]
"""`score`: of a mean in [0, 1], by Wilson. `items`: of a mean of what items add to it, by t, its skewness
corrected. `resampled`: percentiles of the bootstrap."""


@dataclass(frozen=True)
class CostMetric:
    """name: in JSON. says: what it is. head, width: of its column in the table of the command line, which has
    no others. interval: how its 95% interval is made, None where none holds (benchmarks/coverage_costs.py),
    and without: why. fewest: test items that it needs; needs_wrong: and `FEWEST_WRONG` that go wrong without
    a cap. is_cost: whether it is counted in the unit of costs, and may be as small as these.
    """

    name: str
    says: str
    higher_is_better: bool | None
    interval: Interval | None = None
    head: str = ""
    width: int = 0
    without: str = ""
    fewest: int = FEWEST
    needs_wrong: bool = False
    is_cost: bool = False

    def no_interval(self, n: int, wrong: float) -> str:
        """Why a value of n test items, of which so many go wrong, has no interval; empty where it may."""
        if self.interval is None:
            return self.without
        if n < self.fewest:
            return f"it needs {self.fewest} test items"
        return FEW_WRONG if self.needs_wrong and wrong < FEWEST_WRONG else ""


_HINDSIGHT = "picked in hindsight"
FEWEST_WRONG, FEW_WRONG = 5, "hardly an answer is wrong"
_ROWS = (
    CostMetric("area_cap", "mean score over all caps on the cost of one answer", True, "score", "area", 6,
               needs_wrong=True),
    CostMetric("area_mean", "mean score over all mean costs, what is dominated left out", True, "score",
               "a(mean)", 8, needs_wrong=True),
    CostMetric("aiq", "the same below the concave hull (RouterBench)", True, "score", "AIQ", 7,
               needs_wrong=True),
    CostMetric("qnc", "least mean cost that reaches the best single's score, over its cost", False, None,
               "QNC", 6, _HINDSIGHT),
    CostMetric("peak", "highest mean score under any cap, picked in hindsight", True, "score", "peak", 6),
    CostMetric("acc_bmax", "mean score without a cap", True, "score", "score", 6),
    CostMetric("cost_bmax", "mean cost without a cap", False, "items", "cost", 8,
               fewest=FEW_ITEMS, is_cost=True),
    CostMetric("arena", "RouterArena's score of score and USD", True, "items", needs_wrong=True),
    CostMetric("pgr", "part of the dearer candidate's gain over the cheaper one", True, "items",
               fewest=FEW_ITEMS),
    CostMetric("apgr", "mean of that over all shares sent to the dearer one", True, "items"),
    CostMetric("cpt20", "least share sent there that recovers 20% of the gain", False, "resampled"),
    CostMetric("cpt50", "least share sent there that recovers 50% of the gain", False, "resampled"),
    CostMetric("cpt80", "least share sent there that recovers 80% of the gain", False, "resampled"),
    CostMetric("aiq_code", "AIQ as RouterBench's code has it, over costs from 0", True, "score",
               needs_wrong=True),
    CostMetric("cost_at_best", "least mean cost that reaches the best single's score", False, None,
               without=_HINDSIGHT, is_cost=True),
    CostMetric("imp_rand", "score without a cap over that of a random choice, less 1", True, "items"),
    CostMetric("imp_max", "score without a cap over the best single's, less 1", True, None,
               without=_HINDSIGHT),
    CostMetric("gap_to_oracle", "1 less score without a cap over the oracle's", False, "items"),
    CostMetric("perf_gain", "highest score of a policy over the best single's, less 1", True, None,
               without=_HINDSIGHT),
    CostMetric("cost_save", "part of the best single's cost that the cheapest policy of its score saves",
               True, None, without=_HINDSIGHT),
    CostMetric("pareto_ratio", "share of policies that no policy of any router beats", True, None,
               without="it depends on the routers beside it"),
    CostMetric("pareto_dist", "mean distance of policies to those that none beats", False, None,
               without="it depends on the routers beside it"),
    CostMetric("agreement", "how often it takes the heuristic's choice, under all caps", None, "score"),
)  # fmt: skip

COST_METRICS: dict[str, CostMetric] = {metric.name: metric for metric in _ROWS}
"""Registry, in the order of JSON rows."""

SAME, ONE, NO_CAP = "all candidates cost the same", "one policy is no curve", "it has no choice under a cap"
UNREACHED, FREE = "no policy reaches the best single's score", "the best single candidate costs nothing"
NO_PAIR, NO_GAIN = "a pair is two candidates", "the dearer candidate is not the better one"
NOTHING_RIGHT, NOT_USD = "the score that it is counted in is 0", "costs are not US dollars"
NOT_COMPARED, SHOWN, NOT_COMPAT = "no others beside it", "it is shown the test scores", "only with --compat"


AT_A_TIME = 1000
"""Resamples, which bounds their memory."""


class Spent(NamedTuple):
    """One metric: its value, None where undefined; what each item adds to it, (n,), None without; why it is
    undefined; and of some, its values under resamples of the items, NaN where undefined.
    """

    value: float | None
    items: Array | None = None
    why: str = ""
    replicates: Array | None = None

    def line(self, slope: float, start: float) -> Spent:
        """start + slope x this."""
        if self.value is None or self.items is None:
            return self
        return Spent(start + slope * self.value, start + slope * self.items)


@dataclass(frozen=True, eq=False)
class Cell:
    """What choices under a budget are made of in one cell, all (n, m).

    scores: test scores. known: costs that are known before a call. paid: costs. preference: (m,), candidates
    from best to worst on train. in_usd: whether costs are US dollars of answers. compat: also what a paper's
    code gives. caps: the lowest and the highest one, the same for all routers; by default of known costs.
    """

    scores: Floats
    known: Floats
    paid: Floats
    preference: Places
    in_usd: bool = False
    compat: bool = False
    caps: tuple[float, float] | None = None

    @property
    def n(self) -> int:
        """Number of test items."""
        return len(self.scores)

    def singles(self) -> Points:
        """What each candidate by itself pays and gets, (m,)."""
        cost, score = (np.asarray(of, np.float64).mean(axis=0) for of in (self.paid, self.scores))
        return Points(cost, score)


@dataclass(frozen=True, eq=False)
class Choices:
    """What a router chooses in a cell.

    policy: (n, m), without a budget. points: what its policies pay and get. steps: scores under each cap;
    sweep: policies of each price of cost; confidence: (n,), in the cheaper of two candidates; None without.
    """

    policy: Floats
    points: Points
    steps: Steps | None = None
    sweep: Sweep | None = None
    confidence: Array | None = None


def choices(cell: Cell, q: Floats | None, policy: Floats | None = None) -> Choices:
    """Choices of a router that estimates scores q (n, m).

    Without q, those of one that has a policy and no choice under a budget, or else that draws any candidate.
    """
    if q is None:
        steps = random_steps(cell.scores, cell.known) if policy is None else None
        confidence = np.zeros(cell.n) if policy is None else None
        m = cell.scores.shape[1]
        policy = np.full(cell.scores.shape, 1 / m) if policy is None else policy
        means = [(policy * np.asarray(of, np.float64)).sum(axis=1).mean() for of in (cell.paid, cell.scores)]
        return Choices(policy, Points(*np.reshape(means, (2, 1))), steps, None, confidence)
    ladder = ladders(q, cell.known, cell.preference)
    policy = np.eye(cell.scores.shape[1])[ladder.under(np.inf)]
    policies = sweep(ladder)
    confidence = None
    if cell.scores.shape[1] == 2:
        small, large = _by_cost(cell)
        confidence = np.asarray(q, np.float64)[:, small] - np.asarray(q, np.float64)[:, large]
    points = policies.points(cell.scores, cell.paid)
    return Choices(policy, points, cap_steps(ladder, cell.scores), policies, confidence)


def spent(
    cell: Cell, chosen: Choices, front: Front | str = NOT_COMPARED, counts: Floats | None = None
) -> dict[str, Spent]:
    """All metrics of what a router chooses.

    front: the policies that no router's and no single candidate's beat, or why there are none. counts:
    (resamples, n) how often each item is drawn.
    """
    score, cost = ((chosen.policy * of).sum(axis=1) for of in (cell.scores, cell.paid))
    found = {
        **_under_caps(cell, chosen.steps),
        **_swept(cell, chosen),
        **_beside_best(cell, chosen.points),
        **_beside(cell, score),
        "acc_bmax": Spent(float(score.mean()), score),
        "cost_bmax": Spent(float(cost.mean()), cost),
        "arena": _arena(score, cost) if cell.in_usd else Spent(None, why=NOT_USD),
        **_pair(cell, chosen.confidence, score, counts),
        **_on_front(chosen.points, front),
    }
    return {name: found[name] for name in COST_METRICS if name in found}


def _under_caps(cell: Cell, steps: Steps | None) -> dict[str, Spent]:
    if steps is None:
        return dict.fromkeys(("area_cap", "peak"), Spent(None, why=NO_CAP))
    low, high = cell.caps or (float(np.min(cell.known)), float(np.max(cell.known)))
    areas = steps.areas(low, high) if low < high else None
    area = Spent(None, why=SAME) if areas is None else Spent(float(areas.mean()), areas)
    return {"area_cap": area, "peak": _peak(steps)}


def _swept(cell: Cell, chosen: Choices) -> dict[str, Spent]:
    """Areas below the curve of mean score over mean cost."""
    least, most = np.min(cell.paid, axis=1), np.max(cell.paid, axis=1)
    low, high, policies = float(least.mean()), float(most.mean()), chosen.sweep
    found = {"aiq_code": Spent(None, why=NOT_COMPAT)}
    ways = {"area_mean": (False, low, least), "aiq": (True, low, least), "aiq_code": (True, 0.0, 0 * least)}
    for name, (of_hull, start, starts) in ways.items():
        if name == "aiq_code" and not cell.compat:
            continue
        if policies is None or not low < high:
            found[name] = Spent(None, why=ONE if policies is None else SAME)
            continue
        area = area_below(chosen.points, start, high, of_hull)
        change = policies.weighted(cell.scores, area.by_score) + policies.weighted(cell.paid, area.by_cost)
        change += area.by_low * starts + area.by_high * most
        found[name] = Spent(area.value, area.value + change - change.mean())
    return found


def _peak(steps: Steps) -> Spent:
    """The highest point of the curve, and the items' values there."""
    caps, scores = steps.curve()
    at = int(scores.argmax())
    below = np.flatnonzero((steps.cost <= caps[at]) | (np.diff(steps.item, prepend=-1) != 0))
    items = np.empty(int(steps.item[-1]) + 1)
    items[steps.item[below]] = steps.value[below]  # of an item's steps up to there, the last counts
    return Spent(float(scores[at]), items)


def _beside_best(cell: Cell, points: Points) -> dict[str, Spent]:
    """Policies beside the single candidate that is best on test, of equal ones the cheapest.

    QNC (UniRoute) mixes two policies where that is cheaper; CostSave (LLMRouterBench) takes one.
    """
    singles = cell.singles()
    best = int(np.lexsort((singles.cost, -singles.score))[0])
    score, cost = float(singles.score[best]), float(singles.cost[best])
    mixed, reached = cheapest_at(points, score), points.cost[points.score >= score - 1e-12]
    why = UNREACHED if mixed is None else FREE if cost <= 0 else ""
    gain = Spent(float(points.score.max()) / score - 1) if score > 0 else Spent(None, why=NOTHING_RIGHT)
    return {
        "cost_at_best": Spent(mixed, why=UNREACHED if mixed is None else ""),
        "qnc": Spent(None if why or mixed is None else mixed / cost, why=why),
        "cost_save": Spent(None if why else 1 - float(reached.min()) / cost, why=why),
        "perf_gain": gain,
    }


def _beside(cell: Cell, score: Array) -> dict[str, Spent]:
    """Scores over those of a random choice, the best single candidate and the oracle.

    LLMRouterBench's Gain@R, Gain@B and Gap@O; its best expert per dataset is the best single of a benchmark.
    """
    scores = np.asarray(cell.scores, np.float64)
    drawn, best = scores.mean(axis=1), scores[:, int(scores.mean(axis=0).argmax())]
    return {
        "imp_rand": _ratio(score, drawn).line(1, -1),
        "imp_max": _ratio(score, best).line(1, -1),
        "gap_to_oracle": _ratio(score, scores.max(axis=1)).line(-1, 1),
    }


def _ratio(top: Array, bottom: Array) -> Spent:
    """Mean of one over mean of the other."""
    mean = float(bottom.mean())
    if mean <= 0:
        return Spent(None, why=NOTHING_RIGHT)
    value = float(top.mean()) / mean
    return Spent(value, value + (top - value * bottom) / mean)


def _arena(score: Array, cost: Array) -> Spent:
    """S = (1 + b) A C / (b A + C), C the logarithm of the cost of 1,000 queries between its two ends."""
    mean, of_thousand = float(score.mean()), 1000 * float(cost.mean())
    width = np.log2(ARENA_DEAREST / ARENA_CHEAPEST)
    cheap = float(np.clip(np.log2(ARENA_DEAREST / max(of_thousand, 1e-300)) / width, 0, 1))
    below = ARENA_BETA * mean + cheap
    if below == 0:
        return Spent(None, why="nothing is right, and as dear as can be")
    value = (1 + ARENA_BETA) * mean * cheap / below
    by_score = (1 + ARENA_BETA) * cheap**2 / below**2
    by_cheap = (1 + ARENA_BETA) * ARENA_BETA * mean**2 / below**2
    by_cost = by_cheap * -1000 / (of_thousand * np.log(2) * width) if 0 < cheap < 1 else 0.0
    return Spent(value, value + by_score * (score - mean) + by_cost * (cost - cost.mean()))


def _by_cost(cell: Cell) -> Places:
    """Candidates, the one that costs less on average first."""
    return np.argsort(np.mean(cell.paid, axis=0), kind="stable")


def _pair(cell: Cell, confidence: Array | None, score: Array, counts: Floats | None) -> dict[str, Spent]:
    """Metrics of two candidates, of which the one that costs less on average is the small one."""
    names = ("pgr", "apgr", "cpt20", "cpt50", "cpt80")
    if cell.scores.shape[1] != 2:
        return dict.fromkeys(names, Spent(None, why=NO_PAIR))
    small, large = (np.asarray(cell.scores, np.float64)[:, at] for at in _by_cost(cell))
    weak, strong = float(small.mean()), float(large.mean())
    if len(set(np.mean(cell.paid, axis=0))) == 1 or strong <= weak:
        why = NO_GAIN if strong <= weak else SAME
        return dict.fromkeys(names, Spent(None, why=why))
    found = dict.fromkeys(names, Spent(None, why=ONE))
    found["pgr"] = _ratio(score - small, large - small)
    if confidence is None:
        return found
    curve = pairs.routing_curve(confidence, small, large)
    areas = pairs.routing_items(confidence, small, large)
    found["apgr"] = _ratio(areas - small, large - small)
    parts = [] if counts is None else np.array_split(counts, -(-len(counts) // AT_A_TIME) or 1)
    for percent in (20, 50, 80):
        again = [pairs.resampled_shares(confidence, small, large, part, percent / 100) for part in parts]
        share = pairs.share_to_reach(*curve, percent / 100)
        found[f"cpt{percent}"] = Spent(share, replicates=np.concatenate(again) if again else None)
    return found


def _on_front(points: Points, front: Front | str) -> dict[str, Spent]:
    """LLMRouterBench's ParetoRatio and ParetoDist, whose public text tells no scale of distances."""
    if isinstance(front, str):
        return dict.fromkeys(("pareto_ratio", "pareto_dist"), Spent(None, why=front))
    away = front.distances(points)
    return {"pareto_ratio": Spent(float((away < 1e-9).mean())), "pareto_dist": Spent(float(away.mean()))}
