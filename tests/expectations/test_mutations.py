"""Every corruption of a good build is caught by the expectation that names it; the good build has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from routerset.expectations.suites import FOLDERS
from routerset.expectations.validate import validate
from tests.expectations.builds import Copy
from tests.expectations.mutations import MUTATIONS
from tests.expectations.mutations.edits import Mutation


def test_the_good_build_has_no_error(good: Path) -> None:
    outcome = validate(good)
    assert [f"{f.table} {f.expectation}" for f in outcome.errors] == []
    assert {f.expectation for f in outcome.warnings} == {"learnable", "table_4_counts", "thin_side"}
    assert outcome.skipped == ()
    assert outcome.exit_code == 0


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name.replace(" ", "-"))
def test_a_corruption_is_caught_by_name(mutation: Mutation, good: Path, tmp_path: Path) -> None:
    copy = Copy(good, tmp_path / "build")
    mutation.mutate(copy)
    suite = mutation.expected.split(".")[0]
    path = copy.root / "release" if mutation.release else copy.root
    outcome = validate(path, suites=[suite], previous=good / "release" if suite == "drift" else None)
    failed = {f"{f.suite}.{f.expectation}": f for f in (*outcome.errors, *outcome.warnings)}
    assert mutation.expected in failed
    assert [f.examples for f in failed.values() if any("could_not_run" in e for e in f.examples)] == []
    assert failed[mutation.expected].unexpected > 0
    assert 0 < len(failed[mutation.expected].examples) <= 3


def test_every_expectation_is_seen_to_fail() -> None:
    untested = {
        f"{suite.name}.{expectation.name}" for suite in FOLDERS.values() for expectation in suite.expectations
    } - {mutation.expected for mutation in MUTATIONS}
    assert untested == {"groups.oracle_above_best_above_mean"}  # true of all scores: see test_facts


def test_there_are_enough_of_them() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) >= 80
