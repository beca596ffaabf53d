"""Odd but possible releases give defined results, impossible requests clear errors; never NaN."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from routerset.release.evaluator import (
    TRAINING_FREE,
    Evaluation,
    InputError,
    Release,
    UsageError,
    evaluate,
    load_release,
)
from tests.evaluator.releases import random_fixture, write_release

EVERY = (*TRAINING_FREE, "linear", "mlp")


def assert_no_nan(result: Evaluation) -> None:
    text = json.dumps(
        [r.to_dict() for r in (*result.rows, *result.means, *result.differences)], allow_nan=False
    )
    assert "mu_o" in text
    assert "nan" not in result.table() + result.difference_table()


@pytest.mark.parametrize("compat", [True, False])
def test_one_candidate(tmp_path: Path, quick: None, compat: bool) -> None:
    release = load_release(write_release(tmp_path, [random_fixture(ms=(1,))]))
    result = evaluate(release, EVERY, pairs=True, resamples=300, compat=compat)
    assert_no_nan(result)
    for row in result.rows:
        assert row.metrics["mu_o"].value == pytest.approx(row.best_single_score, abs=1e-6)
        assert row.metrics["v_b"].value == (1 if row.best_single_score else None)
        assert row.metrics["e_p"].value == 0
        assert row.metrics["oracle_gap"].value is None
        assert row.mdd == 0


@pytest.mark.parametrize("compat", [True, False])
@pytest.mark.parametrize("binary", [True, False])
def test_items_that_every_candidate_fails(tmp_path: Path, quick: None, binary: bool, compat: bool) -> None:
    fixture = random_fixture(binary=binary)
    fixture.scores[:, ::2] = 0
    release = load_release(write_release(tmp_path, [fixture]))
    assert_no_nan(evaluate(release, EVERY, pairs=True, resamples=300, compat=compat))


@pytest.mark.parametrize("compat", [True, False])
def test_a_benchmark_that_every_candidate_fails(tmp_path: Path, quick: None, compat: bool) -> None:
    fixture = random_fixture()
    fixture.scores[:] = 0
    release = load_release(write_release(tmp_path, [fixture]))
    result = evaluate(release, EVERY, pairs=True, resamples=300, compat=compat)
    assert_no_nan(result)
    for row in result.rows:
        assert row.metrics["mu_o"].value == 0
        assert row.metrics["v_b"].value is None
        assert row.metrics["v_b"].lo is None


def test_one_test_item(tmp_path: Path) -> None:
    release = load_release(write_release(tmp_path, [random_fixture(sizes={"a": 6})]))
    result = evaluate(release, TRAINING_FREE, pairs=True, resamples=300, sizes=[3])
    assert {row.n_test for row in result.rows} == {1}
    assert_no_nan(result)


def test_equal_vectors(tmp_path: Path) -> None:
    fixture = random_fixture()
    fixture.vectors["minilm"][:] = 1
    assert_no_nan(
        evaluate(load_release(write_release(tmp_path, [fixture])), TRAINING_FREE, pairs=True, resamples=300)
    )


def test_zero_vectors(tmp_path: Path) -> None:
    fixture = random_fixture()
    fixture.vectors["minilm"][:] = 0
    assert_no_nan(
        evaluate(load_release(write_release(tmp_path, [fixture])), TRAINING_FREE, pairs=True, resamples=300)
    )


def test_no_resamples_no_intervals(toy: Release) -> None:
    result = evaluate(toy, TRAINING_FREE, resamples=0, pairs=True)
    assert_no_nan(result)
    assert {row.metrics["mu_o"].lo for row in result.rows} == {None}


def test_m_larger_than_exists(toy: Release) -> None:
    with pytest.raises(UsageError, match=r"toy: no paper groups of m = \[2000\]; it has m = \[3, 5, 10\]"):
        evaluate(toy, ["oracle"], sizes=[2000])


def test_a_size_that_only_some_benchmarks_have_is_skipped_and_reported(toy: Release) -> None:
    result = evaluate(toy, ["oracle"], sizes=[5, 10], resamples=0)
    assert {(row.benchmark, row.m) for row in result.rows} == {("toy", 5), ("toy", 10), ("soft", 5)}
    assert result.notes == (
        "soft: no paper groups of m = [10]; it has m = [3, 5]",
        "m = 10: no mean over benchmarks, without oracle on soft",
    )


def test_an_unknown_encoder_names_those_there_are(toy: Release) -> None:
    with pytest.raises(UsageError, match="toy: no vectors by encoder 'roberta'; there are minilm, sbert"):
        evaluate(toy, ["knn"], benchmarks=["toy"], encoder="roberta")


def test_a_release_without_vectors_serves_the_routers_that_need_none(tmp_path: Path) -> None:
    release = load_release(write_release(tmp_path, [random_fixture(encoders=())]))
    with pytest.raises(InputError, match="this release has no vectors, which c_roberta, knn need"):
        evaluate(release)
    assert_no_nan(evaluate(release, ["oracle", "best_single"]))


def test_the_encoder_is_minilm_by_default(toy: Release, tmp_path: Path) -> None:
    rows = evaluate(toy, ["knn", "oracle"], benchmarks=["toy"], resamples=0).rows
    assert {(row.router, row.encoder) for row in rows} == {("knn", "minilm"), ("oracle", None)}
    other = load_release(write_release(tmp_path, [random_fixture(encoders=("zeta", "alpha"))]))
    assert {row.encoder for row in evaluate(other, ["knn"], resamples=0).rows} == {"alpha"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"benchmarks": ["mmlu"]}, "no benchmark 'mmlu'; this release has soft, toy"),
        ({"method": "best"}, "no groups by method 'best'; this release has greedy, paper"),
        ({"routers": []}, "no routers were named"),
    ],
)
def test_unknown_names(toy: Release, arguments: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        evaluate(toy, **{"routers": ["oracle"], **arguments})  # type: ignore[arg-type]


def test_a_benchmark_without_groups_of_a_method_is_reported(toy: Release) -> None:
    result = evaluate(toy, ["oracle"], method="greedy", resamples=0)
    assert {row.benchmark for row in result.rows} == {"toy"}
    assert result.notes == ("soft: no greedy groups of m = any size; it has m = []",)


def test_the_mean_row_is_the_mean_of_the_kinds_that_exist(tmp_path: Path) -> None:
    fixture = random_fixture(ms=(3,))
    del fixture.groups["paper", 3, "all_weak"]
    result = evaluate(load_release(write_release(tmp_path, [fixture])), ["knn"])
    values = [row.metrics["mu_o"].value or 0 for row in result.rows]
    assert len(values) == 2
    assert result.means[0].metrics["mu_o"].value == pytest.approx(np.mean(values), abs=1e-6)
