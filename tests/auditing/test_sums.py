"""Short ways to the audit's numbers give what the plain ones do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from routerset.release.auditing import similarity
from routerset.release.auditing.dominance import _ranks
from routerset.release.auditing.models import PAIRS, ROUNDING, _most_alike
from routerset.release.auditing.similarity import average, jaccard, largest, means, residual
from routerset.release.auditing.specialists import _dense


def scores_of(n_models: int, n_items: int, seed: int) -> np.ndarray:
    """Scores with twins, and with models that have everything or nothing right."""
    rng = np.random.default_rng(seed)
    scores = (rng.random((n_models, n_items)) < rng.random((n_models, 1))).astype(np.uint8)
    scores[: n_models // 5] = scores[0]
    scores[n_models // 2] = 0
    scores[-1] = 1
    return scores


@pytest.mark.parametrize(("n_models", "n_items"), [(2, 1), (3, 7), (127, 30), (128, 31), (300, 90)])
def test_means_are_those_of_whole_matrices(n_models: int, n_items: int) -> None:
    scores = scores_of(n_models, n_items, n_models)
    alike, nearest = means(scores)
    assert alike == pytest.approx(float(average(jaccard(scores)).mean()), rel=1e-12)
    assert nearest == float(largest(residual(scores)).mean(dtype=np.float64))


def test_jaccard_is_the_share_of_items_that_either_has_right() -> None:
    scores = scores_of(40, 25, 1).astype(bool)
    either = (scores[:, None] | scores).sum(axis=2)
    both = (scores[:, None] & scores).sum(axis=2).astype(np.float32)
    expected = np.where(either > 0, both / np.maximum(either, 1).astype(np.float32), np.float32(1))
    assert np.array_equal(jaccard(scores.astype(np.uint8)), expected)


def test_residuals_are_correlations_of_what_ability_does_not_tell() -> None:
    scores = scores_of(60, 200, 2)
    rows, units = similarity.unit_residuals(scores)
    expected = np.zeros((60, 60))
    expected[np.ix_(rows, rows)] = units.astype(np.float64) @ units.T.astype(np.float64)
    np.fill_diagonal(expected, 1)
    assert np.allclose(residual(scores), expected, atol=1e-3)


@pytest.mark.parametrize("n", [2, 3, PAIRS, PAIRS + 1, PAIRS + 2, 90])
@pytest.mark.parametrize("digits", [1, 7])
def test_the_pairs_most_alike_are_those_of_all_pairs(n: int, digits: int) -> None:
    rng = np.random.default_rng(n)
    square = np.round(rng.random((n, n)), digits).astype(np.float32)
    found = np.maximum(square, square.T)
    values = {(i, k): found[i, k] for i in range(n) for k in range(i + 1, n)}
    wanted = min(PAIRS, len(values))
    least = sorted(values.values())[-wanted]
    close = [pair for pair, value in values.items() if value >= np.float32(least - ROUNDING)]
    order = sorted(close, key=lambda pair: -np.round(np.float64(values[pair]), 3))
    assert _most_alike(found) == order[:wanted]


@pytest.mark.parametrize("digits", [0, 2])
def test_ranks_are_those_of_scipy(digits: int) -> None:
    sums = np.round(np.random.default_rng(3).random((6, 50)) * 20, digits)
    assert np.array_equal([_ranks(row) for row in sums], rankdata(sums, axis=1))
    of_scipy = rankdata(sums, method="dense", axis=1)
    ranked = rankdata(_dense(sums), method="dense", axis=1)
    assert np.array_equal(ranked, of_scipy)
