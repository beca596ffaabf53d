from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from routerset.release.evaluator import (
    ROUTERS,
    TRAINING_FREE,
    Release,
    Router,
    Task,
    UsageError,
    evaluate,
)
from routerset.release.evaluator.items import load_items
from routerset.release.evaluator.routers import (
    BESIDE_CURVES,
    TABLE_ORDER,
    RouterRow,
    find_router,
    linear,
    mlp,
    row_for,
)
from routerset.release.evaluator.routers.knn import nearest
from routerset.release.evaluator.routers.linear import LinearRouter, schedule, train_linear
from routerset.release.evaluator.tasks import make_tasks
from tests.evaluator.test_metrics import make_task

TRAINED = ("linear", "mlp")


def toy_tasks(
    release: Release, benchmark: str = "toy", *, compat: bool = False
) -> tuple[list[Task], list[np.ndarray]]:
    groups = release.groups_of(benchmark, "paper")
    items = load_items(release, benchmark, groups, "minilm", "paper")
    tasks = make_tasks(items, groups, encoder="minilm", compat=compat)
    return tasks, [items.parts["test"].scores[g] for g in groups]


def test_every_registered_router_is_covered_here_or_in_its_own_file() -> None:
    scoring = {"kmeans", "knn_sweep", "mlp_per_model", "svm"}
    factors = {"mf", "mf_all", "routoo", "routoo_product", "irt"}
    others = {*scoring, *factors, "mlc", "privileged", *BESIDE_CURVES}
    assert set(ROUTERS) == {*TRAINING_FREE, *TRAINED, *others}


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("name", [*TRAINING_FREE, *TRAINED, "privileged"])
def test_a_router_gives_a_distribution_on_both_kinds_of_scores(
    toy: Release, quick: None, name: str, compat: bool
) -> None:
    for row in evaluate(toy, [name], compat=compat, sizes=[3], resamples=50).rows:
        value = row.metrics["mu_o"]
        assert value.value is not None
        assert 0 <= value.value <= 1
        assert row.metrics["e_p"].value is not None
        assert (value.lo, value.hi) == (None, None)  # so few items have no interval that holds


@pytest.mark.parametrize("name", ["knn", "c_roberta", "linear", "mlp"])
@pytest.mark.parametrize("compat", [False, True])
def test_sharing_work_gives_what_each_cell_gives_alone(
    toy: Release, quick: None, name: str, compat: bool
) -> None:
    tasks, _ = toy_tasks(toy, compat=compat)
    together = ROUTERS[name].make()
    together.fit_all(tasks)  # type: ignore[attr-defined]
    for task in tasks:
        alone = ROUTERS[name].make()
        alone.fit(task)
        assert np.array_equal(together.predict_proba(task), alone.predict_proba(task))


def test_only_upper_bounds_see_the_test_scores(toy: Release) -> None:
    seen: dict[str, bool] = {}

    class Spy:
        sees_test_scores = False

        def fit(self, task: Task) -> None:
            seen[type(self).__name__] = task.Y_test is not None

        def predict_proba(self, task: Task) -> np.ndarray:
            return np.full((task.n_test, task.m), 1 / task.m)

    class Bound(Spy):
        sees_test_scores = True

    evaluate(toy, [Spy, Bound], sizes=[3], resamples=0)
    assert seen == {"Spy": False, "Bound": True}


def test_oracle_and_random_bound_every_router(toy: Release) -> None:
    rows = evaluate(toy, TRAINING_FREE, resamples=0).rows
    for row in rows:
        cell = [r for r in rows if (r.benchmark, r.m, r.kind) == (row.benchmark, row.m, row.kind)]
        by_name = {r.router: r.metrics["mu_o"].value or 0.0 for r in cell}
        assert by_name["oracle"] >= row.best_single_score >= by_name["random"]
        assert by_name["r_o_0.5"] == pytest.approx((by_name["oracle"] + by_name["random"]) / 2, abs=2e-6)
        assert by_name["mean"] == by_name["best_single"] <= row.best_single_score + 1e-6


def test_r_o_of_any_probability_can_be_named(toy: Release) -> None:
    rows = evaluate(toy, ["random", "r_o_0.3", "oracle"], sizes=[3], resamples=0).means
    random, mixed, oracle = (row.metrics["mu_o"].value or 0.0 for row in rows[:3])
    assert mixed == pytest.approx(0.7 * random + 0.3 * oracle, abs=2e-6)


@pytest.mark.parametrize("name", ["r_o_2", "r_o_", "k_means", ""])
def test_an_unknown_router_lists_the_valid_names(name: str) -> None:
    with pytest.raises(UsageError, match=r"valid names: all, oracle, r_o_0\.5, random"):
        find_router(name)


