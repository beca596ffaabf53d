"""MLP per model: a small network for each candidate, as in RouterBench."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..metrics import softmax
from ..task import Cell, Floats, Scores, Task
from ..threads import in_threads
from .adam import Adam
from .estimating import Array, distinct, or_mean

EPOCHS, HIDDEN, RATE, SEED = 200, 100, 1e-3, 1234
BATCH, ALPHA = 200, 1e-4  # at most so many items a step, and the strength of L2: MLPRegressor's defaults
TOLERANCE, PATIENCE = 1e-4, 10
WORK = 6_000_000
"""Items x candidates x epochs of a cell: five to ten seconds on one core with 384 dimensions."""
BLOCK = 4  # networks that take their steps side by side, so that few calls do much


class MlpPerModel:
    """scikit-learn's MLPRegressor for each candidate (RouterBench, `routers/mlp_router.py` and its config).

    One hidden layer of 100, relu, Adam at a constant rate of 1e-3, batches of 200, squared error,
    random_state 1234 + `task.seed`; items on which the candidate has no score are dropped. It ends after 200
    epochs, or when the training loss has not fallen by 1e-4 for more than ten, as there.

    A candidate's network depends on nothing but its own scores, so it is trained once for all cells. That
    takes a fifth of a second for a thousand items and 200 epochs, and there are cells of 1,000 candidates: a
    cell has as many epochs as make at most `WORK` steps of one item and one candidate, at least one. So 25
    candidates on 1,200 items have all 200, but 100 on 1,200 have 50, and 1,000 on 1,200 have 5, which says
    less of the method. A cell that has fewer takes the state that the same networks have then.

    NumPy trains them, many at once. In float64 they are scikit-learn's to its last digits; float32, in which
    either works here, moves some estimates by some 0.001, as it does between two orders of the same items.
    """

    def fit(self, task: Task) -> None:
        """Learn one cell."""
        self.fit_all([task])

    def fit_all(self, tasks: Sequence[Task]) -> None:
        """Train every candidate once, as long as the cell that lets it train longest."""
        first = tasks[0]
        scores, places = distinct(tasks)
        stops: defaultdict[int, set[int]] = defaultdict(set)
        for task in tasks:
            for place in places[task.cell].tolist():
                stops[place].add(epochs_of(task))
        found = estimates_of(first, scores, [frozenset(stops[place]) for place in range(len(scores))])
        self.predicted: dict[Cell, Array] = {}
        for task in tasks:
            columns = [found[place][epochs_of(task)] for place in places[task.cell].tolist()]
            self.predicted[task.cell] = or_mean(task, np.stack(columns, axis=1))

    def predict_scores(self, task: Task) -> Floats:
        """The networks' estimates of the score, which may leave [0, 1]."""
        return self.predicted[task.cell]

    def predict_proba(self, task: Task) -> Floats:
        """softmax of the estimates."""
        return softmax(self.predicted[task.cell])


