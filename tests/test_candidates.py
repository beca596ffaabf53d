"""Candidate groups: `paper` equals a direct NumPy version of the reference, `greedy` keeps its promises."""

from __future__ import annotations

import json
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.groups import direct_paper_groups, simulated_scores
from routerset.etl.groups.candidates import (
    SIZES,
    Group,
    Kind,
    Skipped,
    greedy_groups,
    oracle_mean,
    paper_groups,
)
from routerset.etl.groups.methods import METHODS
from routerset.etl.sources.pickles.reader import ArrayRef, load_pickle
from routerset.schemas.splits import Split, paper_split
from routerset.schemas.tables import STRENGTHS

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared"
GOLDEN = SHARED / "golden" / "routereval_compat.json"
PICKLE = SHARED / "dumps" / "routereval_pickles" / "leaderboard_score" / "leaderboard_old.pkl"


@st.composite
def score_matrices(draw: st.DrawFn, continuous: bool | None = None) -> np.ndarray:
    """Small matrices with many ties: levels from 2 up, models of any strength, copies of models."""
    models, items = draw(st.integers(0, 45)), draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = sorted(
        (draw(st.sampled_from([0.0, 0.05, 0.3, 0.6])), draw(st.sampled_from([0.08, 0.5, 1.0])))
    )
    chance = rng.uniform(low, high, (models, 1))
    if draw(st.booleans()) if continuous is None else continuous:
        levels = draw(st.sampled_from([2, 64, 1 << 24]))
        scores = np.minimum(chance * rng.uniform(0, 2, (models, items)), 1)
        scores = (np.rint(scores * levels) / levels).astype(np.float32)
    else:
        scores = (rng.random((models, items)) < chance).astype(np.uint8)
    return scores[np.sort(rng.integers(0, models, models))] if models and draw(st.booleans()) else scores


def cells(groups: list[Group]) -> dict[tuple[int, str], list[int]]:
    return {(g.m, g.kind.value): g.rows.tolist() for g in groups}


