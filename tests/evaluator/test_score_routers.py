"""Routers that estimate scores: each beside scikit-learn or a direct version, alone, together and masked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import cosine_distances
from sklearn.neural_network import MLPRegressor
from sklearn.svm import LinearSVR
from threadpoolctl import threadpool_limits

from routerset.release.evaluator import ROUTERS, TRAINING_FREE, Release, Task, evaluate
from routerset.release.evaluator.routers import mlp_per_model
from routerset.release.evaluator.routers.cluster import SIZES, ClusterRouter
from routerset.release.evaluator.routers.estimating import train_means
from routerset.release.evaluator.routers.knn import SWEEP, NearestNeighbours
from tests.evaluator.test_metrics import make_task

NEW = ("kmeans", "knn_sweep", "svm", "mlp_per_model")
EXACT = ("kmeans", "knn_sweep", "mlp_per_model")


@pytest.fixture(autouse=True)
def few_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlp_per_model, "EPOCHS", 8)


def task_of(
    m: int = 4,
    n: int = 120,
    *,
    d: int = 6,
    n_val: int = 40,
    missing: float = 0.0,
    seed: int = 0,
    **changes: object,
) -> Task:
    """A cell in which each candidate knows some of four topics; a share of the train scores is missing."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, 4, n + n_val + 30)
    X = (rng.normal(size=(4, d))[topic] + rng.normal(0, 0.5, (len(topic), d))).astype(np.float32)
    Y = (rng.random((len(X), m)) < rng.uniform(0.1, 0.9, (4, m))[topic]).astype(np.float32)
    Y[:n][rng.random((n, m)) < missing] = np.nan
    task = make_task(Y[:n], 30)
    return replace(
        task,
        X_train=X[:n],
        X_val=X[n : n + n_val],
        X_test=X[n + n_val :],
        Y_val=Y[n : n + n_val],
        **changes,  # type: ignore[arg-type]
    )


def some_of(task: Task, *candidates: int) -> Task:
    """The cell of fewer candidates of the same items."""
    at = list(candidates)
    return replace(
        task,
        m=len(at),
        candidates=tuple(task.candidates[i] for i in at),
        Y_train=task.Y_train[:, at],
        Y_val=task.Y_val[:, at],
        labels_train=task.labels_train[:, at],
    )


def scores_of(name: str, task: Task) -> np.ndarray:
    router = ROUTERS[name].make()
    router.fit(task)
    return np.asarray(router.predict_scores(task))  # type: ignore[attr-defined]


def direct_kmeans(task: Task, k: int, X: np.ndarray) -> np.ndarray:
    model = KMeans(k, random_state=task.seed, n_init=4).fit(task.X_train)
    overall = np.nanmean(task.Y_train, axis=0)
    found = np.empty((len(X), task.m))
    for row, cluster in enumerate(model.predict(X)):
        for j in range(task.m):
            known = task.Y_train[model.labels_ == cluster, j]
            known = known[~np.isnan(known)]
            found[row, j] = known.mean() if len(known) else overall[j]
    return found


def direct_knn(task: Task, k: int, X: np.ndarray) -> np.ndarray:
    near = np.argsort(cosine_distances(X, task.X_train), axis=1)[:, :k]
    overall = np.nanmean(task.Y_train, axis=0)
    found = np.empty((len(X), task.m))
    for row, neighbours in enumerate(near):
        for j in range(task.m):
            known = [score for score in task.Y_train[neighbours, j] if not np.isnan(score)]
            found[row, j] = np.mean(known) if known else overall[j]
    return found


@pytest.mark.parametrize("missing", [0.0, 0.3, 0.95])
@pytest.mark.parametrize(
    ("name", "direct", "options"),
    [("kmeans", direct_kmeans, SIZES), ("knn_sweep", direct_knn, sorted(SWEEP))],
)
def test_k_is_the_best_on_validation_and_means_are_of_known_scores(
    name: str, direct: Callable[[Task, int, np.ndarray], np.ndarray], options: tuple[int, ...], missing: float
) -> None:
    task = task_of(missing=missing)
    fitting = [k for k in options if k <= len(task.X_train)]
    errors = [((direct(task, k, task.X_val) - task.Y_val) ** 2).sum() for k in fitting]
    best = fitting[int(np.argmin(errors))]
    assert np.allclose(scores_of(name, task), direct(task, best, task.X_test), atol=1e-6)


@pytest.mark.parametrize(("name", "middle"), [("kmeans", 20), ("knn_sweep", 16)])
def test_without_validation_scores_k_is_the_middle_one(name: str, middle: int) -> None:
    direct = {"kmeans": direct_kmeans, "knn_sweep": direct_knn}[name]
    task = task_of(n_val=0)  # 120 train items: k of 2 to 64
    expected = direct(task, middle, task.X_test)
    assert np.allclose(scores_of(name, task), expected, atol=1e-6)
    unknown = task_of()
    unknown = replace(unknown, Y_val=np.full_like(unknown.Y_val, np.nan))
    assert np.allclose(scores_of(name, unknown), direct(unknown, middle, unknown.X_test), atol=1e-6)