def epochs_of(task: Task) -> int:
    """How long the networks of a cell are trained; it depends on nothing but the size of the cell."""
    return max(1, min(EPOCHS, WORK // (task.m * len(task.X_train))))


def estimates_of(task: Task, scores: Scores, stops: Sequence[frozenset[int]]) -> list[dict[int, Array]]:
    """For each row of scores, (u, n), estimates for the test items of `task` after each number of epochs.

    stops: the numbers of epochs, for each row. Networks that know the same items and have the same stops
    train in blocks.
    """
    known = ~np.isnan(scores)
    alike: defaultdict[tuple[bytes, frozenset[int]], list[int]] = defaultdict(list)
    for place, own in enumerate(stops):
        alike[known[place].tobytes(), own].append(place)
    blocks = [rows[at : at + BLOCK] for rows in alike.values() for at in range(0, len(rows), BLOCK)]

    def learn(block: list[int]) -> dict[int, Array]:
        items = known[block[0]]
        return train(task.X_train[items], scores[block][:, items], task.X_test, stops[block[0]], task.seed)

    found: list[dict[int, Array]] = [{} for _ in stops]
    for block, learnt in zip(blocks, in_threads(learn, blocks), strict=True):
        for at, place in enumerate(block):
            found[place] = {epochs: estimates[at] for epochs, estimates in learnt.items()}
    return found


def train(X: Scores, Y: Scores, X_test: Scores, stops: frozenset[int], seed: int) -> dict[int, Array]:
    """Estimates, (k, n_test), of k networks after each number of epochs in `stops`.

    X: (n, d). Y: (k, n), the scores that each network learns. Without items every estimate is 0.
    """
    found = {epochs: np.zeros((len(Y), len(X_test))) for epochs in stops}
    if not len(X):
        return found
    rng = np.random.RandomState(SEED + seed)
    networks = Networks(X.shape[1], len(Y), rng, X.dtype)
    order = np.arange(len(X))
    active = np.arange(len(Y))
    idle, best = np.zeros(len(Y), int), np.full(len(Y), np.inf)
    for epoch in range(1, max(stops) + 1):
        order = order[rng.permutation(len(X))]
        loss = networks.learn(X, Y[active], order)
        idle = np.where(loss > best - TOLERANCE, idle + 1, 0)
        best = np.minimum(best, loss)
        going = idle <= PATIENCE
        if epoch in stops or not going.all():
            estimates = networks.estimate(X_test)
            for stop in stops:
                if stop >= epoch:
                    found[stop][active] = estimates
        if not going.any():
            break
        if not going.all():
            networks.keep(going)
            active, idle, best = active[going], idle[going], best[going]
    return found


class Networks:
    """k networks that start from the same weights and take the same items, each with scores of its own.

    A row of `weights`, (k, d * HIDDEN + 2 * HIDDEN + 1), is a network: the weights of its first layer, those
    of its second, and the offsets of both. Products go network by network, so that none rounds differently
    by what others are beside it.
    """

    def __init__(self, d: int, k: int, rng: np.random.RandomState, dtype: npt.DTypeLike) -> None:
        self.d = d
        first, offset = glorot(rng, d, HIDDEN)
        second, last = glorot(rng, HIDDEN, 1)
        start = np.concatenate([first, second, offset, last]).astype(dtype)
        self.adam = Adam(np.tile(start, (k, 1)), late=True)
        self.gradient, self.scratch = np.empty_like(self.weights), np.empty_like(self.weights)

    @property
    def weights(self) -> Scores:
        """One network a row, which Adam moves."""
        return self.adam.weights

    def keep(self, which: npt.NDArray[np.bool_]) -> None:
        """Let the others go."""
        self.adam.keep(which)
        self.gradient, self.scratch = self.gradient[which], self.scratch[which]

    def estimate(self, x: Scores) -> Scores:
        """(k, n), of items with vectors x, (n, d)."""
        _, second, _, last = self._parts(self.weights)
        return np.asarray(self._hidden(x) @ second + last)[:, :, 0]

    def learn(self, X: Scores, Y: Scores, order: npt.NDArray[np.intp]) -> Array:
        """One pass over the items; the mean losses, (k,), each as it is before its step."""
        loss = np.zeros(len(Y))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            loss += len(rows) * self._step(X[rows], Y[:, rows])
        return loss / len(order)

    def _step(self, x: Scores, y: Scores) -> Scores:
        """Adam on half the mean squared error and the L2 of the weights over n; the losses, (k,)."""
        n, ends = len(x), (self.d + 1) * HIDDEN
        _, second, _, last = self._parts(self.weights)
        g_first, g_second, g_offset, g_last = self._parts(self.gradient)
        hidden = self._hidden(x)
        error = hidden @ second
        error += last - y[:, :, None]
        loss = np.square(error[:, :, 0]).mean(axis=1) / 2
        error /= n
        ones = np.ones((1, n), x.dtype)
        np.matmul(hidden.swapaxes(1, 2), error, out=g_second)
        np.matmul(ones, error, out=g_last)
        active = hidden > 0
        np.multiply(error, second.swapaxes(1, 2), out=hidden)
        hidden *= active
        np.matmul(x.T, hidden, out=g_first)
        np.matmul(ones, hidden, out=g_offset)
        weights, decay, gradient = (a[:, :ends] for a in (self.weights, self.scratch, self.gradient))
        np.multiply(weights, ALPHA / n, out=decay)
        gradient += decay
        loss += np.vecdot(weights, decay) / 2
        self.adam.step(self.gradient, RATE)
        return np.asarray(loss)

    def _hidden(self, x: Scores) -> Scores:
        """(k, n, HIDDEN)."""
        first, _, offset, _ = self._parts(self.weights)
        hidden = x @ first
        hidden += offset
        return np.asarray(np.maximum(hidden, 0, out=hidden))

    def _parts(self, rows: Scores) -> tuple[Scores, Scores, Scores, Scores]:
        """Views of both layers, (k, d, HIDDEN) and (k, HIDDEN, 1), and offsets, (k, 1, HIDDEN or 1)."""
        first, second = self.d * HIDDEN, (self.d + 1) * HIDDEN
        return (
            rows[:, :first].reshape(-1, self.d, HIDDEN),
            rows[:, first:second, None],
            rows[:, None, second:-1],
            rows[:, None, -1:],
        )


def glorot(rng: np.random.RandomState, fan_in: int, fan_out: int) -> tuple[Array, Array]:
    """First weights of a layer, flat, and offsets, as MLPRegressor draws them (Glorot and Bengio, 2010)."""
    bound = (6 / (fan_in + fan_out)) ** 0.5
    return rng.uniform(-bound, bound, fan_in * fan_out), rng.uniform(-bound, bound, fan_out)
