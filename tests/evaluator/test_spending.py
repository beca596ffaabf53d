"""Metrics of score over cost: what must hold for every router, and what items add to them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.coverage_costs import Sort, cover
from routerset.release.evaluator import evaluate, load_release
from routerset.release.evaluator.__main__ import main
from routerset.release.evaluator.budgets import by_ratio, knapsack
from routerset.release.evaluator.costed import Spends
from routerset.release.evaluator.curves import Points, front_of
from routerset.release.evaluator.spending import COST_METRICS, Cell, Choices, Spent, choices, spent
from tests.evaluator.releases import random_fixture, write_release

seeds = given(seed=st.integers(0, 10_000))
few = settings(max_examples=60, deadline=None, derandomize=True)


def cell_of(seed: int, n: int = 12, m: int = 4, spread: bool = True) -> tuple[Cell, np.ndarray]:
    """A cell, known costs as they are paid or each candidate's mean, and estimated scores."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 2, (n, m)).astype(float)
    paid = (rng.random((n, m)) + 0.1) * (1 + np.arange(m))
    known = paid if spread and seed % 2 else np.broadcast_to(paid.mean(axis=0), paid.shape)
    return Cell(scores, known, paid, rng.permutation(m), in_usd=True), rng.random((n, m))


def found(cell: Cell, q: np.ndarray | None) -> dict[str, Spent]:
    """All metrics of a router that estimates scores q, or draws."""
    return spent(cell, choices(cell, q))


@seeds
@few
def test_the_oracle_dominates_and_areas_are_scores(seed: int) -> None:
    cell, q = cell_of(seed)
    best, router, draw = (found(cell, of) for of in (cell.scores, q, None))
    for name in ("area_cap", "peak", "acc_bmax"):
        for other in (router, draw):
            assert 0 <= other[name].value <= best[name].value + 1e-9 <= 1 + 1e-8
    same = replace(cell, known=cell.paid)
    for name in ("area_mean", "aiq"):  # of costs that are known
        assert 0 <= found(same, q)[name].value <= found(same, cell.scores)[name].value + 1e-9 <= 1 + 1e-8
        assert router["area_mean"].value <= router["aiq"].value + 1e-9
    assert router["acc_bmax"].value <= router["peak"].value + 1e-9


@seeds
@few
def test_items_add_up_to_the_metric_and_follow_it(seed: int) -> None:
    """The first order of every metric is what leaving an item out changes."""
    n = 400
    cell, q = cell_of(seed, n, spread=False)
    dearer = np.random.default_rng(seed + 1).random(cell.scores.shape) < 0.3 + 0.15 * np.arange(4)
    cell = replace(cell, scores=dearer * 1.0, known=np.broadcast_to(np.arange(1.0, 5.0), cell.paid.shape))
    q = q + cell.scores  # an estimate that knows something: no curve of noise has a first order
    metrics = found(cell, q)
    out = int(np.random.default_rng(seed).integers(n))
    rest = np.delete(np.arange(n), out)
    without = found(
        Cell(cell.scores[rest], cell.known[rest], cell.paid[rest], cell.preference, True), q[rest]
    )
    assert metrics["area_mean"].items.mean() == pytest.approx(metrics["area_mean"].value, abs=1e-9)
    for name in ("area_cap", "aiq", "acc_bmax", "cost_bmax", "arena", "imp_rand", "gap_to_oracle"):
        value, items, *_ = metrics[name]
        assert items.mean() == pytest.approx(value, abs=1e-9)
        change = (value - items[out]) / (n - 1)
        assert without[name].value - value == pytest.approx(change, abs=1e-4), name
    assert metrics["peak"].items.mean() == pytest.approx(metrics["peak"].value)


@seeds
@few
def test_two_candidates(seed: int) -> None:
    cell, q = cell_of(seed, m=2)
    router, draw = found(cell, q), found(cell, None)
    small, large = np.argsort(cell.paid.mean(axis=0))
    weak, strong = cell.scores.mean(axis=0)[[small, large]]
    if strong <= weak:
        assert {router[name].value for name in ("pgr", "apgr", "cpt50")} == {None}
        return
    assert draw["apgr"].value == pytest.approx(0.5)
    assert draw["cpt50"].value == pytest.approx(0.5)
    assert router["cpt20"].value <= router["cpt50"].value <= router["cpt80"].value
    assert router["pgr"].value == pytest.approx((router["acc_bmax"].value - weak) / (strong - weak))


