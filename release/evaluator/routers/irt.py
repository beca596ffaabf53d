"""IRT: item response theory, the items' parameters told by their vectors."""

from __future__ import annotations

import numpy as np

from ..task import Scores
from .factors import FactorRouter, Factors, Weights, uniform


class ItemResponse(FactorRouter):
    """2PL: P(right) = sigmoid(a_j (theta_i - b_j)), a_j = softplus(w_a.x_j + b_a), b_j = w_b.x_j + b_b.

    Ability theta_i is one number per model, discrimination a_j and difficulty b_j are linear in the item's
    vector (Birnbaum, 1968; with parameters from texts, IRT-Router, Song et al., 2025, whose M-IRT has 25
    dimensions and tells abilities, too, from texts, of the models). As a_j > 0, the order of models is the
    same for every item: without costs it always picks one model, while `a_j` says how much that one gains.
    M-IRT's public code has Adam at 1e-3 in some 10,000 steps; ours are fewer, at 1e-2. See `FactorRouter`.
    """

    rate = 1e-2

    def start(self, d: int, m: int, rng: np.random.Generator) -> Weights:
        """As torch.nn.Linear starts; all models are as able."""
        return {
            "ability": np.zeros(m, np.float32),
            "w": uniform(rng, d, 2, d),
            "b": uniform(rng, d, 2),
        }

    def factors(self, weights: Weights, x: Scores) -> Factors:
        """a theta - a b."""
        raw, difficulty = (x @ weights["w"].T + weights["b"]).T
        a = np.logaddexp(np.float32(0), raw)
        theta = weights["ability"]
        return np.stack([a, -a * difficulty], axis=1), np.stack([theta, np.ones_like(theta)], axis=1), _NONE

    def gradients(self, weights: Weights, x: Scores, items: Scores, models: Scores, offset: float) -> Weights:
        """By the chain rule; softplus has the slope 1 - exp(-softplus)."""
        raw, difficulty = (x @ weights["w"].T + weights["b"]).T
        a = np.logaddexp(np.float32(0), raw)
        by_raw = (items[:, 0] - difficulty * items[:, 1]) * -np.expm1(-a)
        both = np.stack([by_raw, -a * items[:, 1]])
        return {"ability": models[:, 0], "w": both @ x, "b": both.sum(axis=1)}


_NONE = np.float32(0)
