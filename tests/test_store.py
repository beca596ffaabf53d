"""What every Parquet file says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import config

from routerset.schemas import store


def test_every_file_says_that_its_pages_follow_the_content(tmp_path: Path) -> None:
    """As `datasets` writes it and the Hub's viewer looks for it, and so it is."""
    schema = pa.schema([pa.field("text", pa.string())], metadata={"routerset.sort": "text"})
    rng = np.random.default_rng(0)
    rows = pa.table({"text": [rng.bytes(300).hex() for _ in range(20_000)]})
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    for path, table in ((first, rows), (second, rows.slice(7))):
        store.write_table(path, schema, table)
        notes = pq.read_metadata(path).metadata
        assert json.loads(notes[b"content_defined_chunking"]) == config.DEFAULT_CDC_OPTIONS
        assert notes[b"use_content_defined_chunking"] == b"true"
        assert pq.read_schema(path).equals(schema, check_metadata=True)
    content, other = first.read_bytes(), second.read_bytes()
    samples = [content[at : at + 64] for at in range(0, len(content), 1 << 16)]
    assert sum(each in other for each in samples) > 0.6 * len(samples)
