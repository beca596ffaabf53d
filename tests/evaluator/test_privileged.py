from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from routerset.release.evaluator import ROUTERS, TRAINING_FREE, Release, Task, evaluate
from routerset.release.evaluator.items import load_items
from routerset.release.evaluator.routers.privileged import STRENGTHS, Privileged, Ridge
from routerset.release.evaluator.task import Everyone
from routerset.release.evaluator.tasks import make_tasks, with_test_scores
from tests.evaluator.test_metrics import make_task


def refitted(train: np.ndarray, test: np.ndarray, Y: np.ndarray, scale: float) -> np.ndarray:
    """Ridge as textbooks have it: every strength by its own inverse, the best by cross-validation."""
    n = len(train)
    A, means = train - train.mean(axis=0), Y.mean(axis=0)
    gram = A @ A.T
    found = []
    for strength in STRENGTHS * scale:
        hat = gram @ np.linalg.inv(gram + strength * np.eye(n)) + 1 / n
        error = (((Y - hat @ Y) ** 2).sum()) / (n - np.trace(hat)) ** 2
        weights = A.T @ np.linalg.inv(gram + strength * np.eye(n)) @ (Y - means)
        found.append((error, (test - train.mean(axis=0)) @ weights + means))
    return min(found, key=lambda pair: pair[0])[1]


@pytest.mark.parametrize("out", [7, 60])
@pytest.mark.parametrize(("n", "models"), [(40, 90), (90, 70), (65, 65)])
def test_taking_models_out_is_what_a_ridge_without_them_gives(n: int, models: int, out: int) -> None:
    """Also of more models than there are axes, as 60 are where there are 40 items."""
    rng = np.random.default_rng(n)
    ability, hardness = rng.normal(size=models), rng.normal(size=n + 15)
    scores = (ability - hardness[:, None] + rng.logistic(size=(n + 15, models)) > 0).astype(np.float32)
    train, test = scores[:n], scores[n:]
    scale = ((train - train.mean(axis=0)) ** 2).sum() / n
    without = np.zeros(models, bool)
    without[:out] = True
    got = Ridge.of(train).predict(test, train[:, :3], without)
    assert np.allclose(got, refitted(train[:, out:], test[:, out:], train[:, :3], scale), atol=1e-4)


def test_near_twins_and_only_they_are_twins() -> None:
    rng = np.random.default_rng(0)
    Y = (rng.random((400, 2)) < 0.5).astype(np.float32)
    near, apart, constant = Y[:, :1].copy(), Y[:, :1].copy(), np.ones((400, 1), np.float32)
    near[:2] = 1 - near[:2]
    apart[:20] = 1 - apart[:20]
    features = np.hstack([Y[:, 1:], near, apart, constant, 1 - Y[:, :1]])
    assert Ridge.of(features).twins_of(Y).tolist() == [True, True, False, False, False]
    assert not Ridge.of(features).twins_of(constant).any()


@pytest.fixture
def tasks(toy: Release) -> list[Task]:
    groups = toy.groups_of("toy", "paper")
    items = load_items(toy, "toy", groups, None, "paper")
    return with_test_scores(make_tasks(items, groups, encoder=None), items, groups)


def test_rows_of_everyone_are_those_of_the_task(tasks: list[Task]) -> None:
    for task in tasks:
        assert task.read_everyone is not None
        everyone = task.read_everyone()
        own = [everyone.models.index(model) for model in task.candidates]
        assert np.array_equal(everyone.train[:, own], task.Y_train)
        assert np.array_equal(everyone.validation[:, own], task.Y_val)
        assert np.array_equal(everyone.test[:, own], task.Y_test)


def test_compat_moves_the_rows_of_everyone_too(toy: Release) -> None:
    groups = toy.groups_of("toy", "paper")[:1]
    items = load_items(toy, "toy", groups, None, "paper")
    plain, compat = (
        with_test_scores(make_tasks(items, groups, encoder=None, compat=c), items, groups)[0] for c in (0, 1)
    )
    assert compat.read_everyone is not None
    everyone = compat.read_everyone()
    own = [everyone.models.index(model) for model in compat.candidates]
    assert np.array_equal(everyone.train[:, own], compat.Y_train)
    assert not np.array_equal(plain.Y_train, compat.Y_train)


def test_it_is_not_shown_what_the_candidates_themselves_score_on_test(tasks: list[Task]) -> None:
    task = tasks[0]
    assert task.read_everyone is not None
    everyone = task.read_everyone()
    own = np.isin(everyone.models, task.candidates)
    hidden = replace(everyone, test=np.where(own, 1 - everyone.test, everyone.test))
    expected, got = Privileged(), Privileged()
    expected.fit(task)
    got.fit(replace(task, read_everyone=lambda: hidden))
    assert np.allclose(got.predict_proba(task), expected.predict_proba(task), atol=1e-6)


def test_it_finds_who_knows_what_and_nothing_where_models_differ_in_ability_alone() -> None:
    rng = np.random.default_rng(0)
    n, models, m = 900, 60, 4
    hard, topic = rng.normal(size=(n, 1)), rng.integers(0, 2, n)
    able = rng.normal(size=models) / 2
    taste = np.where(np.arange(models) % 2 == topic[:, None], 2.0, -2.0)
    for strength, least, most in ((1.0, 0.15, 0.6), (0.0, -0.02, 0.02)):
        chance = 1 / (1 + np.exp(hard - able - strength * taste))
        scores = (rng.random(chance.shape) < chance).astype(np.float32)
        sides = np.split(scores, [600, 700])
        Y = [side[:, :m] for side in sides]
        names = tuple(map(str, range(models)))
        task = replace(
            make_task(Y[0]),
            Y_val=Y[1],
            Y_test=Y[2],
            candidates=names[:m],
            read_everyone=lambda sides=sides, names=names: Everyone(names, *sides),
        )
        router = Privileged()
        router.fit(task)
        chosen = router.predict_proba(task).argmax(axis=1)
        gained = Y[2][np.arange(len(chosen)), chosen].mean() - Y[2][:, Y[0].mean(axis=0).argmax()].mean()
        assert least <= gained <= most


def test_it_runs_only_where_it_is_asked_for_and_has_a_star(toy: Release) -> None:
    assert "privileged" in ROUTERS
    assert "privileged" not in TRAINING_FREE
    found = evaluate(toy, ["privileged", "best_single"], sizes=[3], resamples=0)
    assert "privileged*" in found.table()
    assert all(row.sees_test_scores == (row.router == "privileged") for row in found.rows)