def test_validation_scores_that_are_not_known_do_not_choose() -> None:
    task = task_of()
    holes = task.Y_val.copy()
    holes[::3] = np.nan
    kept = np.arange(len(holes)) % 3 != 0
    fewer = replace(task, X_val=task.X_val[kept], Y_val=task.Y_val[kept])
    for name in ("kmeans", "knn_sweep"):
        assert np.array_equal(scores_of(name, replace(task, Y_val=holes)), scores_of(name, fewer))


def test_k_never_exceeds_the_training_items() -> None:
    for n in (1, 2, 3, 7):
        task = task_of(n=n)
        for name in NEW:
            assert np.isfinite(scores_of(name, task)).all()
    twins = task_of()
    twins = replace(twins, X_train=np.repeat(twins.X_train[:3], 40, axis=0))
    assert np.isfinite(scores_of("kmeans", twins)).all()


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("binary", [True, False])
def test_svm_is_linear_svr(missing: float, binary: bool) -> None:
    task = task_of(missing=missing)
    if not binary:
        spread = np.random.default_rng(1).random(task.Y_train.shape, np.float32)
        task = replace(task, Y_train=0.7 * task.Y_train + 0.3 * spread)
    expected = []
    for scores in task.Y_train.T:
        known = ~np.isnan(scores)
        model = LinearSVR(random_state=1234, tol=1e-7, max_iter=200_000)
        expected.append(model.fit(task.X_train[known], scores[known]).predict(task.X_test))
    assert np.allclose(scores_of("svm", task), np.stack(expected, axis=1), atol=0.02)


