"""Models whose scores are the same, wherever both have one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerset.schemas.matrix import MISSING, ScoreMatrix
from routerset.schemas.twins import SHARED, one_of_each, twin_of


def matrix(rows: dict[str, np.ndarray]) -> ScoreMatrix:
    return ScoreMatrix(tuple(sorted(rows)), np.stack([rows[name] for name in sorted(rows)]))


def told(found: list[ScoreMatrix]) -> dict[str, str]:
    """Twins by the definition: every model beside every one before it that is no twin."""
    rows: dict[str, dict[tuple[int, int], float]] = {}
    for number, one in enumerate(found):
        for model, scores in zip(one.models, one.scores, strict=True):
            gone = scores == MISSING if scores.dtype == np.uint8 else np.isnan(scores)
            known = {(number, int(item)): float(scores[item]) for item in np.flatnonzero(~gone)}
            rows.setdefault(model, {}).update(known)
    twins: dict[str, str] = {}
    for model in sorted(rows, key=lambda name: (-len(rows[name]), name.encode())):
        mine = rows[model]
        for other in sorted(rows, key=lambda name: (-len(rows[name]), name.encode())):
            if other == model:
                break
            both = mine.keys() & rows[other].keys()
            if other not in twins and len(both) >= SHARED and all(mine[i] == rows[other][i] for i in both):
                twins[model] = other
                break
    return twins


@st.composite
def worlds(draw: st.DrawFn) -> list[ScoreMatrix]:
    """Benchmarks of 0 and 1 or of shares, with copies of few rows, and gaps in some."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    found = []
    for _ in range(draw(st.integers(1, 3))):
        n_items = draw(st.sampled_from([40, 64, 101, 130, 200]))
        floats = draw(st.booleans())
        rows = (rng.random((3, n_items)) < 0.5).astype(np.float32)
        rows[rng.random(rows.shape) < 0.3] = 0.5 if floats else 1
        if not floats:
            rows = rows.astype(np.uint8)
        names = [name for name in "abcdefgh" if rng.random() < 0.8] or ["a"]
        scores = rows[rng.integers(0, 3, len(names))]
        for row in scores:
            if rng.random() < 0.4:
                row[rng.random(n_items) < 0.2] = np.nan if floats else MISSING
            elif rng.random() < 0.2:
                row[: n_items // 2] = np.nan if floats else MISSING
        found.append(ScoreMatrix(tuple(names), scores))
    return found


@given(worlds())
def test_twins_are_those_of_the_definition(found: list[ScoreMatrix]) -> None:
    assert twin_of(found) == told(found)


def test_who_stands_for_twins_has_most_items_then_the_smallest_id() -> None:
    same = (np.arange(150) % 3 == 0).astype(np.uint8)
    less = np.where(np.arange(150) < 120, same, np.uint8(MISSING))
    found = matrix({"b/one": same, "c/one": same, "a/less": less, "z/other": 1 - same})
    assert twin_of([found]) == {"c/one": "b/one", "a/less": "b/one"}


@pytest.mark.parametrize(("n_items", "expected"), [(SHARED - 1, {}), (SHARED, {"b": "a"})])
def test_a_hundred_items_are_needed(n_items: int, expected: dict[str, str]) -> None:
    same = (np.arange(n_items) % 3 == 0).astype(np.uint8)
    assert twin_of([matrix({"a": same, "b": same})]) == expected
    halves = np.split(same[: n_items // 2 * 2], 2)
    both = [matrix({"a": half, "b": half}) for half in halves]
    assert twin_of(both) == (expected if n_items % 2 == 0 else {})


def test_a_model_that_differs_in_one_benchmark_is_no_twin() -> None:
    same, other = np.zeros(200, np.uint8), np.ones(50, np.float32)
    found = [matrix({"a": same, "b": same}), matrix({"a": other, "b": other - np.float32(1e-6)})]
    assert twin_of(found) == {}


def test_a_twin_of_two_that_differ_is_of_the_first_and_those_stay_apart() -> None:
    """With gaps, being the same is not transitive: nobody stands for a model that he differs from."""
    whole = (np.arange(300) % 2).astype(np.uint8)
    other = np.where(np.arange(300) < 150, whole, 1 - whole).astype(np.uint8)
    middle = np.where(np.arange(300) < 150, whole, np.uint8(MISSING))
    for names in itertools.permutations("abc"):
        found = matrix(dict(zip(names, (whole, other, middle), strict=True)))
        assert twin_of([found]) == {names[2]: min(names[:2])}


def test_one_of_each_keeps_the_named_model_then_the_first() -> None:
    few = np.array([[0, 1], [1, 1], [0, 1], [1, 1], [0, 0]], np.uint8)
    found = ScoreMatrix(tuple("abcde"), np.tile(few, SHARED // 2))
    assert one_of_each(found).tolist() == [0, 1, 4]
    assert one_of_each(found, {"c", "e"}).tolist() == [1, 2, 4]
    zeros = np.tile(np.array([[0.0], [-0.0]], np.float32), SHARED)
    assert one_of_each(ScoreMatrix(("a", "b"), zeros)).tolist() == [0]
    assert one_of_each(ScoreMatrix(tuple("abcde"), few)).tolist() == [0, 1, 2, 3, 4]  # too few items to tell
