"""The rules that hold for the values of every dump format: bounds, missing ones, repeated documents."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.sources.base import Block, Columns, Dump, Runs
from routerset.etl.sources.blocks import Cells, blocks_of, docs_table
from routerset.schemas.tables import Reason

DUMP = Dump("wide", "/somewhere/file.csv", "file.csv", "file.csv", 1, "1")
NAN = float("nan")
SCORE = st.one_of(st.sampled_from([0.0, 1.0, 0.5, NAN, -1.0, 2.0, math.inf]), st.floats(width=32))
CELL = st.one_of(SCORE, st.sampled_from(["n/a?", ""]))


def columns_of(keys: list[str]) -> Columns:
    names = pa.array(keys, pa.string())
    return Columns(
        benchmark="gsm8k",
        subset="gsm8k",
        metric="acc",
        key_space="wide:gsm8k",
        doc_keys=names,
        prints=pa.array([f"p{k}" for k in keys], pa.string()),
        docs=lambda: docs_table(names, question=[f"Q{k}" for k in keys]),
    )


def block_of(keys: list[str], runs: Runs, cells: Cells) -> tuple[Block, pa.Table]:
    (block,), tables = blocks_of(DUMP, columns_of(keys), runs, cells)
    return block, pa.concat_tables(tables)


def matrix(scores: list[list[float]], rows: list[int] | None = None) -> tuple[Block, pa.Table]:
    values = np.array(scores, np.float64)
    models = tuple(f"org/m{i}" for i in range(len(values)))
    runs = Runs(models, (None,) * len(values), np.array(rows or range(len(values)), np.int64))
    return block_of([str(i) for i in range(values.shape[1])], runs, Cells.of(values))


def column(records: list[tuple[str, float | str]]) -> tuple[Block, pa.Table]:
    """Block of one run; a score that is text is no number."""
    texts = {at: score for at, (_, score) in enumerate(records) if isinstance(score, str)}
    values = [[NAN if isinstance(score, str) else score for _, score in records]]
    rows = np.arange(len(records))[None, :] + 100
    runs = Runs(("org/m",), ("2024-06-16T10:20:30.000000",), rows)
    return block_of([key for key, _ in records], runs, Cells.of(values, texts))


def kept(block: Block) -> dict[str, float]:
    scores = zip(block.columns.doc_keys.to_pylist(), block.values[0].tolist(), strict=True)
    return {key: score for key, score in scores if not math.isnan(score)}


def found(table: pa.Table) -> list[tuple[int, str]]:
    return list(zip(table["row"].to_pylist(), table["reason"].to_pylist(), strict=True))


@settings(deadline=None)
@given(st.integers(0, 4).flatmap(lambda n: st.lists(st.lists(SCORE, min_size=n, max_size=n), min_size=1)))
def test_matrix_accounts_for_every_cell(scores: list[list[float]]) -> None:
    block, quarantined = matrix(scores)
    assert block.n_read.sum() == np.isfinite(block.values).sum() + len(quarantined)
    assert block.n_superseded.sum() == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), CELL), max_size=12))
def test_column_accounts_for_every_record(records: list[tuple[str, float | str]]) -> None:
    block, quarantined = column(records)
    assert block.n_read.tolist() == [len(records)]
    assert len(records) == np.isfinite(block.values).sum() + block.n_superseded.sum() + len(quarantined)
    assert len(set(block.columns.doc_keys.to_pylist())) == len(block.columns.doc_keys)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), CELL), max_size=12), st.randoms(use_true_random=False))
def test_order_of_records_does_not_change_what_is_kept(
    records: list[tuple[str, float | str]], random: Random
) -> None:
    shuffled = list(records)
    random.shuffle(shuffled)
    assert kept(column(records)[0]) == kept(column(shuffled)[0])


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), st.floats(0, 1, width=32), min_size=1))
def test_distinct_documents_are_all_kept(scores: dict[str, float]) -> None:
    block, quarantined = column(list(scores.items()))
    assert kept(block) == scores
    assert len(quarantined) == 0


def test_matrix_quarantines_what_is_no_score() -> None:
    block, quarantined = matrix([[1.0, NAN, 0.25], [2.0, -0.5, 0.0]], rows=[7, 9])
    assert quarantined["row"].to_pylist() == [7, 9, 9]
    assert quarantined["model_id"].to_pylist() == ["org/m0", "org/m1", "org/m1"]
    assert quarantined["reason"].to_pylist() == ["missing_score", "score_out_of_range", "score_out_of_range"]
    assert quarantined["detail"].to_pylist() == [
        "document 1: no score",
        "document 0: expected a score in [0, 1], found 2.0",
        "document 1: expected a score in [0, 1], found -0.5",
    ]
    np.testing.assert_array_equal(block.values, np.array([[1, NAN, 0.25], [NAN, NAN, 0]], np.float32))


def test_a_number_too_large_for_a_score_is_out_of_range() -> None:
    block, quarantined = matrix([[1e300, 1.0]])
    assert found(quarantined) == [(0, "score_out_of_range")]
    np.testing.assert_array_equal(block.values, np.array([[NAN, 1]], np.float32))


def test_matrix_rows_may_differ_by_cell() -> None:
    runs = Runs(("org/a", "org/b"), (None, None), np.array([[10, 11], [20, 21]]))
    _, quarantined = block_of(["a", "b"], runs, Cells.of(np.array([[NAN, 1.0], [1.0, 3.0]])))
    assert found(quarantined) == [(10, "missing_score"), (21, "score_out_of_range")]


def test_cell_that_is_no_number_is_shown_as_it_stands() -> None:
    _, quarantined = column([("a", 1.0), ("b", "n/a?"), ("c", math.inf), ("d", NAN)])
    assert quarantined["detail"].to_pylist() == [
        "document b: expected a score in [0, 1], found 'n/a?'",
        "document c: expected a score in [0, 1], found inf",
        "document d: no score",
    ]
    assert quarantined["excerpt"].to_pylist() == ["n/a?", None, None]


def test_a_cell_that_is_no_number_is_neither_missing_nor_infinite() -> None:
    for other in (math.inf, 1.0):
        block, quarantined = column([("a", "n/a?"), ("a", other)])
        assert kept(block) == {}
        assert found(quarantined) == [(100, Reason.DUPLICATE_KEY), (101, Reason.DUPLICATE_KEY)]
        assert quarantined["excerpt"].to_pylist() == ["n/a?", f"{other:g}"]


def test_cells_keep_their_text_wherever_they_are_taken() -> None:
    first = Cells.of(np.zeros((2, 2)), {1: "x", 2: "y"})
    both = Cells.stack([first, Cells.of(np.ones((1, 2)), {0: "z"}), Cells.of(np.ones((1, 2)))])
    turned = both.take([2, 1, 0]).take(np.s_[:, :1])
    assert [[turned.found(int(state)) for state in row] for row in turned.state] == [["z"], ["y"], [None]]
    assert np.isnan(turned.values).tolist() == [[True], [True], [False]]


def test_no_negative_zero_leaves_a_matrix() -> None:
    block, _ = matrix([[-0.0, 0.0]])
    assert not np.signbit(block.values).any()


def test_equal_repeat_is_superseded_by_the_last() -> None:
    block, quarantined = column([("a", 1.0), ("b", 0.0), ("a", 1.0)])
    assert kept(block) == {"a": 1.0, "b": 0.0}
    assert block.n_superseded.tolist() == [1]
    assert len(quarantined) == 0


def test_different_repeat_quarantines_all_records_of_the_document() -> None:
    block, quarantined = column([("a", 1.0), ("b", 0.0), ("a", 0.0), ("a", 1.0)])
    assert kept(block) == {"b": 0.0}
    assert found(quarantined) == [(row, Reason.DUPLICATE_KEY) for row in (100, 102, 103)]
    assert set(quarantined["detail"].to_pylist()) == {
        "document a: 3 records with different scores, expected one"
    }


def test_a_score_counts_beside_a_missing_one() -> None:
    block, quarantined = column([("a", NAN), ("a", 0.0), ("b", NAN), ("a", NAN), ("a", 0.0)])
    assert kept(block) == {"a": 0.0}
    assert found(quarantined) == [(102, "missing_score"), (100, "missing_score"), (103, "missing_score")]
    assert (block.n_read.tolist(), block.n_superseded.tolist()) == ([5], [1])


def test_text_that_is_no_score_is_told_apart_from_a_missing_score_beside_it() -> None:
    block, quarantined = column([("a", "n/a?"), ("a", NAN)])
    assert kept(block) == {}
    assert found(quarantined) == [(100, "score_out_of_range"), (101, "missing_score")]


@pytest.mark.parametrize("bound", [0.0, 1.0])
def test_rounding_takes_no_score_out_of_bounds(bound: float) -> None:
    beyond = 2 * bound - 1
    for step in (2.0**-52, 2.0**-23, 1e-12):
        block, quarantined = matrix([[bound + beyond * step]])
        assert (block.values.tolist(), len(quarantined)) == ([[bound]], 0)
    _, quarantined = matrix([[bound + beyond * 1e-5]])
    assert quarantined["reason"].to_pylist() == ["score_out_of_range"]


def test_repeat_of_a_missing_score_is_one_missing_score() -> None:
    block, quarantined = column([("a", NAN), ("a", NAN)])
    assert block.n_superseded.tolist() == [1]
    assert found(quarantined) == [(101, Reason.MISSING_SCORE)]


def test_docs_and_prints_follow_the_documents_that_are_left() -> None:
    block, _ = column([("b", 1.0), ("a", 1.0), ("b", 1.0), ("c", 1.0), ("c", 0.0)])
    assert block.columns.doc_keys.to_pylist() == ["a", "b"]
    assert block.columns.prints.to_pylist() == ["pa", "pb"]
    assert block.columns.docs()["question"].to_pylist() == ["Qa", "Qb"]


def test_rows_of_one_run_are_repeats_of_it_and_the_others_stay_together() -> None:
    models = ("org/a", "org/b", "org/a", "org/c")
    runs = Runs(models, ("t", "t", "t", "t"), np.array([3, 5, 7, 9]))
    scores = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, NAN]])
    (alone, repeated), tables = blocks_of(DUMP, columns_of(["x", "y"]), runs, Cells.of(scores))
    assert alone.runs.models == ("org/b", "org/c")
    np.testing.assert_array_equal(alone.values, np.array([[0, 1], [0.5, NAN]], np.float32))
    assert (repeated.runs.models, kept(repeated)) == (("org/a",), {"x": 1.0})
    assert (repeated.n_read.tolist(), repeated.n_superseded.tolist()) == ([4], [1])
    assert sorted(found(pa.concat_tables(tables))) == [
        (3, Reason.DUPLICATE_KEY),
        (7, Reason.DUPLICATE_KEY),
        (9, Reason.MISSING_SCORE),
    ]
