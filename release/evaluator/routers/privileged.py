"""Privileged: the signal that items hold at all, told by how all other models did on them; an upper bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..everyone import complete
from ..metrics import softmax
from ..task import Cell, Floats, Scores, Task

Array = npt.NDArray[np.float64]
TWINS = 0.98
STRENGTHS = 10.0 ** np.arange(-2, 3.5, 0.5)
"""Ridge strengths that are tried, in units of the mean eigenvalue of the items' Gram matrix."""


class Privileged:
    """Ridge regression from the scores of all other models on an item to those of each candidate.

    The others are the models of the benchmark with a score on every item that are no candidate of the cell
    and no near twin of one: whose training scores correlate with a candidate's by less than 0.98. Training
    and validation items teach it, generalised cross-validation (Golub, Heath and Wahba, 1979) chooses the
    strength per cell. No router on texts sees how others did, so one that finds nothing here had nothing to
    find. It is not shown the candidates' own test scores.
    """

    uses_vectors = False
    sees_test_scores = True

    def fit(self, task: Task) -> None:
        """Learn one cell."""
        self.fit_all([task])

    def fit_all(self, tasks: Sequence[Task]) -> None:
        """Decompose the others' scores once, then solve every cell with its own models taken out."""
        self.predicted: dict[Cell, Array] = {}
        if not tasks:
            return
        if tasks[0].read_everyone is None:
            raise ValueError("an upper bound needs task.read_everyone")
        everyone = complete(tasks[0].read_everyone())
        assert everyone.test is not None
        ridge = Ridge.of(np.concatenate([everyone.train, everyone.validation]))
        for task in tasks:
            Y = np.concatenate([task.Y_train, task.Y_val])
            own = np.isin(everyone.models, task.candidates)
            self.predicted[task.cell] = ridge.predict(everyone.test, Y, own | ridge.twins_of(Y))

    def predict_scores(self, task: Task) -> Floats:
        """The ridge regression's estimates of the score, which may leave [0, 1]."""
        return self.predicted[task.cell]

    def predict_proba(self, task: Task) -> Floats:
        """softmax of the predicted scores."""
        return softmax(self.predicted[task.cell])


@dataclass(frozen=True, eq=False)
class Ridge:
    """Ridge regression on the features of n items, ready to be solved for any targets without any features.

    features: (n, F). axes: (n, rank), orthonormal, and squares: (rank,), from the singular value
    decomposition of the centred features, got from the smaller Gram matrix, of items or of features.
    Everything else happens in these axes, so that a cell costs products alone.
    """

    features: Scores
    axes: Array
    squares: Array

    @classmethod
    def of(cls, features: Scores) -> Ridge:
        """Decompose; float32 products of 0/1 scores are exact."""
        n, f = features.shape
        if n <= f:
            gram = (features @ features.T).astype(np.float64)
            gram -= gram.mean(axis=0)
            gram -= gram.mean(axis=1, keepdims=True)
            squares, axes = np.linalg.eigh(gram)
        else:
            means = features.mean(axis=0, dtype=np.float64)
            gram = (features.T @ features).astype(np.float64) - n * np.outer(means, means)
            squares, axes = np.linalg.eigh(gram)
        sound = squares > 1e-6 * max(squares[-1], 1e-300)
        squares, axes = squares[sound], axes[:, sound]
        if n > f:
            axes = (features @ axes - means @ axes) / np.sqrt(squares)
        return cls(features, axes, squares)

    def twins_of(self, Y: Scores) -> npt.NDArray[np.bool_]:
        """(F,), whether a feature correlates with a column of Y, (n, m), by `TWINS` or more."""
        left, right = _standardised(self.features), _standardised(Y)
        return np.asarray((left.T @ right >= TWINS).any(axis=1))

    def predict(self, test: Scores, Y: Scores, without: npt.NDArray[np.bool_]) -> Array:
        """(t, m), predictions of the columns of Y, (n, m), for t other items with features `test`, (t, F).

        without: (F,), features to do without. Taking them out lowers the rank of a matrix whose inverse is
        known (Woodbury), and the trace that cross-validation needs comes with it. Where they are more than
        the axes, these are turned to the axes of what is left: once, and not an inverse for each strength.
        """
        means = Y.mean(axis=0, dtype=np.float64)
        if not len(self.squares):
            return np.tile(means, (len(test), 1))
        n = len(Y)
        squares, axes = self.squares, self.axes
        removed = axes.T @ self.features[:, without]
        if removed.shape[1] > len(squares):
            left, turn = np.linalg.eigh(np.diag(squares) - removed @ removed.T)
            squares, axes, removed = left.clip(0), axes @ turn, removed[:, :0]
        targets = axes.T @ Y
        outside = ((Y - means) ** 2).sum() - (targets**2).sum()
        best, solution = np.inf, targets
        for strength in STRENGTHS * self.squares.sum() / n:
            weights = 1 / (squares + strength)
            shrunk = weights[:, None] * removed
            inner = np.linalg.inv(np.eye(removed.shape[1]) - removed.T @ shrunk)
            solved = weights[:, None] * targets + shrunk @ (inner @ (shrunk.T @ targets))
            freedom = n - 1 - len(weights) + strength * (weights.sum() + (inner * (shrunk.T @ shrunk)).sum())
            error = (strength**2 * (solved**2).sum() + outside) / freedom**2
            if error < best:
                best, solution = error, solved
        coefficients = self.features.T @ (axes @ solution)
        coefficients[without] = 0
        offset = means - self.features.mean(axis=0, dtype=np.float64) @ coefficients
        return np.asarray(test @ coefficients + offset)


def _standardised(columns: Scores) -> Scores:
    """Columns with mean 0 and length 1; one that is the same everywhere has length 0, and no twin."""
    centred = columns - columns.mean(axis=0, dtype=np.float64).astype(np.float32)
    lengths = np.linalg.norm(centred, axis=0)
    return np.asarray(np.divide(centred, lengths, out=np.zeros_like(centred), where=lengths > 1e-6))
