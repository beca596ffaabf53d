"""Worlds of noise: what they keep, and that nothing else of the real scores is left in them."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from routerset.schemas.dealing import STRATUM, deal
from routerset.schemas.nulls import MIXING, NULLS, deal_by_ability, trade


def rasch(n_models: int, n_items: int, seed: int = 0) -> np.ndarray:
    """Scores of models that differ in ability alone."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n_models, 1)) - rng.normal(size=n_items)
    return (rng.random((n_models, n_items)) < 1 / (1 + np.exp(-logits))).astype(np.uint8)


def specialists(n_models: int, n_items: int) -> np.ndarray:
    """Scores of two kinds of models, each good at its half of the items."""
    rng = np.random.default_rng(1)
    right = np.equal.outer(np.arange(n_models) % 2, np.arange(n_items) % 2)
    return (rng.random((n_models, n_items)) < np.where(right, 0.9, 0.2)).astype(np.uint8)


def relatedness(scores: np.ndarray) -> float:
    """Mean squared correlation of models over items."""
    correlations = np.corrcoef(scores[(scores.std(axis=1) > 0)])
    return float((np.square(correlations).sum() - len(correlations)) / (len(correlations) ** 2))


@pytest.mark.parametrize("binary", [False, True])
def test_dealing_keeps_every_items_scores_in_every_stratum(*, binary: bool) -> None:
    scores = rasch(90, 40) if binary else np.random.default_rng(0).random((90, 40)).astype(np.float32)
    dealt = deal_by_ability(scores, np.random.default_rng(1))
    order = np.argsort(scores.mean(axis=1, dtype=np.float64), kind="stable")
    for start in range(0, 90, STRATUM):
        rows = order[start : start + STRATUM]
        np.testing.assert_array_equal(np.sort(scores[rows], axis=0), np.sort(dealt[rows], axis=0))
    assert dealt.dtype == scores.dtype
    assert (dealt != scores).mean() > (0.25 if binary else 0.9)


def test_every_choice_of_models_is_as_likely() -> None:
    """Who of a stratum is right, where two of five are: chi-square over the ten pairs."""
    scores = np.repeat(np.array([1, 1, 0, 0, 0], np.uint8)[:, np.newaxis], 20_000, axis=1)
    dealt = deal(scores, np.arange(5), np.random.default_rng(0))
    counts = np.array([*Counter(map(bytes, dealt.T)).values()])
    assert len(counts) == 10
    assert float(np.square(counts - 2000).sum() / 2000) < 27.9  # the 99.9% point with 9 degrees of freedom


@pytest.mark.parametrize("shape", [(2, 2), (7, 3), (60, 45), (61, 300)])
def test_trades_keep_both_margins(shape: tuple[int, int]) -> None:
    scores = rasch(*shape)
    world, by_columns = scores.copy(), np.asfortranarray(scores)
    trade(world, np.random.default_rng(0), 9)
    trade(by_columns, np.random.default_rng(0), 9)
    np.testing.assert_array_equal(by_columns, world)
    assert world.dtype == np.uint8
    np.testing.assert_array_equal(world.sum(axis=0), scores.sum(axis=0))
    np.testing.assert_array_equal(world.sum(axis=1), scores.sum(axis=1))


def test_every_matrix_with_the_same_margins_is_as_likely() -> None:
    """Against a list of all of them: chi-square over 90 matrices of a 4 x 4 table with two right a row."""
    scores = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]], np.uint8)
    rows = [np.isin(np.arange(4), pair).astype(np.uint8) for pair in itertools.combinations(range(4), 2)]
    every = [np.array(m) for m in itertools.product(rows, repeat=4) if (np.sum(m, axis=0) == 2).all()]
    assert len(every) == 90
    rng, found, draws = np.random.default_rng(0), Counter[bytes](), 2700
    for _ in range(draws):
        world = scores.copy()
        trade(world, rng, 8)
        found[world.tobytes()] += 1
    counts = np.array([found[m.tobytes()] for m in every])
    assert counts.sum() == draws
    chi_square = float(np.square(counts - draws / 90).sum() / (draws / 90))
    assert chi_square < 135  # the 99.9% point with 89 degrees of freedom


def test_nothing_of_the_start_is_left_after_mixing() -> None:
    """Specialists are related at first, after `MIXING` rounds as little as after ten times as many."""
    scores = specialists(80, 60)
    mixed, long = scores.copy(), scores.copy()
    trade(mixed, np.random.default_rng(0), MIXING)
    trade(long, np.random.default_rng(1), 10 * MIXING)
    assert relatedness(scores) > 0.2
    assert relatedness(mixed) == pytest.approx(relatedness(long), rel=0.2)
    assert relatedness(mixed) < 0.05


@pytest.mark.parametrize("name", NULLS)
def test_worlds_differ_and_the_same_seed_gives_the_same(name: str) -> None:
    scores = rasch(60, 50)
    before = scores.copy()
    first, again = (
        [world.copy() for world in NULLS[name].worlds(scores, np.random.default_rng(5))] for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)
    assert len({world.tobytes() for world in first}) == NULLS[name].draws
    np.testing.assert_array_equal(scores, before)
