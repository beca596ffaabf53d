"""What a call asks for that it cannot have, and what a notebook shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from routerset.release.evaluator import Release, UsageError, evaluate, load_release
from routerset.release.evaluator.predictions import PredictionError, read_predictions
from routerset.release.evaluator.task import Task


class Mine:
    """Picks the first candidate; remembers its task."""

    seen: list[Task] = []  # noqa: RUF012

    def __init__(self, first: int = 0) -> None:
        self.first = first

    def fit(self, task: Task) -> None:
        self.seen.append(task)

    def predict_proba(self, task: Task) -> np.ndarray:
        return np.eye(task.m)[np.full(task.n_test, self.first)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"sizes": 3}, "sizes: found 3, expected whole numbers in a list, such as [3, 5]"),
        ({"sizes": "3,5"}, "sizes: found '3,5', expected whole numbers in a list"),
        ({"sizes": [3.0]}, "sizes: found [3.0], expected whole numbers"),
        ({"sizes": [True]}, "sizes: found [True], expected whole numbers"),
        ({"benchmarks": "arc"}, "benchmarks: found 'arc', expected names in a list, such as ['gsm8k']"),
        ({"benchmarks": [1]}, "benchmarks: found [1], expected names in a list"),
        ({"routers": "knn"}, "routers: found 'knn', expected a list of names and classes"),
        ({"routers": Mine}, "routers: found type, expected a list of names and classes"),
        ({"routers": [Mine()]}, "of class Mine, expected the class, as in [Mine], or a function"),
        ({"routers": {"a": Mine()}}, "of class Mine, expected the class, as in [Mine], or a function"),
        ({"routers": {"a": 5}}, "routers: a: found 5, expected a class with fit and predict_proba"),
        ({"routers": [5]}, "routers: None: found 5, expected a class"),
        ({"routers": [Mine, Mine]}, "routers: 'Mine' twice; give a mapping"),
        ({"resamples": -1}, "resamples: found -1, expected a whole number, 0 or more"),
        ({"seed": "x"}, "seed: found 'x', expected a whole number, 0 or more"),
        ({"pair": ("a", "b")}, "pair: found ('a', 'b'), expected a Pair"),
        ({"selector": "cap", "costs": "usd"}, "selector: found 'cap', expected a Selector"),
    ],
)
def test_the_error_names_what_was_expected(toy: Release, arguments: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError) as failed:
        evaluate(toy, **{"routers": ["oracle"], **arguments})  # type: ignore[arg-type]
    assert told in str(failed.value)


@pytest.mark.parametrize("release", ["out/release", None, Path()])
def test_a_release_is_one_that_was_loaded(release: object) -> None:
    with pytest.raises(UsageError, match=r"release: found .*, expected a Release, as load_release"):
        evaluate(release, ["oracle"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "routers", [[Mine], (Mine,), {"Mine": Mine}, {"Mine": partial(Mine, 0)}, {"Mine": lambda: Mine()}]
)
def test_routers_in_any_of_these_ways_are_the_same(toy: Release, routers: object) -> None:
    found = evaluate(toy, routers, sizes=np.array([3]), resamples=0)  # type: ignore[arg-type]
    expected = evaluate(toy, [Mine], sizes=[3], resamples=0)
    assert [r.metrics for r in found.rows] == [r.metrics for r in expected.rows]
    assert {r.router for r in evaluate(toy, {"best": "oracle"}, sizes=[3], resamples=0).rows} == {"best"}


def cells(toy: Release) -> tuple[str, str, str]:
    """A group, and its first line of predictions."""
    group = next(g for g in toy.groups if g.m == 3)
    return group.benchmark, group.kind, group.candidates[0]


@pytest.mark.parametrize(
    ("head", "row", "told"),
    [
        (
            ",item_id,m,kind,model",
            "0,x,3,{kind},{model}",
            "'' looks like the index of pandas: write with index=False",
        ),
        ("Unnamed: 0,item_id,m,kind,model", "0,x,3,{kind},{model}", "'Unnamed: 0' looks like the index"),
    ],
)
def test_the_index_of_pandas_is_named(toy: Release, tmp_path: Path, head: str, row: str, told: str) -> None:
    _, kind, model = cells(toy)
    (tmp_path / "mine.csv").write_text(f"{head}\n{row.format(kind=kind, model=model)}\n")
    with pytest.raises(UsageError) as failed:
        read_predictions(tmp_path / "mine.csv", toy)
    assert told in str(failed.value)


def test_a_kind_that_is_none_is_told_with_those_there_are(toy: Release, tmp_path: Path) -> None:
    _, kind, model = cells(toy)
    (tmp_path / "mine.csv").write_text(f"item_id,m,kind,model\nx,3,{kind.replace('_', '-')},{model}\n")
    with pytest.raises(PredictionError) as failed:
        read_predictions(tmp_path / "mine.csv", toy)
    assert f"kind: expected one of {kind}" in str(failed.value) or kind in str(failed.value)
    assert "kind: expected one of" in str(failed.value)
    assert "; m:" not in str(failed.value)


def shown(thing: object) -> str:
    make: Callable[[], str] = getattr(thing, "_repr_html_")  # noqa: B009
    return make()


def test_a_notebook_shows_small_tables_that_hold_no_markup_of_others(toy: Release) -> None:
    Mine.seen.clear()
    result = evaluate(toy, {"<b>x</b>": Mine, "oracle": "oracle"}, sizes=[3], resamples=0)
    told = shown(result)
    assert "&lt;b&gt;x&lt;/b&gt;" in told
    assert "<b>x" not in told
    assert told.count("<tr>") == 1 + len(result.means) + len(result.overall)
    value = next(r.metrics["mu_o"].value for r in result.means)
    assert f"{value:.4f}" in told
    task = Mine.seen[0]
    assert all(model in shown(task) for model in task.candidates)
    assert f"{task.n_test} test items" in shown(task)
    assert "<i>" not in shown(replace(task, candidates=("<i>a", *task.candidates[1:])))
    assert toy.version in shown(toy)
    assert all(name in shown(toy) for name in toy.benchmarks)
    assert "<script>" not in shown(replace(toy, name="<script>"))


def test_a_long_table_says_how_much_is_left_out(toy: Release) -> None:
    routers = {f"r{n}": Mine for n in range(30)}
    result = evaluate(toy, routers, sizes=[3], resamples=0)
    told = shown(result)
    assert told.count("<tr>") == 21
    assert f"and {len(result.means) + len(result.overall) - 20} more rows: .table(), .to_frame()" in told


def test_a_build_stands_for_its_release(toy: Release, tmp_path: Path) -> None:
    (tmp_path / "release").symlink_to(toy.path.resolve())
    (tmp_path / "manifest.json").write_text(
        '{"schema_version": 2, "stages": {}, "dataset": "x", "libraries": {}}'
    )
    found = load_release(tmp_path)
    assert (found.path, found.groups) == (tmp_path / "release", toy.groups)
