"""Metrics of score over cost: what must hold for every router, and what items add to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.release.evaluator.spending import Cell, Spent, choices, spent

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
        value, items, _ = metrics[name]
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
    assert metrics["arena"].value is None


def test_score_of_router_arena() -> None:
    scores, paid = np.array([[0.8, 0.8]]), np.array([[0.0044e-3, 200e-3]])
    dear = Cell(scores, paid, paid, np.array([0, 1]), in_usd=True)
    assert found(dear, np.array([[1.0, 0.0]]))["arena"].value == pytest.approx(1.1 * 0.8 / (0.08 + 1))
    assert found(dear, np.array([[0.0, 1.0]]))["arena"].value == 0.0
