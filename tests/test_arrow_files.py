"""Arrow files of the staging folder: what is read is what was asked for, whatever the batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from routerset.etl.ingest import arrow_files

SCHEMA = pa.schema([("name", pa.string()), ("n", pa.int64()), ("blob", pa.large_binary())])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Rows 0 to 9, in batches of 4, 4 and 2."""
    blobs = [None if row == 5 else bytes([row]) * row for row in range(10)]
    table = pa.table([list(map(str, range(10))), list(range(10)), blobs], schema=SCHEMA)
    with arrow_files.open_writer(tmp_path / "x.arrow", SCHEMA) as writer:
        writer.write_table(table, max_chunksize=4)
    return tmp_path / "x.arrow"


@pytest.mark.parametrize("rows", [[0], [9, 3, 4, 0], [5, 5, 1], list(range(10)), [8, 7]])
def test_rows_come_in_the_order_asked_for(path: Path, rows: list[int]) -> None:
    found = arrow_files.read_rows(path, SCHEMA, ["blob", "n"], np.array(rows))
    assert found["n"].to_pylist() == rows
    assert found["blob"].to_pylist() == [None if row == 5 else bytes([row]) * row for row in rows]


def test_columns_come_in_the_order_of_the_schema(path: Path) -> None:
    assert arrow_files.read_file(path, SCHEMA, ["blob", "name"]).column_names == ["name", "blob"]