def test_a_pair_metric_is_undefined_for_three() -> None:
    cell, q = cell_of(1, m=3)
    assert found(cell, q)["apgr"].value is None


def test_the_best_single_reaches_itself_at_its_own_cost() -> None:
    scores = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    paid = np.broadcast_to([1.0, 4.0], scores.shape)
    cell = Cell(scores, paid, paid, np.array([1, 0]))
    metrics = found(cell, np.broadcast_to(scores.mean(axis=0), scores.shape))
    assert metrics["qnc"].value == pytest.approx(1.0)
    assert metrics["area_cap"].value == pytest.approx(0.25)  # under every cap below 4 the cheap one
    assert metrics["aiq"].value == metrics["area_mean"].value == pytest.approx(0.5)
    assert (metrics["acc_bmax"].value, metrics["cost_bmax"].value) == (0.75, 4.0)
    assert found(cell, scores)["qnc"].value == pytest.approx((1 + 4 + 1 + 1 + 3) / 4 / 4)
    assert metrics["arena"] == Spent(None, None, "costs are not US dollars")


def test_score_of_router_arena() -> None:
    scores, paid = np.array([[0.8, 0.8]]), np.array([[0.0044e-3, 200e-3]])
    dear = Cell(scores, paid, paid, np.array([0, 1]), in_usd=True)
    assert found(dear, np.array([[1.0, 0.0]]))["arena"].value == pytest.approx(1.1 * 0.8 / (0.08 + 1))
    assert found(dear, np.array([[0.0, 1.0]]))["arena"].value == 0.0


def direct_under_caps(cell: Cell, q: np.ndarray) -> list[tuple[float, list[float]]]:
    """Every cap, and what each item scores under it."""
    place = {int(candidate): at for at, candidate in enumerate(cell.preference)}
    told = []
    for cap in np.unique(cell.known):
        scores = []
        for j, costs in enumerate(cell.known):
            allowed = [i for i in range(len(costs)) if costs[i] <= max(cap, costs.min())]
            scores.append(cell.scores[j, min(allowed, key=lambda i: (-q[j, i], costs[i], place[i]))])
        told.append((float(cap), scores))
    return told


def direct_policies(cell: Cell, q: np.ndarray) -> list[tuple[float, float]]:
    """Mean cost and mean score of the policy of every price, the dearest price first."""
    n, m = q.shape
    place = {int(candidate): at for at, candidate in enumerate(cell.preference)}
    prices = {0.0}
    for j in range(n):
        for a in range(m):
            for b in range(m):
                if cell.known[j, a] < cell.known[j, b] and q[j, a] < q[j, b]:
                    prices.add((q[j, b] - q[j, a]) / (cell.known[j, b] - cell.known[j, a]))
    ordered = sorted(prices)
    between = [(a + b) / 2 for a, b in pairwise(ordered)]
    told = []
    for price in [ordered[-1] + 1.0, *reversed(between), 0.0]:
        costs, scores = [], []
        for j in range(n):
            worth = q[j] - price * cell.known[j]
            best = min(range(m), key=lambda i: (-round(worth[i], 9), cell.known[j, i], place[i]))
            costs.append(cell.paid[j, best])
            scores.append(cell.scores[j, best])
        point = float(np.mean(costs)), float(np.mean(scores))
        if not told or np.abs(np.subtract(told[-1], point)).max() > 1e-12:
            told.append(point)
    return told


def direct_height(points: list[tuple[float, float]], cost: float) -> float:
    """Best score of a mixture of two policies that costs no more."""
    mixed = [
        s0 + (cost - c0) / (c1 - c0) * (s1 - s0)
        for c0, s0 in points
        if c0 <= cost
        for c1, s1 in points
        if c1 > cost
    ]
    return max([*(s for c, s in points if c <= cost), *mixed], default=0.0)


