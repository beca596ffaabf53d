"""Choices under budgets: against direct versions item by item, and beside their bounds; curves of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from routerset.release.evaluator import Task, evaluate, load_release
from routerset.release.evaluator.__main__ import main
from routerset.release.evaluator.curve_rows import BESIDE, Curve, curve_table, scaled
from routerset.release.evaluator.errors import UsageError
from routerset.release.evaluator.results import Evaluation
from routerset.release.evaluator.selection_rows import Selection, selection_table
from routerset.release.evaluator.selectors import SELECTORS, Choice, Picks, Selector
from tests.evaluator.releases import random_fixture, write_release

CLOSE = 1e-9
seeds = given(seed=st.integers(0, 10_000))
few = settings(max_examples=100, deadline=None, derandomize=True)
Choose = Callable[..., Picks]


def case(seed: int) -> Choice:
    """Estimates and costs, with many ties in some cases; a free candidate, estimates below 0 in others."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 12)), int(rng.integers(1, 6))
    q = rng.random((n, m)) if seed % 2 else rng.integers(0, 3, (n, m)) / 2
    q = q - 0.3 if seed % 7 == 0 else q
    costs = rng.integers(seed % 4 > 0, 5, (n, m)).astype(float) if seed % 3 else rng.random((n, m)) + 0.1
    if seed % 5 == 0:
        costs = np.repeat(costs[:1], n, axis=0)
    low, high = costs.min(axis=1).mean(), costs.max(axis=1).mean()
    budgets = np.array([low, *(low + rng.random(2) * (high - low)), high, high * 2 + 1])
    orders = np.stack([np.arange(n), *(rng.permutation(n) for _ in range(3))])
    return Choice(q, costs, np.sort(budgets), rng.permutation(m), orders, [0.0, 0.7, 1.0][seed % 3])


def first(of: Choice, item: int, keys: list[float], allowed: list[int]) -> int:
    """Highest key, then higher q, lower cost, and the preferred one."""
    place = of.preference.tolist()
    q, cost = of.q[item], of.known[item]
    return min(allowed, key=lambda i: (-keys[i], -q[i], cost[i], place.index(i)))


def value(of: Choice, pick: Picks, values: np.ndarray) -> float:
    return float((pick.policy * values).sum() / len(values))


@seeds
@few
def test_within_a_cap(seed: int) -> None:
    of = case(seed)
    for budget, pick in zip(of.budgets, SELECTORS["cap"].choose(of), strict=True):
        forced = 0
        for item, cost in enumerate(of.known):
            fits = [i for i in range(len(cost)) if cost[i] <= budget * (1 + 1e-12)]
            cheapest = np.flatnonzero(cost == cost.min()).tolist()
            forced += {*fits} <= {*cheapest} and len(cheapest) < len(cost)
            chosen = first(of, item, of.q[item].tolist(), fits or cheapest)
            assert pick.policy[item].tolist() == np.eye(len(cost))[chosen].tolist()
        assert pick.cheapest_only == pytest.approx(forced / len(of.q))


@seeds
@few
def test_by_the_lowest_price_that_a_budget_allows(seed: int) -> None:
    of = case(seed)
    n, m = of.q.shape
    gaps = {0.0}
    for q, cost in zip(of.q, of.known, strict=True):
        gaps |= {(q[a] - q[b]) / (cost[a] - cost[b]) for a in range(m) for b in range(m) if cost[a] > cost[b]}
    ordered = sorted(gap for gap in gaps if gap >= 0)
    prices = [0.0, *((a + b) / 2 for a, b in pairwise(ordered) if b - a > CLOSE), ordered[-1] + 1]
    policies = []
    for price in prices:
        keys = of.q - price * of.known
        chosen = [first(of, item, keys[item].tolist(), [*range(m)]) for item in range(n)]
        policies.append((of.known[range(n), chosen].mean(), of.q[range(n), chosen].mean()))
    for budget, pick in zip(of.budgets, SELECTORS["penalty"].choose(of), strict=True):
        cost, score = value(of, pick, of.known), value(of, pick, of.q)
        assert cost <= budget + CLOSE
        fits = [policy for policy in policies if policy[0] <= budget + CLOSE]
        assert (cost, score) == pytest.approx(max(fits, default=(cost, score)), abs=1e-7)


