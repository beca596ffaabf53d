"""What a router sees, and what a router is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from .html import small_table

Floats = npt.NDArray[np.floating]
Scores = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]
Cell = tuple[str, int, str, str, str]

KINDS = ("all_strong", "all_weak", "strong_to_weak")
"""Kinds of groups by strength."""
OPEN = "open"
"""Kind of the groups of a method that does not choose by strength: one of each size."""
PAIR = "pair"
"""Kind and method of two models that were named, in place of a group's."""
_OF_METHODS: dict[str, tuple[str, ...]] = {PAIR: (PAIR,), "universe": (OPEN,), "diverse": (OPEN,)}
_STREAMS = (*KINDS, PAIR, OPEN)
"""Kinds by number of their random stream: a new one comes last."""
SEEN, UNSEEN = TRACKS = ("seen", "unseen")
"""Where routers learn: on the benchmark's own train items, or on all other benchmarks."""


def kinds_of(method: str) -> tuple[str, ...]:
    """The kinds of groups that a method has at each size; a mean is over all of them."""
    return _OF_METHODS.get(method, KINDS)


@dataclass(frozen=True, eq=False)
class Everyone:
    """Scores of all models that have one on any of the items, (n, models) for each split, rows as those of X.

    NaN where a model has none. test: None, unless the router is an upper bound.
    """

    models: tuple[str, ...]
    train: Scores
    validation: Scores
    test: Scores | None = None


@dataclass(frozen=True)
class Categories:
    """What the items of each split are about, in row order: their category, else their subset."""

    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Costs:
    """What candidates cost, in one unit.

    kind: key of `costs.COST_KINDS`. mean: (m,), over the train items; where only models have a cost, that.
    train, validation: (n, m), of every answer; None where only models have a cost. test: (n_test, m), where
    it is known before a call, as sizes and prices are; None where it depends on the answer.
    """

    kind: str
    unit: str
    mean: Floats
    train: Floats | None = None
    validation: Floats | None = None
    test: Floats | None = None


@dataclass(frozen=True, eq=False)
class Task:
    """One cell of the benchmark: a group of m candidate LLMs on one benchmark under one split.

    benchmark, m, kind, method, scheme: which cell; kind is one of `KINDS`, `OPEN` or `PAIR`.
    encoder: which encoder made the vectors, None where the release has none.
    candidates: m model ids, ascending by mean score over the whole benchmark for `paper` groups.
    X_train, X_val, X_test: float32 (n, d), one row per item; d = 0 where there is no encoder.
    Y_train, Y_val: float32 (n, m), score of each candidate in [0, 1].
    labels_train, labels_val: uint8 (n, m), 1 where the score is at least 0.95 x the best on that item.
    No array can be written to: copy it first (`X = task.X_train - mean`, not `task.X_train -= mean`).
    Y_test: None, unless the router declares `sees_test_scores = True` (upper bounds such as the oracle).
    read_everyone: None, unless it declares that or `uses_all_models = True`; gives the scores of all models
    on the same items, those of test to upper bounds alone.
    test_items: item_id of each test row.
    binary: every score is 0 or 1.
    compat: follow the reference code's quirks; then the training rows come in the reference's order.
    seed: where every random choice of a router starts.
    read_prompts: `read_prompts("train")` gives the texts of a split, in row order: the prompt as it was sent,
    the question where there is none.
    costs: what the candidates cost, where the evaluation is asked for and the release has costs of them all.
    categories: what each row is about, one name for each.
    """

    benchmark: str
    m: int
    kind: str
    method: str
    scheme: str
    encoder: str | None
    candidates: tuple[str, ...]
    X_train: Scores
    X_val: Scores
    X_test: Scores
    Y_train: Scores
    Y_val: Scores
    labels_train: Labels
    labels_val: Labels
    test_items: tuple[str, ...]
    read_prompts: Callable[[str], list[str]]
    Y_test: Scores | None = None
    read_everyone: Callable[[], Everyone] | None = None
    binary: bool = True
    compat: bool = False
    seed: int = 0
    costs: Costs | None = None
    categories: Categories = Categories()

    def _repr_html_(self) -> str:
        """Its candidates, for a notebook."""
        title = (
            f"{self.benchmark}, m = {self.m}, {self.kind}, groups {self.method}, split {self.scheme}: "
            f"{len(self.Y_train)} train, {len(self.Y_val)} validation and {self.n_test} test items, vectors "
            f"{self.encoder or 'none'} ({self.X_train.shape[1]})"
        )
        sides = [Y.mean(axis=0).tolist() if len(Y) else [None] * self.m for Y in (self.Y_train, self.Y_val)]
        rows = [*zip(self.candidates, *sides, strict=True)]
        return small_table(title, ("candidate", "mean train score", "mean validation score"), rows)

    @property
    def cell(self) -> Cell:
        """(benchmark, m, kind, method, scheme): a key for what a router keeps per cell."""
        return self.benchmark, self.m, self.kind, self.method, self.scheme

    @property
    def n_test(self) -> int:
        """Number of test items."""
        return len(self.test_items)

    @property
    def stream(self) -> list[int]:
        """Seed of this cell's own random stream, the same whether cells are trained together or alone."""
        return [self.seed, self.m, _STREAMS.index(self.kind)]


@runtime_checkable
class Router(Protocol):
    """Anything with `fit` and `predict_proba`. A fresh one is made for every cell.

    Optional class attributes, read once, before the first `fit`:
    `uses_vectors = False`: works in a release without embeddings.
    `sees_test_scores = True`: an upper bound; `task.Y_test` and `task.read_everyone` are filled in, and
    the table marks it with a star.
    `uses_all_models = True`: it learns from other models than the candidates too; `task.read_everyone` is
    filled in, without test scores.
    `has_probabilities = False`: it only chooses, so its E_p is undefined.
    `draws = True`: it draws a candidate; under a cap, each that it allows is as likely.
    `has_curve = False`: a choice under a budget is not defined for it.
    `entropy_floor = 1e-4`: with compat, E_p drops terms with p at or below it, as the reference does.
    Optional methods: those of `SharedRouter`, `PolicyRouter`, `ScoringRouter` and `CostingRouter`.
    """

    def fit(self, task: Task) -> object:
        """Learn from the training (and validation) rows."""

    def predict_proba(self, task: Task) -> Floats:
        """Selection probabilities, (n_test, m), each row sums to 1."""


@runtime_checkable
class SharedRouter(Router, Protocol):
    """A router that learns all cells of a benchmark at once; one is made for each benchmark."""

    def fit_all(self, tasks: Sequence[Task]) -> object:
        """Learn every cell; the tasks share X_train and X_test. Must equal fitting each alone."""


@runtime_checkable
class ScoringRouter(Router, Protocol):
    """A router that estimates what each candidate would score: choices under a budget follow that."""

    def predict_scores(self, task: Task) -> Floats:
        """Expected score of each candidate on each test item, (n_test, m); any finite numbers."""


@runtime_checkable
class CostingRouter(Router, Protocol):
    """A router that estimates what each candidate's answer would cost; otherwise its mean over train does."""

    def predict_costs(self, task: Task) -> Floats:
        """Expected cost of each candidate on each test item, (n_test, m), in the unit of `task.costs`."""


@runtime_checkable
class PolicyRouter(Router, Protocol):
    """A router whose choice is not simply its most probable candidate."""

    def policy(self, task: Task) -> Floats:
        """How often each candidate is chosen, (n_test, m), rows sum to 1; one-hot when it never varies."""
