"""Routers that look at no item: the best single model, and the train-mean prior."""

from __future__ import annotations

import numpy as np

from ..metrics import one_hot, preferred
from ..task import Floats, Task
from .softmax import softmax


class BestSingle:
    """Always the candidate with the best mean training score."""

    uses_vectors = False

    def fit(self, task: Task) -> None:
        """Pick it."""
        self.chosen = int(preferred(task)[0])

    def predict_proba(self, task: Task) -> Floats:
        """All mass on it."""
        return one_hot(np.full(task.n_test, self.chosen), task.m)


class TrainMean:
    """softmax(mean training scores): what PRknn becomes when k is the whole training set.

    It chooses as `BestSingle` does, so it shows how much of PRknn's E_p says nothing about its choices.
    """

    uses_vectors = False

    def fit(self, task: Task) -> None:
        """Average the training scores."""
        self.means = task.Y_train.mean(axis=0, dtype=np.float64)

    def predict_proba(self, task: Task) -> Floats:
        """The same distribution for every item."""
        return np.tile(softmax(self.means), (task.n_test, 1))
