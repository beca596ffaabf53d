"""Fast numbers are those that a direct count gives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from routerset.release.auditing.dominance import mean_ranks
from routerset.release.auditing.duplicates import by_cosine, by_text, disagreement
from routerset.release.auditing.halves import SPLITS, category_sums, halves
from routerset.release.auditing.pruning import prune
from routerset.release.auditing.similarity import average, jaccard, largest, residual
from routerset.release.auditing.specialists import Budgets, scores_of
from tests.auditing.worlds import rasch, subject


def slow_jaccard(scores: np.ndarray) -> np.ndarray:
    n = len(scores)
    found = np.ones((n, n))
    for i in range(n):
        for k in range(n):
            either = (scores[i] | scores[k]).sum()
            found[i, k] = (scores[i] & scores[k]).sum() / either if either else 1.0
    return found


def slow_specialist(scores: np.ndarray, mine: np.ndarray, costs: np.ndarray) -> float:
    """Of one category, from the definition."""
    budgets = sorted(set(costs.tolist()))
    total, weights = 0.0, 0.0
    for at, b in enumerate(budgets):
        paid = [i for i in range(len(costs)) if costs[i] <= b]
        if len(paid) < 2:
            continue
        gen = max(paid, key=lambda i: (scores[i].sum(), -i))
        best = max(scores[i][mine].mean() for i in paid if i != gen)
        weight = budgets[at + 1] - b if at + 1 < len(budgets) else 0.0
        total += weight * (best - scores[gen][mine].mean())
        weights += weight
    return total / weights


def test_jaccard() -> None:
    scores = rasch(0, 40, 90).scores
    scores[:2] = 0
    assert jaccard(scores) == pytest.approx(slow_jaccard(scores), abs=1e-6)


def test_specialist_scores_over_budgets() -> None:
    world = rasch(1, 30)
    costs = np.random.default_rng(0).integers(1, 12, 30).astype(float)
    sums, sizes = category_sums(world)
    found, _ = scores_of(sums, sizes, sums, sizes, Budgets.of(costs, 30))
    expected = [slow_specialist(world.scores, world.categories == t, costs) for t in range(len(world.names))]
    assert found == pytest.approx(expected)


def test_specialist_scores_without_costs() -> None:
    world = rasch(2, 30)
    sums, sizes = category_sums(world)
    found, who = scores_of(sums, sizes, sums, sizes, Budgets.of(None, 30))
    gen = int(world.scores.sum(axis=1).argmax())
    for t in range(len(world.names)):
        accuracy = world.scores[:, world.categories == t].mean(axis=1)
        rest = np.delete(accuracy, gen)
        assert found[t] == pytest.approx(rest.max() - accuracy[gen])
        assert accuracy[who[t]] == rest.max()
        assert who[t] != gen


def test_halves_cut_every_category_in_two() -> None:
    world = rasch(3, 10, 6 * 21)
    sums, sizes = category_sums(world)
    count = 0
    for one, n_one, other, n_other in halves(world):
        assert np.array_equal(one + other, sums)
        assert np.array_equal(n_one + n_other, sizes)
        assert set(np.abs(n_one - n_other).tolist()) == {1.0}
        count += 1
    assert count == 2 * SPLITS


def test_mean_ranks() -> None:
    world = rasch(4, 12)
    accuracy = [world.scores[:, world.categories == t].mean(axis=1) for t in range(len(world.names))]
    assert mean_ranks(world) == pytest.approx(np.mean([rankdata(-each) for each in accuracy], axis=0))


def test_disagreement() -> None:
    scores = rasch(5, 8, 60).scores
    groups = [np.array([0, 1, 2]), np.array([5, 9])]
    pairs = [(0, 1), (0, 2), (1, 2), (5, 9)]
    expected = np.mean([[row[a] != row[b] for a, b in pairs] for row in scores])
    anywhere = np.mean([any(len(set(row[group].tolist())) > 1 for row in scores) for group in groups])
    assert disagreement(scores, groups) == pytest.approx((anywhere, expected))


def test_cosines_join_in_chains_of_near_ones() -> None:
    vectors = rasch(6, 4, 60).vectors
    assert vectors is not None
    angles = np.arccos(0.9995) * np.arange(3)
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(32, 2)))[0].T
    for at, angle in zip((3, 30, 55), angles.tolist(), strict=True):
        vectors[at] = np.cos(angle) * axes[0] + np.sin(angle) * axes[1]
    assert vectors[3] @ vectors[55] < 0.999
    assert [group.tolist() for group in by_cosine(vectors)] == [[3, 30, 55]]
    assert [group.tolist() for group in by_text(np.array([1, 0, 1, 2, 0, 1]))] == [[0, 2, 5], [1, 4]]


@pytest.mark.parametrize("similarity", ["jaccard", "residual"])
@pytest.mark.parametrize("lam", [0.0, 0.5, 0.8, 1.0])
def test_pruning_step_by_step(similarity: str, lam: float) -> None:
    scores = rasch(7, 25, 120).scores
    scores[7] = scores[3]  # equal models: the later one goes first
    alike = (jaccard if similarity == "jaccard" else residual)(scores).astype(float)
    accuracy = scores.mean(axis=1)
    alive, expected = list(range(25)), []
    while len(alive) > 1:
        worth = {}
        for i in alive:
            others = [alike[i, k] for k in alive if k != i]
            near = max(others) if similarity == "residual" else float(np.mean(others))
            worth[i] = lam * accuracy[i] - (1 - lam) * near
        least = min(worth.values())
        gone = max(i for i in alive if worth[i] <= least + 1e-9)
        alive.remove(gone)
        expected.append(gone)
    assert prune(scores, lam, similarity).tolist() == [*expected, *alive]


def test_pruning_says_what_it_takes() -> None:
    scores = rasch(7, 5, 60).scores
    with pytest.raises(ValueError, match="jaccard, residual"):
        prune(scores, 0.5, "cosine")
    with pytest.raises(ValueError, match="0 to 1"):
        prune(scores, 1.5)


def test_similarity_of_numbers_is_that_of_bits_where_they_are() -> None:
    scores = rasch(8, 10, 60).scores
    for of in (jaccard, residual):
        assert of(scores.astype(np.float32)) == pytest.approx(of(scores), abs=1e-6)
    assert average(jaccard(scores)) == pytest.approx(
        [np.delete(row, i).mean() for i, row in enumerate(jaccard(scores))]
    )
    assert largest(jaccard(scores)).tolist() == [np.delete(r, i).max() for i, r in enumerate(jaccard(scores))]


def test_scores_between_0_and_1_have_no_twin_world() -> None:
    from routerset.release.auditing.audit import audit

    rng = np.random.default_rng(0)
    found = audit(subject(rng.random((12, 120)).astype(np.float32)))
    assert found.null is None
    for finding in found.findings.values():
        for name, value in finding.values.items():
            if value is None:
                assert finding.why_not or name == "costs", name
