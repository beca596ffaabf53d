"""The rules that hold for every dump format: names, times, tasks, missing scores, repeated documents."""

from __future__ import annotations

import math
from datetime import datetime
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.sources.base import DOCS, Block, Dump, SourceSpec
from routerset.etl.sources.blocks import (
    EXCERPT,
    BadRow,
    column_block,
    iso_timestamp,
    matrix_block,
    metric_names,
    quarantine,
    resolve_key_space,
    resolve_model,
    resolve_task,
)
from routerset.schemas.tables import QUARANTINE, Reason

DUMP = Dump("wide", "/somewhere/file.csv", "file.csv", "file.csv", 1, "1")
NAN = float("nan")
SCORE = st.one_of(st.sampled_from([0.0, 1.0, 0.5, NAN, -1.0, 2.0, math.inf]), st.floats(width=32))


def docs_of(keys: list[str]) -> pa.Table:
    nulls = [pa.nulls(len(keys), field.type) for field in list(DOCS)[2:]]
    return pa.table(
        [pa.array(keys, pa.string()), pa.array([f"Q{k}" for k in keys], pa.string()), *nulls], DOCS
    )


def matrix(scores: list[list[float]], rows: list[int] | None = None) -> tuple[Block, pa.Table]:
    values = np.array(scores, np.float64)
    keys = [str(i) for i in range(values.shape[1])]
    return matrix_block(
        DUMP,
        benchmark="gsm8k",
        subset="gsm8k",
        metric="acc",
        key_space="wide:gsm8k",
        models=[f"org/m{i}" for i in range(len(values))],
        timestamps=[None] * len(values),
        rows=np.array(rows if rows is not None else range(len(values)), np.int64),
        doc_keys=pa.array(keys, pa.string()),
        prints=pa.array([f"p{k}" for k in keys], pa.string()),
        scores=values,
        docs=lambda: docs_of(keys),
    )


def column(records: list[tuple[str, float]], appended: bool = False) -> tuple[Block, pa.Table]:
    keys = [key for key, _ in records]
    return column_block(
        DUMP,
        benchmark="gsm8k",
        subset="gsm8k",
        metric="acc",
        key_space="wide:gsm8k",
        model="org/m",
        timestamp="2024-06-16T10:20:30.000000",
        rows=np.arange(len(records)) + 100,
        doc_keys=pa.array(keys, pa.string()),
        prints=pa.array([f"p{k}" for k in keys], pa.string()),
        scores=np.array([score for _, score in records], np.float64),
        docs=lambda: docs_of(keys),
        appended=appended,
    )


def kept(block: Block) -> dict[str, float]:
    scores = zip(block.doc_keys.to_pylist(), block.scores[0].tolist(), strict=True)
    return {key: score for key, score in scores if not math.isnan(score)}


def found(table: pa.Table) -> list[tuple[int, str]]:
    return list(zip(table["row"].to_pylist(), table["reason"].to_pylist(), strict=True))


@settings(deadline=None)
@given(st.integers(0, 4).flatmap(lambda n: st.lists(st.lists(SCORE, min_size=n, max_size=n), min_size=1)))
def test_matrix_accounts_for_every_cell(scores: list[list[float]]) -> None:
    block, quarantined = matrix(scores)
    assert block.n_read.sum() == np.isfinite(block.scores).sum() + len(quarantined)
    assert block.n_superseded.sum() == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), SCORE), max_size=12), st.booleans())
def test_column_accounts_for_every_record(records: list[tuple[str, float]], appended: bool) -> None:
    block, quarantined = column(records, appended)
    assert block.n_read.tolist() == [len(records)]
    assert len(records) == np.isfinite(block.scores).sum() + block.n_superseded.sum() + len(quarantined)
    assert len(set(block.doc_keys.to_pylist())) == len(block.doc_keys)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), SCORE), max_size=12), st.randoms(use_true_random=False))
