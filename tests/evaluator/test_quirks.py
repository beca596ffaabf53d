"""ROUTEREVAL.md, "Where paper and code disagree", points 4 to 8: what compat gives, and what we give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from routerset.release.evaluator import ROUTERS, DataError, Task, evaluate, load_release
from routerset.release.evaluator.items import load_items
from routerset.release.evaluator.metrics import choose, entropy
from routerset.release.evaluator.routers.mlc import selection_probabilities
from routerset.release.evaluator.tasks import make_tasks
from tests.evaluator.releases import SPLITS, Fixture, paper_sides, random_fixture, write_release
from tests.evaluator.test_metrics import make_task


def fitted(name: str, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and choices of a router on one task."""
    router = ROUTERS[name].make()
    router.fit(task)
    probabilities = router.predict_proba(task)
    return probabilities, choose(probabilities, task)


@pytest.mark.parametrize(("compat", "chosen"), [(True, 0), (False, 2)])
def test_point_4_knn_ties_go_to_the_weakest_or_to_the_best_on_train(compat: bool, chosen: int) -> None:
    near, far = [[1, 1, 1]] * 5, [[0, 0, 1]] * 5
    angles = np.concatenate([np.linspace(0, 0.1, 5), np.linspace(1, 1.2, 5)])
    X = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    task = make_task(near + far, n_test=1, X_train=X, X_test=X[:1], compat=compat)
    probabilities, choice = fitted("knn", task)
    assert probabilities[0] == pytest.approx([1 / 3] * 3)
    assert choice.tolist() == [chosen]