def direct_mean(height: Callable[[float], float], kinks: list[float], low: float, high: float) -> float:
    """Mean of what is straight between kinks, from the middle of each part."""
    ends = sorted({low, high, *(x for x in kinks if low < x < high)})
    return sum(height((a + b) / 2) * (b - a) for a, b in pairwise(ends)) / (high - low)


@seeds
@few
def test_every_metric_is_that_of_a_version_item_by_item(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 9)), int(rng.integers(2, 5))
    cell, q = cell_of(seed, n, m)
    cell = replace(cell, compat=True)
    if seed % 3 == 0:
        q = np.round(q * 2) / 2
    metrics = found(cell, q)
    caps = direct_under_caps(cell, q)
    means = [float(np.mean(scores)) for _, scores in caps]
    area = sum(mean * (b - a) for (a, _), (b, _), mean in zip(caps, caps[1:], means, strict=False))
    points = direct_policies(cell, q)
    low, high = (float(np.mean(of(cell.paid, axis=1))) for of in (np.min, np.max))
    kinks = [cost for cost, _ in points]
    kept = sorted(
        {(c, s) for c, s in points if not any(d <= c and t >= s and (d, t) != (c, s) for d, t in points)}
    )
    singles = sorted(zip(-cell.scores.mean(axis=0), cell.paid.mean(axis=0), strict=True))
    best, its_cost = -singles[0][0], singles[0][1]
    score = float(np.mean(caps[-1][1]))
    reached = [cost for cost, got in points if got >= best - 1e-12]
    oracle, drawn = float(cell.scores.max(axis=1).mean()), float(cell.scores.mean())
    expected = {
        "area_cap": area / (caps[-1][0] - caps[0][0]),
        "peak": max(means),
        "acc_bmax": score,
        "area_mean": direct_mean(
            lambda x: float(np.interp(x, *zip(*kept, strict=True))) if x >= kept[0][0] else 0.0,
            kinks,
            low,
            high,
        ),
        "aiq": direct_mean(lambda x: direct_height(points, x), kinks, low, high),
        "aiq_code": direct_mean(lambda x: direct_height(points, x), kinks, 0.0, high),
        "cost_save": 1 - min(reached) / its_cost if reached else None,
        "perf_gain": max(got for _, got in points) / best - 1 if best else None,
        "imp_rand": score / drawn - 1 if drawn else None,
        "imp_max": score / best - 1 if best else None,
        "gap_to_oracle": 1 - score / oracle if oracle else None,
    }
    for name, value in expected.items():
        assert metrics[name].value == pytest.approx(value, abs=1e-9), name
        assert bool(metrics[name].why) == (value is None)
    if not reached:
        assert metrics["qnc"].value is metrics["cost_at_best"].value is None
        return
    least = metrics["cost_at_best"].value
    assert metrics["qnc"].value == pytest.approx(least / its_cost, abs=1e-9)
    assert direct_height(points, least + 1e-9) >= best - 1e-7
    assert least == pytest.approx(kinks[0]) or direct_height(points, least - 1e-6) < best
    assert least <= min(reached) + 1e-9


@seeds
@few
def test_a_pairs_area_is_that_of_its_definition(seed: int) -> None:
    cell, q = cell_of(seed, m=2)
    if seed % 2:
        q = np.round(q * 2) / 2
    small, large = np.argsort(cell.paid.mean(axis=0))
    weak, strong = cell.scores.mean(axis=0)[[small, large]]
    apgr = found(cell, q)["apgr"]
    if strong <= weak:
        assert (apgr.value, apgr.why) == (None, "the dearer candidate is not the better one")
        return
    confidence = q[:, small] - q[:, large]
    gained = 0.0  # each item over the share of others that go to the small candidate after it
    for j in range(cell.n):
        after = sum(
            1.0 if confidence[k] < confidence[j] else 0.5 if confidence[k] == confidence[j] else 0.0
            for k in range(cell.n)
        )
        gained += (cell.scores[j, small] - cell.scores[j, large]) * after / cell.n**2
    assert apgr.value == pytest.approx((strong + gained - weak) / (strong - weak), abs=1e-9)
    assert apgr.items.mean() == pytest.approx(apgr.value, abs=1e-9)


