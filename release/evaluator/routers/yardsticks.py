"""Routers that no prompt can teach: the oracle and its mixtures, random, best single, and the train mean."""

from __future__ import annotations

import numpy as np

from ..metrics import one_hot, preferred, softmax
from ..task import Floats, Task


class Oracle:
    """r_o(p): the best candidate of each item with probability p, else a random one (RouterEval, equation 2).

    Its mean score is the expectation itself, which the reference estimates with 1000 random repeats.
    E_p takes p x score / sum of scores (uniform where every score is 0) + (1 - p) / m, as the reference.
    """

    uses_vectors = False
    sees_test_scores = True
    entropy_floor = 1e-10

    def __init__(self, p: float = 1.0) -> None:
        self.p = p
        self.has_curve = p == 1

    def fit(self, task: Task) -> None:
        """Nothing to learn."""

    def predict_proba(self, task: Task) -> Floats:
        """Probabilities that E_p is computed from."""
        scores = _test_scores(task)
        total = scores.sum(axis=1, keepdims=True)
        share = np.divide(scores, total, out=np.full(scores.shape, 1 / task.m), where=total > 0)
        return np.asarray(self.p * share + (1 - self.p) / task.m)

    def predict_scores(self, task: Task) -> Floats:
        """The test scores themselves."""
        return _test_scores(task)

    def policy(self, task: Task) -> Floats:
        """Uniform over the best candidates with probability p, over all candidates otherwise."""
        scores = _test_scores(task)
        best = scores == scores.max(axis=1, keepdims=True)
        return np.asarray(self.p * best / best.sum(axis=1, keepdims=True) + (1 - self.p) / task.m)


def _test_scores(task: Task) -> Floats:
    if task.Y_test is None:
        raise ValueError("an upper bound needs task.Y_test")
    return task.Y_test.astype(np.float64)


class Random:
    """Every candidate with probability 1 / m, always; under a cap, each that it allows."""

    uses_vectors = False
    draws = True

    def fit(self, task: Task) -> None:
        """Nothing to learn."""

    def predict_proba(self, task: Task) -> Floats:
        """The same share for each candidate."""
        return np.full((task.n_test, task.m), 1 / task.m)

    def policy(self, task: Task) -> Floats:
        """A draw, not an argmax."""
        return self.predict_proba(task)


class BestSingle:
    """Always the candidate with the best mean training score, whatever it costs."""

    uses_vectors = False
    has_curve = False

    def fit(self, task: Task) -> None:
        """Pick it."""
        self.chosen = int(preferred(task)[0])

    def predict_proba(self, task: Task) -> Floats:
        """All mass on it."""
        return one_hot(np.full(task.n_test, self.chosen), task.m)


class Heuristic(BestSingle):
    """The candidate with the best mean training score of those that a budget allows (RouterBench+)."""

    has_curve = True

    def predict_scores(self, task: Task) -> Floats:
        """Mean training scores, on every item."""
        return np.tile(task.Y_train.mean(axis=0, dtype=np.float64), (task.n_test, 1))


class Zero(BestSingle):
    """The singles' hull on test, known in hindsight alone: what needs no prompt (RouterBench, zero router).

    At a price of cost it takes the candidate with the best mean test score less that; mixtures of two such
    lie between.
    """

    sees_test_scores = True
    has_curve = True

    def fit(self, task: Task) -> None:
        """Average the test scores."""
        self.means = _test_scores(task).mean(axis=0)
        self.chosen = int(self.means.argmax())

    def predict_scores(self, task: Task) -> Floats:
        """Mean test scores, on every item."""
        return np.tile(self.means, (task.n_test, 1))


class TrainMean:
    """softmax(mean training scores): what PRknn becomes when k is the whole training set.

    It chooses as `BestSingle` does, so it shows how much of PRknn's E_p says nothing about its choices.
    """

    uses_vectors = False

    def fit(self, task: Task) -> None:
        """Average the training scores."""
        self.means = task.Y_train.mean(axis=0, dtype=np.float64)

    def predict_scores(self, task: Task) -> Floats:
        """Mean training scores, on every item."""
        return np.tile(self.means, (task.n_test, 1))

    def predict_proba(self, task: Task) -> Floats:
        """The same distribution for every item."""
        return np.tile(softmax(self.means), (task.n_test, 1))