def test_order_of_records_does_not_change_what_is_kept(
    records: list[tuple[str, float]], random: Random
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
    np.testing.assert_array_equal(block.scores, np.array([[1, NAN, 0.25], [NAN, NAN, 0]], np.float32))


def test_a_number_too_large_for_a_score_is_out_of_range() -> None:
    block, quarantined = matrix([[1e300, 1.0]])
    assert found(quarantined) == [(0, "score_out_of_range")]
    np.testing.assert_array_equal(block.scores, np.array([[NAN, 1]], np.float32))


def test_matrix_rows_may_differ_by_cell() -> None:
    values = np.array([[NAN, 1.0], [1.0, 3.0]])
    keys = pa.array(["a", "b"])
    _, quarantined = matrix_block(
        DUMP,
        benchmark="arc",
        subset="arc",
        metric="acc_norm",
        key_space="k",
        models=["org/a", "org/b"],
        timestamps=[None, None],
        rows=np.array([[10, 11], [20, 21]]),
        doc_keys=keys,
        prints=keys,
        scores=values,
        docs=lambda: docs_of(["a", "b"]),
    )
    assert found(quarantined) == [(10, "missing_score"), (21, "score_out_of_range")]


def test_cell_that_is_no_number_is_shown_as_it_stands() -> None:
    keys = pa.array(["a", "b"])
    _, quarantined = matrix_block(
        DUMP,
        benchmark="arc",
        subset="arc",
        metric="acc_norm",
        key_space="k",
        models=["org/a"],
        timestamps=[None],
        rows=np.array([3]),
        doc_keys=keys,
        prints=keys,
        scores=np.array([[1.0, np.inf]]),
        docs=lambda: docs_of(["a", "b"]),
        texts={(0, 1): "n/a?"},
    )
    assert quarantined["detail"].to_pylist() == ["document b: expected a score in [0, 1], found 'n/a?'"]
    assert quarantined["excerpt"].to_pylist() == ["n/a?"]


def test_no_negative_zero_leaves_a_matrix() -> None:
    block, _ = matrix([[-0.0, 0.0]])
    assert not np.signbit(block.scores).any()


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


def test_missing_score_beside_a_score_is_a_different_score() -> None:
    block, quarantined = column([("a", 0.0), ("a", NAN)])
    assert kept(block) == {}
    assert found(quarantined) == [(100, Reason.DUPLICATE_KEY), (101, Reason.DUPLICATE_KEY)]


def test_repeat_of_a_missing_score_is_one_missing_score() -> None:
    block, quarantined = column([("a", NAN), ("a", NAN)])
    assert block.n_superseded.tolist() == [1]
    assert found(quarantined) == [(101, Reason.MISSING_SCORE)]


def test_whole_run_appended_to_a_file_replaces_the_one_before() -> None:
    block, quarantined = column([("a", 1.0), ("b", 0.0), ("b", 1.0), ("a", 0.0)], appended=True)
    assert kept(block) == {"a": 0.0, "b": 1.0}
    assert block.n_superseded.tolist() == [2]
    assert len(quarantined) == 0


def test_part_of_a_run_appended_to_a_file_conflicts() -> None:
    block, quarantined = column([("a", 1.0), ("b", 0.0), ("b", 1.0)], appended=True)
    assert kept(block) == {"a": 1.0}
    assert found(quarantined) == [(101, Reason.DUPLICATE_KEY), (102, Reason.DUPLICATE_KEY)]


def test_docs_and_prints_follow_the_documents_that_are_left() -> None:
    block, _ = column([("b", 1.0), ("a", 1.0), ("b", 1.0), ("c", 1.0), ("c", 0.0)])
    assert block.doc_keys.to_pylist() == ["a", "b"]
    assert block.prints.to_pylist() == ["pa", "pb"]
    assert block.docs()["question"].to_pylist() == ["Qa", "Qb"]


def test_quarantine_cuts_text_and_escapes_what_is_no_unicode() -> None:
    rows = [
        BadRow(3, Reason.MALFORMED_ROW, "bad \udcff", excerpt="x" * 1000),
        BadRow(None, Reason.MISSING_KEY, "d"),
    ]
    table = quarantine(DUMP, rows)
    assert table.schema.equals(QUARANTINE)
    assert table["detail"].to_pylist() == ["bad \\udcff", "d"]
    assert table["excerpt"].to_pylist() == ["x" * EXCERPT, None]
    assert table["row"].to_pylist() == [3, None]
    assert set(table["file"].to_pylist()) == {"file.csv"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-06-16T10-20-30.123456", "2024-06-16T10:20:30.123456"),
        ("2024-06-16T10:20:30", "2024-06-16T10:20:30.000000"),
        ("2023-10-17T19_43_15", None),
        ("2023-10-17 19:43:15.5", "2023-10-17T19:43:15.500000"),
        ("details_harness|gsm8k|5_2023-10-17T19-43-15.123.parquet", "2023-10-17T19:43:15.123000"),
        ("2024-13-16T10:20:30", None),
        ("2024-06-16", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_iso_timestamp(text: str | None, expected: str | None) -> None:
    assert iso_timestamp(text) == expected


@settings(deadline=None)
@given(st.datetimes(), st.datetimes())
def test_iso_timestamps_sort_by_time(one: datetime, other: datetime) -> None:
    first, second = (iso_timestamp(f"run_{moment.isoformat().replace(':', '-')}") for moment in (one, other))
    assert first is not None
    assert second is not None
    assert (first < second) == (one < other)


def test_task_of_the_config_comes_before_the_registry() -> None:
    spec = SourceSpec("lm_eval", "x", tasks={"gsm8k": "arc", "mine": "mmlu/{subject}", "typo": "nothing"})
    assert resolve_task("gsm8k", spec) == ("arc", "arc")
    assert resolve_task("mine", spec) == ("mmlu", "{subject}")
    assert resolve_task("leaderboard_bbh_snarks", spec) == ("bbh", "snarks")
    assert resolve_task("typo", spec) is None
    assert resolve_task("unheard_of", spec) is None


def test_models_are_renamed_before_they_are_spelled_out() -> None:
    spec = SourceSpec("wide", "x", models={"GPT 4": "openai/gpt-4", "a__b": "c__d"})
    assert resolve_model("GPT 4", spec) == "openai/gpt-4"
    assert resolve_model("a__b", spec) == "c/d"
    assert resolve_model("org__name__more", spec) == "org/name__more"
    assert resolve_model("GPT 5", spec) is None


def test_key_space_is_the_format_and_benchmark_unless_named() -> None:
    assert resolve_key_space(SourceSpec("wide", "x"), "arc") == "wide:arc"
    assert resolve_key_space(SourceSpec("wide", "x", key_space="mine"), "arc") == "mine"


def test_metric_is_the_registry_s_unless_named() -> None:
    assert metric_names("gsm8k", SourceSpec("wide", "x")) == ("acc", "exact_match")
    assert metric_names("gsm8k", SourceSpec("wide", "x", metric="em")) == ("em",)