@seeds
@few
def test_the_oracle_dominates_at_every_budget(seed: int) -> None:
    cell, q = cell_of(seed)
    caps = np.unique(cell.known)
    curves = [choices(cell, of).steps.curve() for of in (cell.scores, q, None)]
    best, *others = [values[np.searchsorted(at, caps, side="right").clip(1) - 1] for at, values in curves]
    assert (np.diff(best) >= -1e-9).all()
    for other in others:
        assert (other <= best + 1e-9).all()
    same = replace(cell, known=cell.paid)
    oracle, router = choices(same, cell.scores).points, choices(same, q).points
    assert (np.diff(oracle.cost) >= -1e-9).all()
    assert (np.diff(oracle.score) >= -1e-9).all()
    for cost, score in [
        *zip(router.cost, router.score, strict=True),
        (choices(same, None).points.cost[0], cell.scores.mean()),
    ]:
        optimum = knapsack(cell.scores, cell.paid, cell.preference).policy(cost * cell.n)
        assert score <= (optimum * cell.scores).sum() / cell.n + 1e-9
        assert score <= np.interp(cost, oracle.cost, oracle.score) + 1e-9


@pytest.mark.parametrize("m", [2, 5, 40])
def test_areas_of_a_front_that_is_known(m: int) -> None:
    """Candidate i costs i and is right on the first i of m items."""
    scores = 1.0 * (np.arange(1, m + 1) >= np.arange(1, m + 1)[:, None])
    costs = np.broadcast_to(np.arange(1.0, m + 1), (m, m))
    cell = Cell(scores, costs, costs, np.arange(m)[::-1])
    oracle, single = found(cell, scores), found(cell, np.broadcast_to(scores.mean(axis=0), (m, m)))
    assert oracle["area_cap"].value == pytest.approx(1 / 2, abs=1e-12)
    # the first k items right cost (m + k (k - 1) / 2) / m
    for name in ("area_mean", "aiq"):
        assert oracle[name].value == pytest.approx((4 * m + 1) / (12 * m) + 1 / 2, abs=1e-12)
        assert single[name].value == pytest.approx((m + 1) / (2 * m), abs=1e-12)
    assert single["area_cap"].value == pytest.approx(1 / 2, abs=1e-12)
    assert oracle["cost_at_best"].value == pytest.approx(1 + (m - 1) / 2, abs=1e-12)
    assert oracle["cost_save"].value == pytest.approx(1 - (m + 1) / (2 * m), abs=1e-12)


@pytest.mark.parametrize("q", [None, np.array([[0.2, 0.9, 0.4], [0.5, 0.5, 0.1]])])
def test_equal_costs_have_no_area(q: np.ndarray | None) -> None:
    scores = np.array([[0.0, 1.0, 0.0], [1.0, 1.0, 0.5]])
    for paid in (np.full((2, 3), 7.0), np.repeat([[1.0], [2.0]], 3, axis=1), np.zeros((2, 3))):
        metrics = found(Cell(scores, np.full((2, 3), paid.mean()), paid, np.arange(3)), q)
        assert metrics["area_cap"] == Spent(None, None, "all candidates cost the same")
        assert metrics["area_mean"].value is metrics["aiq"].value is None
        assert metrics["acc_bmax"].value is not None


@seeds
@few
@pytest.mark.parametrize("size", [1e-9, 1e30])
def test_a_unit_of_cost_changes_nothing_else(seed: int, size: float) -> None:
    cell, q = cell_of(seed)
    cell = replace(cell, in_usd=False)
    scaled = replace(cell, known=cell.known * size, paid=cell.paid * size)
    plain, same = found(cell, q), found(scaled, q)
    for name, (value, *_) in same.items():
        expected = plain[name].value
        unit = size if COST_METRICS[name].is_cost else 1.0
        if expected is None or value is None:
            assert value is expected, name
        else:
            assert value / unit == pytest.approx(expected, abs=1e-9), name


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 3), (4, 1)])
def test_one_item_or_one_candidate(n: int, m: int) -> None:
    cell = Cell(np.ones((n, m)), np.arange(m) * np.ones((n, m)), np.arange(m) * np.ones((n, m)), np.arange(m))
    for q in (np.ones((n, m)), None):
        metrics = found(cell, q)
        assert metrics["acc_bmax"].value == 1.0
        assert (metrics["area_cap"].value is None) == (m == 1)
        assert all(spent.why or spent.value is not None for spent in metrics.values())


