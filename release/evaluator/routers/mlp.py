"""MLPR: two hidden layers of 256, trained item by item; a block of items is one product of matrices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..metrics import softmax
from ..task import Cell, Floats, Scores, Task
from ..threads import in_threads
from .adam import BETA_1, BETA_2, EPSILON
from .linear import schedule, sigmoid, with_bias

EPOCHS, RATE, HIDDEN = 100, 1e-4, 256
BLOCK, SHARE = 64, 16
"""Items of a block at most, and the part of those seen before that they may be: see `MlpRouter`."""
SETTLED = 400
"""Items after which Adam's mean has forgotten, in double precision, that it began at 0."""


class MlpRouter:
    """d-256-ReLU-256-ReLU-m under binary cross-entropy with logits: Adam, batch 1, 100 epochs, cosine rate
    1e-4 to 0.

    Of an item alone a step costs as much as of many. So a block of items is taken at once: their gradients
    are those of the weights before it, and all else is what Adam does item by item, in closed form. Its means
    fade from item to item, and the weights move by the sum of the steps of its items, each divided by the
    root of the mean square after the block. A block holds a sixteenth of as many items as came before, and 64
    at most: then the logits are nearer to those of single items than a half of what another seed changes
    (tests/evaluator/test_routers.py). Cells are trained each for itself, on all cores.
    """

    def fit(self, task: Task) -> None:
        """Learn one cell."""
        self.fit_all([task])

    def fit_all(self, tasks: Sequence[Task]) -> None:
        """Train every cell, over the same items in the same order."""
        first = tasks[0]
        course = schedule(len(first.X_train), EPOCHS, RATE, np.random.default_rng(first.seed))
        largest_first = sorted(tasks, key=lambda task: -task.m)
        logits = in_threads(partial(_logits, with_bias(first.X_train), *course), largest_first)
        self.logits: dict[Cell, Scores] = {
            task.cell: own for task, own in zip(largest_first, logits, strict=True)
        }

    def predict_scores(self, task: Task) -> Floats:
        """sigmoid(logits): see `LinearRouter.predict_scores`."""
        return sigmoid(self.logits[task.cell])

    def predict_proba(self, task: Task) -> Floats:
        """softmax(logits)."""
        return softmax(self.logits[task.cell])


def _logits(X: Scores, order: npt.NDArray[np.intp], rates: Floats, task: Task) -> Scores:
    """Test logits, (n_test, m), of a trained cell. X: train vectors with a constant, (n, d + 1)."""
    rng = np.random.default_rng(task.stream)
    layers = [_Layer.of(*sizes, rng) for sizes in pairwise((X.shape[1] - 1, HIDDEN, HIDDEN, task.m))]
    labels = task.labels_train.astype(np.float32)
    for block in _blocks(len(order)):
        items = order[block.start : block.start + block.items]
        rate = rates[block.start : block.start + block.items].mean()
        _learn(layers, X[items], labels[items], block, rate)
    return _forward(layers, with_bias(task.X_test))[-1]


@dataclass(frozen=True)
class _Block:
    """Items `start` to `start + items` of all that are learnt from, and what they are to Adam.

    fade: factors of the mean and the mean square over the block. mean_in_step: factor of the mean before it
    in the sum of its steps. in_step, in_mean, in_square: (items, 1), factors of each item's error there; in
    the square, of the error before it is squared. correction: of the root of the mean square.
    """

    start: int
    items: int
    fade: tuple[np.float32, np.float32]
    mean_in_step: np.float32
    in_step: Scores
    in_mean: Scores
    in_square: Scores
    correction: float


def _blocks(total: int) -> Iterator[_Block]:
    """All blocks of a training on so many items."""
    start = 0
    while start < total:
        items = min(max(1, start // SHARE), BLOCK, total - start)
        fade = np.float32(BETA_1**items), np.float32(BETA_2**items)
        correction = np.sqrt(1 - BETA_2 ** (start + items))
        yield _Block(start, items, fade, *_factors(min(start, SETTLED), items), correction)
        start += items


@lru_cache(maxsize=256)
def _factors(start: int, items: int) -> tuple[np.float32, Scores, Scores, Scores]:
    """`mean_in_step`, `in_step`, `in_mean` and `in_square` of a block.

    The mean after item i of a block is b^i times that before it, and (1 - b) b^(i - j) times the gradient of
    every item j up to i; a step takes it over 1 - b^(start + i).
    """
    place = np.arange(1, items + 1)
    unbiased = 1 / (1 - BETA_1 ** (start + place))
    ages = place[:, None] - place
    in_means = np.where(ages >= 0, (1 - BETA_1) * BETA_1 ** np.maximum(ages, 0), 0)
    in_square = np.sqrt((1 - BETA_2) * BETA_2 ** (items - place))
    step, mean, square = (
        each[:, None].astype(np.float32) for each in (unbiased @ in_means, in_means[-1], in_square)
    )
    return np.float32(unbiased @ BETA_1**place), step, mean, square


@dataclass(frozen=True, eq=False)
class _Layer:
    """weights: (inputs + 1, outputs), the last row is the bias. mean, square: Adam's. The rest is scratch."""

    weights: Scores
    mean: Scores
    square: Scores
    step: Scores
    scratch: Scores

    @classmethod
    def of(cls, inputs: int, outputs: int, rng: np.random.Generator) -> _Layer:
        """A layer with the first weights and bias of torch.nn.Linear."""
        bound = 1 / np.sqrt(inputs)
        parts = [rng.uniform(-bound, bound, (rows, outputs)) for rows in (inputs, 1)]
        weights = np.concatenate(parts).astype(np.float32)
        return cls(weights, *(np.zeros_like(weights) for _ in range(4)))

    def learn(self, below: Scores, error: Scores, block: _Block, rate: float) -> None:
        """Adam's steps for a block. below: (items, inputs + 1). error: (items, outputs), of the loss."""
        step, scratch = self.step, self.scratch
        np.matmul(below.T, block.in_step * error, out=step)
        step += np.multiply(self.mean, block.mean_in_step, out=scratch)
        _fade(self.mean, block.fade[0], np.matmul(below.T, block.in_mean * error, out=scratch))
        squares = np.square(below).T, np.square(block.in_square * error)
        _fade(self.square, block.fade[1], np.matmul(*squares, out=scratch))
        np.sqrt(self.square, out=scratch)
        scratch += np.float32(EPSILON * block.correction)
        step /= scratch
        step *= np.float32(rate * block.correction)
        np.subtract(self.weights, step, out=self.weights)


def _fade(mean: Scores, by: np.float32, new: Scores) -> None:
    mean *= by
    mean += new


def _learn(layers: Sequence[_Layer], x: Scores, y: Scores, block: _Block, rate: float) -> None:
    """A block of training. x: (items, d + 1). y: (items, m), 0 or 1."""
    inputs = _forward(layers, x)
    error = (sigmoid(inputs.pop()) - y) / np.float32(y.shape[1])
    for layer, below in zip(reversed(layers), reversed(inputs), strict=True):
        beneath = error @ layer.weights[:-1].T * (below[:, :-1] > 0) if below is not x else error
        layer.learn(below, error, block, rate)
        error = beneath


def _forward(layers: Sequence[_Layer], x: Scores) -> list[Scores]:
    """What goes into each layer, with a constant, and the logits at last."""
    found = [x]
    for layer in layers[:-1]:
        found.append(with_bias(np.maximum(found[-1] @ layer.weights, 0)))
    return [*found, found[-1] @ layers[-1].weights]
