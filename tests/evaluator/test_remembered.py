"""Columns that are read once."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.release.evaluator.errors import InputError
from routerset.release.evaluator.reader import read_parquet
from routerset.release.evaluator.remembered import Remembered

TABLE = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [[1.0], [2.0], [None]]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    pq.write_table(TABLE, tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


@pytest.mark.parametrize("most", [0, 1 << 20])
def test_the_answers_are_those_of_the_file(path: Path, most: int) -> None:
    read = Remembered(most)
    for columns, optional in ((["b"], []), (["c", "b"], ["a"]), (["a"], ["none"]), (["b"], ["none", "c"])):
        expected = read_parquet(path, columns, optional)
        assert read(path, columns, optional).select(expected.column_names).equals(expected)
        assert sorted(read(path, columns, optional).column_names) == sorted(expected.column_names)


def test_a_column_is_read_once(path: Path) -> None:
    read = Remembered()
    read(path, ["b", "a"], ["none"])
    path.unlink()
    assert read(path, ["a"], ["none", "b"]).equals(TABLE.select(["a", "b"]))
    with pytest.raises(InputError, match="no such file"):
        read(path, ["a", "c"])


def test_what_exceeds_the_room_is_read_again(path: Path) -> None:
    read = Remembered(most=0)
    assert read(path, ["a"]).equals(TABLE.select(["a"]))
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        read(path, ["a"])


def test_a_column_that_is_not_there_is_an_error_even_where_it_was_optional_before(path: Path) -> None:
    read = Remembered()
    assert read(path, ["a"], ["none"]).column_names == ["a"]
    with pytest.raises(InputError, match="no column 'none'; it has a, b, c"):
        read(path, ["a", "none"])
