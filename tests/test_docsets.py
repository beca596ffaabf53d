"""Lists of documents are stored once each, and what is remembered of one never stands for another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from routerset.etl.ingest import docsets
from routerset.etl.sources.base import Columns
from routerset.etl.sources.blocks import docs_table

KEYS = ["b", "a", "c"]


def documents(prints: list[str], categories: list[str | None] | None = None) -> Columns:
    """Three documents, whose prints are given."""
    keys = pa.array(KEYS)
    return Columns(
        benchmark="gsm8k",
        subset="gsm8k",
        metric="exact_match",
        key_space="lm_eval:gsm8k",
        doc_keys=keys,
        prints=pa.array(prints),
        docs=lambda: docs_table(keys, question=prints, category=categories or [None] * 3),
        categories=None if categories is None else pa.array(categories, pa.string()),
    )


@pytest.mark.parametrize("longest", [docsets.LONGEST, 2])
def test_a_list_is_known_by_its_content(
    tmp_path: Path, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether lists of its length are remembered or not."""
    monkeypatch.setattr(docsets, "LONGEST", longest)
    lists = [
        documents(["x", "y", "z"]),
        documents(["x", "y", "w"]),
        documents(["x", "y", "z"], ["one", None, "two"]),
        documents(["x", "y", "z"], ["one", "two", None]),
        replace(documents(["x", "y", "z"]), subset="other"),
    ]
    found = [docsets.stored(each, tmp_path) for each in lists]
    assert all(np.array_equal(order, [1, 0, 2]) for order, _ in found)
    names = [name for _, name in found]
    assert len(set(names)) == len(lists)
    assert [docsets.stored(each, tmp_path)[1] for each in lists] == names
    assert docsets.read_docset(tmp_path, names[1])["print"].to_pylist() == ["y", "x", "w"]


def test_a_list_that_is_gone_is_written_again(tmp_path: Path) -> None:
    """And so is one that another folder has."""
    first, second = tmp_path / "first", tmp_path / "second"
    for root in (first, second, first):
        name = docsets.stored(documents(["x", "y", "z"]), root)[1]
        path = root / docsets.DOCSETS / f"{name}.parquet"
        assert path.exists()
        path.unlink()
