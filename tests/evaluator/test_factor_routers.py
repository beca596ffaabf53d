"""Routers by factors: their training is what autograd and torch's Adam give, and what each can and cannot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from routerset.release.evaluator import ROUTERS, TRAINING_FREE, Release, Task, evaluate, load_release
from routerset.release.evaluator.errors import LeftOut
from routerset.release.evaluator.everyone import complete
from routerset.release.evaluator.items import load_items
from routerset.release.evaluator.routers import factors, mf
from routerset.release.evaluator.routers.factors import FactorRouter, loss_gradient, spread
from routerset.release.evaluator.routers.irt import ItemResponse
from routerset.release.evaluator.routers.mf import MatrixFactors, MatrixFactorsOfAll
from routerset.release.evaluator.routers.routoo import Routoo
from routerset.release.evaluator.task import Everyone
from routerset.release.evaluator.tasks import make_tasks, with_everyone, with_test_scores
from tests.evaluator.releases import random_fixture, write_release
from tests.evaluator.test_metrics import make_task
from tests.evaluator.test_promises import reachable

NAMES = ("mf", "mf_all", "routoo", "routoo_product", "irt")
FORMS = {
    "mf": MatrixFactors(),
    "routoo": Routoo(),
    "routoo_product": Routoo("product"),
    "irt": ItemResponse(),
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mf, "FACTORS", 24)


def fitted(name: str, tasks: Sequence[Task]) -> FactorRouter:
    router = ROUTERS[name].make()
    assert isinstance(router, FactorRouter)
    router.fit_all(tasks)
    return router


def tasks_of(release: Release, benchmark: str = "toy") -> list[Task]:
    groups = release.groups_of(benchmark, "paper")
    items = load_items(release, benchmark, groups, "minilm", "paper")
    return with_everyone(make_tasks(items, groups, encoder="minilm"), items)


def world(
    chance: np.ndarray, X: np.ndarray, *, others: int = 0, cut: tuple[int, int] = (600, 800)
) -> tuple[Task, np.ndarray]:
    """A task whose items have vectors X, and scores by chance, (n, models); and all that would be right.

    others: how many of the models are no candidates.
    """
    rng = np.random.default_rng(1)
    S = (rng.random(chance.shape) < chance).astype(np.float32)
    X = X.astype(np.float32)
    train, val, test = np.split(S[:, : S.shape[1] - others], cut)
    everyone = Everyone(tuple(f"org/{i}" for i in range(S.shape[1])), *np.split(S, cut)[:2])
    task = make_task(
        train,
        n_test=len(test),
        X_train=X[: cut[0]],
        X_val=X[cut[0] : cut[1]],
        X_test=X[cut[1] :],
        Y_val=val,
        read_everyone=lambda: everyone,
    )
    return task, chance[cut[1] :, : train.shape[1]]


def topics(models: int, strength: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Chances of models that are each good at some topics, (n, models), and vectors that tell the topic."""
    rng = np.random.default_rng(0)
    topic = rng.integers(0, 4, 1200)
    X = np.eye(4)[topic] @ rng.normal(size=(4, 16)) + rng.normal(0, 0.3, (1200, 16))
    logit = rng.normal(0, 0.5, models) + strength * rng.normal(size=(4, models))[topic]
    return 1 / (1 + np.exp(-logit)), X


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("partial", [False, True])
def test_gradients_are_those_of_finite_differences(name: str, partial: bool) -> None:
    rng = np.random.default_rng(3)
    form = FORMS[name]
    x, scores = rng.normal(size=(7, 5)), rng.random((7, 4))  # soft targets
    if partial:
        scores[rng.random(scores.shape) < 0.3] = np.nan
    weights = {
        key: value.astype(np.float64) + rng.normal(0, 0.3, value.shape)
        for key, value in form.start(5, 4, rng).items()
    }

    def loss() -> float:
        items, models, offset = form.factors(weights, x)
        p = 1 / (1 + np.exp(-(items @ models.T + offset)))
        return float(np.nanmean(-(scores * np.log(p) + (1 - scores) * np.log(1 - p))))

    found = loss_gradient(form, weights, x, scores, partial)
    assert found.keys() == weights.keys()
    for key, value in weights.items():
        for place in np.ndindex(value.shape):
            kept, ends = value[place], []
            for moved in (kept + 1e-5, kept - 1e-5):
                value[place] = moved
                ends.append(loss())
            value[place] = kept
            assert found[key][place] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=2e-6)