@pytest.mark.parametrize("n", [120, 450])
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_mlp_per_model_is_mlp_regressor(missing: float, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in several batches, and where it ends before the last epoch, as the loss falls no more.

    In float64: float32 tells two orders of the same items apart by 0.001, in scikit-learn's networks too.
    """
    monkeypatch.setattr(mlp_per_model, "EPOCHS", 200)
    task = task_of(2, n, missing=missing)
    always = np.where(np.isnan(task.Y_train[:, 1]), np.nan, 1)
    X, X_test = task.X_train.astype(np.float64), task.X_test.astype(np.float64)
    Y = np.stack([task.Y_train[:, 0], always], axis=1)
    task = replace(task, X_train=X, X_test=X_test, Y_train=Y)
    expected, epochs = [], []
    for scores in Y.T:
        known = ~np.isnan(scores)
        model = MLPRegressor(hidden_layer_sizes=(100,), max_iter=200, random_state=1234)
        expected.append(model.fit(X[known], scores[known]).predict(X_test))
        epochs.append(model.n_iter_)
    assert min(epochs) < max(epochs) == 200
    assert np.allclose(scores_of("mlp_per_model", task), np.stack(expected, axis=1), rtol=0, atol=1e-9)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_mlp_per_model_is_the_same_on_any_number_of_threads(missing: float) -> None:
    task = task_of(12, d=48, missing=missing)
    found = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads):
            found.append(scores_of("mlp_per_model", task))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_mlp_per_model_goes_on_for_those_of_a_block_that_have_not_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All that ends early is taken out of its block, and what is left learns as it would alone."""
    monkeypatch.setattr(mlp_per_model, "EPOCHS", 200)
    task = task_of(4, d=48)
    task = replace(task, Y_train=np.where([False, True, False, True], np.float32(1), task.Y_train))
    together = scores_of("mlp_per_model", task)
    for at in range(4):
        assert np.array_equal(together[:, [at]], scores_of("mlp_per_model", some_of(task, at)))


def test_a_large_cell_has_the_same_networks_after_fewer_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = task_of(2), task_of(4)
    large = replace(large, kind="all_weak")
    small = some_of(large, 1, 2)
    monkeypatch.setattr(mlp_per_model, "WORK", 4 * 120 * 3)
    assert (mlp_per_model.epochs_of(small), mlp_per_model.epochs_of(large)) == (6, 3)
    together = mlp_per_model.MlpPerModel()
    together.fit_all([small, large])
    for task in (small, large):
        assert np.array_equal(together.predict_scores(task), scores_of("mlp_per_model", task))
    model = MLPRegressor(hidden_layer_sizes=(100,), max_iter=3, random_state=1234)
    with pytest.warns(ConvergenceWarning):
        expected = model.fit(large.X_train, large.Y_train[:, 0]).predict(large.X_test)
    assert np.allclose(together.predict_scores(large)[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("name", NEW)
def test_cells_that_share_candidates_learn_what_each_learns_alone(name: str, missing: float) -> None:
    large = task_of(90 if name == "svm" else 12, missing=missing)
    cells = [large, some_of(large, 11, 3, 7), replace(some_of(large, 3, 4, 5), kind="all_weak")]
    together = ROUTERS[name].make()
    together.fit_all(cells)  # type: ignore[attr-defined]
    for task in cells:
        got = together.predict_scores(task)  # type: ignore[attr-defined]
        if name in EXACT:
            assert np.array_equal(got, scores_of(name, task))
        else:  # matrix products of other positions may round differently
            assert np.allclose(got, scores_of(name, task), atol=1.5e-3)


@pytest.mark.parametrize("name", NEW)
def test_a_candidate_is_learnt_from_its_known_scores_alone(name: str) -> None:
    """What a candidate scored where it has no score is not 0, and touches no other candidate."""
    task = task_of(missing=0.2)
    changed = task.Y_train.copy()
    changed[:, 0] = 1 - changed[:, 0]
    if name in ("kmeans", "knn_sweep"):  # one k for all of a cell
        task = replace(task, Y_val=np.full_like(task.Y_val, np.nan))
    before, after = scores_of(name, task), scores_of(name, replace(task, Y_train=changed))
    assert np.allclose(before[:, 1:], after[:, 1:], atol=1e-6)
    assert not np.allclose(before[:, 0], after[:, 0], atol=1e-2)
    filled = scores_of(name, replace(task, Y_train=np.nan_to_num(task.Y_train)))
    assert before.mean() > filled.mean() + 0.02


@pytest.mark.parametrize("name", NEW)
def test_a_candidate_without_any_score_gets_the_mean_of_the_others(name: str) -> None:
    task = task_of(missing=0.2)
    Y = task.Y_train.copy()
    Y[:, 2] = np.nan
    got = scores_of(name, replace(task, Y_train=Y))
    assert np.allclose(got[:, 2], np.nanmean(Y))
    assert np.isfinite(got).all()
    nothing = np.full_like(Y, np.nan)
    assert (scores_of(name, replace(task, Y_train=nothing)) == 0.5).all()
    assert (train_means(nothing) == 0.5).all()


@pytest.mark.parametrize("name", NEW)
def test_a_router_is_deterministic_and_sees_no_test_score(name: str) -> None:
    task = task_of()
    first = scores_of(name, task)
    assert np.array_equal(first, scores_of(name, task))
    assert not ROUTERS[name].sees_test_scores
    shown = replace(task, Y_test=np.random.default_rng(0).random((30, task.m), np.float32))
    assert np.array_equal(first, scores_of(name, shown))
    assert first.shape == (30, task.m)


@pytest.mark.parametrize("name", NEW)
def test_nothing_is_chosen_by_test_items(name: str) -> None:
    """An item's estimates are the same whatever other items are asked about."""
    task = task_of(missing=0.2)
    fewer = replace(task, X_test=task.X_test[:9] + 0, test_items=task.test_items[:9])
    assert np.allclose(scores_of(name, fewer), scores_of(name, task)[:9], atol=1.5e-3)


@pytest.mark.parametrize("name", ["kmeans", "mlp_per_model"])
def test_what_is_random_follows_the_seed(name: str) -> None:
    task = task_of()
    assert not np.array_equal(scores_of(name, task), scores_of(name, replace(task, seed=7)))


def test_the_published_settings_are_what_they_were() -> None:
    """C-RoBERTa and PRknn are one k of the same classes, and the default set of routers has no more."""
    task = task_of(binary=False)
    task = replace(task, Y_train=np.random.default_rng(3).random(task.Y_train.shape, np.float32))
    knn = NearestNeighbours()
    knn.fit(task)
    near = np.argsort(cosine_distances(task.X_test, task.X_train), axis=1)[:, :5]
    assert np.array_equal(knn.predict_scores(task), task.Y_train[near].mean(axis=1, dtype=np.float64))
    cluster = ClusterRouter()
    cluster.fit(task)
    assert np.allclose(cluster.predict_scores(task), direct_kmeans(task, 3, task.X_test), atol=1e-6)
    assert TRAINING_FREE == ("oracle", "r_o_0.5", "random", "best_single", "mean", "c_roberta", "knn")


@pytest.mark.parametrize("name", [*NEW, "linear", "mlp", "privileged", "mean"])
def test_every_estimate_is_finite_and_orders_candidates_as_the_probabilities(
    toy: Release, quick: None, name: str
) -> None:
    rows = evaluate(toy, [name], sizes=[3], resamples=0).rows
    assert all(0 <= (row.metrics["mu_o"].value or 0.0) <= 1 for row in rows)
    if name == "kmeans":
        return  # its choice follows the cluster, not the most probable candidate
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    class Spy:
        uses_vectors = ROUTERS[name].uses_vectors
        sees_test_scores = ROUTERS[name].sees_test_scores

        def fit(self, task: Task) -> None:
            self.router = ROUTERS[name].make()
            self.router.fit(task)

        def predict_proba(self, task: Task) -> np.ndarray:
            probabilities = np.asarray(self.router.predict_proba(task))
            seen.append((probabilities, np.asarray(self.router.predict_scores(task))))  # type: ignore[attr-defined]
            return probabilities

    evaluate(toy, [Spy], sizes=[3], resamples=0)
    assert seen
    for probabilities, scores in seen:
        assert scores.shape == probabilities.shape
        assert np.isfinite(scores).all()
        ahead = probabilities[:, :, None] > probabilities[:, None] + 1e-6
        assert (scores[:, :, None] >= scores[:, None])[ahead].all()
