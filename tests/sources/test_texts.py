"""Items files: a row that is damaged costs only itself, and a file that is damaged is named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.sources.base import ItemsUnreadable
from routerset.etl.sources.parse.items_file import read_items


def questions(path: Path, data: bytes, **columns: str) -> tuple[dict[str, str | None], Counter[str]]:
    """Questions by key of an items file of these bytes, and what was left out."""
    path.write_bytes(data)
    items, left_out = read_items(str(path), columns)
    return dict(zip(items["doc_key"].to_pylist(), items["question"].to_pylist(), strict=True)), left_out


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(b"1,\xe9", id="no-utf8"),
        pytest.param(b"\xe9,one", id="no-utf8-in-the-key"),
        pytest.param(b"1,one,more", id="too-wide"),
        pytest.param(b"1", id="too-narrow"),
        pytest.param(b"1,\xe9,more", id="no-utf8-and-too-wide"),
        pytest.param(b"\xe9", id="no-utf8-and-too-narrow"),
        pytest.param(b'1,"one,\n\xe9",more', id="no-utf8-and-too-wide-over-two-lines"),
    ],
)
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte-order-mark"])
def test_a_damaged_row_costs_only_itself(tmp_path: Path, row: bytes, start: bytes) -> None:
    sound = 'id,question\n0,"na\u00efve,\nyes"\n', "2,\n3,\U0001f989\n"
    data = start + sound[0].encode() + row + b"\n" + sound[1].encode()
    found = questions(tmp_path / "items.csv", data)
    assert found == ({"0": "na\u00efve,\nyes", "2": None, "3": "\U0001f989"}, {"items_malformed": 1})


def test_names_of_columns_need_not_be_ascii(tmp_path: Path) -> None:
    data = "cl\u00e9,\u00e9nonc\u00e9\n0,un\n".encode() + b"1,\xe9\n"
    found = questions(tmp_path / "items.csv", data, doc_key="cl\u00e9", question="\u00e9nonc\u00e9")
    assert found == ({"0": "un"}, {"items_malformed": 1})


def test_columns_that_are_not_read_may_hold_anything(tmp_path: Path) -> None:
    found = questions(tmp_path / "items.csv", b"id,note,question\n0,\xff,zero\n1,,one\n")
    assert found == ({"0": "zero", "1": "one"}, {})


def test_a_question_of_a_megabyte_is_a_question(tmp_path: Path) -> None:
    long = "orbit " * 175_000
    found = questions(tmp_path / "items.csv", f"id,question\n0,{long}\n1,short\n".encode())
    assert found == ({"0": long, "1": "short"}, {})


def test_a_parquet_whose_text_is_no_utf8_is_named(tmp_path: Path) -> None:
    text = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xe9"]).buffers())
    path = tmp_path / "items.parquet"
    pq.write_table(pa.table({"id": ["0"], "question": text}), path)
    with pytest.raises(ItemsUnreadable, match=r"items: .*items\.parquet: cannot be read: .*UTF8") as caught:
        read_items(str(path), {})
    assert caught.value.exit_code == 3
