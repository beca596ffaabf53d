"""PRknn and its sweep: mean training score of the k nearest training items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ..metrics import softmax
from ..task import Cell, Floats, Scores, Task
from .estimating import Array, by_validation, known_and_filled, known_means

SWEEP = (*(2**power for power in range(1, 10)), 131)
"""CARROT's numbers of neighbours, and the one that EmbedLLM settled on."""


class NearestNeighbours:
    """The k = 5 nearest training items by cosine distance; probabilities are softmax(mean score).

    k: how many; of several that the training items allow, each cell takes the one that estimates its
    validation scores best, as CARROT does by cross-validation on train. Scores that are not known do not
    count (EmbedLLM takes them for 0); a candidate with none among the neighbours has its mean over train.

    One neighbour search serves every cell of a benchmark. Mean scores of 5 take six values only, so ties
    are common: `metrics.choose` breaks them by training mean, or, with compat, by index. Neighbours at
    the same distance count in row order; compat leaves them, as the reference does, to scikit-learn.
    """

    entropy_floor = 1e-10

    def __init__(self, *k: int) -> None:
        self.k = k or (5,)

    def fit(self, task: Task) -> None:
        """Learn one cell."""
        self.fit_all([task])

    def fit_all(self, tasks: Sequence[Task]) -> None:
        """Find the neighbours once, average them per cell."""
        first = tasks[0]
        n = len(first.X_train)
        options = sorted({k for k in self.k if k <= n}) or [n]
        search = _scikit_learn_neighbours if first.compat else nearest
        test = search(first.X_train, first.X_test, options[-1])
        validation = test[:0]
        if len(options) > 1 and len(first.X_val):
            validation = search(first.X_train, first.X_val, options[-1])
        self.means: dict[Cell, Array] = {}
        for task in tasks:
            k = by_validation(options, task.Y_val, neighbour_means(validation, task.Y_train, options))
            (self.means[task.cell],) = neighbour_means(test, task.Y_train, [k])

    def predict_scores(self, task: Task) -> Floats:
        """The neighbours' mean score."""
        return self.means[task.cell]

    def predict_proba(self, task: Task) -> Floats:
        """softmax of the neighbours' mean score; it spans at most a factor e, hence a high E_p."""
        return softmax(self.means[task.cell])


def neighbour_means(neighbours: npt.NDArray[np.intp], Y: Scores, sizes: Sequence[int]) -> Iterator[Array]:
    """Mean known scores, (rows, m), of the first k neighbours, for each k of `sizes`, ascending.

    neighbours: (rows, most), rows of Y, nearest first. Y: (n, m), NaN where a score is not known.
    """
    from scipy.sparse import csr_array

    known, filled = known_and_filled(Y)
    sums, counts = np.zeros((2, len(neighbours), Y.shape[1]))
    done = 0
    for k in sizes:
        rows, columns = len(neighbours), neighbours[:, done:k].ravel()
        starts = np.arange(0, len(columns) + 1, k - done) if rows else np.zeros(1, np.intp)
        links = csr_array((np.ones(len(columns)), columns, starts), shape=(rows, len(Y)))
        sums += links @ filled
        counts += k - done if known.all() else links @ known.astype(np.float64)
        done = k
        yield known_means(sums, counts, Y)


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
