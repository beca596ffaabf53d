from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from routerset.release.evaluator import DataError, Task
from routerset.release.evaluator.bootstrap import resample_counts, standard_errors
from routerset.release.evaluator.intervals import (
    DETECTABLE,
    FEWEST,
    FEWEST_FOR_SCORES,
    holm,
    t_limits,
    t_test,
    wilson,
)
from routerset.release.evaluator.metrics import (
    METRICS,
    CellScores,
    check_probabilities,
    choose,
    entropy,
    one_hot,
)


def make_task(Y_train: np.ndarray, n_test: int = 4, **changes: object) -> Task:
    """A task with given training scores; vectors are the rows' numbers."""
    Y = np.asarray(Y_train, np.float32)
    n, m = Y.shape
    task = Task(
        benchmark="toy",
        m=m,
        kind="all_strong",
        method="paper",
        scheme="paper",
        encoder=None,
        candidates=tuple(f"org/{i}" for i in range(m)),
        X_train=np.arange(n, dtype=np.float32)[:, None],
        X_val=np.zeros((0, 1), np.float32),
        X_test=np.arange(n_test, dtype=np.float32)[:, None],
        Y_train=Y,
        Y_val=Y[:0],
        labels_train=(Y > 0).astype(np.uint8),
        labels_val=(Y[:0] > 0).astype(np.uint8),
        test_items=[f"toy-{i}" for i in range(n_test)],
        read_prompts=lambda split: [],
    )
    return dataclasses.replace(task, **changes)  # type: ignore[arg-type]


def test_entropy_is_in_bits_and_zero_times_log_zero_is_zero() -> None:
    p = [[0.5, 0.5, 0], [1, 0, 0], [0.25, 0.25, 0.5]]
    assert entropy(np.array(p)).tolist() == [1.0, 0.0, 1.5]


def test_entropy_drops_terms_at_or_below_the_floor() -> None:
    p = np.array([[1e-4, 1 - 1e-4]])
    assert entropy(p, floor=1e-4) == pytest.approx(-(1 - 1e-4) * np.log2(1 - 1e-4))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([np.nan, 0.5, 0.5], "sum to nan"),
        ([np.inf, 0, 0], "sum to inf"),
        ([-0.5, 1, 0.5], "sum to 1"),
        ([0.2, 0.2, 0.2], "sum to 0.6"),
    ],
)
def test_what_is_not_a_distribution_is_refused_with_its_item(row: Sequence[float], said: str) -> None:
    probabilities = np.full((4, 3), 1 / 3)
    probabilities[2] = row
    with pytest.raises(DataError, match=rf"router 'mine' on toy, m=3, all_strong: item toy-2: .*{said}"):
        check_probabilities(probabilities, make_task(np.ones((2, 3))), "mine")


def test_a_wrong_shape_is_refused() -> None:
    with pytest.raises(DataError, match=r"shape \(3, 3\), expected \(4, 3\)"):
        check_probabilities(np.full((3, 3), 1 / 3), make_task(np.ones((2, 3))), "mine")


def test_ties_go_to_the_best_training_mean_then_to_a_seeded_draw() -> None:
    tie = np.full((4, 3), 1 / 3)
    assert choose(tie, make_task([[0, 1, 0], [0, 1, 1]])).tolist() == [1] * 4
    drawn = [choose(tie, make_task(np.ones((2, 3)), seed=seed))[0] for seed in range(30)]
    assert set(drawn) == {0, 1, 2}
    assert drawn == [choose(tie, make_task(np.ones((2, 3)), seed=seed))[0] for seed in range(30)]


def test_no_tie_no_choice_to_make() -> None:
    p = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.1, 0.2, 0.7], [0.3, 0.4, 0.3]])
    task = make_task([[1, 0, 0]])
    assert choose(p, task).tolist() == [1, 0, 2, 1]


def cell(Y: np.ndarray, chosen: np.ndarray, on_train: int = 0, reference: float | None = 0.8) -> CellScores:
    policy = one_hot(chosen, Y.shape[1])
    return CellScores(
        value=(policy * Y).sum(axis=1, dtype=np.float64)[:, None],
        entropy=np.zeros((len(Y), 1)),
        policies=(policy,),
        Y_test=Y,
        best_on_train=on_train,
        reference_score=reference,
    )


