from __future__ import annotations

import json
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.release.evaluator import DataError, Release, UsageError, load_release
from routerset.release.evaluator.scaling import (
    PROBABILITIES,
    SUBSETS,
    expected_best,
    random_subsets,
    read_scores,
    scaling_table,
    scaling_up,
    score_profile,
    spread_sizes,
)
from tests.evaluator.releases import random_fixture, write_release


@pytest.mark.parametrize("binary", [True, False])
def test_every_size_is_the_oracle_and_the_mean_of_the_same_random_subset(binary: bool) -> None:
    scores = random_fixture(binary=binary, n_models=13, sizes={"a": 21}).scores
    oracle, chance = random_subsets(scores, 6, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    for row in range(6):
        order = rng.permutation(13)
        for m in range(1, 14):
            subset = scores[order[:m]].astype(np.float64)
            assert oracle[row, m - 1] == pytest.approx(subset.max(axis=0).mean(), abs=1e-7)
            assert chance[row, m - 1] == pytest.approx(subset.mean(), abs=1e-7)


@pytest.mark.parametrize("binary", [True, False])
def test_the_curve_is_the_mean_over_all_subsets(binary: bool) -> None:
    scores = random_fixture(binary=binary, n_models=7, sizes={"a": 300}).scores
    oracle, _ = random_subsets(scores, 4000, np.random.default_rng(0))
    for m in range(1, 8):
        exact = np.mean([scores[list(s)].max(axis=0).mean() for s in combinations(range(7), m)])
        assert expected_best(score_profile(scores), m) == pytest.approx(exact, abs=1e-6)
        spread = oracle[:, m - 1].std() / np.sqrt(4000)
        assert oracle[:, m - 1].mean() == pytest.approx(exact, abs=4 * spread + 1e-6)


def test_of_0_and_1_the_curve_is_a_function_of_how_many_have_an_item_right() -> None:
    scores = random_fixture(n_models=12, sizes={"a": 40}).scores
    right = scores.sum(axis=0).astype(int).tolist()
    for m in (1, 3, 12):
        missed = np.mean([math.comb(12 - c, m) / math.comb(12, m) for c in right])
        assert expected_best(score_profile(scores), m) == pytest.approx(1 - missed, abs=1e-12)


def test_a_curve_of_every_benchmark(toy: Release) -> None:
    curves = scaling_up(toy)
    assert [c.benchmark for c in curves] == ["soft", "toy"]
    for curve in curves:
        assert curve.oracle.shape == (SUBSETS, curve.pool) == (100, 40)
        assert (np.diff(curve.oracle, axis=1) >= -1e-9).all()
        said = curve.to_dict()
        assert list(said["accuracy"]) == ["0", "0.1", "0.3", "0.5", "0.7", "1"]
        assert said["m"][0] == 1
        assert said["m"][-1] == 40
        mean, low, high = curve.mean_and_band(0.5, np.arange(1, 41))
        assert (low <= mean + 1e-9).all()
        assert (mean <= high + 1e-9).all()
        assert np.allclose(curve.mean(0.0, [1, 20]), curve.profile.mean())
    assert max(map(len, scaling_table(curves).splitlines())) <= 80
    json.dumps([c.to_dict() for c in curves], allow_nan=False)
    assert len(PROBABILITIES) == 6


def test_sizes_are_distinct_and_reach_from_one_to_the_pool() -> None:
    for pool in (1, 2, 7, 5000):
        sizes = spread_sizes(pool)
        assert (sizes[0], sizes[-1]) == (1, pool)
        assert (np.diff(sizes) > 0).all()


def test_models_that_miss_an_item_are_left_out(tmp_path: Path) -> None:
    fixture = random_fixture(n_models=20)
    release = load_release(write_release(tmp_path, [fixture]))
    path = tmp_path / "scores/toy.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    assert np.array_equal(read_scores(release, "toy"), fixture.scores[1:])
    pq.write_table(pa.concat_tables([table, table.slice(5, 1)]), path)
    with pytest.raises(DataError, match="two scores for an item"):
        read_scores(release, "toy")
    pq.write_table(table.filter(pa.compute.field("item") > 0), path)
    with pytest.raises(DataError, match="no model covers all 120 items"):
        read_scores(release, "toy")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("model_id", None, "model_id None"),
        ("item", None, "item None"),
        ("item", -1, "item -1"),
        ("item", 120, "item 120"),
        ("score", None, "score None"),
        ("score", math.nan, "score nan"),
        ("score", 1.5, "score 1.5"),
    ],
)
def test_a_row_that_is_no_score_is_named(tmp_path: Path, column: str, value: float | None, said: str) -> None:
    release = load_release(write_release(tmp_path, [random_fixture(n_models=5)]))
    path = tmp_path / "scores/toy.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[7][column] = value
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    with pytest.raises(
        DataError, match=rf"toy\.parquet: row 7: .*{said}.*; expected a model, an item below 120"
    ):
        scaling_up(release)


def test_an_unknown_benchmark_names_those_there_are(toy: Release) -> None:
    with pytest.raises(UsageError, match="no benchmark 'mmlu'; this release has soft, toy"):
        scaling_up(toy, ["mmlu"])
