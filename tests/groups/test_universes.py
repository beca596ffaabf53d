"""Methods `universe` and `diverse`, against direct versions; a release that has them."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.groups.bounds import bound
from routerset.etl.groups.candidates import Group, Kind
from routerset.etl.groups.limits import limits
from routerset.etl.groups.methods import METHODS, choose, coverage
from routerset.etl.groups.universes import diverse_groups, stops_at, universe_groups
from routerset.schemas.groups import STRONGEST, WEAKEST
from routerset.schemas.tables import Split
from tests.test_limits import scored
from tests.test_nulls import rasch


def world(seed: int, models: int = 14, items: int = 40, levels: int = 1) -> np.ndarray:
    """Scores of models of all abilities; of 0 and 1, or of `levels` steps."""
    rng = np.random.default_rng(seed)
    chance = rng.uniform(0, 1, (models, 1)) * rng.uniform(0.5, 1, items)
    if levels == 1:
        return (rng.random((models, items)) < chance).astype(np.uint8)
    return rng.binomial(levels, chance) / levels


def universe_directly(scores: np.ndarray, m: int) -> set[int]:
    """Routoo's greedy, a model at a time, over all models every time. scores: of train items."""
    pool = [row for row in range(len(scores)) if scores[row].mean() <= STRONGEST]
    taken: list[int] = []
    covered = np.zeros(scores.shape[1])
    while len(taken) < m:
        free = [row for row in pool if row not in taken]
        gain = {row: (np.maximum(covered, scores[row]) - covered).sum().round(9) for row in free}
        if max(gain.values()) == 0 and covered.any():
            covered = np.zeros(scores.shape[1])
            continue
        best = min(free, key=lambda row: (-gain[row], -round(float(scores[row].sum()), 9), row))
        taken.append(best)
        covered = np.maximum(covered, scores[best])
    return set(taken)


def diverse_directly(scores: np.ndarray, m: int) -> set[int]:
    """RouterBench+'s pruning, a model at a time, with correlations of residuals of all pairs."""
    from routerset.release.auditing.similarity import residual

    alive = [row for row in range(len(scores)) if WEAKEST < scores[row].mean() <= STRONGEST]
    alike = dict(zip(alive, residual(scores[alive]).astype(float), strict=True))
    column = {row: place for place, row in enumerate(alive)}
    while len(alive) > m:
        worth = {
            row: 0.5 * scores[row].mean() - 0.5 * max(alike[row][column[k]] for k in alive if k != row)
            for row in alive
        }
        lowest = min(worth.values())
        alive.remove(max(row for row in alive if worth[row] <= lowest + 1e-12))
    return set(alive)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 2, 4]), st.integers(1, 9))
def test_a_universe_equals_a_direct_version(seed: int, levels: int, m: int) -> None:
    scores = world(seed, levels=levels)
    train = np.arange(0, 40, 2)
    groups, skipped = universe_groups(scores, (m,), train)
    if skipped:
        assert (scores[:, train].mean(axis=1) <= STRONGEST).sum() < m
    else:
        assert set(groups[0].rows.tolist()) == universe_directly(scores[:, train], m)


@pytest.mark.parametrize("levels", [1, 4])
@pytest.mark.parametrize("seed", range(8))
def test_a_diverse_group_equals_a_direct_version(seed: int, levels: int) -> None:
    scores = world(seed, models=30, items=60, levels=levels)
    train = np.arange(48)
    groups, _ = diverse_groups(scores, (3, 5, 10), train)
    assert [group.m for group in groups] == [3, 5, 10]
    for group in groups:
        assert set(group.rows.tolist()) == diverse_directly(scores[:, train], group.m)


@pytest.mark.parametrize("method", ["universe", "diverse"])
def test_groups_are_nested_ordered_and_of_train_items_alone(method: str) -> None:
    scores, train = world(3, 60, 100), np.arange(80)
    other = scores.copy()
    other[:, 80:] = 1 - other[:, 80:]
    groups, skipped = choose(method, scores, (3, 5, 10, 1000), [100], train, 42, None)
    again, _ = choose(method, other, (10,), [100], train, 7, None)
    assert [(group.m, group.kind) for group in groups] == [(m, Kind.OPEN) for m in (3, 5, 10)]
    for small, large in pairwise(groups):
        assert set(small.rows) < set(large.rows)
    for group in groups:
        means = scores[group.rows][:, train].mean(axis=1)
        assert [*group.rows] == [row for _, row in sorted(zip(means, group.rows, strict=True))]
    assert again[0].rows.tolist() == groups[-1].rows.tolist()
    pool = (scores[:, train].mean(axis=1) <= STRONGEST) & (
        (scores[:, train].mean(axis=1) > WEAKEST) | (method == "universe")
    )
    reason = f"expected at least 1000 models in the open pool, found {pool.sum()}"
    assert [(s.m, s.kind, s.reason) for s in skipped] == [(1000, Kind.OPEN, reason)]
    assert not METHODS[method].sees_test


