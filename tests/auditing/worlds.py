"""Worlds of which it is known what is in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from routerset.release.auditing.subject import Subject, coded

N_MODELS, N_CATEGORIES, PER_CATEGORY = 60, 6, 80
TWINS = ("lab/m40", "lab/m41")
NEAR_TWINS = ("lab/m42", "lab/m43")
DOMINANT = "lab/m59"
SAME, ALIKE = 8, 5  # pairs of items of equal text, and of equal vectors alone


def subject(scores: np.ndarray, seed: int = 0, **more: object) -> Subject:
    """A subject of some scores: items in categories of equal size, all of different texts and vectors."""
    n_models, n = scores.shape
    names = [f"topic {at * N_CATEGORIES // n}" for at in range(n)]
    codes = coded(names)
    vectors = np.random.default_rng(seed).normal(size=(n, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = Subject(
        "world",
        tuple(f"lab/m{at:02d}" for at in range(n_models)),
        scores,
        *codes,
        np.arange(n),
        np.ones(n, bool),
        np.full(n, 4),
        codes,
        vectors,
    )
    return replace(found, **more)  # type: ignore[arg-type]


def rasch(seed: int = 0, n_models: int = N_MODELS, n: int = N_CATEGORIES * PER_CATEGORY) -> Subject:
    """Abilities and difficulties, and nothing else."""
    rng = np.random.default_rng(seed)
    ability, difficulty = rng.normal(0, 1, (n_models, 1)), rng.normal(0, 1, (1, n))
    right = rng.random((n_models, n)) < 1 / (1 + np.exp(difficulty - ability))
    return subject(right.astype(np.uint8), seed)


def specialist(category: int) -> int:
    """Row of the specialist of a category."""
    return 10 + category


def planted() -> Subject:
    """Twins, near twins, a specialist of each category, a model that is good everywhere, pairs of items."""
    world = rasch(1)
    rng = np.random.default_rng(2)
    scores = world.scores.copy()
    n = scores.shape[1]
    for category in range(N_CATEGORIES):
        mine = world.categories == category
        scores[specialist(category)] = rng.random(n) < np.where(mine, 0.99, 0.25)
    scores[int(DOMINANT[-2:])] = rng.random(n) < 0.9
    names = list(world.models)
    one, other = (names.index(name) for name in TWINS)
    scores[other] = scores[one]
    one, other = (names.index(name) for name in NEAR_TWINS)
    scores[other] = scores[one]
    texts, vectors = world.texts.copy(), world.vectors.copy()
    for pair in range(SAME + ALIKE):
        first, second = 2 * pair, 2 * pair + 1
        vectors[second] = vectors[first]
        if pair < SAME:
            texts[second] = texts[first]
            scores[:, second] = scores[:, first]
    scores[other, 100] ^= 1  # so that they are near twins and no twins
    return replace(world, scores=scores, texts=texts, vectors=vectors, kept=[])