@pytest.mark.parametrize(("m", "floor"), [(3, 1.407), (5, 2.147)])
@pytest.mark.parametrize("compat", [True, False])
def test_point_5_knn_cannot_be_sure_of_anything(m: int, floor: float, compat: bool) -> None:
    never_varies = np.zeros((6, m))
    never_varies[:, : m // 2] = 1  # the number of certain winners for which softmax is sharpest
    task = make_task(never_varies, X_train=np.eye(6, 2, dtype=np.float32), X_test=np.ones((4, 2), np.float32))
    probabilities, choice = fitted("knn", task)
    assert entropy(probabilities).mean() == pytest.approx(floor, abs=5e-4)
    # The marginal entropy of the choices, which we report beside it, tells that nothing varies.
    assert len(set(choice.tolist())) == 1


@pytest.mark.parametrize("compat", [True, False])
def test_point_5_the_entropy_of_c_roberta_is_capped_at_log2_3(tmp_path: Path, compat: bool) -> None:
    release = load_release(write_release(tmp_path, [random_fixture(ms=(10,))]))
    rows = evaluate(release, ["c_roberta", "random"], compat=compat, resamples=0).rows
    for row in rows:
        cap = np.log2(3) if row.router == "c_roberta" else np.log2(10)
        assert (row.metrics["e_p"].value or 0) <= cap + 1e-6
        assert (row.metrics["marginal_entropy"].value or 0) <= cap + 1e-6


def test_point_5_mlc_without_a_positive_logit() -> None:
    logits = np.array([[-2.0, -1.0, -3.0], [1.0, 3.0, -1.0]])
    compat = selection_probabilities(logits, compat=True)
    assert compat.tolist() == [[1, 0, 0], [0.25, 0.75, 0]]
    assert entropy(compat)[0] == 0
    ours = selection_probabilities(logits)
    assert ours.argmax(axis=1).tolist() == [1, 1]
    assert (entropy(ours) > 0).all()
    assert ours.sum(axis=1) == pytest.approx([1, 1])


@pytest.mark.parametrize("compat", [True, False])
def test_point_6_nan_is_an_error_where_the_reference_drops_it(tmp_path: Path, compat: bool) -> None:
    class Broken:
        def fit(self, task: Task) -> None:
            """Nothing."""

        def predict_proba(self, task: Task) -> np.ndarray:
            logits = np.zeros((task.n_test, task.m))
            logits[0, 0] = np.inf
            with np.errstate(invalid="ignore"):
                weights = np.exp(logits - logits.max(axis=1, keepdims=True))
            return weights / weights.sum(axis=1, keepdims=True)

    release = load_release(write_release(tmp_path, [random_fixture()]))
    items = load_items(release, "toy", release.groups_of("toy", "paper"), "minilm", "paper")
    task = make_tasks(items, release.groups_of("toy", "paper"), encoder="minilm")[0]
    p = Broken().predict_proba(task)
    terms = np.where(p > 1e-10, p * np.log2(p), 0)  # the reference's formula
    assert -terms.sum() / len(p) == pytest.approx(
        np.log2(3) * (1 - 1 / len(p))
    )  # a plausible number, and wrong
    with pytest.raises(DataError, match=r"router 'Broken' on toy, m=3, all_strong: item toy-.* sum to nan"):
        evaluate(release, [Broken], compat=compat)


def test_point_7_nested_subsets_leak_into_the_paper_split(tmp_path: Path) -> None:
    """As in GPQA: diamond is inside main is inside extended, and each is split by itself."""
    sizes = {"diamond": 40, "extended": 120, "main": 80}
    fixture = random_fixture("gpqa", sizes=sizes)
    families = [f"q{i}" for n in sizes.values() for i in range(n)]
    sides = np.array(SPLITS, dtype=object)[[min(2, max(0, int(f[1:]) % 10 - 7)) for f in families]]
    # Twins have the same vector and the same answers.
    twins = [next(i for i, other in enumerate(families) if other == f) for f in families]
    fixture.scores = fixture.scores[:, twins]
    fixture.vectors = {e: X[twins] for e, X in fixture.vectors.items()}
    fixture.families = families
    fixture.splits["family"] = sides
    release = load_release(write_release(tmp_path, [fixture]))
    names = np.array(families)
    leaked = {
        scheme: np.isin(names[sides == "test"], names[sides == "train"]).mean()
        for scheme, sides in fixture.splits.items()
    }
    assert leaked["paper"] > 0.5
    assert leaked["family"] == 0
    paper, family = (evaluate(release, ["knn"], scheme=s).means for s in ("paper", "family"))
    for a, b in zip(paper, family, strict=True):
        assert (a.metrics["mu_o"].value or 0) > (b.metrics["mu_o"].value or 0)  # it had the answers by heart


def test_point_8_the_best_single_model_on_test_is_not_the_one_on_train(tmp_path: Path) -> None:
    sides, _ = paper_sides([100])
    scores = np.zeros((3, 100), np.float32)
    scores[0, sides == "train"] = 1
    test = np.flatnonzero(sides == "test")
    scores[0, test[:2]] = 1
    scores[1, test[:8]] = 1
    fixture = Fixture(
        "toy",
        scores,
        {"minilm": np.ones((100, 2), np.float32)},
        {("paper", 3, "all_strong"): [0, 1, 2]},
        {"paper": sides},
    )
    row = evaluate(load_release(write_release(tmp_path, [fixture])), ["best_single"]).rows[0]
    assert row.metrics["mu_o"].value == 0.2
    assert row.best_single_score == 0.8
    assert row.metrics["v_b"].value == 0.25  # the paper's: over a choice nobody could make
    assert row.metrics["v_b_train"].value == 1.0


def test_where_scores_are_continuous_the_reference_trains_on_labels(tmp_path: Path) -> None:
    fixture = random_fixture(binary=False, ms=(3,))
    order = paper_sides([70, 50])[0]
    failed = int(np.flatnonzero(order == "train")[0])
    fixture.scores[:, failed] = 0
    release = load_release(write_release(tmp_path, [fixture]))
    groups = release.groups_of("toy", "paper")
    items = load_items(release, "toy", groups, "minilm", "paper")
    ours, compat = (make_tasks(items, groups, encoder="minilm", compat=c)[0] for c in (False, True))
    assert not ours.labels_train[0].any()
    assert set(np.unique(compat.Y_train)) == {0, 1}
    assert (compat.labels_train == 1).all(axis=1).any()
    assert not np.isin(ours.Y_train, (0, 1)).all()
    row = int(np.flatnonzero((compat.X_train == ours.X_train[0]).all(axis=1))[0])
    assert compat.labels_train[row].tolist() == [1, 1, 1]
