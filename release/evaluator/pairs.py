"""Two candidates, a small and a large one: how much goes to which (RouteLLM; RouterBench+, routing rate)."""

from __future__ import annotations

import numpy as np

from .ladders import Array
from .task import Floats


def routing_curve(confidence: Floats, small: Floats, large: Floats) -> tuple[Array, Array]:
    """Mean score where the items of highest confidence go to the small candidate: shares, and scores.

    confidence, small, large: (n,). Of items with equal confidence any part may go there: the curve is
    straight between the ends of such a block. Shares ascend from 0 to 1, both among them.
    """
    confidence, gain = np.asarray(confidence), np.asarray(small, np.float64) - np.asarray(large, np.float64)
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    ends = np.append(ordered[1:] != ordered[:-1], True)
    sent = np.append(0, np.flatnonzero(ends) + 1)
    gained = np.append(0.0, np.cumsum(gain[order])[ends])
    n = len(ordered)
    return sent / n, float(np.mean(large, dtype=np.float64)) + gained / n


def routing_area(shares: Array, scores: Array) -> float:
    """Mean score over the share that goes to the small candidate; at random it is (small + large) / 2."""
    return float(np.trapezoid(scores, shares))


def routing_items(confidence: Floats, small: Floats, large: Floats) -> Array:
    """What each item adds to `routing_area`, to first order, (n,): their mean is the area.

    Each counts its own gain over the shares that it is sent at, and moves the place of all others.
    """
    shares, scores = routing_curve(confidence, small, large)
    ends, block = np.unique(-np.asarray(confidence), return_inverse=True)
    assert len(ends) == len(shares) - 1
    middle = ((shares[1:] + shares[:-1]) / 2)[block]
    height = ((scores[1:] + scores[:-1]) / 2)[block]
    gain = np.asarray(small, np.float64) - np.asarray(large, np.float64)
    return np.asarray(np.asarray(large) + gain * (1 - middle) + height - routing_area(shares, scores))


def share_to_reach(shares: Array, scores: Array, recovered: float) -> float | None:
    """CPT: least share sent to the large candidate that recovers this part of its gain over the small one.

    shares, scores: of `routing_curve`. None where the large candidate is not the better one.
    """
    weak, strong = scores[-1], scores[0]
    if strong <= weak:
        return None
    sent, gain = 1.0 - shares[::-1], (scores[::-1] - weak) / (strong - weak)
    at = int(np.argmax(gain >= recovered - 1e-12))
    if at == 0:
        return 0.0
    part = (recovered - gain[at - 1]) / (gain[at] - gain[at - 1])
    return float(sent[at - 1] + part * (sent[at] - sent[at - 1]))


def resampled_shares(
    confidence: Floats, small: Floats, large: Floats, counts: Floats, recovered: float
) -> Array:
    """CPT under counts (B, n) of how often each item is drawn: (B,), NaN where it is undefined."""
    order = np.argsort(-np.asarray(confidence), kind="stable")
    ordered = np.asarray(confidence)[order]
    ends = np.append(ordered[1:] != ordered[:-1], True)
    weights = np.asarray(counts, np.float64)[:, order] / len(ordered)
    gain = (np.asarray(small, np.float64) - np.asarray(large, np.float64))[order]
    none = np.zeros((len(weights), 1))
    sent = np.hstack([none, np.cumsum(weights, axis=1)[:, ends]])
    gained = np.hstack([none, np.cumsum(weights * gain, axis=1)[:, ends]])
    room = -gained[:, -1]
    defined = room > 1e-12
    back = np.divide(gained, room[:, None], out=np.zeros_like(gained), where=defined[:, None]) + 1
    # from all sent to the large one backwards, the last point that reaches, and the one after it
    rows, at = np.arange(len(back)), back.shape[1] - 1 - (back[:, ::-1] >= recovered - 1e-12).argmax(axis=1)
    after = np.minimum(at + 1, back.shape[1] - 1)
    rise = back[rows, at] - back[rows, after]
    part = np.divide(recovered - back[rows, after], rise, out=np.zeros(len(rows)), where=rise > 0)
    reached = sent[rows, after] + part * (sent[rows, at] - sent[rows, after])
    return np.where(defined, 1 - reached, np.nan)


def gain_recovered(score: float, weak: float, strong: float) -> float | None:
    """PGR: the part of the strong candidate's gain over the weak one; None where it has none."""
    return None if strong <= weak else (score - weak) / (strong - weak)
