"""What one router does reaches no other, and no router is handed the test scores unless its row says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from routerset.release.evaluator import DataError, Release, Task, evaluate
from routerset.release.evaluator.__main__ import main
from routerset.release.evaluator.items import load_items
from routerset.release.evaluator.routers import BestSingle, RouterRow
from routerset.release.evaluator.scoring import run_router
from routerset.release.evaluator.tasks import make_tasks

ARRAYS = ("X_train", "X_val", "X_test", "Y_train", "Y_val", "labels_train", "labels_val")


class Chooses(BestSingle):
    """Best single; tests add what it does besides."""


@pytest.fixture
def tasks(toy: Release) -> list[Task]:
    groups = toy.groups_of("toy", "paper")
    return make_tasks(load_items(toy, "toy", groups, "minilm", "paper"), groups, encoder="minilm")


@pytest.mark.parametrize("name", ARRAYS)
def test_no_array_of_a_task_can_be_written_to(tasks: list[Task], name: str) -> None:
    array = getattr(tasks[0], name)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 0
    with pytest.raises(ValueError, match="WRITEABLE"):
        array.setflags(write=True)
    assert isinstance(tasks[0].test_items, tuple)
    assert isinstance(tasks[0].candidates, tuple)


@pytest.mark.parametrize("name", [*ARRAYS, "Y_test"])
@pytest.mark.parametrize("unlock", [False, True])
def test_a_router_that_writes_is_named_and_no_other_result_moves(
    toy: Release, name: str, unlock: bool
) -> None:
    class InPlace(Chooses):
        sees_test_scores = name == "Y_test"

        def fit(self, task: Task) -> None:
            array = getattr(task, name)
            if unlock:
                array.setflags(write=True)
            array -= array.mean(axis=0).astype(array.dtype)
            super().fit(task)

    with pytest.raises(DataError, match="router InPlace: it writes into an array of its task"):
        evaluate(toy, [InPlace, "knn"], sizes=[3], resamples=0)


def test_tasks_of_a_shared_router_are_a_tuple(toy: Release, tasks: list[Task]) -> None:
    class Shared(Chooses):
        def fit_all(self, tasks: object) -> None:
            assert isinstance(tasks, tuple)

        def predict_proba(self, task: Task) -> np.ndarray:
            super().fit(task)
            return super().predict_proba(task)

    assert evaluate(toy, [Shared], sizes=[3], resamples=0).rows


def test_asking_for_the_test_scores_within_fit_opens_nothing(toy: Release) -> None:
    seen: list[object] = []

    class Late(Chooses):
        def fit(self, task: Task) -> None:
            seen.append(task.Y_test)
            type(self).sees_test_scores = self.sees_test_scores = True  # type: ignore[attr-defined]
            super().fit(task)

    row = RouterRow("late", Late, "Late")
    result = evaluate(toy, {"late": row}, resamples=0)
    assert len(seen) > 6
    assert not any(scores is not None for scores in seen)
    assert not any(r.sees_test_scores for r in result.rows)
    assert not evaluate(toy, {"late": row}, sizes=[3], resamples=0).rows[0].sees_test_scores


def test_a_router_declares_once(toy: Release) -> None:
    asked: list[str] = []

    class Counts(Chooses):
        @property
        def sees_test_scores(self) -> bool:
            asked.append("")
            return len(asked) > 1

    rows = evaluate(toy, [Counts], resamples=0).rows
    assert len(asked) == 1
    assert not any(row.sees_test_scores for row in rows)


def test_upper_bounds_are_marked(toy: Release, capsys: pytest.CaptureFixture[str]) -> None:
    class Bound(Chooses):
        sees_test_scores = True

    result = evaluate(toy, {"mine_with_a_long_name": Bound, "knn": BestSingle}, sizes=[3], resamples=0)
    lines = result.table().splitlines()
    assert any(line.startswith("  mine_with_a_*") for line in lines)
    assert "*: the router is shown the test scores; an upper bound." in lines
    assert {(row.router, row.sees_test_scores) for row in result.rows} == {
        ("mine_with_a_long_name", True),
        ("knn", False),
    }
    assert "*:" not in evaluate(toy, ["knn"], sizes=[3], resamples=0).table()
    assert main([str(toy.path), "--routers", "oracle,knn", "--sizes", "3", "--format", "json"]) == 0
    told = {row["router"]: row["sees_test_scores"] for row in json.loads(capsys.readouterr().out)}
    assert told == {"oracle": True, "knn": False}


def reachable(value: object, seen: set[int]) -> Iterator[object]:
    """Everything that attributes, closures, arguments and members of an object lead to."""
    if id(value) in seen or isinstance(value, str | bytes | int | float | type | np.dtype):
        return
    seen.add(id(value))
    yield value
    if isinstance(value, np.ndarray):
        yield from reachable(value.base, seen)
        return
    parts = list(getattr(value, "__dict__", {}).values()) if not callable(value) else []
    for name in ("func", "args", "keywords", "__self__", "__defaults__"):
        parts.append(getattr(value, name, None))
    parts += [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
    if isinstance(value, dict):
        parts += [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set):
        parts += value
    for part in parts:
        yield from reachable(part, seen)


def test_nothing_leads_from_a_task_to_the_test_scores(toy: Release) -> None:
    groups = toy.groups_of("toy", "paper")
    items = load_items(toy, "toy", groups, "minilm", "paper")
    hidden = [
        array for g in groups for array in (items.parts["test"].scores[g], items.parts["test"].labels[g])
    ]
    found = list(reachable(make_tasks(items, groups, encoder="minilm"), set()))
    assert len(found) > 50
    assert not any(type(value).__name__ in ("Release", "Items", "Part") for value in found)
    for array in (value for value in found if isinstance(value, np.ndarray)):
        assert not any(array is other or np.shares_memory(array, other) for other in hidden)
        assert not any(np.array_equal(array, other) for other in hidden)


def test_a_score_of_a_file_says_what_it_is_worth(
    toy: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group = toy.groups_of("toy", "paper")[0]
    items = load_items(toy, "toy", [], None, "paper").parts["test"].item_ids
    path = tmp_path / "mine.csv"
    rows = [f"toy,{group.m},{group.kind},{item},{group.candidates[0]}\n" for item in items]
    path.write_text("benchmark,m,kind,item_id,model\n" + "".join(rows))
    assert main([str(toy.path), "--predictions", str(path)]) == 0
    assert "note: mine.csv has sha256 " in (told := capsys.readouterr().err)
    assert "The test scores are public" in told


def test_outputs_are_those_of_the_router(tasks: list[Task]) -> None:
    assert len(list(run_router(RouterRow("x", Chooses, "x"), tasks))) == len(tasks)
