"""Softmax over the last axis."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..task import Floats


def softmax(logits: Floats) -> npt.NDArray[np.float64]:
    """exp(x) / sum(exp(x)) in float64, shifted by the maximum."""
    shifted = np.asarray(logits, np.float64)
    exponential = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    return np.asarray(exponential / exponential.sum(axis=-1, keepdims=True))