def test_mf_training_is_that_of_torch_on_pairs_of_item_and_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model of EmbedLLM's public code: embeddings, two layers, two classes, cross-entropy by pairs."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(factors, "EPOCHS", 3)
    monkeypatch.setattr(MatrixFactors, "noise", 0.0)
    chance, X = topics(3)
    task, _ = world(chance, X)
    task = replace(task, Y_val=task.Y_val[:0], X_val=task.X_val[:0])
    first = MatrixFactors().start(16, 3, np.random.default_rng(task.stream))
    weights = {key: torch.tensor(value, requires_grad=True) for key, value in first.items()}
    mean, scale = spread(task.X_train)
    x, test = (torch.tensor((side - mean) * scale) for side in (task.X_train, task.X_test))

    def logits(x: object, item: object, model: object) -> object:
        hidden = x[item] @ weights["W1"] + weights["b1"]  # type: ignore[index]
        return (weights["models"][model] * hidden) @ weights["W2"].T + weights["b2"]

    optimiser = torch.optim.Adam(weights.values(), lr=MatrixFactors.rate, weight_decay=MatrixFactors.decay)
    rng = np.random.default_rng(task.seed)
    for _ in range(3):
        for rows in np.array_split(rng.permutation(600), factors.BATCHES):
            item, model = (torch.tensor(side.ravel()) for side in np.meshgrid(rows, range(3)))
            labels = torch.tensor(task.Y_train)[item, model].long()
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(logits(x, item, model), labels).backward()
            optimiser.step()
    item, model = (torch.tensor(side.ravel()) for side in np.meshgrid(range(len(test)), range(3)))
    both = logits(test, item, model).detach().numpy()  # type: ignore[attr-defined]
    expected = (both[:, 1] - both[:, 0]).reshape(3, -1).T
    assert np.allclose(fitted("mf", [task]).logits[task.cell], expected, atol=2e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("benchmark", ["toy", "soft"])
def test_cells_are_learnt_together_as_alone(
    toy: Release, monkeypatch: pytest.MonkeyPatch, name: str, benchmark: str
) -> None:
    monkeypatch.setattr(factors, "EPOCHS", 12)
    tasks = tasks_of(toy, benchmark)
    together = fitted(name, tasks)
    for task in tasks:
        alone = fitted(name, [task])
        assert np.array_equal(together.predict_scores(task), alone.predict_scores(task))
        assert np.array_equal(together.predict_proba(task), alone.predict_proba(task))


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_alone_decides(toy: Release, name: str) -> None:
    task = tasks_of(toy)[0]
    found = [fitted(name, [replace(task, seed=seed)]).predict_scores(task) for seed in (0, 0, 1)]
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_expected_scores_and_order_candidates_as_probabilities_do(toy: Release, name: str) -> None:
    for task in tasks_of(toy, "soft")[:2]:
        router = fitted(name, [task])
        scores, probabilities = router.predict_scores(task), router.predict_proba(task)
        assert scores.shape == probabilities.shape == (task.n_test, task.m)
        assert scores.dtype == np.float64
        assert ((scores > 0) & (scores < 1)).all()
        assert np.array_equal(scores.argmax(axis=1), probabilities.argmax(axis=1))
        assert np.allclose(probabilities.sum(axis=1), 1)
        assert np.abs(scores.mean(axis=0) - task.Y_train.mean(axis=0)).max() < 0.25


@pytest.mark.parametrize("name", FORMS)
def test_unknown_scores_have_no_loss(name: str) -> None:
    rng = np.random.default_rng(0)
    form = FORMS[name]
    x, scores = rng.normal(size=(20, 5)).astype(np.float32), rng.random((20, 4)).astype(np.float32)
    weights = {k: v + np.float32(0.1) for k, v in form.start(5, 4, rng).items()}
    without = loss_gradient(form, weights, x[:12], scores[:12], False)
    masked = scores.copy()
    masked[12:] = np.nan
    found = loss_gradient(form, weights, x, masked, True)
    assert all(np.allclose(found[key], without[key], atol=1e-6) for key in without)
    nothing = loss_gradient(form, weights, x, np.full_like(scores, np.nan), True)
    assert all((value == 0).all() for value in nothing.values())


@pytest.mark.parametrize("name", ["mf", "routoo_product"])
def test_a_router_learns_from_the_scores_that_are_known(name: str) -> None:
    chance, X = topics(4)
    task, ideal = world(chance, X)
    rng = np.random.default_rng(5)
    hide = [np.where(rng.random(Y.shape) < 0.3, np.nan, Y) for Y in (task.Y_train, task.Y_val)]
    found = fitted(name, [replace(task, Y_train=hide[0], Y_val=hide[1])]).predict_scores(task)
    # as a score of 0 the unknown would lower every mean by 0.3 of it
    assert np.abs(found.mean(axis=0) - ideal.mean(axis=0)).max() < 0.06


@pytest.mark.parametrize("name", ["mf", "mf_all", "routoo_product"])
def test_routers_on_items_find_who_is_good_at_what(name: str) -> None:
    chance, X = topics(24)
    task, ideal = world(chance, X, others=20)
    chosen = fitted(name, [task]).predict_proba(task).argmax(axis=1)
    routed = ideal[np.arange(len(ideal)), chosen].mean()
    single, oracle = ideal.mean(axis=0).max(), ideal.max(axis=1).mean()
    assert routed > single + 0.7 * (oracle - single) > single + 0.05


def test_routoo_as_printed_has_one_order_of_models_and_the_product_many() -> None:
    chance, X = topics(5)
    task, _ = world(chance, X)
    orders = {
        name: np.unique(fitted(name, [task]).predict_scores(task).argsort(axis=1), axis=0)
        for name in ("routoo", "routoo_product")
    }
    assert len(orders["routoo"]) == 1
    assert len(orders["routoo_product"]) > 3
    order = np.argsort(task.Y_train.mean(axis=0))
    assert np.array_equal(orders["routoo"][0], order)
    with pytest.raises(ValueError, match="interaction 'sum': expected difference or product"):
        Routoo("sum")


def test_irt_recovers_planted_abilities_difficulties_and_discriminations() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4200, 6)) / 6**0.5
    ability = np.linspace(-1.5, 1.5, 8)
    difficulty, a = 2 * X[:, :1], np.logaddexp(0, 1 + 3 * X[:, 1:2])
    task, ideal = world(1 / (1 + np.exp(-a * (ability - difficulty))), X, cut=(3000, 3600))
    router = fitted("irt", [task])
    found = router.predict_scores(task)
    assert len(np.unique(found.argsort(axis=1), axis=0)) == 1  # a > 0: one order of models for every item
    assert np.array_equal(found[0].argsort(), np.arange(8))
    logits = router.logits[task.cell]
    slope = logits[:, -1] - logits[:, 0]  # a times the span of abilities
    middle = -logits.mean(axis=1) / slope  # difficulty, moved and scaled
    assert np.corrcoef(slope, a[3600:, 0])[0, 1] > 0.9
    assert np.corrcoef(middle, difficulty[3600:, 0])[0, 1] > 0.9
    assert np.abs(found - ideal).mean() < 0.05


