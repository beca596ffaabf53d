"""What the audit looks at: one benchmark as arrays, and worlds in which chance alone made its scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice

import numpy as np
import numpy.typing as npt

from routerset.schemas.dealing import STRATUM
from routerset.schemas.matrix import ScoreMatrix, as_floats, missing
from routerset.schemas.nulls import NULLS

Codes = npt.NDArray[np.intp]
FEW_ITEMS = 20
"""Items that a category has at least, to be tested and not only printed (COSTS_AND_POOLS, section 1)."""
LARGE = 1 << 23
"""Scores above which one world of chance is drawn, and that by ability alone."""


@dataclass(frozen=True, eq=False)
class Costs:
    """What each model costs, in one unit. values: (models,) float64, NaN where not known; why, if any is."""

    kind: str = ""
    unit: str = ""
    values: np.ndarray = field(default_factory=lambda: np.empty(0))
    why: str = "no costs were given"

    @property
    def known(self) -> bool:
        """Whether every model has a cost, and not all the same."""
        return bool(len(self.values)) and bool(np.isfinite(self.values).all()) and len(set(self.values)) > 1


@dataclass(frozen=True, eq=False)
class Subject:
    """One benchmark.

    models: ids, ascending. scores: (models, items) without gaps, uint8 of 0 and 1, or float32. left_out:
    models, and items, that are not looked at, since scores are missing there. categories: (items,) places in
    `names`. texts: (items,), equal where the normalised questions are; None where no question is known.
    train: (items,) bool; all where there is no split. choices: (items,) number of answer options, 0 where not
    known. vectors: (items, d) of the questions, of length 1; None with why_no_vectors. seed: of worlds of
    chance and of half splits. kept: what `halves.half_sums` found, which two detectors ask for.
    """

    benchmark: str
    models: tuple[str, ...]
    scores: np.ndarray
    categories: Codes
    names: tuple[str, ...]
    texts: Codes | None
    train: npt.NDArray[np.bool_]
    choices: Codes
    subsets: tuple[Codes, tuple[str, ...]]
    vectors: np.ndarray | None = None
    why_no_vectors: str = "there are no vectors"
    costs: Costs = field(default_factory=Costs)
    left_out: tuple[int, int] = (0, 0)
    seed: int = 42
    kept: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list, repr=False)

    @cached_property
    def tested(self) -> npt.NDArray[np.bool_]:
        """(categories,) whether a category has enough items to be tested."""
        return np.asarray(np.bincount(self.categories, minlength=len(self.names)) >= FEW_ITEMS)

    @property
    def binary(self) -> bool:
        """Whether scores are 0 or 1."""
        return self.scores.dtype == np.uint8

    def rng(self, *salt: int) -> np.random.Generator:
        """A generator of its own for each use."""
        return np.random.default_rng([self.seed, *salt])

    @property
    def null(self) -> str | None:
        """Name of the null model of `worlds`; None where none holds what each model can do.

        `margins` keeps the sums of models and items, as a Rasch model does; `ability` does for many models.
        """
        if self.binary and self.scores.size <= LARGE:
            return "margins"
        return "ability" if len(self.models) >= 2 * STRATUM else None

    @cached_property
    def worlds(self) -> tuple[Subject, ...]:
        """Subjects whose scores tell nothing of who is good at what; none where there is no null model."""
        if self.null is None:
            return ()
        drawn = NULLS[self.null].worlds(self.scores, self.rng(0))
        wanted = 1 if self.scores.size > LARGE else NULLS["margins"].draws
        return tuple(replace(self, scores=scores.copy(), kept=[]) for scores in islice(drawn, wanted))


def whole_part(matrix: ScoreMatrix) -> tuple[np.ndarray, np.ndarray]:
    """Rows and items of a matrix without a gap in it: ascending each.

    All items, and the models that have a score on all of them; where that are fewer than 2, the models with
    half of the items at least, and the items that all of them have.
    """
    there = ~missing(matrix.scores)
    rows = np.flatnonzero(there.all(axis=1))
    if len(rows) >= 2:
        return rows, np.arange(there.shape[1])
    rows = np.flatnonzero(there.sum(axis=1) * 2 >= there.shape[1])
    return rows, np.flatnonzero(there[rows].all(axis=0))


def gapless(scores: np.ndarray, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Some rows and items of a matrix; uint8 where all scores are 0 and 1, else float32."""
    if len(rows) < len(scores):
        scores = scores[rows]
    if len(items) < scores.shape[1]:
        scores = scores[:, items]
    if scores.dtype != np.uint8 and ((scores == 0) | (scores == 1)).all():
        return scores.astype(np.uint8)
    return scores if scores.dtype == np.uint8 else as_floats(scores)


def coded(values: Sequence[str]) -> tuple[Codes, tuple[str, ...]]:
    """Places of values among their different ones, which come in order of appearance."""
    names = tuple(dict.fromkeys(values))
    place = {name: at for at, name in enumerate(names)}
    return np.array([place[value] for value in values], np.intp), names
