"""Curves, areas and budgets against direct versions, and against a solver of linear programs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from routerset.release.evaluator import curves, pairs
from routerset.release.evaluator.budgets import by_ratio, knapsack
from routerset.release.evaluator.errors import UsageError
from routerset.release.evaluator.ladders import concave, ladders

CLOSE = 1e-9


def case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Estimates, scores, costs and an order of candidates, with many ties in some cases."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 12)), int(rng.integers(2, 6))
    q = rng.random((n, m)) if seed % 2 else rng.integers(0, 3, (n, m)) / 2
    scores = rng.integers(0, 2, (n, m)).astype(float)
    costs = rng.integers(1, 5, (n, m)).astype(float) if seed % 3 else rng.random((n, m)) + 0.1
    if seed % 5 == 0:
        costs = np.repeat(costs[:1], n, axis=0)
    if seed % 7 == 0:
        costs = np.floor(costs - costs.min())  # some answers are free
    if seed % 11 == 0:
        costs = costs * 1e12
    return q, scores, costs, rng.permutation(m)


def choice(q: np.ndarray, cost: np.ndarray, preference: np.ndarray, allowed: list[int]) -> int:
    """Of one item: highest q, then lower cost, then the preferred one."""
    place = {int(candidate): at for at, candidate in enumerate(preference)}
    return min(allowed, key=lambda i: (-q[i], cost[i], place[i]))


def under_cap(q: np.ndarray, cost: np.ndarray, preference: np.ndarray, cap: float) -> int:
    allowed = [i for i in range(len(q)) if cost[i] <= cap]
    return choice(q, cost, preference, allowed or np.flatnonzero(cost == cost.min()).tolist())


@given(seed=st.integers(0, 10_000))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_what_is_chosen_under_every_cap(seed: int) -> None:
    q, scores, costs, preference = case(seed)
    found = curves.cap_steps(ladders(q, costs, preference), scores)
    caps = np.unique(costs)
    direct = [[scores[j, under_cap(q[j], costs[j], preference, cap)] for j in range(len(q))] for cap in caps]
    at, values = found.curve()
    held = values[np.searchsorted(at, caps, side="right").clip(1) - 1]
    assert held == pytest.approx(np.mean(direct, axis=1), abs=CLOSE)
    if len(caps) > 1:
        widths = np.diff(caps)
        areas = (np.array(direct)[:-1] * widths[:, None]).sum(axis=0) / (caps[-1] - caps[0])
        assert found.areas(caps[0], caps[-1]) == pytest.approx(areas, abs=CLOSE)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_choice_at_random_under_every_cap(seed: int) -> None:
    _, scores, costs, _ = case(seed)
    caps = np.unique(costs)
    at, values = curves.random_steps(scores, costs).curve()
    direct = []
    for cap in caps:
        allowed = [
            (costs[j] <= cap) if (costs[j] <= cap).any() else costs[j] == costs[j].min()
            for j in range(len(costs))
        ]
        direct.append(np.mean([scores[j, of].mean() for j, of in enumerate(allowed)]))
    assert values[np.searchsorted(at, caps, side="right").clip(1) - 1] == pytest.approx(direct, abs=CLOSE)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_sweep_holds_every_policy_that_some_price_gives(seed: int) -> None:
    q, scores, costs, preference = case(seed)
    paid = np.random.default_rng(seed).random(q.shape)
    policies = curves.sweep(ladders(q, costs, preference))
    found = policies.points(scores, paid)
    weights = np.random.default_rng(seed).random(len(found.cost))
    assert policies.weighted(scores, weights).mean() == pytest.approx(weights @ found.score, abs=CLOSE)
    points = set(zip(found.cost.round(9).tolist(), found.score.round(9).tolist(), strict=True))
    for price in np.random.default_rng(seed + 1).exponential(1.0, 20):
        chosen = [
            choice(q[j] - price * costs[j], costs[j], preference, [*range(q.shape[1])]) for j in range(len(q))
        ]
        rows = np.arange(len(q))
        point = paid[rows, chosen].mean().round(9), scores[rows, chosen].mean().round(9)
        assert point in points
    best = [choice(q[j], costs[j], preference, [*range(q.shape[1])]) for j in range(len(q))]
    assert found.score[-1] == pytest.approx(scores[np.arange(len(q)), best].mean(), abs=CLOSE)


def direct_area(cost: np.ndarray, score: np.ndarray, low: float, high: float, hull: bool) -> float:
    """By a fine grid of the definition: the best mixture of two points, or running maximum and lines."""
    if hull:
        at = sorted({(c, s) for c, s in zip(cost.tolist(), score.tolist(), strict=True)})

        def height(x: float) -> float:
            below = [s for c, s in at if c <= x]
            mixed = [
                s0 + (x - c0) / (c1 - c0) * (s1 - s0) for c0, s0 in at if c0 <= x for c1, s1 in at if c1 > x
            ]
            return max([*below, *mixed], default=0.0)
    else:
        known = [*zip(cost.tolist(), score.tolist(), strict=True)]
        kept = [
            (c, s) for c, s in known if not any((d <= c and t >= s) and (d, t) != (c, s) for d, t in known)
        ]
        xs, ys = zip(*sorted({*kept}), strict=True)

        def height(x: float) -> float:
            return float(np.interp(x, xs, ys)) if x >= xs[0] else 0.0

    # both are straight between the points
    grid = np.unique(np.clip(np.concatenate([cost, [low, high]]), low, high))
    total = 0.0
    for a, b in pairwise(grid):
        inside = np.linspace(a, b, 5)[1:-1]  # of a line, the mean is that of inner points
        total += float(np.mean([height(x) for x in inside])) * (b - a)
    return total / (high - low)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_areas_below_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 8))
    cost = rng.integers(0, 6, k).astype(float) if seed % 2 else rng.random(k) * 5
    points = curves.Points(cost, rng.random(k))
    low, high = float(cost.min()) - 0.5 * (seed % 3), 5.5
    for hull in (False, True):
        found = curves.area_below(points, low, high, hull)
        assert found.value == pytest.approx(direct_area(cost, points.score, low, high, hull), abs=CLOSE)
        for name, change in (("cost", found.by_cost), ("score", found.by_score)):
            for at in range(k):
                if name == "cost" and np.abs(np.delete(cost, at) - cost[at]).min(initial=1) < 1e-3:
                    continue  # where two points stand above each other, the area has a kink
                moved = {of: getattr(points, of).copy() for of in ("cost", "score")}
                moved[name][at] += 1e-7
                gain = curves.area_below(curves.Points(**moved), low, high, hull).value - found.value
                assert gain == pytest.approx(1e-7 * change[at], abs=1e-10)
        for change, ends in ((found.by_low, (low - 1e-7, high)), (found.by_high, (low, high + 1e-7))):
            gain = curves.area_below(points, *ends, hull).value - found.value
            assert abs(gain) == pytest.approx(1e-7 * abs(change), abs=1e-10)


def test_area_as_it_was_coded_counts_from_nothing() -> None:
    points = curves.Points(np.array([1.0, 3.0]), np.array([0.5, 1.0]))
    assert curves.area_below(points, 0.0, 4.0, hull=True).value == pytest.approx((2 * 0.75 + 1.0) / 4)
    assert curves.area_below(points, 1.0, 4.0, hull=True).value == pytest.approx((2 * 0.75 + 1.0) / 3)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_optimum_is_that_of_a_linear_program(seed: int) -> None:
    q, _, costs, preference = case(seed)
    n, m = q.shape
    least, most = costs.min(axis=1).sum(), costs.max(axis=1).sum()
    budget = least + np.random.default_rng(seed).random() * (most - least)
    policy = knapsack(q, costs, preference).policy(budget)
    assert policy.sum(axis=1) == pytest.approx(np.ones(n))
    assert (policy * costs).sum() <= budget * (1 + 1e-12) + CLOSE  # costs go up to 1e12
    rows = np.repeat(np.eye(n), m, axis=1)
    unit = costs.max() or 1.0  # the solver's tolerance is one of numbers near 1
    limits = {"A_ub": costs.reshape(1, -1) / unit, "b_ub": [budget / unit]}
    solved = linprog(-q.ravel(), **limits, A_eq=rows, b_eq=np.ones(n))
    assert (policy * q).sum() == pytest.approx(-solved.fun, abs=CLOSE)
    assert ((policy > 0) & (policy < 1)).any(axis=1).sum() <= 1


@given(seed=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_budget_starves_no_query(seed: int) -> None:
    q, _, costs, preference = case(seed)
    least, most = costs.min(axis=1).sum(), costs.max(axis=1).sum()
    budget = least + np.random.default_rng(seed).random() * (most - least)
    rows = np.arange(len(q))
    chosen = by_ratio(q, costs, 0.7, np.array([budget]), preference, rows[None])[0, 0]
    assert costs[rows, chosen].sum() <= budget + CLOSE
    best = (knapsack(q, costs, preference).policy(budget) * q).sum()
    assert q[rows, chosen].sum() <= best + CLOSE
    left = budget
    for item in rows:
        reserve = costs[item + 1 :].min(axis=1).sum()
        fits = [i for i in range(q.shape[1]) if costs[item, i] <= left - reserve + CLOSE]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.nan_to_num(q[item] / costs[item] ** 0.7, nan=0.0, posinf=np.inf)
        assert ratio[chosen[item]] == pytest.approx(max(ratio[i] for i in fits))
        left -= costs[item, chosen[item]]


def test_a_budget_below_the_cheapest_answers_is_refused() -> None:
    q, costs = np.ones((2, 2)), np.array([[1.0, 2.0], [3.0, 4.0]])
    for choose in (
        lambda: knapsack(q, costs, np.arange(2)).policy(3.9),
        lambda: by_ratio(q, costs, 1.0, np.array([3.9]), np.arange(2), np.arange(2)[None]),
    ):
        with pytest.raises(UsageError, match="the cheapest answers cost 4"):
            choose()


def test_a_hull_keeps_no_rung_that_a_mixture_beats() -> None:
    q = np.array([[0.0, 0.2, 1.0, 0.9], [0.0, 0.9, 1.0, 2.0]])
    costs = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]])
    hull = concave(ladders(q, costs, np.arange(4)))
    assert list(zip(hull.item.tolist(), hull.candidate.tolist(), strict=True)) == [
        (0, 0),
        (0, 2),
        (1, 0),
        (1, 1),
        (1, 3),
    ]


@given(seed=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_hull_of_one_item_is_that_beside_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    q, costs = rng.integers(0, 9, (3, 30)) / 4, rng.integers(1, 40, (3, 30)) / 3
    together = concave(ladders(q, costs, np.arange(30)))
    for item in range(3):
        alone = concave(ladders(q[[item]], costs[[item]], np.arange(30)))
        assert alone.candidate.tolist() == together.candidate[together.item == item].tolist()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_routing_between_two(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 10))
    confidence = rng.integers(0, 3, n).astype(float) if seed % 2 else rng.random(n)
    small, large = rng.integers(0, 2, n).astype(float), rng.integers(0, 2, n).astype(float)
    shares, scores = pairs.routing_curve(confidence, small, large)
    order = sorted(range(n), key=lambda j: -confidence[j])
    direct = [np.mean([small[j] if at < k else large[j] for at, j in enumerate(order)]) for k in range(n + 1)]
    distinct = [k for k in range(n + 1) if k in (0, n) or confidence[order[k - 1]] != confidence[order[k]]]
    assert shares == pytest.approx(np.array(distinct) / n)
    assert scores == pytest.approx(np.array(direct)[distinct], abs=CLOSE)
    area = sum((scores[i] + scores[i + 1]) / 2 * (shares[i + 1] - shares[i]) for i in range(len(shares) - 1))
    assert pairs.routing_area(shares, scores) == pytest.approx(area, abs=CLOSE)
    weak, strong = small.mean(), large.mean()
    for part in (0.2, 0.5, 0.8):
        found = pairs.share_to_reach(shares, scores, part)
        if strong <= weak:
            assert found is None
            continue
        grid = np.linspace(0, 1, 20_001)
        gains = (np.interp(1 - grid, shares, scores) - weak) / (strong - weak)
        assert found == pytest.approx(grid[np.argmax(gains >= part - 1e-9)], abs=1e-4)


def test_one_confidence_for_all_is_a_straight_line() -> None:
    small, large = np.array([1.0, 0.0, 0.0, 0.0]), np.array([1.0, 1.0, 1.0, 0.0])
    shares, scores = pairs.routing_curve(np.zeros(4), small, large)
    assert (shares.tolist(), scores.tolist()) == ([0.0, 1.0], [0.75, 0.25])
    assert pairs.routing_area(shares, scores) == pytest.approx(0.5)
    assert pairs.share_to_reach(shares, scores, 0.5) == pytest.approx(0.5)
    assert pairs.gain_recovered(0.5, 0.25, 0.75) == pytest.approx(0.5)


def test_least_cost_of_a_score() -> None:
    points = curves.Points(np.array([1.0, 2.0, 4.0]), np.array([0.2, 0.6, 0.8]))
    assert curves.cheapest_at(points, 0.7) == pytest.approx(3.0)
    assert curves.cheapest_at(points, 0.1) == 1.0
    assert curves.cheapest_at(points, 0.9) is None


@given(seed=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_resampled_pairs_are_pairs_of_items_drawn_again(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 10))
    confidence = rng.integers(0, 3, n).astype(float) if seed % 2 else rng.random(n)
    small, large = rng.integers(0, 2, n).astype(float), rng.integers(0, 2, n).astype(float)
    counts = rng.multinomial(n, np.full(n, 1 / n), 20).astype(np.float32)
    found = {part: pairs.resampled_shares(confidence, small, large, counts, part) for part in (0.2, 0.5, 0.8)}
    for i, drawn in enumerate(counts.astype(int)):
        at = np.repeat(np.arange(n), drawn)
        curve = pairs.routing_curve(confidence[at], small[at], large[at])
        for part, shares in found.items():
            direct = pairs.share_to_reach(*curve, part)
            assert shares[i] == pytest.approx(np.nan if direct is None else direct, abs=1e-9, nan_ok=True)
