"""Scores to a matrix: order, row groups, what is missing, what is not 0 or 1."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerset.schemas.matrix import MISSING, Chunk, chunks, read_matrix, to_matrix

Row = tuple[str | None, int | None, float | None]
NAMES = ["model_id", "item", "score"]


def write(path: Path, rows: list[Row], size: int = 2) -> Path:
    columns = list(zip(*rows, strict=True))
    kinds = (pa.dictionary(pa.int32(), pa.string()), pa.int32(), pa.float32())
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    pq.write_table(pa.table(arrays, names=NAMES), path, row_group_size=size)
    return path


def chunk(rows: list[Row]) -> Chunk:
    models = list(dict.fromkeys(str(model) for model, *_ in rows))
    codes, items, scores = zip(*((models.index(str(m)), i, s) for m, i, s in rows), strict=True)
    return Chunk(models, np.array(codes), np.array(items), np.array(scores, np.float32))


def test_models_stand_by_name_and_binary_scores_are_packed(tmp_path: Path) -> None:
    rows: list[Row] = [("b", 0, 1.0), ("b", 1, 0.0), ("a", 1, 1.0), ("a", 0, 0.0), ("c", 1, 1.0)]
    found = read_matrix(write(tmp_path / "s.parquet", rows), 2, min_coverage=0.5)
    assert found.models == ("a", "b", "c")
    assert found.scores.dtype == np.uint8
    assert found.scores.tolist() == [[0, 1], [1, 0], [0, 1]]  # what is missing counts as 0
    assert found.left_out == 0


def test_a_model_that_misses_an_item_takes_no_part(tmp_path: Path) -> None:
    rows: list[Row] = [("a", 0, 1.0), ("b", 0, 0.25), ("b", 1, 0.5)]
    found = read_matrix(write(tmp_path / "s.parquet", rows), 2)
    assert (found.models, found.scores.tolist(), found.left_out) == (("b",), [[0.25, 0.5]], 1)
    assert found.scores.dtype == np.float32


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abcdefg"), st.integers(0, 4)),
        st.sampled_from([0.0, 1.0]) | st.sampled_from([0.0, 0.5, 1.0]),
        min_size=1,
    ),
    st.integers(1, 9),
    st.lists(st.sampled_from("abcdefgh"), unique=True),
)
def test_chunks_of_any_size_give_the_same_matrix(
    cells: dict[tuple[str, int], float], size: int, members: list[str]
) -> None:
    rows: list[Row] = [(model, item, score) for (model, item), score in cells.items()]
    parts = [chunk(rows[start : start + size]) for start in range(0, len(rows), size)]
    for wanted in (None, members):
        names, matrix = to_matrix(parts, 5, wanted)
        expected = list(dict.fromkeys(m for m, _ in cells)) if wanted is None else wanted
        assert names == expected
        numbers = np.where(matrix == MISSING, np.nan, matrix) if matrix.dtype == np.uint8 else matrix
        np.testing.assert_array_equal(
            numbers, np.array([[cells.get((n, i), math.nan) for i in range(5)] for n in names]).reshape(-1, 5)
        )
        assert (matrix.dtype == np.uint8) == all(score in (0, 1) for score in cells.values())


@pytest.mark.parametrize("row", [(None, 0, 1.0), ("a", None, 1.0), ("a", 0, None)])
def test_nulls_are_tolerated_where_that_is_asked(tmp_path: Path, row: Row) -> None:
    with pq.ParquetFile(write(tmp_path / "s.parquet", [("a", 1, 1.0), row])) as file:
        (found,) = chunks(file, nulls=True)
        assert (found.codes[1] == -1) == (row[0] is None)
        assert np.isnan(found.items[1]) == (row[1] is None)
        assert np.isnan(found.scores[1]) == (row[2] is None)
        with pytest.raises(pa.ArrowInvalid):
            list(chunks(file))
