"""MF: matrix factorisation, the items' factors a projection of their vectors (EmbedLLM)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..task import Scores, Task
from .factors import FactorRouter, Factors, Weights, uniform

FACTORS = 232


class MatrixFactors(FactorRouter):
    """logits = W2 (p_i * (W1 x_j + b1)) + b2 of two classes, wrong and right (EmbedLLM, Zhuang et al., 2024).

    Settings are those of its public code: 232 factors, Adam with weight decay 1e-5, 50 epochs, and noise of
    0.05 on the coordinates of vectors, which have length 1. Changed: 32 steps an epoch at rate 3e-3, where
    batches of 2,048 pairs of item and model at 1e-4 would be 2 items of 1,000 models, or 15 steps of 3; one
    draw of noise for all models on an item; items are shuffled; the epoch is picked on validation.
    See `FactorRouter`.
    """

    rate, decay, noise = 3e-3, 1e-5, 0.05

    def start(self, d: int, m: int, rng: np.random.Generator) -> Weights:
        """As torch.nn.Embedding and torch.nn.Linear start."""
        return {
            "models": rng.standard_normal((m, FACTORS), np.float32),
            "W1": uniform(rng, d, d, FACTORS),
            "b1": uniform(rng, d, FACTORS),
            "W2": uniform(rng, FACTORS, 2, FACTORS),
            "b2": uniform(rng, FACTORS, 2),
        }

    def factors(self, weights: Weights, x: Scores) -> Factors:
        """Only the difference between the two classes counts."""
        (wrong, right), (wrong_offset, right_offset) = weights["W2"], weights["b2"]
        items = x @ weights["W1"] + weights["b1"]
        return items, weights["models"] * (right - wrong), right_offset - wrong_offset

    def gradients(self, weights: Weights, x: Scores, items: Scores, models: Scores, offset: float) -> Weights:
        """By the chain rule."""
        wrong, right = weights["W2"]
        both = (models * weights["models"]).sum(axis=0)
        return {
            "models": models * (right - wrong),
            "W1": x.T @ items,
            "b1": items.sum(axis=0),
            "W2": np.stack([-both, both]),
            "b2": np.array([-offset, offset], np.float32),
        }


class MatrixFactorsOfAll(MatrixFactors):
    """MF that learns from the train and validation scores of all models of the benchmark, once for all cells.

    Models may miss scores, a candidate's own are among those of all.
    """

    uses_all_models = True

    def fit_all(self, tasks: Sequence[Task]) -> None:
        """Train once; the factors of a cell's candidates are among those of all models."""
        first = tasks[0]
        if first.read_everyone is None:
            raise ValueError("a router of all models needs task.read_everyone")
        everyone = first.read_everyone()
        lesson = everyone.train, everyone.validation, np.random.default_rng(first.seed)
        ((items, models, offset),) = self.learn(first, [lesson])
        place = {model: row for row, model in enumerate(everyone.models)}
        self.logits = {
            task.cell: items @ models[[place[model] for model in task.candidates]].T + offset
            for task in tasks
        }
