"""PRknn: mean training score of the k nearest training items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..metrics import softmax
from ..task import Cell, Floats, Scores, Task


class NearestNeighbours:
    """k = 5 nearest training items by cosine distance; probabilities are softmax(mean score).

    One neighbour search serves every cell of a benchmark. Its mean scores take six values only, so ties
    are common: `metrics.choose` breaks them by training mean, or, with compat, by index. Neighbours at
    the same distance count in row order; compat leaves them, as the reference does, to scikit-learn.
    """

    entropy_floor = 1e-10

    def __init__(self, k: int = 5) -> None:
        self.k = k

    def fit(self, task: Task) -> None:
        """Learn one cell."""
        self.fit_all([task])

    def fit_all(self, tasks: Sequence[Task]) -> None:
        """Find the neighbours once, average them per cell."""
        first = tasks[0]
        k = min(self.k, len(first.X_train))
        search = _scikit_learn_neighbours if first.compat else nearest
        neighbours = search(first.X_train, first.X_test, k)
        self.means: dict[Cell, npt.NDArray[np.float64]] = {
            t.cell: t.Y_train[neighbours].mean(axis=1, dtype=np.float64) for t in tasks
        }

    def predict_scores(self, task: Task) -> Floats:
        """The neighbours' mean score."""
        return self.means[task.cell]

    def predict_proba(self, task: Task) -> Floats:
        """softmax of the neighbours' mean score; it spans at most a factor e, hence a high E_p."""
        return softmax(self.means[task.cell])


def nearest(train: Scores, test: Scores, k: int, block: int = 512) -> npt.NDArray[np.intp]:
    """Rows of the k nearest training vectors by cosine, (n_test, k), nearest first.

    Similarities are compared to 9 decimals and ties go to the earlier row, so that the answer for
    duplicates does not depend on how a CPU rounds.
    """
    unit_train, unit_test = _unit(train), _unit(test)
    found = []
    for start in range(0, len(test), block):
        similarity = unit_test[start : start + block] @ unit_train.T
        # One integer per pair that orders by distance, then by row, and never ties.
        rank = np.rint((1 - similarity) * 1e9).astype(np.int64) * len(train) + np.arange(len(train))
        closest = np.argpartition(rank, k - 1, axis=1)[:, :k]
        order = np.take_along_axis(rank, closest, axis=1).argsort(axis=1)
        found.append(np.take_along_axis(closest, order, axis=1))
    return np.concatenate(found)


def _unit(vectors: Scores) -> npt.NDArray[np.float64]:
    exact = vectors.astype(np.float64)
    norms = np.linalg.norm(exact, axis=1, keepdims=True)
    return exact / np.where(norms > 0, norms, 1)


def _scikit_learn_neighbours(train: Scores, test: Scores, k: int) -> npt.NDArray[np.intp]:
    from sklearn.neighbors import NearestNeighbors

    model = NearestNeighbors(n_neighbors=k, metric="cosine").fit(train)
    rows: npt.NDArray[np.intp] = model.kneighbors(test, return_distance=False)
    return rows
