"""MLP per model: a small network for each candidate, as in RouterBench."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from ..metrics import softmax
from ..task import Cell, Floats, Scores, Task
from .estimating import Array, distinct, or_mean

EPOCHS, HIDDEN, RATE, SEED = 200, 100, 1e-3, 1234
TOLERANCE, PATIENCE = 1e-4, 10
WORK = 24_000_000
"""Items x candidates x epochs of a cell: some two minutes on one core with 384 dimensions."""


class MlpPerModel:
    """scikit-learn's MLPRegressor for each candidate (RouterBench, `routers/mlp_router.py` and its config).

    One hidden layer of 100, relu, Adam at a constant rate of 1e-3, batches of 200, squared error,
    random_state 1234 + `task.seed`; items on which the candidate has no score are dropped. It ends after 200
    epochs, or when the training loss has not fallen by 1e-4 for more than ten, as there.

    A candidate's network depends on nothing but its own scores, so it is trained once for all cells. That
    takes a second for a thousand items and 200 epochs, and there are cells of 1,000 candidates: a cell has as
    many epochs as make at most `WORK` steps of one item and one candidate, at least one. So 100 candidates on
    1,200 items or 10 on 12,000 have all 200, but 1,000 on 12,000 have 2, which says less of the method. A
    cell that has fewer takes the state that the same networks have then.
    """

    def fit(self, task: Task) -> None:
        """Learn one cell."""
        self.fit_all([task])

    def fit_all(self, tasks: Sequence[Task]) -> None:
        """Train every candidate once, as long as the cell that lets it train longest."""
        first = tasks[0]
        scores, places = distinct(tasks)
        wanted: defaultdict[int, set[int]] = defaultdict(set)
        for task in tasks:
            for place in places[task.cell].tolist():
                wanted[place].add(epochs_of(task))
        predicted = {
            (place, epochs): estimates
            for place, stops in wanted.items()
            for epochs, estimates in train(first.X_train, scores[place], first.X_test, stops, first.seed)
        }
        self.predicted: dict[Cell, Array] = {
            task.cell: or_mean(
                task,
                np.stack([predicted[place, epochs_of(task)] for place in places[task.cell].tolist()], axis=1),
            )
            for task in tasks
        }

    def predict_scores(self, task: Task) -> Floats:
        """The networks' estimates of the score, which may leave [0, 1]."""
        return self.predicted[task.cell]

    def predict_proba(self, task: Task) -> Floats:
        """softmax of the estimates."""
        return softmax(self.predicted[task.cell])


def epochs_of(task: Task) -> int:
    """How long the networks of a cell are trained; it depends on nothing but the size of the cell."""
    return max(1, min(EPOCHS, WORK // (task.m * len(task.X_train))))


def train(
    X: Scores, y: Scores, X_test: Scores, stops: Collection[int], seed: int
) -> Iterator[tuple[int, Array]]:
    """Estimates for the rows of X_test after each number of epochs in `stops`, ascending.

    X: (n, d). y: (n,), NaN where a score is not known; where none is, every estimate is 0.
    """
    import sklearn
    from sklearn.neural_network import MLPRegressor

    known = ~np.isnan(y)
    if not known.any():
        yield from ((epochs, np.zeros(len(X_test))) for epochs in stops)
        return
    if not known.all():
        X, y = X[known], y[known]
    network = MLPRegressor(
        hidden_layer_sizes=(HIDDEN,), learning_rate_init=RATE, random_state=np.random.RandomState(SEED + seed)
    )
    idle, best = 0, np.inf
    with sklearn.config_context(assume_finite=True):
        for epoch in range(1, max(stops) + 1):
            if idle <= PATIENCE:
                network.partial_fit(X, y)
                idle = idle + 1 if network.loss_ > best - TOLERANCE else 0
                best = min(best, network.loss_)
            if epoch in stops:
                yield epoch, network.predict(X_test).astype(np.float64)