def test_the_expectation_of_the_mixture_is_what_many_repeats_approach(toy: Release) -> None:
    tasks, tests = toy_tasks(toy, "soft")
    Y = tests[0]
    rng = np.random.default_rng(0)
    repeats = []
    for _ in range(3000):
        drawn = Y[np.arange(len(Y)), rng.integers(0, Y.shape[1], len(Y))]
        repeats.append(np.where(rng.random(len(Y)) < 0.5, Y.max(axis=1), drawn).mean())
    row = evaluate(toy, ["r_o_0.5"], benchmarks=["soft"], sizes=[3], resamples=0).rows[0]
    assert row.kind == tasks[0].kind
    assert row.metrics["mu_o"].value == pytest.approx(
        np.mean(repeats), abs=4 * np.std(repeats) / np.sqrt(3000)
    )


def test_nearest_neighbours_are_those_of_a_full_sort_with_ties_in_row_order() -> None:
    rng = np.random.default_rng(0)
    train = rng.normal(size=(60, 5)).astype(np.float32)
    train = np.concatenate([train, 4 * train[::-1], np.zeros((2, 5), np.float32)])  # each direction twice
    test = rng.normal(size=(30, 5)).astype(np.float32)
    unit = [
        v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-30)
        for v in map(np.float64, (train, test))
    ]
    similarity = np.round(unit[1] @ unit[0].T, 9)
    expected = np.argsort(-similarity, axis=1, kind="stable")[:, :5]
    assert np.array_equal(nearest(train, test, 5, block=7), expected)


def test_fewer_training_items_than_neighbours_or_clusters(toy: Release) -> None:
    tasks, _ = toy_tasks(toy)
    few = replace(tasks[0], X_train=tasks[0].X_train[:2], Y_train=tasks[0].Y_train[:2])
    for name in ("knn", "c_roberta"):
        for compat in (False, True):
            router = ROUTERS[name].make()
            task = replace(few, compat=compat)
            router.fit(task)
            assert router.predict_proba(task).shape == (task.n_test, 3)


def torch_reference(
    sizes: Sequence[int],
    weights: Sequence[np.ndarray],
    X: np.ndarray,
    Y: np.ndarray,
    epochs: int,
    rate: float,
) -> Callable[[np.ndarray], np.ndarray]:
    """ROUTEREVAL.md, "Baselines", spelled out with autograd: weights are (out, in + 1), the bias last."""
    import torch

    layers: list[torch.nn.Module] = []
    for fan_in, fan_out, weight in zip(sizes, sizes[1:], weights, strict=False):
        layer = torch.nn.Linear(fan_in, fan_out)
        layer.weight.data = torch.tensor(weight[:, :-1], dtype=torch.float32)
        layer.bias.data = torch.tensor(weight[:, -1], dtype=torch.float32)
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimiser = torch.optim.Adam(model.parameters(), lr=rate, weight_decay=0)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * len(X))
    loss = torch.nn.BCEWithLogitsLoss()
    order, _ = schedule(len(X), epochs, rate, np.random.default_rng(0))
    for item in order:
        optimiser.zero_grad()
        loss(model(torch.tensor(X[item])), torch.tensor(Y[item])).backward()
        optimiser.step()
        cosine.step()
    return lambda inputs: np.asarray(model(torch.tensor(inputs)).detach().numpy())


def test_linear_training_is_that_of_torch() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 6)).astype(np.float32)
    Y = (rng.random((40, 5)) < 0.5).astype(np.float32)
    start = rng.uniform(-0.4, 0.4, (5, 7)).astype(np.float32)
    expected = torch_reference([6, 5], [start], X, Y, linear.EPOCHS, linear.RATE)(X)
    ones = np.ones((40, 1), np.float32)
    scale = np.full(5, 1 / 5, np.float32)
    weights = train_linear(np.hstack([X, ones]), Y, start.copy(), scale, np.random.default_rng(0))
    assert np.allclose(np.hstack([X, ones]) @ weights.T, expected, atol=2e-4)


def test_mlp_training_is_that_of_torch_where_a_block_is_an_item(
    toy: Release, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlp, "BLOCK", 1)
    task = toy_tasks(toy)[0][0]
    sizes = [task.X_train.shape[1], mlp.HIDDEN, mlp.HIDDEN, task.m]
    rng = np.random.default_rng(task.stream)
    weights = []
    for fan_in, fan_out in pairwise(sizes):
        bound = 1 / np.sqrt(fan_in)
        weight = rng.uniform(-bound, bound, (fan_in, fan_out))
        weights.append(np.hstack([weight.T, rng.uniform(-bound, bound, (1, fan_out)).T]))
    Y = task.labels_train.astype(np.float32)
    expected = torch_reference(sizes, weights, task.X_train, Y, mlp.EPOCHS, mlp.RATE)(task.X_test)
    assert np.allclose(mlp_logits(task), expected, atol=1e-4)


