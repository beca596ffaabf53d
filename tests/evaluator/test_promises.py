"""What one router does reaches no other, and no router is handed the test scores unless its row says so."""

from __future__ import annotations

import gc
import json
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from routerset.release.evaluator import DataError, Release, Task, evaluate, load_release
from routerset.release.evaluator.__main__ import main
from routerset.release.evaluator.costs import CellCosts, find_kind, read_costs
from routerset.release.evaluator.items import load_items
from routerset.release.evaluator.routers import BestSingle, RouterRow, find_router
from routerset.release.evaluator.running import run_router
from routerset.release.evaluator.task import Costs
from routerset.release.evaluator.tasks import costs_of, make_tasks
from tests.evaluator.releases import add_costs, random_fixture, write_release

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


def reachable(value: object, seen: dict[int, object], depth: int = 0) -> Iterator[object]:
    """What attributes, closures, arguments, members and the garbage collector's own list of what an
    object refers to lead to; not the modules that its functions are of, which hold all the program.
    """
    end = str | bytes | int | float | type | np.dtype | types.ModuleType | types.FrameType | types.CodeType
    if id(value) in seen or isinstance(value, end) or depth > 40:
        return
    seen[id(value)] = value  # kept, for else a later object may get its id
    yield value
    parts = [getattr(value, name, None) for name in ("base", "func", "args", "keywords", "__self__")]
    parts += [getattr(value, name, None) for name in ("__defaults__", "__kwdefaults__", "__dict__")]
    parts += [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
    if not isinstance(value, types.FunctionType | types.BuiltinFunctionType):
        parts += gc.get_referents(value)
    for part in parts:
        yield from reachable(part, seen, depth + 1)


def arrays_of(value: object) -> list[np.ndarray]:
    """Every array that something leads to."""
    return [found for found in reachable(value, {}) if isinstance(found, np.ndarray)]


def holds(found: list[np.ndarray], hidden: list[np.ndarray]) -> bool:
    """Whether some of the arrays are, share memory with, or say the same as one that is hidden."""
    return any(
        np.may_share_memory(array, other) or any(np.array_equal(turned, other) for turned in (array, array.T))
        for array in found
        for other in hidden
    )


def hidden_of(release: Release, kind: str) -> dict[tuple[int, str], list[np.ndarray]]:
    """Test scores, test labels and, where they depend on the answer, test costs of every cell of toy."""
    groups = release.groups_of("toy", "paper")
    items = load_items(release, "toy", groups, "minilm", "paper")
    known = read_costs(release, "toy", {m for g in groups for m in g.candidates}, find_kind(kind))
    told = costs_of(items, groups, known, as_reference=False)
    costs = {group: of for group, of in told.items() if isinstance(of, CellCosts)}
    test = items.parts["test"]
    return {
        (g.m, g.kind): [test.scores[g], test.labels[g]]
        + ([costs[g].paid] if g in costs and costs[g].costs.test is None else [])
        for g in groups
    }


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release whose answers have costs, and whose models have sizes."""
    fixture = random_fixture("toy")
    folder = write_release(tmp_path_factory.mktemp("priced"), [fixture])
    add_costs(folder, fixture)
    return load_release(folder)


@pytest.mark.parametrize("kind", ["usd", "tokens", "params_b"])
def test_nothing_leads_from_a_task_to_the_test_scores_or_costs(priced: Release, kind: str) -> None:
    looked: list[tuple[tuple[int, str], list[np.ndarray]]] = []
    strangers: set[str] = set()

    class Cheats(Chooses):
        has_curve = True

        def fit(self, task: Task) -> None:
            looked.append(((task.m, task.kind), arrays_of(task)))
            strangers.update(type(value).__name__ for value in reachable(task, {}))
            super().fit(task)

        def predict_scores(self, task: Task) -> np.ndarray:
            looked.append(((task.m, task.kind), arrays_of(task)))
            return np.zeros((task.n_test, task.m))

    class Bound(Cheats):
        sees_test_scores = True

    hidden = hidden_of(priced, kind)
    rows = evaluate(priced, {"heuristic": find_router("heuristic"), "cheats": Cheats}, costs=kind).rows
    assert all(row.spending is not None for row in rows)
    assert len(looked) == 2 * len(hidden)
    assert all(len(found) > 5 for _, found in looked)
    assert not any(holds(found, [a for of in hidden.values() for a in of]) for _, found in looked)
    assert not {"Release", "Items", "Part", "CellCosts", "Known"} & strangers
    assert "Task" in strangers
    assert "Costs" in strangers
    # the same look finds them where they are
    looked.clear()
    evaluate(priced, {"bound": Bound}, costs=kind)
    assert all(holds(found, hidden[cell]) for cell, found in looked)


def test_the_costs_of_a_task_are_those_of_train_and_what_is_known_before(priced: Release) -> None:
    seen: dict[str, Costs] = {}

    class Keeps(Chooses):
        def fit(self, task: Task) -> None:
            assert task.costs is not None
            seen[task.costs.kind] = task.costs
            super().fit(task)

    for kind in ("usd", "params_b"):
        evaluate(priced, {"keeps": Keeps}, sizes=[3], costs=kind, resamples=0)
    assert seen["usd"].test is None
    assert seen["usd"].train is not None
    assert seen["usd"].mean == pytest.approx(seen["usd"].train.mean(axis=0))
    assert seen["params_b"].train is None
    assert seen["params_b"].test is not None
    for costs in seen.values():
        for array in (costs.mean, costs.train, costs.validation, costs.test):
            assert array is None or not array.flags.writeable


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