def test_validation_picks_the_epoch_and_without_it_all_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    chance, X = topics(3, strength=0.0)  # nothing in the vectors, so that more epochs only overfit
    X = np.random.default_rng(0).normal(size=(1200, 64))
    task, _ = world(chance, X, cut=(200, 700))
    stopped = fitted("mf", [task]).predict_scores(task)
    blind = fitted("mf", [replace(task, X_val=task.X_val[:0], Y_val=task.Y_val[:0])]).predict_scores(task)
    assert stopped.std(axis=0).mean() < 0.5 * blind.std(axis=0).mean()
    unknown = fitted("mf", [replace(task, Y_val=np.full_like(task.Y_val, np.nan))]).predict_scores(task)
    assert np.array_equal(unknown, blind)


@pytest.mark.parametrize("name", NAMES)
def test_few_items_and_items_that_are_all_the_same(name: str) -> None:
    everyone = Everyone(("org/0", "org/1"), np.eye(2, dtype=np.float32), np.zeros((0, 2), np.float32))
    task = make_task(np.eye(2), read_everyone=lambda: everyone)
    for vectors in (task.X_train, np.ones((2, 1), np.float32)):
        found = fitted(name, [replace(task, X_train=vectors)]).predict_scores(task)
        assert found.shape == (4, 2)
        assert np.isfinite(found).all()


def test_vectors_of_any_scale_are_learnt_alike() -> None:
    chance, X = topics(3)
    plain, scaled = (world(chance, vectors)[0] for vectors in (X, 1000 * X + 5))
    expected, found = (fitted("routoo_product", [task]).predict_scores(task) for task in (plain, scaled))
    assert np.abs(found - expected).max() < 0.02


