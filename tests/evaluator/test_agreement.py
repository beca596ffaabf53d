"""How often routers choose what the heuristic chooses under the same cap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.release.evaluator import Task, evaluate, load_release
from routerset.release.evaluator.agreement import agreement, agreement_steps
from routerset.release.evaluator.cells import Estimates
from routerset.release.evaluator.metrics import preferred
from routerset.release.evaluator.task import Costs
from tests.evaluator.releases import random_fixture, write_release

seeds = given(seed=st.integers(0, 10_000))
few = settings(max_examples=80, deadline=None, derandomize=True)


def task_of(seed: int, n: int = 6, m: int = 4) -> Task:
    """A cell whose costs and scores tie now and then."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((0, m), np.uint8)
    X, Y = np.zeros((n, 0), np.float32), rng.integers(0, 2, (5, m)).astype(np.float32)
    known = rng.integers(1, 6, (n, m)).astype(float)
    costs = Costs("usd", "USD", known.mean(axis=0), test=known)
    return Task(
        "one", m, "all_strong", "paper", "paper", None, tuple("abcdefgh"[:m]), X[:0], X[:0], X, Y, Y[:0],
        labels, labels, tuple(map(str, range(n))), lambda split: [], seed=seed, costs=costs,
    )  # fmt: skip


def chosen(task: Task, q: np.ndarray, known: np.ndarray, cap: float) -> list[int]:
    """One item after the other: the highest q within the cap, then the lower cost, then the best on train."""
    place = np.argsort(preferred(task)).tolist()
    found = []
    for scores, costs in zip(q.tolist(), known.tolist(), strict=True):
        allowed = [i for i, cost in enumerate(costs) if cost <= cap]
        allowed = allowed or [i for i, cost in enumerate(costs) if cost == min(costs)]
        found.append(min(allowed, key=lambda i: (-scores[i], costs[i], place[i])))
    return found


@seeds
@few
def test_a_curve_and_its_area_are_those_of_choices_one_by_one(seed: int) -> None:
    task = task_of(seed)
    rng = np.random.default_rng(seed + 1)
    q = rng.integers(0, 3, (task.n_test, task.m)) / 2
    assert task.costs is not None
    assert task.costs.test is not None
    own = task.costs.test if seed % 2 else rng.integers(1, 6, q.shape).astype(float)  # that it predicts
    on_train = np.tile(task.Y_train.mean(axis=0, dtype=np.float64), (task.n_test, 1))
    caps, shares = agreement_steps(Estimates(q, own, "scores"), task).curve()
    area, ends = 0.0, sorted({*own.ravel().tolist(), *task.costs.test.ravel().tolist()})
    for cap in ends:
        both = (chosen(task, q, own, cap), chosen(task, on_train, task.costs.test, cap))
        share = np.mean(np.equal(*both))
        assert shares[np.searchsorted(caps, cap, side="right") - 1] == pytest.approx(share) or cap < caps[0]
        low, high = own.min(), own.max()
        until = next((other for other in ends if other > cap), high)
        area += share * max(0.0, min(until, high) - max(cap, low)) / (high - low) if high > low else 0
        if cap == ends[0] and cap > low:
            area += share * (min(cap, high) - low) / (high - low)
    found = agreement(Estimates(q, own, "scores"), task, (float(own.min()), float(own.max())))
    if own.min() == own.max():
        assert found.value is None
        return
    assert found.value == pytest.approx(area, abs=1e-9)
    assert found.items is not None
    assert found.items.mean() == pytest.approx(found.value)


@seeds
@few
def test_the_heuristic_agrees_with_itself_and_a_draw_as_often_as_chance(seed: int) -> None:
    task = task_of(seed)
    assert task.costs is not None
    assert task.costs.test is not None
    known = task.costs.test
    on_train = np.tile(task.Y_train.mean(axis=0, dtype=np.float64), (task.n_test, 1))
    ends = float(known.min()), float(known.max())
    assert agreement(Estimates(on_train, known, "scores"), task, ends).value == pytest.approx(1.0)
    caps, shares = agreement_steps(Estimates(None, known, "draw"), task).curve()
    for cap, share in zip(caps.tolist(), shares.tolist(), strict=True):
        allowed = np.maximum(
            (known <= cap).sum(axis=1), (known == known.min(axis=1, keepdims=True)).sum(axis=1)
        )
        assert share == pytest.approx(np.mean(1 / allowed))
    with pytest.raises(ValueError, match="needs costs"):
        agreement_steps(Estimates(None, known, "draw"), replace(task, costs=None))


def test_rows_have_it(tmp_path: Path) -> None:
    fixture = random_fixture("one", ms=(3,))
    folder = write_release(tmp_path, [fixture])
    sizes = pa.table({"model_id": fixture.models, "params_b": np.linspace(1, 70, len(fixture.models))})
    pq.write_table(sizes, folder / "models.parquet")
    found = evaluate(
        load_release(folder), ["heuristic", "mean", "random", "knn", "best_single"], costs="params_b"
    )
    for row in (*found.rows, *found.means):
        if row.router == "best_single":  # the cap never binds it
            assert row.spending is not None
            assert row.spending.metrics["agreement"].value is None
            continue
        assert row.spending is not None
        estimate = row.spending.metrics["agreement"]
        if row.router in ("heuristic", "mean"):
            assert estimate.value == 1
        else:
            assert 0 <= (estimate.value or 0) <= 1
            assert row.router != "random" or 1 / 3 < (estimate.value or 0) < 1
        assert "agreement_lo" in row.to_dict()
