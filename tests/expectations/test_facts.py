"""Facts that expectations rest on, against definitions written out once more."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import routerset.expectations.views.matrices as matrices
from routerset.etl.groups.candidates import paper_groups
from routerset.expectations.dumps import VIEWS
from routerset.expectations.findings import Suite
from routerset.expectations.plan import BUILDERS, open_session
from routerset.expectations.suites import DUMPS, FOLDERS
from routerset.expectations.target import STAGES, locate
from routerset.expectations.validate import validate
from routerset.expectations.views.matrices import Order, group_rows, read_order, read_scores
from routerset.expectations.views.releases import selection
from routerset.schemas.groups import Group
from routerset.schemas.labels import selection_vectors
from routerset.schemas.matrix import ScoreMatrix
from routerset.schemas.tables import tables_of


def facts(scores: np.ndarray, groups: dict[tuple[str, int, str], list[int]]) -> list[dict[str, object]]:
    models = tuple(f"m{row:03}" for row in range(len(scores)))
    named = {Group(*key): [models[row] for row in rows] for key, rows in groups.items()}
    return list(group_rows(ScoreMatrix(models, scores), named, []))


def test_groups_of_the_reference_keep_every_promise() -> None:
    rng = np.random.RandomState(1)
    ability = rng.uniform(0, 1, (80, 1))
    scores = (rng.uniform(0, 1, (80, 60)) < ability).astype(np.uint8)
    found, _ = paper_groups(scores, (3, 5, 10), np.random.RandomState(42))
    for row in facts(scores, {("paper", g.m, g.kind.value): g.rows.tolist() for g in found}):
        assert (row["incomplete"], row["outside_pool"], row["misplaced"]) == (0, 0, 0)
        if row["kind"] == "strong_to_weak":
            assert row["empty_bins"] == 0
        else:
            assert row["gaps"] == 0


def test_the_number_of_routers_that_reach_the_oracle() -> None:
    scores = np.array([[1, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]], np.uint8)
    (row,) = facts(scores, {("paper", 3, "all_weak"): [0, 1, 2]})
    # three candidates are right on item 0, one on each of 1 and 2, and none on 3, where all are as good
    assert row["log10_routers"] == pytest.approx(math.log10(3 * 1 * 1 * 3))
    assert row["oracle"] == 0.75
    assert row["best_single"] == 0.5
    assert row["mean"] == pytest.approx(5 / 12)


@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 0.25, 0.95, 1.0]), min_size=3, max_size=3), min_size=1, max_size=6
    )
)
def test_labels_are_those_of_the_release(rows: list[list[float]]) -> None:
    scores = np.array(rows, np.float32)
    assert (
        selection(scores.astype(np.float64)).astype(np.uint8).tolist() == selection_vectors(scores).tolist()
    )


def scores_file(path: Path, rows: list[tuple[str | None, int | None, float | None]]) -> Path:
    columns = list(zip(*rows, strict=True))
    kinds = (pa.dictionary(pa.int32(), pa.string()), pa.int32(), pa.float32())
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    pq.write_table(pa.table(arrays, names=["model_id", "item", "score"]), path, row_group_size=2)
    return path


def test_a_matrix_leaves_out_what_has_no_place(tmp_path: Path) -> None:
    rows = [("b", 0, 1.0), ("b", 1, 0.0), (None, 0, 1.0), ("a", 0, 0.5), ("a", 9, 1.0), ("a", 1, math.nan)]
    matrix, order = read_scores(scores_file(tmp_path / "s.parquet", rows), 2)
    assert matrix.models == ("a", "b")
    np.testing.assert_array_equal(matrix.scores, np.array([[0.5, np.nan], [1, 0]], np.float32))
    assert matrix.coverage.tolist() == [1, 2]
    assert (order.unsorted, order.first_row) == (2, 2)


def test_rows_in_order_across_row_groups(tmp_path: Path) -> None:
    rows = [(model, item, 1.0) for model in "abc" for item in range(5)]
    assert read_order(scores_file(tmp_path / "s.parquet", rows)) == Order(0, None, 15, ("c", 4))
    rows[4], rows[5] = rows[5], rows[4]
    path = scores_file(tmp_path / "t.parquet", rows)
    assert read_order(path).first_row == 5
    assert read_order(path) == read_scores(path, 5)[1]


def test_an_oracle_below_the_best_candidate_is_caught(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worth = matrices._worth
    monkeypatch.setattr(matrices, "_worth", lambda block: (0.0, worth(block)[1]))
    outcome = validate(good, suites=["groups"])
    assert "oracle_above_best_above_mean" in {f.expectation for f in outcome.errors}


@pytest.mark.parametrize("suite", [*FOLDERS.values(), DUMPS], ids=lambda s: s.name)
def test_a_suite_is_well_formed(suite: Suite) -> None:
    names = [expectation.name for expectation in suite.expectations]
    assert len(set(names)) == len(names)
    for expectation in suite.expectations:
        assert bool(expectation.sql) != bool(expectation.kind)
        assert not expectation.sql or "{batch}" in expectation.sql
        assert expectation.why
        assert expectation.reference
        view = expectation.view or suite.view
        assert view in BUILDERS or view in VIEWS


REFERENCES = sorted({e.reference for suite in (*FOLDERS.values(), DUMPS) for e in suite.expectations})


@pytest.mark.parametrize("reference", REFERENCES)
def test_a_reference_leads_somewhere(reference: str) -> None:
    place, _, name = reference.partition(": ")
    if place.startswith("RouterEval, "):
        assert re.search(r"Table \d|section \d|appendix [A-F]|Eq\. \d", place)
        return
    text = (Path(__file__).resolve().parents[2] / place).read_text("utf-8")
    assert (f"\n### {name}\n" if place.endswith(".md") else name) in text


def test_a_view_is_made_once(good: Path) -> None:
    session = open_session(locate(good), None)
    assert "score_facts" in session
    assert "no_such_view" not in session
    before = session.query("select count(*) as n from score_facts")["n"][0].as_py()
    assert before == 24 * 4
    session.close()


def test_every_stage_writes_the_tables_that_name_it(good: Path) -> None:
    stages = json.loads((good / "manifest.json").read_text(encoding="utf-8"))["stages"]
    written = {
        stage: {PurePosixPath(o["path"]).parts[1].removesuffix(".parquet") for o in entry["outputs"]}
        for stage, entry in stages.items()
        if stage != "release"
    }
    # this build leaves nothing out
    assert written == {
        stage: {table.name for table in tables_of(stage)} - {"curated", "pseudo_specialists"}
        for stage in written
    }
    assert {*written, "release"} == set(STAGES)
