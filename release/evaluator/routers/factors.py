"""Routers by factors: the logit of a score is a product of what an item and what a model are like."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..metrics import softmax
from ..task import Cell, Floats, Scores, Task
from .adam import Adam
from .linear import sigmoid

Weights = Mapping[str, Scores]
Factors = tuple[Scores, Scores, np.float32]
"""Of items, (n, k), and of models, (m, k), and an offset: logits = items @ models.T + offset."""
Lesson = tuple[Scores, Scores, np.random.Generator]
"""Scores to learn from, (n, m), and to stop by, (n_val, m), NaN where there is none; draws first weights."""

EPOCHS, BATCHES, PATIENCE = 50, 32, 5
"""At most so many epochs, of so many steps; and epochs without a better validation after which it ends."""


class FactorRouter(ABC):
    """Learns by the cross-entropy of every known score of every candidate, each cell for itself.

    Scores between 0 and 1 are soft targets; unknown ones (NaN) have no loss. Vectors are centred and scaled
    to a mean square length of 1, by the train items: what can be learnt stays the same, and rates and noise
    mean the same for every encoder. Adam takes 32 steps an epoch, so that small benchmarks take as many as
    large ones, over items in a new order each epoch; a step has all candidates' scores on its items. The
    weights of the epoch with the best validation likelihood are kept; training ends 5 epochs after it, or
    after 50. Without validation scores it takes all 50.

    Cells share the order of items and the noise on vectors, and nothing else: bit for bit what each gives
    alone.

    rate, decay: of Adam; decay is added to the gradient. noise: standard deviation of what is added to each
    coordinate of a scaled vector in training.
    """

    rate: float
    decay: float = 0.0
    noise: float = 0.0

    @abstractmethod
    def start(self, d: int, m: int, rng: np.random.Generator) -> Weights:
        """First weights, for vectors of d coordinates and m models."""

    @abstractmethod
    def factors(self, weights: Weights, x: Scores) -> Factors:
        """Of the items with vectors x, (n, d), and of all models."""

    @abstractmethod
    def gradients(self, weights: Weights, x: Scores, items: Scores, models: Scores, offset: float) -> Weights:
        """Of the loss by the weights, from its gradients by what `factors` gives."""

    def fit(self, task: Task) -> None:
        """Learn one cell."""
        self.fit_all([task])

    def fit_all(self, tasks: Sequence[Task]) -> None:
        """Train all cells in the same passes over the training items."""
        lessons = [(task.Y_train, task.Y_val, np.random.default_rng(task.stream)) for task in tasks]
        self.logits: dict[Cell, Scores] = {}
        for task, (items, models, offset) in zip(tasks, self.learn(tasks[0], lessons), strict=True):
            self.logits[task.cell] = items @ models.T + offset

    def learn(self, task: Task, lessons: Sequence[Lesson]) -> list[Factors]:
        """Factors of the test items and of the models of each lesson; items are those of `task`."""
        mean, scale = spread(task.X_train)
        train, validation, test = ((X - mean) * scale for X in (task.X_train, task.X_val, task.X_test))
        learners = [Learner(self, train.shape[1], lesson) for lesson in lessons]
        rng = np.random.default_rng(task.seed)
        for _ in range(EPOCHS):
            active = [learner for learner in learners if learner.waited < PATIENCE]
            if not active:
                break
            for rows in np.array_split(rng.permutation(len(train)), min(BATCHES, len(train))):
                x = train[rows]
                if self.noise:
                    x += np.float32(self.noise) * rng.standard_normal(x.shape, np.float32)
                for learner in active:
                    learner.step(x, rows)
            for learner in active:
                learner.look(validation)
        return [self.factors(learner.best, test) for learner in learners]

    def predict_scores(self, task: Task) -> Floats:
        """The probability that a candidate is right, or its expected score."""
        return np.asarray(sigmoid(self.logits[task.cell].astype(np.float64)))

    def predict_proba(self, task: Task) -> Floats:
        """softmax of the logits over candidates; they order these as the expected scores do."""
        return softmax(self.logits[task.cell])


class Learner:
    """One model of scores in training. best: the weights to keep. waited: epochs since these were found."""

    def __init__(self, form: FactorRouter, d: int, lesson: Lesson) -> None:
        self.form = form
        self.scores, self.validation, rng = lesson
        self.partial = bool(np.isnan(self.scores).any())
        first = form.start(d, self.scores.shape[1], rng)
        self.shapes = {name: value.shape for name, value in first.items()}
        self.adam = Adam(np.concatenate([value.ravel() for value in first.values()]).astype(np.float32))
        self.weights = self.best = self._named(self.adam.weights)
        self.waited = 0
        self.least = np.inf

    def step(self, x: Scores, rows: npt.NDArray[np.intp]) -> None:
        """Adam on the mean loss over the known scores of some items, whose vectors are x."""
        scores = self.scores[rows]
        gradient = loss_gradient(self.form, self.weights, x, scores, self.partial)
        flat = np.concatenate([gradient[name].ravel() for name in self.shapes])
        if self.form.decay:
            flat += self.form.decay * self.adam.weights
        self.adam.step(flat, self.form.rate)

    def look(self, x: Scores) -> None:
        """Whether this epoch's weights are the best so far, by the validation items, whose vectors are x."""
        known = ~np.isnan(self.validation)
        if not known.any():
            return
        items, models, offset = self.form.factors(self.weights, x)
        logits = (items @ models.T + offset)[known]
        loss = float((np.logaddexp(0, logits) - self.validation[known] * logits).mean(dtype=np.float64))
        self.waited += 1
        if loss < self.least:
            self.least, self.waited = loss, 0
            self.best = self._named(self.adam.weights.copy())

    def _named(self, flat: Scores) -> Weights:
        """Views of the parts of a vector of weights."""
        ends = np.cumsum([np.prod(shape, dtype=int) for shape in self.shapes.values()])
        parts = np.split(flat, ends[:-1])
        return {name: part.reshape(self.shapes[name]) for name, part in zip(self.shapes, parts, strict=True)}


def loss_gradient(form: FactorRouter, weights: Weights, x: Scores, scores: Scores, partial: bool) -> Weights:
    """Of the mean cross-entropy over the known scores, (n, m); partial: some may be unknown (NaN)."""
    items, models, offset = form.factors(weights, x)
    error = sigmoid(items @ models.T + offset)
    error -= scores
    known = error.size
    if partial:
        unknown = np.isnan(error)
        error[unknown] = 0
        known -= int(np.count_nonzero(unknown))
    error *= np.float32(1 / max(known, 1))
    return form.gradients(weights, x, error @ models, error.T @ items, float(error.sum(dtype=np.float64)))


def spread(X: Scores) -> tuple[Scores, np.float32]:
    """Mean vector, (d,), and the factor that makes the mean square length around it 1."""
    mean = X.mean(axis=0, dtype=np.float64)
    square = ((X - mean) ** 2).sum(axis=1).mean()
    return mean.astype(np.float32), np.float32(1 / np.sqrt(square) if square > 0 else 1)


def uniform(rng: np.random.Generator, fan_in: int, *shape: int) -> Scores:
    """Default first weights of torch.nn.Linear."""
    bound = 1 / max(fan_in, 1) ** 0.5
    return rng.uniform(-bound, bound, shape).astype(np.float32)