def pools(scores: np.ndarray, m: int) -> dict[str, np.ndarray]:
    """Pools as ROUTEREVAL.md defines them."""
    means = scores.astype(np.float64).mean(axis=1)
    order = np.argsort(means, kind="stable")
    above_first, above_last = np.flatnonzero(means[order] > 0.1), np.flatnonzero(means[order] > 0.9)
    first = above_first[0] if len(above_first) else len(order)
    last = above_last[0] if len(above_last) else len(order)
    span = max(len(order) // 5, m)
    return {
        "all_strong": order[max(last - span, 0) : last],
        "all_weak": order[first : first + span],
        "strong_to_weak": order[first:last],
    }


@settings(deadline=None, max_examples=60)
@given(score_matrices(), st.integers(0, 2**32 - 1))
def test_paper_equals_a_direct_version_and_leaves_the_same_generator(scores: np.ndarray, seed: int) -> None:
    ours, theirs = np.random.RandomState(seed), np.random.RandomState(seed)
    groups, skipped = paper_groups(scores, (3, 5, 10), ours)
    expected = direct_paper_groups(scores, (3, 5, 10), theirs)
    assert cells(groups) == {cell: rows.tolist() for cell, rows in expected.items()}
    assert {(s.m, s.kind.value) for s in skipped} == set(product((3, 5, 10), STRENGTHS)) - set(expected)
    assert ours.randint(1 << 30) == theirs.randint(1 << 30)


@pytest.mark.parametrize("distinct", [5, 20_000])
@pytest.mark.parametrize("binary", [True, False])
def test_paper_equals_a_direct_version_on_wide_scores(binary: bool, distinct: int) -> None:
    scores = np.tile(simulated_scores(60, distinct, binary), (1, 20_000 // distinct))
    groups, _ = paper_groups(scores, (3, 5), np.random.RandomState(1))
    expected = direct_paper_groups(scores, (3, 5), np.random.RandomState(1))
    assert cells(groups) == {cell: rows.tolist() for cell, rows in expected.items()}


@pytest.mark.parametrize(
    ("benchmark", "subset"), [("gsm8k", "harness_gsm8k_5"), ("arc", "harness_arc_challenge_25")]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_paper_reproduces_the_reference_on_real_scores(
    benchmark: str, subset: str, dtype: type[np.generic]
) -> None:
    if not (GOLDEN.exists() and PICKLE.exists()):
        pytest.skip("the folder `shared` with the reference's answers is not beside the checkout")
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))[benchmark]["groups"]
    data = load_pickle(PICKLE)
    correctness = data["data"][subset]["correctness"]
    scores = (correctness.load() if isinstance(correctness, ArrayRef) else correctness).T.astype(dtype)
    by_id = np.argsort(np.array(data["model"], dtype=bytes))
    names = [data["model"][k] for k in by_id]
    sides, rng = paper_split([scores.shape[1]])
    groups, skipped = paper_groups(scores[by_id], SIZES, rng)
    assert skipped == []
    assert {f"m{g.m}/{g.kind}" for g in groups} == set(golden)
    for group in groups:
        expected = golden[f"m{group.m}/{group.kind}"]
        models = [names[row] for row in group.rows]
        if isinstance(expected["models"], dict):
            assert {"first": models[:5], "last": models[-5:]} == expected["models"]
        else:
            assert models == expected["models"]
        assert oracle_mean(scores[by_id], group.rows) == expected["oracle_all_items"]
        assert oracle_mean(scores[by_id], group.rows, sides[Split.TEST]) == expected["oracle_test"]


def test_a_paper_group_does_not_depend_on_the_sizes_asked_for() -> None:
    scores = simulated_scores(300, 90, binary=True)
    groups, _ = paper_groups(scores, (3, 5, 10, 100), np.random.RandomState(7))
    everything = cells(groups)
    for m in (3, 5, 10, 100):
        alone, _ = paper_groups(scores, (m, 4), np.random.RandomState(7))
        assert {cell: rows for cell, rows in cells(alone).items() if cell[0] == m} == {
            cell: rows for cell, rows in everything.items() if cell[0] == m
        }


@settings(deadline=None, max_examples=150)
@given(score_matrices(), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_greedy_is_never_worse_on_train_than_a_window(scores: np.ndarray, seed: int, share: float) -> None:
    train = np.random.default_rng(seed).permutation(scores.shape[1])[: 1 + int(share * (scores.shape[1] - 1))]
    groups, skipped = greedy_groups(scores, (1, 2, 3, 5, 10), train)
    assert len(groups) + len(skipped) == 5 * len(STRENGTHS)
    for group in groups:
        pool = pools(scores[:, train], group.m)[group.kind]
        for start in range(len(pool) - group.m + 1) if group.kind is not Kind.STRONG_TO_WEAK else ():
            window = oracle_mean(scores, pool[start : start + group.m], train)
            # scores in fixed point are off by at most 2^-31 each
            assert oracle_mean(scores, group.rows, train) >= window - (scores.dtype != np.uint8) * 2**-30


@settings(deadline=None, max_examples=60)
@given(score_matrices(), st.integers(0, 2**32 - 1))
def test_test_items_have_no_say_in_greedy_groups(scores: np.ndarray, seed: int) -> None:
    train = np.arange(0, scores.shape[1], 2)
    other = scores.copy()
    rest = np.arange(1, scores.shape[1], 2)
    other[:, rest] = np.random.default_rng(seed).permuted(scores[:, rest], axis=0)
    (groups, skipped), (again, skipped_again) = (
        METHODS["greedy"].choose(each, (3, 5), [scores.shape[1]], train, 42) for each in (scores, other)
    )
    assert cells(again) == cells(groups)
    assert skipped_again == skipped
    assert not METHODS["greedy"].sees_test


@settings(deadline=None, max_examples=100)
@given(score_matrices(), st.integers(0, 2**32 - 1))
def test_groups_keep_to_their_pools_bins_and_order(scores: np.ndarray, seed: int) -> None:
    train = np.random.default_rng(seed).permutation(scores.shape[1])[: -(-scores.shape[1] // 2)]
    paper, _ = paper_groups(scores, (3, 5, 10), np.random.RandomState(seed))
    greedy, _ = greedy_groups(scores, (3, 5, 10), train)
    for groups, items in ((paper, np.arange(scores.shape[1])), (greedy, train)):
        means = scores[:, items].astype(np.float64).mean(axis=1)
        for group in groups:
            pool = pools(scores[:, items], group.m)[group.kind]
            assert group.rows.dtype == np.int32
            assert len(set(group.rows.tolist()) & set(pool.tolist())) == group.m == len(group.rows)
            order = list(zip(means[group.rows].round(12), group.rows, strict=True))
            assert order == sorted(order)
            if group.kind is Kind.STRONG_TO_WEAK:
                assert all(len(np.intersect1d(b, group.rows)) == 1 for b in np.array_split(pool, group.m))


@settings(deadline=None, max_examples=60)
@given(score_matrices(continuous=False), st.integers(0, 2**32 - 1))
def test_binary_scores_give_the_same_groups_as_the_same_numbers_in_float32(
    scores: np.ndarray, seed: int
) -> None:
    train = np.arange(0, scores.shape[1], 2)
    numbers = scores.astype(np.float32)
    paper, _ = paper_groups(scores, (3, 5, 10), np.random.RandomState(seed))
    again, _ = paper_groups(numbers, (3, 5, 10), np.random.RandomState(seed))
    assert cells(again) == cells(paper)
    assert cells(greedy_groups(numbers, (3, 5, 10), train)[0]) == cells(
        greedy_groups(scores, (3, 5, 10), train)[0]
    )


@settings(deadline=None, max_examples=60)
@given(score_matrices())
def test_greedy_reaches_at_least_half_of_the_best_group_there_is(scores: np.ndarray) -> None:
    groups, _ = greedy_groups(scores, (2,), np.arange(scores.shape[1]))
    for group in groups:
        pool = pools(scores, 2)[group.kind]
        pairs = (
            product(*np.array_split(pool, 2))
            if group.kind is Kind.STRONG_TO_WEAK
            else combinations(pool.tolist(), 2)
        )
        best = max(oracle_mean(scores, np.array(pair)) for pair in pairs)
        assert oracle_mean(scores, group.rows) >= best / 2


@settings(deadline=None, max_examples=60)
@given(score_matrices(continuous=False))
def test_no_single_swap_improves_a_greedy_group(scores: np.ndarray) -> None:
    groups, _ = greedy_groups(scores, (3, 5), np.arange(scores.shape[1]))
    for group in groups:
        pool = pools(scores, group.m)[group.kind]
        bins = np.array_split(pool, group.m) if group.kind is Kind.STRONG_TO_WEAK else [pool] * group.m
        reached = oracle_mean(scores, group.rows)
        for member in group.rows:
            others = group.rows[group.rows != member]
            options = next(b for b in bins if member in b)
            assert max(oracle_mean(scores, np.append(others, option)) for option in options) <= reached


def test_a_swap_mends_what_greedy_takes_first() -> None:
    scores = np.zeros((30, 20), np.uint8)
    for row, items in enumerate((range(7), range(7, 16), range(4, 12), range(2, 14), range(16, 18))):
        scores[row, items] = 1
    groups, _ = greedy_groups(scores, (2,), np.arange(20))
    # row 3 alone covers most, yet belongs to no pair that covers 16
    assert cells(groups)[2, "all_strong"] == [0, 1]


def test_once_all_is_covered_greedy_goes_for_second_right_answers() -> None:
    scores = np.zeros((30, 10), np.uint8)
    answered = ([0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [0, 1, 2, 5], [3, 4], [0, 1, 2, 5, 6], [3, 4, 7])
    for row, items in enumerate(answered):
        scores[row, items] = 1
    groups, _ = greedy_groups(scores, (2, 3, 4), np.arange(10))
    # row 2 is stronger than row 5, but row 5 gives three more items a second right answer
    assert [set(cells(groups)[m, "all_weak"]) for m in (2, 3, 4)] == [{0, 1}, {0, 1, 4}, {0, 1, 4, 5}]


def test_greedy_looks_at_train_items_only_inside_its_pools() -> None:
    rng = np.random.default_rng(3)
    scores = (rng.random((60, 40)) < 0.5).astype(np.uint8)
    train, rest = np.arange(30), np.arange(30, 40)
    shuffled = scores.copy()
    # the same mean for every model, so the same pools, but other right answers outside train
    shuffled[:, rest] = scores[:, rest[::-1]]
    expected = cells(greedy_groups(scores, (3, 5), train)[0])
    assert cells(greedy_groups(shuffled, (3, 5), train)[0]) == expected
    assert cells(greedy_groups(np.asfortranarray(scores), (3, 5), train[::-1])[0]) == expected


def test_equal_models_are_taken_in_order_of_row() -> None:
    scores = np.tile(np.array([[1, 0], [0, 1]], np.uint8), (500, 1))
    expected = {"all_strong": [800, 801, 802], "all_weak": [0, 1, 2], "strong_to_weak": [0, 335, 667]}
    groups, _ = greedy_groups(scores, (3,), np.arange(2))
    assert {kind: rows for (_, kind), rows in cells(groups).items()} == expected
    groups, _ = paper_groups(scores, (3,), np.random.RandomState(0))
    assert cells(groups)[3, "all_weak"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("share", "empty"),
    [(0.05, {"all_weak", "strong_to_weak"}), (0.95, {"all_strong", "strong_to_weak"}), (0.5, set())],
)
def test_pools_without_models_are_skipped_and_reported(share: float, empty: set[str]) -> None:
    scores = np.zeros((20, 100), np.uint8)
    scores[:, : int(100 * share)] = 1
    expected = [
        Skipped(3, kind, f"expected at least 3 models in the {kind} pool, found 0")
        for kind in STRENGTHS
        if kind in empty
    ]
    assert paper_groups(scores, (3,), np.random.RandomState(0))[1] == expected
    assert greedy_groups(scores, (3,), np.arange(80))[1] == expected


def test_a_size_larger_than_the_pool_is_skipped() -> None:
    scores = simulated_scores(50, 40, binary=True)
    groups, skipped = greedy_groups(scores, (3, 1000), np.arange(32))
    assert [g.m for g in groups] == [3, 3, 3]
    assert [(s.m, s.kind) for s in skipped] == [(1000, kind) for kind in STRENGTHS]


def test_oracle_mean_is_the_mean_of_the_best_scores() -> None:
    scores = np.array([[0.5, 0.0, 0.25], [0.25, 0.5, 0.0], [1.0, 1.0, 1.0]], np.float32)
    assert oracle_mean(scores, np.array([0, 1])) == (0.5 + 0.5 + 0.25) / 3
    assert oracle_mean(scores, np.array([0, 1]), np.array([0, 2])) == 0.375


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.full((4, 3), 2, np.uint8), "found uint8 up to 2; expected uint8 of 0 and 1"),
        (np.ones((4, 3), np.int64), "found int64"),
        (np.full((4, 3), np.nan, np.float32), "found NaN"),
        (np.ones((4, 0), np.uint8), r"found shape \(4, 0\)"),
        (np.ones(4, np.uint8), r"found shape \(4,\)"),
    ],
)
def test_malformed_scores_are_an_error(scores: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paper_groups(scores, (3,), np.random.RandomState(0))
    with pytest.raises(ValueError, match=message):
        greedy_groups(scores, (3,), np.array([], np.int32))


def test_a_size_below_one_is_an_error() -> None:
    scores = np.ones((4, 3), np.uint8)
    with pytest.raises(ValueError, match=r"\[groups\] sizes: found \[3, 0\]"):
        paper_groups(scores, (3, 0), np.random.RandomState(0))
    with pytest.raises(ValueError, match=r"\[groups\] sizes: found \[3, 0\]"):
        greedy_groups(scores, (3, 0), np.arange(3))