def direct_ratio(of: Choice, total: float, order: np.ndarray) -> tuple[list[int], int]:
    """Item by item, and how many have nothing but their cheapest candidates left."""
    chosen, forced, left = [-1] * len(of.q), 0, total * (1 + 1e-12)
    for at, item in enumerate(order):
        q, cost = of.q[item], of.known[item]
        reserve = of.known[order[at + 1 :]].min(axis=1).sum()
        ratio = [
            0.0 if q[i] <= 0 else np.inf if cost[i] == 0 and of.alpha else q[i] / cost[i] ** of.alpha
            for i in range(len(q))
        ]
        fits = [i for i in range(len(q)) if cost[i] <= left - reserve + 1e-12]
        forced += all(cost[i] == cost.min() for i in fits) and cost.max() > cost.min()
        chosen[item] = first(of, item, ratio, fits or [int(cost.argmin())])
        left -= cost[chosen[item]]
    return chosen, forced


@seeds
@few
def test_by_ratio_in_every_order(seed: int) -> None:
    of = case(seed)
    n, m = of.q.shape
    for budget, pick in zip(of.budgets, SELECTORS["ratio"].choose(of), strict=True):
        own, forced = direct_ratio(of, budget * n, of.orders[0])
        assert pick.policy.tolist() == np.eye(m)[own].tolist()
        assert pick.cheapest_only == pytest.approx(forced / n)
        assert pick.shuffled is not None
        for order, found in zip(of.orders[1:], pick.shuffled, strict=True):
            assert found.tolist() == direct_ratio(of, budget * n, order)[0]


@seeds
@few
def test_the_optimum_is_that_of_a_linear_program(seed: int) -> None:
    of = case(seed)
    n, m = of.q.shape
    rows = np.repeat(np.eye(n), m, axis=1)
    for budget, pick in zip(of.budgets, SELECTORS["optimal"].choose(of), strict=True):
        solved = linprog(
            -of.q.ravel(), A_ub=of.known.reshape(1, -1), b_ub=[n * budget + CLOSE], A_eq=rows, b_eq=np.ones(n)
        )
        assert value(of, pick, of.q) == pytest.approx(-solved.fun / n, abs=1e-7)
        assert ((pick.policy > 0) & (pick.policy < 1)).any(axis=1).sum() <= 1


@seeds
@few
def test_no_selector_spends_more_or_gets_more_than_the_optimum(seed: int) -> None:
    of = case(seed)
    if seed % 2:  # where costs differ by item, the cheapest answers may exceed a cap
        of = replace(of, known=np.repeat(of.known[:1], len(of.q), axis=0))
        low, high = of.known[0].min(), of.known[0].max()
        of = replace(of, budgets=np.linspace(low, high, 5))
    best = [value(of, pick, of.q) for pick in SELECTORS["optimal"].choose(of)]
    assert all(a <= b + CLOSE for a, b in pairwise(best))
    for name, row in SELECTORS.items():
        if name == "cap" and not seed % 2:
            continue
        found = row.choose(of)
        for budget, pick, most in zip(of.budgets, found, best, strict=True):
            assert pick.policy.sum(axis=1) == pytest.approx(np.ones(len(of.q)))
            assert value(of, pick, of.known) <= budget * (1 + 1e-9) + CLOSE
            assert value(of, pick, of.q) <= most + CLOSE
        if name in ("cap", "penalty"):  # more budget is never worse by their own estimates
            assert all(value(of, a, of.q) <= value(of, b, of.q) + CLOSE for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("best",), "no selector 'best'; valid: cap, penalty, ratio, optimal"),
        (("cap", (), 1.0), "alpha 1: selector 'cap' has none; ratio has"),
        (("ratio", (), -1.0), "alpha -1: expected a number from 0 to 10"),
        (("ratio", (), float("nan")), "alpha nan: expected a number from 0 to 10"),
        (("ratio", (1.0, 0.0)), "budget 0: expected a number above 0"),
        (("cap", (float("inf"),)), "budget inf: expected a number above 0"),
        (("cap", (float("nan"),)), "budget nan: expected a number above 0"),
    ],
)
def test_what_is_no_selector(arguments: tuple, message: str) -> None:
    with pytest.raises(UsageError) as error:
        Selector(*arguments)
    assert str(error.value) == message


def sizes_of(folder: Path, seed: int = 0, equal: bool = False) -> Path:
    """The folder with sizes of all its models."""
    names = sorted({*pq.read_table(folder / "groups.parquet")["model_id"].to_pylist()})
    sizes = np.random.default_rng(seed).permutation(len(names)) + 1.0
    table = {"model_id": names, "params_b": np.full(len(names), 7.0) if equal else sizes}
    pq.write_table(pa.table(table), folder / "models.parquet")
    return folder