def test_a_router_of_all_models_is_shown_their_scores_but_those_of_test(toy: Release) -> None:
    seen: list[Task] = []

    class Curious:
        uses_all_models = True

        def fit(self, task: Task) -> None:
            seen.append(task)

        def predict_proba(self, task: Task) -> np.ndarray:
            return np.full((task.n_test, task.m), 1 / task.m)

    class Plain(Curious):
        uses_all_models = False

    evaluate(toy, [Curious, Plain, "oracle"], benchmarks=["toy"], sizes=[3], resamples=0)
    assert [task.read_everyone is not None for task in seen] == [True] * 3 + [False] * 3
    groups = toy.groups_of("toy", "paper")
    items = load_items(toy, "toy", groups, "minilm", "paper")
    (bound, *_) = with_test_scores(make_tasks(items, groups, encoder="minilm"), items, groups)
    assert bound.read_everyone is not None
    everything = bound.read_everyone()
    assert everything.test is not None
    hidden = [everything.test, *(items.parts["test"].scores[g] for g in groups)]
    for task in seen[:3]:
        assert task.Y_test is None
        assert task.read_everyone is not None
        everyone = task.read_everyone()
        assert everyone.test is None
        assert len(everyone.models) == 40
        own = [everyone.models.index(model) for model in task.candidates]
        assert np.array_equal(everyone.train[:, own], task.Y_train)
        assert np.array_equal(everyone.validation[:, own], task.Y_val)
        found = list(reachable((task, everyone), {}))
        assert not any(type(value).__name__ in ("Release", "Items", "Part") for value in found)
        for array in (value for value in found if isinstance(value, np.ndarray)):
            assert not {array.shape} & {(120, 40), (40, 120)}  # of all splits
            assert not any(np.array_equal(array, other) or np.array_equal(array, other.T) for other in hidden)


def test_test_scores_change_no_prediction_of_mf_all(tmp_path: Path) -> None:
    fixture = random_fixture(ms=(3,))
    altered = fixture.scores.copy()
    test = fixture.splits["paper"] == "test"
    altered[:, test] = 1 - altered[:, test]
    found = []
    for place, scores in enumerate((fixture.scores, altered)):
        (tmp_path / str(place)).mkdir()
        release = load_release(write_release(tmp_path / str(place), [replace(fixture, scores=scores)]))
        tasks = tasks_of(release)
        found.append([fitted("mf_all", tasks).predict_scores(task) for task in tasks])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


def test_models_that_miss_scores_teach_what_they_have(tmp_path: Path) -> None:
    path = write_release(tmp_path, [random_fixture(ms=(3,))])
    release = load_release(path)
    held = {model for group in release.groups for model in group.candidates}
    others = sorted({f"org/model-{i:04d}" for i in range(40)} - held)
    table = pq.read_table(file := path / "scores" / "toy.parquet")
    sides = np.concatenate(
        [
            np.full(pq.read_metadata(path / "data" / "toy" / f"{s}.parquet").num_rows, s)
            for s in ("train", "validation", "test")
        ]
    )
    items = np.concatenate(
        [
            pq.read_table(path / "data" / "toy" / f"{s}.parquet")["item"].to_numpy()
            for s in ("train", "validation", "test")
        ]
    )
    tested = items[sides == "test"]
    model, item = table["model_id"].cast("string"), table["item"].to_numpy()
    some = pc.equal(model, others[0]).to_numpy() & (item % 2 == 0)
    learnt = pc.equal(model, others[1]).to_numpy() & ~np.isin(item, tested)  # is left with test scores alone
    pq.write_table(table.filter(~(some | learnt)), file)
    task = tasks_of(release)[0]
    assert task.read_everyone is not None
    everyone = task.read_everyone()
    assert others[1] not in everyone.models
    column = everyone.models.index(others[0])
    assert 0 < np.isnan(everyone.train[:, column]).sum() < len(everyone.train)
    assert np.isnan(everyone.train).sum() == np.isnan(everyone.train[:, column]).sum()
    assert complete(everyone).models == tuple(m for m in everyone.models if m != others[0])
    assert np.isfinite(fitted("mf_all", [task]).predict_scores(task)).all()
    with pytest.raises(LeftOut, match="no model has a score on every item"):
        complete(replace(everyone, train=np.full_like(everyone.train, np.nan)))


def test_mf_all_says_what_it_lacks() -> None:
    with pytest.raises(ValueError, match=r"needs task\.read_everyone"):
        MatrixFactorsOfAll().fit(make_task(np.eye(2)))


@pytest.mark.parametrize("options", [{}, {"compat": True}, {"track": "unseen"}])
def test_they_run_where_they_are_named_and_nowhere_else(
    toy: Release, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> None:
    assert not {*NAMES} & {*TRAINING_FREE}
    assert all(ROUTERS[name].trained for name in NAMES)
    monkeypatch.setattr(factors, "EPOCHS", 2)
    found = evaluate(toy, NAMES, sizes=[3], resamples=0, **options)  # type: ignore[arg-type]
    assert {row.router for row in found.rows} == {*NAMES}
    assert not any(row.sees_test_scores for row in found.rows)
    assert json.dumps([row.to_dict() for row in found.rows])
