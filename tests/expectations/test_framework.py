"""Great Expectations, which makes the pages, finds what the gate finds, to the example."""

from __future__ import annotations

from pathlib import Path

import pytest

from routerset.expectations.findings import Validation
from routerset.expectations.validate import validate
from tests.expectations.builds import Copy
from tests.expectations.mutations import MUTATIONS
from tests.expectations.mutations.edits import Mutation


def told(outcome: Validation) -> list[tuple[object, ...]]:
    return [
        (f.suite, f.table, f.expectation, f.success, f.unexpected, f.cause, *map(dict, f.examples))
        for f in outcome.findings
    ]


@pytest.mark.parametrize("folder", ["", "release"])
def test_both_find_the_same_where_all_is_good(folder: str, good: Path, tmp_path: Path) -> None:
    assert told(validate(good / folder, docs=tmp_path / "pages")) == told(validate(good / folder))


CHOSEN = (
    "models.model_id_not_null",
    "splits.split_known",
    "groups.kind_known",
    "embeddings.vector_not_null",
    "layout.columns_known",
    "manifest.files_known",
)


@pytest.mark.parametrize(
    "mutation", [next(m for m in MUTATIONS if m.expected == name) for name in CHOSEN], ids=CHOSEN
)
def test_both_find_the_same_of_a_corruption(mutation: Mutation, good: Path, tmp_path: Path) -> None:
    copy = Copy(good, tmp_path / "build")
    mutation.mutate(copy)
    path = copy.root / "release" if mutation.release else copy.root
    suites = [mutation.expected.split(".")[0]]
    found = validate(path, suites=suites)
    assert mutation.expected in {f"{f.suite}.{f.expectation}" for f in found.findings if not f.success}
    assert told(validate(path, suites=suites, docs=tmp_path / "pages")) == told(found)
