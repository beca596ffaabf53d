"""Writes the inputs of these golden folders that are no plain text; run it as a script."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent


def main() -> None:
    """Write all of them."""
    table = pa.table(
        {
            "model": pa.array(["org__a", "org__b", None], pa.string()).dictionary_encode(),
            "norm_score": pa.array([61.2, 50.0, 0.0]),
            "anatomy.10": pa.array([1, 0, 1], pa.int8()),
            "virology.3": pa.array([0.5, None, 1.0], pa.float32()),
            "anatomy.9": pa.array([True, None, False]),
            "virology.20": pa.array(["1.0", "False", "0"]),
            "anatomy.11": pa.array([[1], [0, 1], [0]], pa.list_(pa.int8())),
        }
    )
    pq.write_table(table, HERE / "parquet" / "dump" / "responses.parquet")
    items = pa.table(
        {
            "item": ["anatomy.9", "anatomy.10", "anatomy.10", "virology.3", "virology.20", "virology.20"],
            "prompt": ["few shots, then nine", "ten", "another ten", "three", "twenty", "twenty"],
            "question": ["nine", "ten", "ten", "three", "twenty", "twenty"],
            "choices": pa.array([["a", "b"], None, None, ["c", None], ["d", "e"], ["d", "e"]]),
            "target": pa.array([0, 1, 1, 2, 3, 3]),
        }
    )
    pq.write_table(items, HERE / "parquet" / "items.parquet")
    rows = b"".join(b"org/%d,%d,1\n" % (i, i % 2) for i in range(4))
    data = gzip.compress(b"model,0,1\n" + rows, mtime=0)
    (HERE / "gzip" / "dump" / "whole.csv.gz").write_bytes(data)
    (HERE / "gzip" / "dump" / "cut.csv.gz").write_bytes(data[:-9])
    (HERE / "gzip" / "dump" / "cut-in-header.csv.gz").write_bytes(data[:14])
    (HERE / "gzip" / "dump" / "text.csv.gz").write_bytes(b"model,0\norg/a,1\n")
    cells = (
        b"model,0,1,2,3,4,5,6\n"
        b"org/missing,,NaN,nan,NA,null,None,<NA>\n"
        b"org/range,2,-1,1.0000001,inf,-inf,1e400,1\n"
        b'org/text,abc,1_0,0x1,"a ""quote"", and a comma",\xff\xfe,1 0,[]\n'
        b"org/lists,[1],[],[1 0],True,FALSE,yes,[0.0]\n"
    )
    (HERE / "bad-cells" / "dump" / "responses.csv").write_bytes(cells)
    lines = (
        b"\xef\xbb\xbfmodel,0,1\r\n"
        b"org/good,1,0\r\n"
        b"org/few,1\r\n"
        b"org/many,1,0,1\r\n"
        b"\r\n"
        b'org/open,"1,0\r\n'
        b'org/"middle",1,"0\r\n'
        b'a"b","1,0\r\n'
        b"org/return,1\r,0\r\n"
        b",1,0\r\n"
        b"too many words,1,0\r\n"
        b"renamed model,1,0\r\n"
        b"../etc,1,0\r\n"
        b"org/\xff,1,0\r\n"
        b'"org/quoted",1,0\r\n'
        b"org/cut,1"
    )
    (HERE / "bad-rows" / "dump" / "responses.csv").write_bytes(lines)
    unreadable = HERE / "unreadable" / "dump"
    (unreadable / "utf-16.csv").write_bytes("model,0\norg/a,1\n".encode("utf-16"))
    (unreadable / "latin-1.csv").write_bytes("model,größe\norg/a,1\n".encode("latin-1"))
    pq.write_table(
        pa.table({"model": pa.array([], pa.string()), "0": pa.array([], pa.int8())}),
        unreadable / "no-row.parquet",
    )


if __name__ == "__main__":
    main()
