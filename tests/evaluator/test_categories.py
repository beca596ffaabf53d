"""What items are about: told by a release, or by their subset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from routerset.release.evaluator import DataError, Task, evaluate, load_release
from routerset.release.evaluator.categories import DOMAINS, GROUPINGS, categories
from routerset.schemas.benchmarks import MMLU_CATEGORIES, MMLU_SUBJECTS
from tests.evaluator.releases import Fixture, random_fixture, write_release


def spied(folder: Path, fixtures: list[Fixture], **options: object) -> list[Task]:
    """The tasks that a router is given."""
    found: list[Task] = []

    class Spy:
        def fit(self, task: Task) -> None:
            found.append(task)

        def predict_proba(self, task: Task) -> np.ndarray:
            return np.full((task.n_test, task.m), 1 / task.m)

    evaluate(load_release(write_release(folder, fixtures)), [Spy], resamples=0, **options)  # type: ignore[arg-type]
    return found


def test_the_category_counts_where_one_is_told_else_the_subset() -> None:
    subset = ["a", "a", "b", "b"]
    table = pa.table({"subset": subset, "category": pa.array(["x", None, "", "y"])})
    assert categories(table).tolist() == ["x", "a", "b", "y"]
    assert categories(pa.table({"subset": subset})).tolist() == subset
    assert categories(pa.table({"subset": subset, "category": pa.nulls(4)})).tolist() == subset
    coded = pa.table({"subset": pa.array(subset).dictionary_encode(), "category": pa.nulls(4, pa.string())})
    assert categories(coded).tolist() == subset


def test_categories_that_are_no_texts_are_an_error() -> None:
    with pytest.raises(DataError, match="column category: found list<"):
        categories(pa.table({"subset": ["a"], "category": [[1]]}))


def test_the_domains_of_mmlu_are_those_of_its_authors() -> None:
    assert {subject: name for name, of in MMLU_CATEGORIES.items() for subject in of} == DOMAINS
    assert set(DOMAINS) == set(MMLU_SUBJECTS)
    assert len(set(DOMAINS.values())) == 17
    about, subset = ["anatomy", "own", "gsm8k"], ["anatomy", "virology", "gsm8k"]
    found = {name: list(grouping.of(about, subset)) for name, grouping in GROUPINGS.items()}
    assert found == {"category": about, "subset": subset, "domain": ["health", "own", "gsm8k"]}


@pytest.mark.parametrize("told", [False, True])
def test_a_task_tells_the_category_of_each_row(tmp_path: Path, told: bool) -> None:
    fixture = random_fixture("one", sizes={"a": 40, "b": 20}, ms=(3,))
    names = [f"topic {i % 3}" if i % 5 else None for i in range(60)]
    fixture.categories = names if told else None
    expected = np.array(
        [name if told and name else of for name, of in zip(names, fixture.subsets, strict=True)], object
    )
    for task in spied(tmp_path, [fixture]):
        for split in ("train", "validation", "test"):
            rows = fixture.splits["paper"] == split
            assert getattr(task.categories, split) == tuple(expected[rows])
        assert len(task.categories.train) == len(task.Y_train)


def test_on_track_unseen_they_are_those_of_the_rows_elsewhere(tmp_path: Path) -> None:
    fixtures = [
        random_fixture(n, sizes={f"{n}-a": 40, f"{n}-b": 20}, ms=(3,), seed=i) for i, n in enumerate("xy")
    ]
    for f in fixtures:
        f.families = [f"{f.name}{i}" for i in range(60)]
    task = next(t for t in spied(tmp_path, fixtures, track="unseen") if t.benchmark == "x")
    assert set(task.categories.train) == {"y-a", "y-b"}
    assert set(task.categories.test) == {"x-a", "x-b"}
    assert len(task.categories.train) == len(task.X_train)


def test_the_reference_order_of_rows_is_that_of_their_categories(tmp_path: Path) -> None:
    fixture = random_fixture("one", sizes={"a": 40, "b": 20}, ms=(3,), encoders=("minilm",))
    fixture.categories = [str(i) for i in range(60)]
    fixture.vectors["minilm"][:, 0] = np.arange(60)
    for task in spied(tmp_path, [fixture], compat=True):
        assert [float(name) for name in task.categories.train] == task.X_train[:, 0].tolist()