@pytest.fixture(scope="module")
def sized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sized")
    fixtures = [
        random_fixture("toy", sizes={"a": 250, "b": 150}),
        random_fixture("soft", binary=False, seed=1),
    ]
    return sizes_of(write_release(folder, fixtures))


def result(
    folder: Path, name: str, budgets: tuple[float, ...] = (), resamples: int = 0, **given: object
) -> Evaluation:
    return evaluate(
        load_release(folder),
        ["oracle", "random", "best_single", "heuristic", "knn"],
        costs="params_b",
        selector=Selector(name, budgets),
        resamples=resamples,
        **given,
    )


@pytest.mark.parametrize("name", SELECTORS)
def test_rows_beside_their_bounds(sized: Path, name: str) -> None:
    found = result(sized, name, resamples=100)
    rows = found.selections
    assert {row.router for row in rows} == {"oracle", "heuristic", "knn"}
    assert {row.kind for row in rows} == {"all_strong", "all_weak", "strong_to_weak", "mean"}
    assert found.notes[0] == "no curve and no choices under a budget: not defined for best_single"
    for row in rows:
        assert row.score.value is not None
        assert row.score.value <= row.oracle + 1e-6
        assert row.cost <= row.budget + 1e-6
        assert (row.alpha, row.order_sd is None) == ((1.0, False) if name == "ratio" else (None, True))
        assert (row.cheapest_only is None) == (name not in ("cap", "ratio"))
        assert row.gain.value == pytest.approx(row.score.value - row.heuristic, abs=2e-6)
        if row.router == "oracle":
            assert row.bound == row.oracle
        if row.router == "heuristic":
            assert (row.score.value, row.gain.value) == (pytest.approx(row.heuristic), 0)
        if name == "optimal":
            assert row.score.value == pytest.approx(row.bound, abs=1e-6)
        if row.benchmark == "toy":
            assert row.score.lo is not None
            assert row.score.lo < row.score.hi
            assert row.score.lo <= row.score.value <= row.score.hi
        else:
            assert (row.score.lo, row.gain.lo) == (None, None)
            assert row.interval_note == "too few items: 12 test items, intervals need 30"


def test_the_mean_is_that_of_the_kinds(sized: Path) -> None:
    rows = result(sized, "ratio", benchmarks=["toy"], sizes=[3]).selections
    kinds = {k: [r for r in rows if (r.kind, r.router) == (k, "knn")] for k in {row.kind for row in rows}}
    mean = kinds.pop("mean")
    for at, row in enumerate(mean):
        for name in ("budget", "cost", "bound", "oracle", "heuristic", "random", "cheapest_only"):
            assert getattr(row, name) == pytest.approx(
                np.mean([getattr(of[at], name) for of in kinds.values()]), abs=2e-6
            )
        assert row.score.value == pytest.approx(
            np.mean([o[at].score.value for o in kinds.values()]), abs=2e-6
        )
        assert row.n_kinds == 3


def test_what_a_router_estimates_counts_and_what_it_expects_to_pay(tmp_path: Path) -> None:
    """Costs of answers are not known before the call: a router that expects more keeps to the cheapest."""
    fixture = random_fixture("toy", sizes={"a": 400}, ms=(3,))
    write_release(tmp_path, [fixture])
    n_models, n = fixture.scores.shape
    usd = np.random.default_rng(0).random((n_models, n)) * (1 + np.arange(n_models))[:, None] * 1e-6
    pq.write_table(
        pa.table(
            {
                "model_id": pa.array(np.repeat(fixture.models, n)),
                "item": np.tile(np.arange(n, dtype=np.int32), n_models),
                "usd": usd.ravel(),
            }
        ),
        *[_folder(tmp_path / "costs") / "toy.parquet"],
    )

    class Fearful:
        uses_vectors = False

        def fit(self, task: Task) -> None:
            assert task.costs is not None
            assert task.costs.test is None

        def predict_proba(self, task: Task) -> np.ndarray:
            return np.full((task.n_test, task.m), 1 / task.m)

        def predict_scores(self, task: Task) -> np.ndarray:
            return np.tile(np.arange(task.m) * 1.0, (task.n_test, 1))

        def predict_costs(self, task: Task) -> np.ndarray:
            assert task.costs is not None
            return np.tile(task.costs.mean * 100, (task.n_test, 1))

    for name in SELECTORS:
        found = evaluate(
            load_release(tmp_path), [Fearful, "oracle"], costs="usd", selector=Selector(name), resamples=0
        )
        rows = [row for row in found.selections if row.router == "Fearful" and row.kind != "mean"]
        assert len(rows) == 18
        for row in rows:
            cheapest = [other.cost for other in rows if other.kind == row.kind]
            assert row.cost == min(cheapest) > 0
            assert row.cheapest_only in ((1.0,) if name in ("cap", "ratio") else (None,))
            assert row.score.value <= row.oracle + 1e-6


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_equal_costs_have_a_note_and_no_rows(tmp_path: Path) -> None:
    sizes_of(write_release(tmp_path, [random_fixture("toy", ms=(3,))]), equal=True)
    found = evaluate(
        load_release(tmp_path), ["knn"], costs="params_b", curve="cap", selector=Selector("cap"), resamples=0
    )
    assert (found.selections, found.curves) == ((), ())
    assert "toy, m = 3, all_weak: no curve: params_b: all candidates cost the same" in found.notes
    assert (
        selection_table(found.selections)
        == curve_table(found.curves)
        == ("no size whose groups all have costs; --format json has the groups that do\n")
    )


