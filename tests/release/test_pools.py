"""How many different models there are: twins, near twins, and the effective number."""

from __future__ import annotations

import numpy as np
import pytest

from routerset.release.pools import NEAR, effective_number, near_twins, pool_of
from routerset.schemas.matrix import MISSING, ScoreMatrix
from tests.test_nulls import rasch


def matrix(scores: np.ndarray) -> ScoreMatrix:
    return ScoreMatrix(tuple(f"m{row:04}" for row in range(len(scores))), scores)


def test_twins_of_a_rasch_world_with_copies() -> None:
    scores = rasch(300, 200, seed=1)
    able = np.flatnonzero((scores.mean(axis=1) > 0.1) & (scores.mean(axis=1) <= 0.9))
    scores[able[[5, 6, 9]]] = scores[able[[50, 50, 90]]]
    scores[able[100], 0] = MISSING
    found = pool_of("gsm8k", matrix(scores), 42)
    assert (found.models, found.complete, found.able) == (300, 299, len(able) - 1)
    assert (found.twin_sets, found.twin_models, found.twin_models_by_chance) == (2, 5, 0)
    assert (found.near_twins, found.near_twins_by_chance) == (0, 0)


@pytest.mark.parametrize("items", [64, 4096])
def test_near_twins_are_pairs_of_different_rows(items: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routerset.release.pools.ITEMS", items)
    scores = rasch(700, 250, seed=2)
    scores[600:620] = scores[:20]
    for row in scores[600:610]:
        row[:4] ^= 1
    for row in scores[610:615]:
        row[:6] ^= 1
    rows = np.unique(scores, axis=0).astype(np.int64)
    apart = np.abs(rows[:, None] - rows).sum(axis=2)
    expected = int((np.triu(apart <= 250 * (1 - NEAR), 1)).sum())
    assert expected >= 10
    assert near_twins(scores) == expected


def test_the_effective_number_of_independent_models_is_what_chance_gives() -> None:
    scores = rasch(400, 1000, seed=3)
    assert effective_number(scores) == pytest.approx(1 / (1 / 400 + 1 / 1000), rel=0.1)


def test_the_effective_number_of_copies_is_that_of_their_originals() -> None:
    few = rasch(400, 1000, seed=4)
    assert effective_number(np.repeat(few, 2, axis=0)) == pytest.approx(effective_number(few), rel=0.05)


def test_some_models_tell_the_effective_number_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.repeat(rasch(600, 900, seed=5), 2, axis=0)
    whole = effective_number(scores)
    monkeypatch.setattr("routerset.release.pools.MOST", 500)
    assert effective_number(scores) == pytest.approx(whole, rel=0.05)


def test_scores_between_0_and_1_have_twins_alone() -> None:
    scores = np.random.default_rng(0).random((60, 40)).astype(np.float32)
    scores[3] = scores[9]
    found = pool_of("truthfulqa", matrix(scores), 42)
    assert (found.twin_sets, found.twin_models) == (1, 2)
    assert (found.near_twins, found.effective, found.effective_by_chance) == (None, None, None)


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_model(n: int) -> None:
    found = pool_of("gsm8k", matrix(rasch(200, 50, seed=6)[100 : 100 + n]), 42)
    assert (found.models, found.twin_models, found.effective) == (n, 0, None)
