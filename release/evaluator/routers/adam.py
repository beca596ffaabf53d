"""Adam, on arrays in place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..task import Scores

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Adam (Kingma and Ba, 2015) on `weights`, each for itself, with the defaults of torch and scikit-learn.

    late: whether epsilon is added to the root as it is, as the paper's faster order and scikit-learn have it;
    otherwise to the root freed of its bias, as torch has it.

    Both means are kept without their factors 1 - beta, which spares two passes.
    """

    def __init__(self, weights: Scores, late: bool = False) -> None:
        self.weights, self.late = weights, late
        self.mean, self.square = np.zeros_like(weights), np.zeros_like(weights)
        self.steps = 0

    def step(self, gradient: Scores, rate: float) -> None:
        """Move the weights. The gradient is scratch after it."""
        self.steps += 1
        bias = 1 - BETA_2**self.steps
        self.mean *= BETA_1
        self.mean += gradient
        gradient *= gradient
        self.square *= BETA_2
        self.square += gradient
        np.sqrt(self.square, out=gradient)
        gradient += EPSILON * ((1 if self.late else bias) / (1 - BETA_2)) ** 0.5
        np.divide(self.mean, gradient, out=gradient)
        gradient *= rate * (bias / (1 - BETA_2)) ** 0.5 * (1 - BETA_1) / (1 - BETA_1**self.steps)
        self.weights -= gradient

    def keep(self, rows: npt.NDArray[np.bool_]) -> None:
        """Go on with some rows of the weights."""
        self.weights, self.mean, self.square = self.weights[rows], self.mean[rows], self.square[rows]
