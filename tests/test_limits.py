"""Noise floors: a world without specialisation has no headroom beyond them, one with specialists has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest

from routerset.etl.groups.limits import Scored, limits
from routerset.schemas.tables import LIMITS, Split
from tests.test_nulls import rasch, specialists


def scored(scores: np.ndarray, sizes: tuple[int, ...] = (3, 5)) -> Scored:
    """All there is to a benchmark of one subset: 8 of 10 items train, one validates, one tests."""
    items = np.arange(scores.shape[1])
    sides = {Split.TRAIN: items[items % 10 < 8], Split.VALIDATION: items[items % 10 == 8]}
    return Scored(scores, [len(items)], {**sides, Split.TEST: items[items % 10 == 9]}, sizes, 42)


def headroom_beyond_noise(scores: np.ndarray, letter: str) -> float:
    """Oracle minus noise floor, mean over the cells of method `greedy`."""
    world = scored(scores)
    table = limits(world, ["greedy"])["greedy"]
    groups = {(group.m, group.kind.value): group.rows for group in world.choose("greedy", scores)[0]}
    test = scores[:, world.sides[Split.TEST]]
    over = [
        test[groups[m, kind]].max(axis=0).mean() - floor
        for m, kind, floor in zip(
            *(table[name].to_pylist() for name in ("m", "kind", f"oracle_{letter}")), strict=True
        )
    ]
    return float(np.mean(over))


@pytest.mark.parametrize("letter", ["a", "b"])
def test_a_rasch_world_has_no_headroom_beyond_noise(letter: str) -> None:
    found = [headroom_beyond_noise(rasch(150, 600, seed), letter) for seed in range(4)]
    assert np.mean(found) == pytest.approx(0, abs=0.015)


@pytest.mark.parametrize("letter", ["a", "b"])
def test_specialists_have(letter: str) -> None:
    assert headroom_beyond_noise(specialists(150, 600), letter) > 0.03


def test_columns_of_one_benchmark() -> None:
    found = limits(scored(rasch(120, 100)), ["greedy", "paper"])
    assert list(found) == ["greedy", "paper"]
    for table in found.values():
        assert table.schema.equals(LIMITS)
        assert len(table) == 6
        assert pc.min(table["draws_a"]).as_py() > 0
        for letter in "ab":
            low, mean, high = (table[f"oracle_{letter}{end}"] for end in ("_lo", "", "_hi"))
            assert pc.all(pc.and_(pc.less_equal(low, mean), pc.less_equal(mean, high))).as_py()
        assert pc.all(pc.less_equal(table["train_covered"], table["train_at_most"])).as_py()


def test_scores_between_0_and_1_have_the_first_floor_alone() -> None:
    table = limits(scored(np.random.default_rng(0).random((60, 40)).astype(np.float32), (3,)), ["greedy"])
    found = table["greedy"].to_pylist()
    assert {row["draws_b"] for row in found} == {0}
    assert {row["oracle_b"] for row in found} == {row["train_at_most"] for row in found} == {None}
    assert all(row["oracle_a"] > 0.5 for row in found)


def test_without_test_items_there_is_no_floor() -> None:
    world = scored(rasch(60, 50), (3,))
    sides = {**world.sides, Split.TEST: np.array([], np.int64)}
    table = limits(replace(world, sides=sides), ["greedy"])["greedy"]
    assert {(row["draws_a"], row["oracle_a"]) for row in table.to_pylist()} == {(0, None)}
    assert table["train_covered"].null_count == 0


def test_a_method_that_compares_all_pairs_searches_fewer_worlds_of_a_large_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = scored(rasch(60, 200, seed=4))
    everywhere = limits(at, ["diverse", "universe"])
    pairs = 60 * 60 * len(at.sides[Split.TRAIN])
    for work, draws_a, draws_b in ((7 * pairs, 7, 5), (pairs, 3, 3), (1 << 60, 20, 5)):
        monkeypatch.setattr("routerset.etl.groups.limits.WORK", work)
        found = limits(at, ["diverse", "universe"])
        assert found["universe"].equals(everywhere["universe"])
        assert set(found["diverse"]["draws_a"].to_pylist()) == {draws_a}
        assert set(found["diverse"]["draws_b"].to_pylist()) == {draws_b}
        for less, whole in zip(found["diverse"].to_pylist(), everywhere["diverse"].to_pylist(), strict=True):
            for letter in "ab":
                floor = less[f"oracle_{letter}"]
                assert whole[f"oracle_{letter}_lo"] <= floor <= whole[f"oracle_{letter}_hi"]


def test_a_pool_counts_as_large_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    at = scored(rasch(60, 200, seed=4))
    monkeypatch.setattr("routerset.etl.groups.limits.WORK", 5 * 30 * 30 * len(at.sides[Split.TRAIN]))
    assert at.draws("diverse", "ability") == 3
    assert replace(at, pools={"diverse": np.arange(30)}).draws("diverse", "ability") == 5