def test_blocks_change_less_than_half_of_what_seeds_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlp, "EPOCHS", 40)
    rng = np.random.default_rng(3)
    X = rng.normal(size=(160, 24)).astype(np.float32) / 24**0.5
    Y = (X @ rng.normal(size=(24, 4)) + 0.3 * rng.normal(size=(160, 4)) > 0).astype(np.float32)
    task = make_task(Y[:80], n_test=80, X_train=X[:80], X_test=X[80:])
    blocks = mlp_logits(task)
    monkeypatch.setattr(mlp, "BLOCK", 1)
    single, other = mlp_logits(task), mlp_logits(replace(task, seed=task.seed + 1))
    assert 0 < np.linalg.norm(blocks - single) < np.linalg.norm(other - single) / 2


def mlp_logits(task: Task) -> np.ndarray:
    router = mlp.MlpRouter()
    router.fit(task)
    return router.logits[task.cell]


def test_blocks_of_rows_do_not_change_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(15, 4)).astype(np.float32)
    Y = (rng.random((15, 11)) < 0.5).astype(np.float32)
    start = rng.uniform(-0.4, 0.4, (11, 4)).astype(np.float32)
    scale = np.full(11, 1 / 11, np.float32)
    whole = train_linear(X, Y, start.copy(), scale, np.random.default_rng(0))
    monkeypatch.setattr(linear, "BLOCK", 4)
    assert np.array_equal(train_linear(X, Y, start.copy(), scale, np.random.default_rng(0)), whole)


def test_the_linear_router_learns_a_linear_rule() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4)).astype(np.float32)
    Y = np.stack([X[:, 0] > 0, X[:, 0] <= 0], axis=1).astype(np.float32)
    task = make_task(Y[:200], n_test=100, X_train=X[:200], X_test=X[200:])
    router = LinearRouter()
    router.fit(task)
    assert (router.predict_proba(task).argmax(axis=1) == Y[200:].argmax(axis=1)).mean() > 0.95


def test_results_do_not_depend_on_the_other_routers_or_cells(toy: Release) -> None:
    alone = evaluate(toy, ["knn"], benchmarks=["toy"], sizes=[5]).rows
    among = evaluate(toy, TRAINING_FREE).rows
    assert set(map(str, alone)) <= set(map(str, among))


def test_seeds_change_what_is_random_and_nothing_else(toy: Release) -> None:
    def values(seed: int, name: str) -> list[float | None]:
        rows = evaluate(toy, [name], benchmarks=["toy"], seed=seed, resamples=0).rows
        return [row.metrics["e_p"].value for row in rows]

    assert values(0, "linear") == values(0, "linear") != values(1, "linear")
    assert values(0, "oracle") == values(1, "oracle")


def test_a_mapping_names_the_routers(toy: Release) -> None:
    routers: Mapping[str, Callable[[], Router] | RouterRow] = {
        "mine": ROUTERS["knn"].make,
        "knn": ROUTERS["knn"],
    }
    result = evaluate(toy, routers, sizes=[3], pairs=True, resamples=20)
    assert {row.router for row in result.rows} == {"mine", "knn"}
    for difference in result.differences:
        assert (difference.router_a, difference.router_b) == ("mine", "knn")
        assert {(e.value, e.lo, e.hi) for e in difference.metrics.values()} <= {
            (0, None, None),
            (None, None, None),
        }


def test_a_row_holds_what_its_class_declares(toy: Release) -> None:
    class Chooser:
        uses_vectors = False
        has_probabilities = False

        def fit(self, task: Task) -> None: ...

        def predict_proba(self, task: Task) -> np.ndarray:
            return np.tile(np.eye(task.m)[0], (task.n_test, 1))

    row = RouterRow("mine", Chooser, "Mine")
    assert not row.uses_vectors
    assert not row.sees_test_scores
    for result in evaluate(toy, {"other": row, "plain": Chooser}, sizes=[3], resamples=0).rows:
        assert result.router in ("other", "plain")
        assert result.encoder is None
        assert result.metrics["e_p"].value is None


def test_tables_take_bounds_first_and_yardsticks_last() -> None:
    bounds = ("oracle", "r_o_0.5", "zero", "privileged")
    existing = ("linear", "mlp", "c_roberta", "mlc", "knn", "kmeans", "knn_sweep", "mlp_per_model", "svm")
    rivals = (*existing, "mf", "mf_all", "routoo", "routoo_product", "irt")
    assert (*bounds, *rivals, "random", "best_single", "heuristic", "mean") == TABLE_ORDER
    assert [row.name for row in ROUTERS.values() if row.compared] == [*rivals]
    assert not row_for("r_o_0.3").compared
    assert row_for("one's own").title == "one's own"
