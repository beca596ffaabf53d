"""Models that are the same, or nearly: twins, and how many independent models there are."""

from __future__ import annotations

import numpy as np

from routerset.release.auditing.finding import Detector, Finding, mean, rounded, tell
from routerset.release.auditing.similarity import average, jaccard, largest, means, residual
from routerset.release.auditing.subject import Subject
from routerset.release.pools import NEAR, pool_of
from routerset.schemas.matrix import ScoreMatrix

PAIRS = 20
"""Pairs of models that are listed."""
ROUNDING = 1e-3


def find_twins(subject: Subject) -> Finding:
    """Numbers of twins, near twins and independent models among those with a mean score in (.1, .9]."""
    pool = pool_of(subject.benchmark, ScoreMatrix(subject.models, subject.scores), subject.seed)
    values = {
        "able": pool.able,
        "twin_sets": pool.twin_sets,
        "twins": pool.twin_models,
        "twins_by_chance": pool.twin_models_by_chance,
        "near_twin_pairs": pool.near_twins,
        "near_twin_pairs_by_chance": pool.near_twins_by_chance,
        "effective": pool.effective,
        "effective_by_chance": pool.effective_by_chance,
    }
    rows = (
        ("models with a mean score in (.1, .9]", pool.able, None),
        ("models that equal another one", pool.twin_models, pool.twin_models_by_chance),
        ("kinds of these", pool.twin_sets, None),
        (f"pairs that agree on {NEAR:.0%} of the items", pool.near_twins, pool.near_twins_by_chance),
        ("effective number of models", pool.effective, pool.effective_by_chance),
    )
    effective = "?" if pool.effective is None else f"{pool.effective:,.0f} of {pool.able:,}"
    chance = "?" if pool.effective_by_chance is None else f"{pool.effective_by_chance:,.0f}"
    near = "?" if pool.near_twins is None else f"{pool.near_twins:,}"
    return Finding(
        f"{pool.twin_models:,} twins ({pool.twin_models_by_chance:,} by chance), {near} near pairs; "
        f"{effective} effective ({chance})",
        values,
        rows,
        "" if subject.binary else "near twins and the effective number are of scores of 0 and 1",
    )


def find_likeness(subject: Subject) -> Finding:
    """Jaccard and residual similarity over train items, with the pairs that are most alike."""
    names = ("jaccard", "jaccard_by_chance", "residual_max", "residual_max_by_chance", "accuracy_correlation")
    scores = subject.scores[:, subject.train]
    if len(scores) < 2 or not scores.shape[1]:
        return Finding.undefined("fewer than two models, or no train item", names)
    chance = np.array([_summary(world.scores[:, world.train]) for world in subject.worlds])
    by_chance = chance.mean(axis=0) if len(chance) else np.full(2, np.nan)
    alike = jaccard(scores)
    mean_alike = average(alike)
    accuracy = scores.mean(axis=1, dtype=np.float64)
    together = None
    if np.ptp(accuracy) > 0 and np.ptp(mean_alike) > 0:
        together = rounded(float(np.corrcoef(accuracy, mean_alike)[0, 1]))
    left = residual(scores)
    nearest = round(float(largest(left).mean(dtype=np.float64)), 4)
    pairs = _most_alike(left)
    rows = tuple(
        (
            subject.models[i],
            subject.models[k],
            round(float(left[i, k]), 3),
            round(float(alike[i, k]), 5),
            rounded(float((scores[i] == scores[k]).mean())),
        )
        for i, k in pairs
    )
    told = [rounded(mean(mean_alike)), nearest]
    expected = [rounded(float(np.round(each, 4))) for each in by_chance]
    return Finding(
        f"nearest model {tell(nearest, 2)} alike beyond ability ({tell(expected[1], 2)} by chance); "
        f"Jaccard {tell(told[0], 2)} ({tell(expected[0], 2)})",
        {
            "jaccard": told[0],
            "jaccard_by_chance": expected[0],
            "residual_max": nearest,
            "residual_max_by_chance": expected[1],
            "accuracy_correlation": together,
        },
        rows,
        "" if len(chance) else "too few models to make chance of scores between 0 and 1",
    )


def _most_alike(similarity: np.ndarray) -> list[tuple[int, int]]:
    """The pairs of rows that are most alike, PAIRS at most."""
    n = len(similarity)
    wanted = min(PAIRS, n * (n - 1) // 2)
    after = [similarity[row, row + 1 :] for row in range(n - 1)]
    best = np.array([each.max() for each in after])
    # that many rows have a pair as good, so that no pair below is among the wanted
    low = np.partition(best, -wanted)[-wanted] - ROUNDING if wanted <= len(best) else -np.inf
    rows = np.flatnonzero(best >= low)
    seconds = [np.flatnonzero(after[row] >= low) + row + 1 for row in rows]
    first, second = np.repeat(rows, [len(each) for each in seconds]), np.concatenate(seconds)
    values = similarity[first, second]
    close = values >= np.partition(values, -wanted)[-wanted] - ROUNDING
    first, second, values = first[close], second[close], values[close]
    # sums of float32 differ between machines in their last digits, and an order does not
    order = np.argsort(-np.round(values.astype(np.float64), 3), kind="stable")[:wanted]
    return [*zip(first[order].tolist(), second[order].tolist(), strict=True)]


def _summary(scores: np.ndarray) -> tuple[float, float]:
    """Mean Jaccard, and mean residual similarity to the nearest model."""
    if scores.dtype == np.uint8:
        return means(scores)
    return float(average(jaccard(scores)).mean()), float(largest(residual(scores)).mean(dtype=np.float64))


TWINS = Detector(
    "twins",
    "Twins and independent models",
    (("what", "What"), ("number", "Number"), ("by_chance", "By chance")),
    "Twins have the same score on every item, near twins on 98% of them. The effective number says how many "
    "independent models would show as much correlation between what ability does not tell.",
    "Scores of each item dealt anew among models of like ability.",
    find_twins,
)
LIKENESS = Detector(
    "likeness",
    "How alike models are",
    (
        ("model", "Model"),
        ("other", "Other model"),
        ("residual", "Residual similarity"),
        ("jaccard", "Jaccard"),
        ("agreement", "Same score"),
    ),
    "Jaccard is the share of items that both have right among those that either has; it grows with accuracy. "
    "Residual similarity is the correlation of what ability does not tell. The table lists the pairs that "
    "are most alike; the means are of all models.",
    "Means in worlds with the same abilities and difficulties, where nobody is like anybody in particular.",
    find_likeness,
)