def test_answers_that_cost_nothing() -> None:
    scores, paid = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 2.0], [0.0, 0.0]])
    cell = Cell(scores, paid, paid, np.array([0, 1]), in_usd=True)
    metrics = found(cell, scores)
    assert (metrics["acc_bmax"].value, metrics["cost_bmax"].value) == (1.0, 0.0)
    assert metrics["arena"].value == pytest.approx(1.0)  # nothing is as cheap as can be
    assert metrics["qnc"] == Spent(None, None, "the best single candidate costs nothing")
    assert metrics["cost_at_best"].value == 0.0
    assert by_ratio(scores, paid, 1.0, np.zeros(1), np.arange(2), np.arange(2)[None])[0, 0].tolist() == [0, 1]


def test_what_no_router_beats() -> None:
    cell = Cell(np.zeros((1, 2)), np.array([[1.0, 9.0]]), np.array([[1.0, 9.0]]), np.array([0, 1]))
    points = [
        Points(np.array(c), np.array(s)) for c, s in (([1.0, 5.0], [0.2, 0.6]), ([5.0, 9.0], [0.4, 1.0]))
    ]
    front = front_of(points)
    assert front.points.cost.tolist() == [1.0, 5.0, 9.0]
    policy = np.array([[0.0, 1.0]])
    ratios = [spent(cell, Choices(policy, of), front) for of in points]
    assert [of["pareto_ratio"].value for of in ratios] == [1.0, 0.5]
    assert [of["pareto_dist"].value for of in ratios] == [0.0, pytest.approx(0.25 / 2)]  # 0.2 of 0.8
    assert spent(cell, Choices(policy, points[0]))["pareto_dist"].why == "no others beside it"


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release that knows the size of all models but one, which one kind of groups of 5 has."""
    fixture = random_fixture(sizes={"a": 1400}, ms=(2, 3, 5))
    folder = write_release(tmp_path_factory.mktemp("priced"), [fixture])
    sizes = np.random.default_rng(0).permutation(np.geomspace(1, 70, len(fixture.models))).round(1).tolist()
    groups = {(m, kind): set(rows.tolist()) for (_, m, kind), rows in fixture.groups.items()}
    others = [rows for cell, rows in groups.items() if cell != (5, "all_weak")]
    sizes[min(groups[5, "all_weak"].difference(*others))] = None
    models = {"model_id": list(fixture.models), "params_b": pa.array(sizes, pa.float32())}
    pq.write_table(pa.table(models), folder / "models.parquet")
    return folder


def rows_of(folder: Path, *arguments: str) -> tuple[list[dict], str]:
    told, notes = io.StringIO(), io.StringIO()
    with redirect_stdout(told), redirect_stderr(notes):
        assert main([str(folder), "--costs", "params_b", "--format", "json", *arguments]) == 0
    return json.loads(told.getvalue()), notes.getvalue()


def test_yardsticks_stand_beside_curves_and_every_null_has_its_reason(priced: Path) -> None:
    rows, notes = rows_of(priced, "--resamples", "50")
    assert {"oracle", "random", "heuristic", "best_single", "zero"} <= {row["router"] for row in rows}
    assert len({tuple(row) for row in rows}) == 1
    assert "toy, m = 5, all_weak: no curve: params_b: 1 of 5 candidates have none as a model" in notes
    for row in rows:
        reasons = dict.fromkeys(COST_METRICS, "")
        for part in row["cost_notes"].split("; "):
            names, _, why = part.partition(": ")
            reasons |= dict.fromkeys(names.split(", ") if why else reasons, why or part)
        for name in COST_METRICS:
            assert (row[f"{name}_lo"] is None) == (row[f"{name}_hi"] is None)
            assert bool(reasons[name]) == (row[f"{name}_lo"] is None), (row["router"], name)
            assert reasons[name].startswith("no interval: ") == (
                row[name] is not None and bool(reasons[name])
            )
        if (row["m"], row["kind"]) == (5, "all_weak"):
            assert row["cost_notes"] == "1 of 5 candidates have none as a model"
            assert row["estimates"] is row["cost_unit"] is None
        else:
            assert row["cost_bmax"] > 0
            assert row["cost_unit"] == "billions of parameters"
    of = {row["router"]: row for row in rows if (row["m"], row["kind"]) == (3, "all_strong")}
    assert of["best_single"]["acc_bmax"] == of["best_single"]["mu_o"]
    assert of["best_single"]["area_cap"] is of["random"]["aiq"] is None
    assert of["zero"]["acc_bmax"] == of["zero"]["best_single_score"]
    assert of["zero"]["aiq"] >= of["heuristic"]["aiq"] - 1e-6
    assert of["oracle"]["aiq"] > of["zero"]["aiq"]
    assert of["oracle"]["pareto_dist"] is None
    assert of["heuristic"]["pareto_dist"] is not None
    mean = {
        row.router: row
        for row in evaluate(load_release(priced), ["heuristic"], costs="params_b").means
        if row.m == 5
    }
    assert mean["heuristic"].spending.metrics["area_cap"].value is None
    assert mean["heuristic"].spending.notes == "not all kinds of groups have costs in one unit"


def test_without_resamples_no_interval_and_with_compat_what_code_gives(priced: Path) -> None:
    rows, _ = rows_of(priced, "--resamples", "0", "--routers", "heuristic", "--compat", "--sizes", "2,3")
    assert {row["area_cap_lo"] for row in rows} == {None}
    assert all("interval" not in row["cost_notes"] for row in rows)
    assert all(0 < row["aiq_code"] < row["aiq"] for row in rows)


def test_small_costs_keep_their_digits() -> None:
    items = np.random.default_rng(0).random(400) * 1e-8
    metrics = {"cost_bmax": Spent(float(items.mean()), items), "acc_bmax": Spent(0.5, np.arange(400) % 2)}
    told = Spends("usd", "USD", None, metrics).estimates(400)
    estimate = told.metrics["cost_bmax"]
    assert estimate.value == pytest.approx(items.mean(), rel=1e-6)
    assert estimate.lo < estimate.value < estimate.hi
    assert told.notes is None


@pytest.mark.parametrize(("m", "costs"), [(2, "tokens"), (5, "size")])
def test_what_is_printed_covers_the_truth(m: int, costs: str) -> None:
    """Within wide limits, for 60 replications of each of five routers."""
    held: dict[str, list[bool]] = {}
    for (name, *_), hits in cover(Sort(m, costs, "binary", "dearer"), 60, (200,)).items():
        held.setdefault(name, []).extend(hits)
    of_pairs = {"pgr", "apgr", "cpt20", "cpt50", "cpt80"}
    wanted = {name for name, metric in COST_METRICS.items() if metric.interval}
    wanted -= {"agreement"}  # a mean of shares of items, as `area_cap`; no metric of `spent`
    wanted -= set() if m == 2 else of_pairs
    assert wanted - ({"arena"} if costs == "size" else set()) == {*held}
    for name in wanted & set(held):
        assert np.mean(held[name]) > 0.87, name


def test_intervals_need_items_and_answers_that_are_wrong() -> None:
    cell, q = cell_of(3, n=400)
    for n, wrong in ((400, 9), (120, 9), (400, 3), (40, 9)):
        scores = np.ones((n, 4))
        scores[:wrong] = 0.0
        part = Cell(scores, cell.known[:n] / 1000, cell.paid[:n] / 1000, cell.preference, True)
        told = Spends("usd", "USD", "scores", spent(part, choices(part, q[:n]))).estimates(n)
        having = {name for name, e in told.metrics.items() if e.lo is not None}
        assert ("acc_bmax" in having) == ("peak" in having) == (n >= 50)
        assert ("cost_bmax" in having) == (n >= 130)
        assert ("area_cap" in having) == ("arena" in having) == (n >= 50 and wrong >= 5)
        assert ("hardly an answer is wrong" in told.notes) == (n >= 50 and wrong < 5)
        assert ("it needs 130 test items" in told.notes) == (n < 130)
