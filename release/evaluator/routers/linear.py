"""LinearR: one linear layer, trained for every cell of a benchmark at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..metrics import softmax
from ..task import Cell, Floats, Scores, Task
from .adam import Adam

EPOCHS, RATE = 10, 0.01
BLOCK = 160  # rows of weights whose state stays in a core's cache


class LinearRouter:
    """Linear(d, m) under binary cross-entropy with logits: Adam, batch 1, 10 epochs, cosine rate 0.01 to 0.

    Batch 1 and an element-wise optimiser make the rows of the weight matrix independent of each other, so
    the groups are stacked into one matrix and trained together: bit for bit what each gives alone. NumPy
    only. The reference shuffles every epoch and sets no seed; this follows `task.seed`.
    """

    def fit(self, task: Task) -> None:
        """Learn one cell."""
        self.fit_all([task])

    def fit_all(self, tasks: Sequence[Task]) -> None:
        """Train all cells in one pass over the training items."""
        first = tasks[0]
        bound = 1 / np.sqrt(first.X_train.shape[1])
        shape = first.X_train.shape[1] + 1
        # torch.nn.Linear's default initial weights and bias (the last column)
        starts = [np.random.default_rng(t.stream).uniform(-bound, bound, (t.m, shape)) for t in tasks]
        weights = train_linear(
            with_bias(first.X_train),
            np.concatenate([t.labels_train for t in tasks], axis=1).astype(np.float32),
            np.concatenate(starts).astype(np.float32),
            np.concatenate([np.full(t.m, 1 / t.m, np.float32) for t in tasks]),
            np.random.default_rng(first.seed),
        )
        test = with_bias(first.X_test)
        own = np.split(weights, np.cumsum([t.m for t in tasks])[:-1])
        self.logits: dict[Cell, Scores] = {t.cell: test @ w.T for t, w in zip(tasks, own, strict=True)}

    def predict_scores(self, task: Task) -> Floats:
        """sigmoid(logits): the estimated probability that the candidate's label is 1.

        Labels teach it: where scores are 0 or 1 that is the expected score, elsewhere the chance of a score
        within 5% of the item's best, which stands in for it.
        """
        return sigmoid(self.logits[task.cell])

    def predict_proba(self, task: Task) -> Floats:
        """softmax(logits)."""
        return softmax(self.logits[task.cell])


def with_bias(vectors: Scores) -> Scores:
    """Vectors, (n, d), with a constant 1 at the end of each."""
    return np.concatenate([vectors, np.ones((len(vectors), 1), np.float32)], axis=1)


def schedule(
    items: int, epochs: int, rate: float, rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], Floats]:
    """Item and learning rate of every training step: shuffled epochs, cosine from `rate` to 0."""
    steps = items * epochs
    order = np.concatenate([rng.permutation(items) for _ in range(epochs)])
    return order, 0.5 * rate * (1 + np.cos(np.pi * np.arange(steps) / steps))


def train_linear(
    X: Scores, Y: Scores, weights: Scores, scale: npt.NDArray[np.float32], rng: np.random.Generator
) -> Scores:
    """Adam on the rows of `weights`, updated in place and returned.

    X: (n, d) inputs. Y: (n, rows) targets in {0, 1}. weights: (rows, d). scale: the factor of each row's
    loss, 1 / m, as the loss is a mean over the group's m candidates.
    """
    order, rates = schedule(len(X), EPOCHS, RATE, rng)
    course = list(zip(order.tolist(), rates.tolist(), strict=True))
    for start in range(0, len(weights), BLOCK):
        rows = slice(start, start + BLOCK)
        adam, targets, share = Adam(weights[rows]), np.ascontiguousarray(Y[:, rows]), scale[rows]
        gradient = np.empty_like(adam.weights)
        for item, rate in course:
            # einsum, unlike a BLAS product, rounds each row the same whatever rows surround it
            error = sigmoid(np.einsum("ij,j->i", adam.weights, X[item])) - targets[item]
            np.multiply((error * share)[:, None], X[item], out=gradient)
            adam.step(gradient, rate)
    return weights


def sigmoid(logits: Scores) -> Scores:
    """1 / (1 + exp(-x)), in the precision of the logits."""
    with np.errstate(over="ignore"):  # exp becomes inf, and 1 / inf is the right answer
        return np.asarray(1 / (1 + np.exp(-logits)))
