"""Splits: the reference's index for index, and family splits that let no question leak."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.splits import (
    SPLIT_SCHEMES,
    Split,
    family_split,
    paper_split,
    splits_table,
    subset_sizes,
    thin_sides,
)
from routerset.schemas.tables import SPLITS

GOLDEN = Path(__file__).resolve().parents[1] / ".." / "shared" / "golden" / "routereval_compat.json"
TABLE_4 = {
    "arc": (937, 117, 118),
    "hellaswag": (8033, 1004, 1005),
    "mmlu": (11215, 1397, 1430),
    "truthfulqa": (653, 82, 82),
    "winogrande": (1013, 127, 127),
    "gsm8k": (1055, 132, 132),
    "ifeval": (432, 54, 55),
    "bbh": (4607, 577, 577),
    "gpqa": (952, 120, 120),
    "musr": (604, 76, 76),
    "math_lvl5": (1057, 131, 136),
    "mmlu_pro": (9625, 1203, 1204),
}


def counts(sides: dict[Split, np.ndarray]) -> tuple[int, ...]:
    return tuple(len(sides[side]) for side in Split)


def full_subsets(benchmark: str) -> list[str]:
    return [name for name, n in BENCHMARKS[benchmark].subsets.items() for _ in range(n)]


@pytest.mark.parametrize("benchmark", TABLE_4)
def test_paper_split_reproduces_table_4(benchmark: str) -> None:
    sides, _ = paper_split(list(BENCHMARKS[benchmark].subsets.values()))
    assert counts(sides) == TABLE_4[benchmark]
    assert np.array_equal(np.sort(np.concatenate(list(sides.values()))), np.arange(sum(TABLE_4[benchmark])))


@pytest.mark.parametrize("benchmark", TABLE_4)
def test_family_split_of_distinct_questions_has_the_same_counts(benchmark: str) -> None:
    subsets = full_subsets(benchmark)
    assert counts(family_split([f"q{k}" for k in range(len(subsets))], subsets)) == TABLE_4[benchmark]


@pytest.mark.parametrize(("benchmark", "items"), [("gsm8k", 249), ("arc", 100)])
def test_paper_split_is_the_reference_index_for_index(benchmark: str, items: int) -> None:
    if not GOLDEN.exists():
        pytest.skip("the folder `shared` with the reference's answers is not beside the checkout")
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))[benchmark]["split_index"]
    sides, _ = paper_split([items])
    assert [sides[side].tolist() for side in Split] == [golden[key] for key in ("train", "val", "test")]


def test_paper_split_leaves_the_generator_where_the_reference_does() -> None:
    rng = np.random.RandomState(42)
    expected: dict[Split, list[int]] = {side: [] for side in Split}
    for start, n in ((0, 10), (10, 7), (17, 1), (18, 25)):
        index = np.arange(n)
        rng.shuffle(index)
        for side, a, b in zip(
            Split, (0, int(0.8 * n), int(0.9 * n)), (int(0.8 * n), int(0.9 * n), n), strict=True
        ):
            expected[side] += (start + index[a:b]).tolist()
    sides, after = paper_split([10, 7, 1, 25])
    assert {side: index.tolist() for side, index in sides.items()} == expected
    assert after.randint(1 << 30) == rng.randint(1 << 30)
    assert {index.dtype for index in sides.values()} == {np.dtype(np.int32)}


items_with_families = st.lists(
    st.tuples(st.integers(0, 30).map("f{}".format), st.sampled_from(["a", "b", "c"])), max_size=120
)


def side_of_family(items: list[tuple[str, str]], seed: int = 42) -> dict[str, set[Split]]:
    sides = family_split([f for f, _ in items], [s for _, s in items], seed)
    found: dict[str, set[Split]] = {}
    for side, index in sides.items():
        for item in index:
            found.setdefault(items[item][0], set()).add(side)
    return found


@given(items_with_families)
def test_family_split_is_complete_disjoint_and_leaks_no_family(items: list[tuple[str, str]]) -> None:
    sides = family_split([f for f, _ in items], [s for _, s in items])
    assert sorted(np.concatenate(list(sides.values())).tolist()) == list(range(len(items)))
    assert {len(found) for found in side_of_family(items).values()} <= {1}


@given(items_with_families)
def test_family_split_cuts_each_subset_within_half_a_family(items: list[tuple[str, str]]) -> None:
    home = {family: min(s for f, s in items if f == family) for family, _ in items}
    size = {family: sum(f == family for f, _ in items) for family in home}
    side = {family: found.pop() for family, found in side_of_family(items).items()}
    for subset in set(home.values()):
        families = [f for f in home if home[f] == subset]
        n, largest = sum(size[f] for f in families), max(size[f] for f in families)
        train = sum(size[f] for f in families if side[f] is Split.TRAIN)
        test = sum(size[f] for f in families if side[f] is Split.TEST)
        assert 2 * abs(train - int(0.8 * n)) <= largest
        assert 2 * abs(n - test - int(0.9 * n)) <= largest


@given(items_with_families, st.randoms(use_true_random=False))
def test_family_split_does_not_depend_on_the_order_of_items(
    items: list[tuple[str, str]], source: random.Random
) -> None:
    shuffled = source.sample(items, len(items))
    assert side_of_family(shuffled) == side_of_family(items)


@given(st.integers(1, 200), st.integers(0, 5))
def test_a_new_family_moves_at_most_one_other_over_each_cut(n: int, seed: int) -> None:
    items = [(f"old{k}", "a") for k in range(n)] + [(f"other{k}", "b") for k in range(20)]
    before, after = side_of_family(items, seed), side_of_family([*items, ("new", "a")], seed)
    moved = [family for family in before if before[family] != after[family]]
    assert len(moved) <= 2
    assert not [family for family in moved if family.startswith("other")]


def test_family_split_follows_the_seed() -> None:
    items = [(f"f{k}", "a") for k in range(100)]
    assert side_of_family(items, 1) != side_of_family(items, 2)


def test_family_split_is_pinned() -> None:
    families, subsets = ["p", "q", "p", "r", "s", "t", "u", "v", "w", "x", "y"], ["a"] * 6 + ["b"] * 5
    sides = family_split(families, subsets)
    assert [sides[side].tolist() for side in Split] == [[0, 1, 2, 3, 6, 7, 8, 9], [4], [5, 10]]


def test_family_split_takes_arrow_columns() -> None:
    families, subsets = pa.array(["p", "q", "p"] * 10), pa.chunked_array([["a"] * 15, ["b"] * 15])
    expected = family_split(families.to_pylist(), subsets.to_pylist())
    actual = family_split(families, subsets)
    assert {s: i.tolist() for s, i in actual.items()} == {s: i.tolist() for s, i in expected.items()}


def test_lengths_that_differ_are_an_error() -> None:
    with pytest.raises(ValueError, match="found 2 family ids and 1 subsets"):
        family_split(["a", "b"], ["s"])


def test_subset_sizes_are_those_of_the_runs() -> None:
    assert subset_sizes(["b", "b", "a", "c", "c", "c"]) == [2, 1, 3]
    assert subset_sizes([]) == []
    with pytest.raises(ValueError, match="found 3 runs of 2 subsets"):
        subset_sizes(["a", "b", "a"])


@pytest.mark.parametrize("scheme", SPLIT_SCHEMES)
def test_splits_table_has_one_row_per_item_in_order(scheme: str) -> None:
    subsets = full_subsets("musr")
    families = [f"q{k // 2}" for k in range(len(subsets))]
    table = splits_table(scheme, families, subsets)
    sides = SPLIT_SCHEMES[scheme].split(families, subsets, 42)
    assert table.schema.equals(SPLITS, check_metadata=True)
    assert table["item"].to_pylist() == list(range(len(subsets)))
    for side in Split:
        rows = np.flatnonzero(np.array(table["split"].to_pylist()) == side.value)
        assert rows.tolist() == np.sort(sides[side]).tolist()


def test_an_empty_benchmark_has_an_empty_table() -> None:
    assert [splits_table(scheme, [], []).num_rows for scheme in SPLIT_SCHEMES] == [0, 0]


def test_an_unknown_scheme_is_an_error_that_lists_the_valid_ones() -> None:
    with pytest.raises(ValueError, match='unknown scheme "random"; valid schemes: paper, family'):
        splits_table("random", ["f"], ["s"])


def test_a_side_with_less_than_half_of_its_share_is_thin() -> None:
    thin = thin_sides({"train": 58, "validation": 3, "test": 41})
    assert thin == {"validation": pytest.approx(10.2)}
    assert not thin_sides({"train": 80, "validation": 10, "test": 10})
    assert not thin_sides({"train": 8, "validation": 1, "test": 1})
    assert set(thin_sides({"train": 100, "validation": 0, "test": 0})) == {"validation", "test"}