def test_the_metrics_of_a_cell_worked_by_hand() -> None:
    Y = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 0]], np.float32)
    scores = cell(Y, np.array([0, 1, 1, 2, 0]), on_train=1)
    values = dict(zip(METRICS, scores.statistics(np.ones((1, 5)))[0, 0], strict=True))
    p = np.array([0.4, 0.4, 0.2])
    assert values == pytest.approx(
        {
            "mu_o": 3 / 5,
            "v_r": 3 / 5 / 0.8,
            "v_b": 1.0,
            "e_p": 0.0,
            "marginal_entropy": -(p * np.log2(p)).sum(),
            "v_b_train": 3 / 2,
            "oracle_gap": 0.0,
        }
    )


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(2, 40))
def test_weights_mean_what_repeating_the_items_means(seed: int, m: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    Y = (rng.random((n, m)) < 0.6).astype(np.float32)
    chosen = rng.integers(0, m, n)
    drawn = rng.integers(0, n, n)
    weights = np.bincount(drawn, minlength=n)[None].astype(np.float64)
    whole, again = cell(Y, chosen), cell(Y[drawn], chosen[drawn])
    got = whole.statistics(weights)[0, 0]
    direct = again.statistics(np.ones((1, n)))[0, 0]
    # V_B and the gap keep the best candidate of the whole test set, the others depend on the resample only.
    for name in ("mu_o", "v_r", "e_p", "marginal_entropy", "v_b_train"):
        i = list(METRICS).index(name)
        assert got[i] == pytest.approx(direct[i], nan_ok=True)
    best = Y[:, Y.mean(axis=0, dtype=np.float64).argmax()][drawn].mean()
    assert got[list(METRICS).index("v_b")] == pytest.approx(got[0] / best if best else np.nan, nan_ok=True)


def test_resample_counts_are_seeded_draws_of_n_items() -> None:
    counts = resample_counts(50, 2500, seed=3)
    assert counts.shape == (2500, 50)
    assert (counts.sum(axis=1) == 50).all()
    assert np.array_equal(counts, resample_counts(50, 2500, seed=3))
    assert counts.mean() == 1
    assert counts.var() == pytest.approx(1 - 1 / 50, abs=0.02)


def test_the_bootstrap_standard_error_of_a_mean_is_its_own() -> None:
    values = np.random.default_rng(0).random((200, 3))
    replicates = resample_counts(200, 10_000, 0) @ values / 200
    assert standard_errors(replicates, 200) == pytest.approx(values.std(axis=0, ddof=1) / 200**0.5, rel=0.03)


def test_a_standard_error_leaves_out_resamples_where_the_value_is_undefined() -> None:
    replicates = np.array([[1.0, np.nan, 5.0], [2.0, np.nan, np.nan], [3.0, np.nan, 7.0]])
    expected = [np.std([1, 2, 3]), np.nan, 1.0]
    assert standard_errors(replicates, 100) == pytest.approx(
        np.array(expected) * (100 / 99) ** 0.5, nan_ok=True
    )
    assert np.isnan(standard_errors(replicates[:0], 100)).all()


@pytest.mark.parametrize(("right", "n"), [(0, 30), (1, 60), (41, 55), (700, 1430), (132, 132)])
def test_scores_of_0_and_1_have_wilsons_interval(right: int, n: int) -> None:
    expected = stats.binomtest(right, n).proportion_ci(0.95, "wilson")
    values = np.arange(n) < right
    low, high = wilson(np.array([values.mean()]), np.array([values.var()]), n)
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_scores_between_0_and_1_are_known_better_than_their_mean_tells() -> None:
    values = np.random.default_rng(0).random(400)
    low, high = wilson(np.array([values.mean()]), np.array([values.var()]), 400)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.01)
    assert low < values.mean() < high


def test_the_t_interval_and_its_test_are_the_textbooks() -> None:
    values = np.random.default_rng(0).normal(0.2, 1, 60)
    value, error = np.array([values.mean()]), np.array([values.std(ddof=1) / 60**0.5])
    expected = stats.ttest_1samp(values, 0)
    interval = expected.confidence_interval(0.95)
    low, high = t_limits(value, error, 60)
    assert (low[0], high[0]) == pytest.approx((interval.low, interval.high))
    assert t_test(value, error, 60)[0] == pytest.approx(expected.pvalue)


def test_what_is_the_same_on_every_item_or_on_too_few_has_no_interval() -> None:
    one, error = np.array([0.5]), np.array([0.1])
    assert np.isnan(t_limits(one, np.zeros(1), 500)).all()
    assert np.isnan(t_limits(one, error, FEWEST - 1)).all()
    assert np.isnan(t_test(one, error, FEWEST - 1)).all()
    assert np.isnan(wilson(one, np.array([0.25]), FEWEST_FOR_SCORES - 1)).all()
    assert np.isfinite([t_limits(one, error, FEWEST), wilson(one, np.array([0.25]), FEWEST_FOR_SCORES)]).all()


@given(st.lists(st.none() | st.floats(0, 1, width=32), max_size=12))
def test_holm_rejects_step_by_step(p: list[float | None]) -> None:
    adjusted = holm(p)
    assert [value is None for value in adjusted] == [value is None for value in p]
    order = sorted((value, i) for i, value in enumerate(p) if value is not None)
    rejected = True
    for place, (value, i) in enumerate(order):
        rejected &= value * (len(p) - place) < 0.05
        if abs(value * (len(p) - place) - 0.05) > 1e-5:
            assert ((adjusted[i] or 0.0) < 0.05) == rejected


def test_selection_variance_is_that_of_two_independent_random_choices() -> None:
    rng = np.random.default_rng(0)
    Y = (rng.random((60, 5)) < rng.random((60, 1))).astype(np.float32)
    a, b = rng.integers(0, 5, (2, 40_000, 60))
    items = np.arange(60)
    differences = (Y[items, a] - Y[items, b]).mean(axis=1)
    assert cell(Y, np.zeros(60, int)).selection_variance() == pytest.approx(differences.var(), rel=0.03)
    assert pytest.approx(2.8016, abs=1e-4) == DETECTABLE
