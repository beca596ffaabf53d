"""Which of several answers to a document counts: filters, unnamed passes and appended runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerset.etl.sources.parse.answer_filters import choose_rows

STRICT, FLEXIBLE = "strict-match", "flexible-extract"


def chosen(
    codes: Sequence[int], labels: Sequence[str | None], filters: Sequence[str] = (), asked: str | None = None
) -> tuple[list[int], list[int], list[int]]:
    n = len(codes)
    found = choose_rows(np.array(codes, int), np.arange(n), n, pa.array(labels, pa.string()), filters, asked)
    rows, replaced, orphans = (part.tolist() for part in found)
    return rows, replaced, orphans


BOTH = (STRICT, FLEXIBLE)


@pytest.mark.parametrize(
    ("codes", "labels", "filters", "asked", "expected"),
    [
        pytest.param([0, 1, 2], [None] * 3, (), None, ([0, 1, 2], [], []), id="plain"),
        pytest.param([0, 0, 1, 1], [STRICT, FLEXIBLE] * 2, BOTH, None, ([0, 2], [1, 3], []), id="named"),
        pytest.param([0, 0, 1, 1], [STRICT, FLEXIBLE] * 2, BOTH, FLEXIBLE, ([1, 3], [0, 2], []), id="asked"),
        pytest.param([0, 1], ["none"] * 2, BOTH, None, ([0, 1], [], []), id="no-filter"),
        pytest.param([0, 1], ["custom"] * 2, (), None, ([0, 1], [], []), id="the-only-filter"),
        pytest.param([0, 0], ["custom", "none"], (), None, ([1], [0], []), id="none-among-others"),
        pytest.param([0, 0], ["x", "y"], (), None, ([], [], [0, 1]), id="no-way-to-choose"),
        pytest.param([0, 1], [FLEXIBLE] * 2, BOTH, None, ([], [], [0, 1]), id="another-filter-only"),
        pytest.param(
            [0, 0, 1], [STRICT, FLEXIBLE, FLEXIBLE], BOTH, None, ([0], [1], [2]), id="one-answer-short"
        ),
        pytest.param([0, 1, 0, 1], [None] * 4, BOTH, None, ([0, 1], [2, 3], []), id="passes"),
        pytest.param([0, 1, 0, 1], [None] * 4, BOTH, FLEXIBLE, ([2, 3], [0, 1], []), id="second-pass"),
        pytest.param([0, 1, 0, 1], [None] * 4, BOTH, "third", ([], [], [0, 1, 2, 3]), id="no-such-pass"),
        pytest.param([0, 1], [None] * 2, BOTH, FLEXIBLE, ([0, 1], [], []), id="one-pass-is-the-answer"),
        pytest.param([0, 1] * 4, [None] * 8, BOTH, None, ([4, 5], [0, 1, 2, 3, 6, 7], []), id="rerun-passes"),
        pytest.param([0, 1, 1, 0], [None] * 4, (), None, ([2, 3], [0, 1], []), id="rerun"),
        pytest.param([0, 1, 0, 1], [STRICT] * 4, BOTH, None, ([2, 3], [0, 1], []), id="named-rerun"),
        pytest.param([0, 1, 2, 2], [None] * 4, (), None, ([0, 1, 2, 3], [], []), id="a-repeat-is-no-rerun"),
        pytest.param([], [], BOTH, None, ([], [], []), id="nothing"),
    ],
)
def test_rows_that_count(
    codes: list[int],
    labels: list[str | None],
    filters: tuple[str, ...],
    asked: str | None,
    expected: tuple[list[int], list[int], list[int]],
) -> None:
    assert expected == chosen(codes, labels, filters, asked)


@pytest.mark.parametrize("bad", range(60))
def test_a_bad_line_costs_no_other_line_of_appended_runs(bad: int) -> None:
    codes, places = np.tile(np.arange(20), 3), np.arange(60)
    sound = places != bad
    rows, replaced, orphans = choose_rows(
        codes[sound], places[sound], 60, pa.nulls(59, pa.string()), (), None
    )
    newest = 20 if bad >= 40 else 40
    assert (places[sound][rows] == np.arange(newest, newest + 20)).all()
    assert (len(replaced), len(orphans)) == (39, 0)


@pytest.mark.parametrize("lost", range(1, 20))
def test_a_line_missing_from_the_last_pass_moves_no_other_line(lost: int) -> None:
    codes = np.delete(np.tile(np.arange(20), 2), 20 + lost)
    rows = choose_rows(codes, np.arange(39), 39, pa.nulls(39, pa.string()), BOTH, None)[0]
    assert rows.tolist() == list(range(20))


def test_bad_lines_make_no_passes_of_a_plain_log() -> None:
    places = np.arange(0, 20, 2)
    rows = choose_rows(np.arange(10), places, 20, pa.nulls(10, pa.string()), BOTH, None)[0]
    assert rows.tolist() == list(range(10))


@given(n=st.integers(1, 30), runs=st.integers(1, 4), seed=st.integers(0, 99))
def test_the_newest_of_whole_runs_counts_whatever_their_order(n: int, runs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = np.concatenate([rng.permutation(n) for _ in range(runs)])
    total = len(codes)
    nameless = pa.nulls(total, pa.string())
    rows, replaced, orphans = choose_rows(codes, np.arange(total), total, nameless, (), None)
    assert sorted(codes[rows]) == list(range(n))
    assert sorted([*rows, *replaced]) == list(range(n * runs))
    assert len(orphans) == 0