def test_ties_go_to_the_higher_mean_then_to_the_first_name() -> None:
    scores = np.zeros((6, 10), np.uint8)
    scores[4, :6] = 1
    scores[[2, 3], 6:8] = 1  # add as much, with the same mean
    scores[5, 6:8] = scores[5, :2] = 1  # adds as much, with a higher mean
    order = [universe_groups(scores, (m,), np.arange(10))[0][0].rows.tolist() for m in (1, 2)]
    assert order == [[4], [5, 4]]
    twice = universe_groups(np.delete(scores, 5, axis=0), (2,), np.arange(10))[0][0].rows.tolist()
    assert twice == [2, 4]


def test_a_universe_stops_and_goes_on_in_layers() -> None:
    scores = np.zeros((5, 12), np.uint8)
    scores[0, :6] = scores[1, 6:10] = scores[2, 6:9] = scores[3, :2] = 1
    train = np.arange(12)
    assert stops_at(scores, train) == 2
    three, five = universe_groups(scores, (3, 5), train)[0]
    assert set(three.rows) == {0, 1, 2}  # of the second layer the one that is best there
    assert set(five.rows) == {0, 1, 2, 3, 4}
    assert stops_at(np.zeros((3, 4), np.uint8), np.arange(4)) == 0
    assert stops_at(scores, np.arange(0)) == 0


def test_a_model_that_has_nearly_all_right_ends_no_universe() -> None:
    scores = np.zeros((4, 20), np.uint8)
    scores[0] = 1
    scores[1, :10] = scores[2, 10:] = 1
    assert stops_at(scores, np.arange(20)) == 2
    assert set(universe_groups(scores, (2,), np.arange(20))[0][0].rows) == {1, 2}


@pytest.mark.parametrize("method", ["universe", "diverse"])
@pytest.mark.parametrize("fill", [0, 1])
def test_a_filter_that_leaves_nothing_is_reported(method: str, fill: int) -> None:
    scores = np.full((7, 10), fill, np.uint8)
    groups, skipped = choose(method, scores, (3, 5), [10], np.arange(8), 42, None)
    if method == "universe" and not fill:
        assert [group.rows.tolist() for group in groups] == [[0, 1, 2], [0, 1, 2, 3, 4]]
    else:
        assert not groups
        assert [s.m for s in skipped] == [3, 5]
        assert all("found 0" in s.reason for s in skipped)
    none, all_skipped = choose(method, scores, (3,), [10], np.arange(0), 42, None)
    assert not none
    assert "found 0" in all_skipped[0].reason


@pytest.mark.parametrize("seed", range(5))
def test_a_bound_is_proven_where_brute_force_finds_no_better(seed: int) -> None:
    scores = world(seed, 12, 60)
    train = np.arange(48)
    (group,), _ = universe_groups(scores, (3,), train)
    pool = np.flatnonzero(scores[:, train].mean(axis=1) <= STRONGEST)
    best = max(scores[[*rows]][:, train].any(axis=0).sum() for rows in combinations(pool, 3))
    told = bound(scores[:, train], pool, group.rows)
    assert told.covered <= best <= told.at_most
    assert told.covered >= (1 - 1 / np.e) * best
    if told.optimal:
        assert told.covered == best


def test_limits_of_open_groups_are_of_their_own_pool() -> None:
    at = scored(rasch(60, 200, seed=5))
    found = limits(at, ["greedy", "universe", "diverse"])
    for method in ("universe", "diverse"):
        table = found[method]
        assert table["kind"].to_pylist() == ["open", "open"]
        assert all(draws > 0 for draws in table["draws_a"].to_pylist())
        for group in at.choose(method, at.scores)[0]:
            pool, bins = at.pool_of(method, group)
            assert bins is None
            assert set(group.rows) <= set(pool)
    assert found["greedy"].equals(limits(at, ["greedy"])["greedy"]), "another method changes its numbers"


def test_coverage_is_the_mean_of_the_best_score_on_each_side() -> None:
    scores = np.array([[0.5, 1, 0, 0.2], [0.25, 0, 0.5, 0.6]])
    sides = {Split.TRAIN: np.array([0, 1]), Split.VALIDATION: np.array([], int), Split.TEST: np.array([2, 3])}
    group = Group(2, Kind.OPEN, np.array([0, 1]))
    (row,) = coverage("universe", scores, [group], sides, None)
    assert row == {"m": 2, "train": 0.75, "validation": None, "test": 0.55, "stops_at": 1}
    assert coverage("greedy", scores, [Group(2, Kind.ALL_WEAK, group.rows)], sides, None) == []
