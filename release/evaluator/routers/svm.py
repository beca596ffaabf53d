"""SVM: a linear support vector regression per candidate, all candidates of a benchmark solved together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..metrics import softmax
from ..task import Cell, Floats, Scores, Task
from .estimating import Array, distinct, or_mean

C = 1.0
STEPS, PENALTY, RELAXATION = 200, 5.0, 1.8
BLOCK = 64  # candidates that are solved side by side
DIGITS = 3


class SvmRouter:
    """scikit-learn's LinearSVR for each candidate (RouterBench, `routers/svm_router.py`: its defaults).

    Minimises |w|^2 / 2 + C sum |y - w.x| over the items on which the candidate has a score, C = 1, with no
    tube (epsilon 0) and a constant feature for the offset. Absolute errors make it an estimate of the
    *median* score: where scores are 0 or 1 it orders candidates by how sure they are, and is no probability.

    LinearSVR, whose default tolerance leaves errors of 0.02, takes most of a second for one candidate on
    12,000 items. The same optimum, which is unique, is found for all by the alternating direction method of
    multipliers (Boyd et al., 2011, section 6.1), as they share one inverse: to some 0.005 after 200 steps,
    nearer than LinearSVR comes where vectors are long. It is told to three decimals, so that what differs by
    less is a tie. Nothing is random.
    """

    def fit(self, task: Task) -> None:
        """Learn one cell."""
        self.fit_all([task])

    def fit_all(self, tasks: Sequence[Task]) -> None:
        """Solve for every candidate once."""
        first = tasks[0]
        scores, places = distinct(tasks)
        weights = support_vectors(_with_constant(first.X_train), scores)
        estimates = _with_constant(first.X_test) @ weights.T
        predicted = np.asarray(estimates.round(DIGITS), np.float64)
        self.predicted: dict[Cell, Array] = {t.cell: or_mean(t, predicted[:, places[t.cell]]) for t in tasks}

    def predict_scores(self, task: Task) -> Floats:
        """The regressions themselves: estimates of the median score, which may leave [0, 1]."""
        return self.predicted[task.cell]

    def predict_proba(self, task: Task) -> Floats:
        """softmax of the estimates."""
        return softmax(self.predicted[task.cell])


def support_vectors(X: Scores, Y: Scores, steps: int = STEPS) -> Scores:
    """Weights, (u, d), of the regressions on X, (n, d), of each row of Y, (u, n), NaN where one is not known.

    The rows are solved in blocks of one size, so that each rounds as it does among any others.
    """
    gram = X.T.astype(np.float64) @ X
    inverse = (PENALTY * np.linalg.inv(np.eye(len(gram)) + PENALTY * gram)).astype(np.float32)
    found = []
    for start in range(0, len(Y), BLOCK):
        block = np.full((BLOCK, len(X)), np.nan, np.float32)
        rows = Y[start : start + BLOCK]
        block[: len(rows)] = rows
        found.append(_solve(X, inverse, block, steps)[: len(rows)])
    return np.concatenate(found)


def _solve(X: Scores, inverse: Scores, Y: Scores, steps: int) -> Scores:
    known = ~np.isnan(Y)
    Y = np.where(known, Y, np.float32(0))
    # An item without a score has a price of 0: its residual may be anything, and pulls nowhere.
    limit = known * np.float32(C / PENALTY)
    slack, dual = np.zeros_like(Y), np.zeros_like(Y)
    for _ in range(steps):
        weights = (Y + slack - dual) @ X @ inverse
        residual = weights @ X.T - Y
        slack *= 1 - RELAXATION
        slack += RELAXATION * residual + dual
        np.clip(slack, -limit, limit, out=dual)
        slack -= dual
    return np.asarray(weights)


def _with_constant(vectors: Scores) -> Scores:
    return np.concatenate([vectors, np.ones((len(vectors), 1), np.float32)], axis=1)
