"""Routoo's performance predictor, on frozen vectors, as printed and with a product."""

from __future__ import annotations

import numpy as np

from ..task import Scores
from .factors import FactorRouter, Factors, Weights, uniform

INTERACTIONS = ("difference", "product")


class Routoo(FactorRouter):
    """logits = W (h_q - h_m) + b of two classes, W shared by all models (Routoo, section 3.2; K = 2).

    As printed this is a Rasch model: P(right) = sigmoid(w.h_q - w.h_m + b), whatever the encoder. The order
    of models is the same for every query, so that without costs it always picks one model, and with costs it
    can only send easy queries to cheap ones. interaction = "product" has h_q * h_m in place of the
    difference, as EmbedLLM; there h_q ends with a constant 1, without which no model could have a mean.

    h_q is the item's vector (in the paper, of Mistral-7B, tuned by LoRA), h_m is learned, from 0: at random
    it would rank the models before any score is seen. The paper gives no rate and no number of epochs; see
    `FactorRouter`.
    """

    rate, decay = 3e-3, 1e-5

    def __init__(self, interaction: str = "difference") -> None:
        if interaction not in INTERACTIONS:
            raise ValueError(f"interaction {interaction!r}: expected {' or '.join(INTERACTIONS)}")
        self.product = interaction == "product"

    def start(self, d: int, m: int, rng: np.random.Generator) -> Weights:
        """W as torch.nn.Linear starts; all models are alike."""
        d += self.product
        return {
            "models": np.zeros((m, d), np.float32),
            "W": uniform(rng, d, 2, d),
            "b": uniform(rng, d, 2),
        }

    def factors(self, weights: Weights, x: Scores) -> Factors:
        """Only the difference between the two classes counts."""
        (wrong, right), (wrong_offset, right_offset) = weights["W"], weights["b"]
        w, offset = right - wrong, right_offset - wrong_offset
        if self.product:
            return _with_one(x), weights["models"] * w, offset
        return _with_one((x @ w)[:, None]), _one_and(-(weights["models"] @ w)), offset

    def gradients(self, weights: Weights, x: Scores, items: Scores, models: Scores, offset: float) -> Weights:
        """By the chain rule."""
        wrong, right = weights["W"]
        if self.product:
            both = (models * weights["models"]).sum(axis=0)
            own = models * (right - wrong)
        else:
            both = x.T @ items[:, 0] - weights["models"].T @ models[:, 1]
            own = np.outer(-models[:, 1], right - wrong)
        return {
            "models": own,
            "W": np.stack([-both, both]),
            "b": np.array([-offset, offset], np.float32),
        }


def _with_one(columns: Scores) -> Scores:
    return np.concatenate([columns, np.ones((len(columns), 1), np.float32)], axis=1)


def _one_and(column: Scores) -> Scores:
    return np.stack([np.ones_like(column), column], axis=1)