def test_a_budget_below_the_cheapest_is_refused(sized: Path) -> None:
    with pytest.raises(UsageError, match=r"toy, m = \d, \w+: a budget of 0.5 is too small") as error:
        result(sized, "penalty", (0.5, 90.0), benchmarks=["toy"])
    least = float(str(error.value).split("expected at least ")[1].split(" ")[0])
    rows = result(sized, "penalty", (least,), benchmarks=["toy"]).selections
    assert {row.budget for row in rows} == {least}


def test_a_budget_counts_once(sized: Path) -> None:
    rows = result(sized, "cap", (90.0, 80.0, 90.0), benchmarks=["toy"], sizes=[3]).selections
    assert [row.budget for row in rows if (row.router, row.kind) == ("knn", "mean")] == [90.0, 80.0]


@pytest.mark.parametrize("curve", ["cap", "mean"])
def test_curves_and_the_lines_beside_them(sized: Path, curve: str) -> None:
    found = evaluate(
        load_release(sized), ["oracle", "random", "knn", "best_single"], costs="params_b", curve=curve,
        resamples=0,
    )  # fmt: skip
    cells: dict[tuple, dict[str, Curve]] = {}
    for one in found.curves:
        cells.setdefault((one.benchmark, one.m, one.kind), {})[one.router] = one
    assert len(cells) == 2 * 2 * 4
    for lines in cells.values():
        assert {*lines} == {*BESIDE, "knn"}
        top = max(line.cost.max() for line in lines.values())
        budgets = np.linspace(lines["oracle"].cost.min(), top, 50)
        oracle = lines["oracle"].at(budgets)
        assert (np.diff(oracle) >= -CLOSE).all()
        assert (np.diff(lines["zero"].at(budgets)) >= -CLOSE).all()
        for line in lines.values():
            scores = line.at(budgets)
            assert (scores <= oracle + CLOSE)[~np.isnan(scores)].all()
            assert (line.score >= 0).all()
            assert (line.score <= 1).all()
            json.dumps(line.to_dict())
    strong = cells["toy", 3, "all_strong"]
    rows = [row for row in found.rows if (row.benchmark, row.m, row.kind) == ("toy", 3, "all_strong")]
    aiq = next(row.spending.metrics["acc_bmax"].value for row in rows if row.router == "knn")
    assert strong["knn"].score[-1] == pytest.approx(aiq, abs=1e-6)


def test_a_curve_of_the_mean_is_one_cap_for_all_kinds(sized: Path) -> None:
    found = evaluate(load_release(sized), ["knn"], costs="params_b", curve="cap", sizes=[3], resamples=0)
    mine = [c for c in found.curves if (c.benchmark, c.router) == ("toy", "knn")]
    mean = next(c for c in mine if c.kind == "mean")
    kinds = [c for c in mine if c.kind != "mean"]
    for cap, score in zip(mean.cost, mean.score, strict=True):
        each = [float(c.at(np.array([max(cap, c.cost[0])]))[0]) for c in kinds]
        assert score == pytest.approx(np.mean(each), abs=CLOSE)
    assert (mean.n_kinds, kinds[0].n_kinds) == (3, 1)


def test_a_router_that_is_called_as_a_line_is_refused(sized: Path) -> None:
    with pytest.raises(UsageError, match="router 'zero': a line beside every curve has this name"):
        evaluate(load_release(sized), {"zero": _Anything}, costs="params_b", curve="cap")


