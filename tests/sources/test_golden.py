"""Every dump format against its golden folders: the exact blocks, counts and quarantine rows."""

from __future__ import annotations

import numpy as np
import pytest

from routerset.etl.sources.base import DOCS
from routerset.etl.sources.registry import SOURCES
from routerset.schemas.tables import QUARANTINE, Reason
from tests.sources import golden


def test_every_format_has_golden_folders() -> None:
    assert {case.split("/")[0] for case in golden.cases()} == set(SOURCES)


@pytest.mark.parametrize("case", golden.cases())
def test_folder_is_named_after_its_format(case: str) -> None:
    assert golden.load_spec(case).format == case.split("/")[0]


@pytest.mark.parametrize("case", golden.cases())
def test_source_gives_what_its_golden_folder_expects(case: str) -> None:
    expected, actual = golden.load_expected(case), golden.actual(case)
    assert expected == actual, f"if the new answer is right: {golden.command(case)}"


@pytest.mark.parametrize("case", golden.cases())
def test_every_record_is_accounted_for(case: str) -> None:
    for file, readings in golden.readings(case):
        for reading in readings:
            kept = sum(int(np.isfinite(block.values).sum()) for block in reading.blocks)
            superseded = sum(int(block.n_superseded.sum()) for block in reading.blocks)
            read = sum(reading.n_read.values())
            assert read == kept + superseded + len(reading.quarantined), file


@pytest.mark.parametrize("case", golden.cases())
def test_blocks_keep_their_promises(case: str) -> None:
    for file, readings in golden.readings(case):
        for reading in readings:
            assert reading.quarantined.schema.equals(QUARANTINE), file
            assert set(reading.quarantined["reason"].to_pylist()) <= set(Reason), file
            for block in reading.blocks:
                shape = (len(block.runs.models), len(block.columns.doc_keys))
                assert block.values.shape == shape, file
                assert block.values.dtype == np.float32, file
                assert np.all(np.isnan(block.values) | ((block.values >= 0) & (block.values <= 1))), file
                assert len(block.runs.timestamps) == len(block.n_read) == len(block.n_superseded) == shape[0]
                assert len(set(block.columns.doc_keys.to_pylist())) == shape[1], file
                assert block.columns.prints.null_count == 0, file
                assert len(block.columns.prints) == shape[1], file
                docs = block.columns.docs()
                assert docs.schema.equals(DOCS), file
                assert docs["doc_key"].to_pylist() == block.columns.doc_keys.to_pylist(), file
