"""Score matrices without specialisation: what groups of candidates reach in a world of noise alone.

Two null models. `ability`: on every item the scores are dealt anew among models of like ability. `margins`:
every matrix of 0 and 1 with the same number of right answers per model and per item is as likely, which is
the law that a Rasch model gives once those numbers are known (Rasch 1960); drawn by trades between pairs of
models (Strona et al. 2014, "curveball"), whose chain has that law as its limit (Carstens 2015).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from routerset.schemas.coverage import row_means
from routerset.schemas.dealing import deal

MIXING, SPACING = 20, 6
"""Rounds of trades, every model in one of them, before the first matrix of a chain and between two."""
BLOCK = 1 << 22
"""Scores worked on in one go."""


@dataclass(frozen=True)
class Null:
    """A null model: `worlds(scores, rng)` yields `draws` matrices, each to be used before the next is made.

    scores: (models, items), uint8 of 0 and 1 or floats; it stays as it is. binary: needs scores of 0 and 1.
    """

    name: str
    draws: int
    binary: bool
    worlds: Callable[[np.ndarray, np.random.Generator], Iterator[np.ndarray]]


def deal_by_ability(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The scores of every item, dealt anew among models of like mean score; see `dealing.deal`."""
    return deal(scores, np.argsort(row_means(scores), kind="stable"), rng)


def trade(scores: np.ndarray, rng: np.random.Generator, rounds: int) -> None:
    """Move a matrix of 0 and 1 among those with its sums of rows and of columns, in place.

    In a trade two models pool the items that one of them has right, and each gets as many back as it had.
    """
    n_models, n_items = scores.shape
    step = max(1, BLOCK // n_items)
    for _ in range(rounds):
        order = rng.permutation(n_models)
        first, second = order[0 : n_models - 1 : 2], order[1::2]
        for start in range(0, len(first), step):
            _trade(scores, first[start : start + step], second[start : start + step], rng)


def _trade(scores: np.ndarray, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> None:
    """Trade between pairs of rows, in place."""
    apart = scores[first] != scores[second]
    trading = np.flatnonzero(apart.any(axis=1))
    if not len(trading):
        return
    first, second, apart = first[trading], second[trading], apart[trading]
    ours, theirs = scores[first], scores[second]
    sizes = apart.sum(axis=1)
    starts = np.cumsum(sizes) - sizes
    kept = (ours & apart).sum(axis=1)
    places = np.flatnonzero(apart)  # in one dimension, which takes a fifth of the time
    mine = rng.random(len(places), np.float32) < np.repeat((kept / sizes).astype(np.float32), sizes)
    # about as many as there shall be: the rest is moved one by one, which leaves every choice as likely
    surplus = np.add.reduceat(mine, starts, dtype=np.int64) - kept
    while len(off := np.flatnonzero(surplus)):
        at = starts[off] + rng.integers(sizes[off])
        too_many = surplus[off] > 0
        moved = mine[at] == too_many
        mine[at[moved]] ^= True
        surplus[off[moved]] -= np.where(too_many[moved], 1, -1)
    ours.put(places, mine)  # whatever the layout of a matrix
    theirs.put(places, ~mine)
    scores[first], scores[second] = ours, theirs


def _by_ability(scores: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    for _ in range(NULLS["ability"].draws):
        yield deal_by_ability(scores, rng)


def _within_margins(scores: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    world = scores.copy()
    for draw in range(NULLS["margins"].draws):
        trade(world, rng, SPACING if draw else MIXING)
        yield world


NULLS = {
    null.name: null
    for null in (Null("ability", 20, False, _by_ability), Null("margins", 5, True, _within_margins))
}
"""Every null model, by name."""