class _Anything:
    uses_vectors = False

    def fit(self, task: Task) -> None: ...

    def predict_proba(self, task: Task) -> np.ndarray:
        return np.full((task.n_test, task.m), 1 / task.m)


@pytest.mark.parametrize(
    ("values", "unit", "shown"),
    [
        ([0.0, 4.53e-05, 1.775e-04], "1e-6 USD", ["0.00", "45.30", "177.5"]),
        ([0.5, 999.4, 99_999.0], "USD", ["0.50", "999.4", "99999"]),
        ([5.0, 150_000.0], "1e+3 USD", ["0.01", "150.0"]),
        ([0.0, 0.0], "USD", ["0.00", "0.00"]),
    ],
)
def test_costs_of_any_size_fit_a_column(values: list[float], unit: str, shown: list[str]) -> None:
    assert scaled("USD", np.array(values)) == (unit, shown)


def run(capsys: pytest.CaptureFixture[str], folder: Path, *options: object) -> tuple[int, str, str]:
    code = main([str(folder), "--resamples", "0", *map(str, options)], prog="routerset evaluate")
    captured = capsys.readouterr()
    return code, captured.out, captured.err


PRICED = ("--costs", "params_b", "--routers", "knn,heuristic")
CAPPED = (*PRICED, "--selector", "cap")


@pytest.mark.parametrize(
    "options", [("--selector", name) for name in SELECTORS] + [("--curve", "cap"), ("--curve", "mean")]
)
def test_tables_and_rows_from_the_command_line(
    sized: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, str]
) -> None:
    code, out, _ = run(capsys, sized, *PRICED, *options)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "toy  m=3  groups: paper  split: paper" in out
    code, out, _ = run(capsys, sized, *PRICED, *options, "--format", "json")
    rows = json.loads(out)
    assert code == 0
    named = {"benchmark", "m", "kind", "method", "scheme", "router", "costs", "cost_unit", "estimates"}
    assert all(named <= {*row} for row in rows)
    assert all({options[0][2:], "score", "cost"} <= {*row} for row in rows)
    code, out, _ = run(capsys, sized, *PRICED, *options, "--format", "csv")
    points = sum(len(row["cost"]) if isinstance(row["cost"], list) else 1 for row in rows)
    assert (code, len(out.splitlines())) == (0, 1 + points)
    code, out, _ = run(capsys, sized, *PRICED, *options, "--format", "md")
    means = [row for row in rows if row["kind"] == "mean"]
    assert code == 0
    shown = len(means) * (10 if options[0] == "--curve" else 1)
    assert sum(line.startswith("|") for line in out.splitlines()) == 2 + shown
    code, out, _ = run(capsys, sized, *PRICED, *options, "--format", "latex")
    assert code == 0
    assert "\\toprule" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--selector", "cap"), "--selector needs --costs KIND"),
        (("--curve", "cap"), "--curve needs --costs KIND"),
        ((*PRICED, "--budget", "3"), "--budget needs --selector"),
        ((*PRICED, "--alpha", "2"), "--alpha needs --selector"),
        ((*CAPPED, "--alpha", "2"), "alpha 2: selector 'cap' has none; ratio has"),
        ((*CAPPED, "--budget", "3,x"), "--budget 3,x: expected numbers, as in --budget 0.5,1.5"),
        ((*CAPPED, "--budget", "0.5"), "is too small: the cheapest answers cost"),
        ((*CAPPED, "--differences"), "--selector cannot be used with --differences"),
        ((*CAPPED, "--curve", "cap"), "--curve cannot be used with --selector: it asks for another table"),
        ((*PRICED, "--curve", "cap", "--scaling"), "--scaling cannot be used with --costs, --curve"),
    ],
)  # fmt: skip
def test_options_that_do_not_work_together(
    sized: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    code, out, err = run(capsys, sized, *options)
    assert (code, out) == (2, "")
    assert message in err


def test_rows_are_flat(sized: Path) -> None:
    row = result(sized, "ratio", benchmarks=["toy"], sizes=[3]).selections[0]
    assert (row.score.lo, row.gain.lo) == (None, None)  # no resamples, no intervals
    assert isinstance(row, Selection)
    flat = row.to_dict()
    assert {"score", "score_lo", "score_hi", "gain", "gain_lo", "gain_hi", "order_sd", "alpha"} <= {*flat}
    assert all(value is None or isinstance(value, str | int | float | bool) for value in flat.values())
