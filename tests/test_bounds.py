"""Upper bounds of what groups cover: never below the best group, and proofs where it is reached."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.groups.bounds import bound


def best_of_all(scores: np.ndarray, m: int, bins: np.ndarray | None) -> tuple[int, np.ndarray]:
    """Items that the best of all groups covers, and that group."""
    groups = [
        np.array(rows)
        for rows in itertools.combinations(range(len(scores)), m)
        if bins is None or len(set(bins[list(rows)])) == m
    ]
    covered = [int(scores[rows].any(axis=0).sum()) for rows in groups]
    return max(covered), groups[int(np.argmax(covered))]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_a_bound_is_proven_against_all_groups(seed: int, binned: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = (rng.random((9, 14)) < rng.choice([0.15, 0.3, 0.5])).astype(np.uint8)
    bins = np.repeat(np.arange(3), 3) if binned else None
    best, group = best_of_all(scores, 3, bins)
    found = bound(scores, np.arange(9), group, bins)
    assert (found.covered, found.at_most) == (best, best)
    assert found.optimal
    poor = np.array([0, 3, 6])
    # the tree is not searched for a group that is far from the relaxation, whose bound holds all the same
    assert bound(scores, np.arange(9), poor, bins).at_most >= best
    assert bound(scores, np.arange(9), poor, bins, solve=False).at_most >= best


def test_all_that_the_pool_covers_needs_no_program() -> None:
    scores = np.eye(3, dtype=np.uint8)
    assert bound(scores, np.arange(3), np.arange(3)).by == "pool"


def test_a_large_group_is_bounded_by_gains_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routerset.etl.groups.bounds.MAX_SIZE", 2)
    scores = np.eye(6, dtype=np.uint8)
    scores[5] = scores[4]
    found = bound(scores, np.arange(6), np.array([0, 1, 2]))
    assert (found.covered, found.at_most, found.by) == (3, 5, "pool")
    found = bound(scores, np.arange(6), np.array([0, 1, 4]))
    assert found.at_most == 5
