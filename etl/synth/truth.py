"""The known truth behind a set of synthetic dumps: models, items, every score, and the faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from routerset.etl.synth.faults import Injury, Target, targets
from routerset.etl.synth.model import ItemBank, Population, draw_scores, item_bank, population
from routerset.etl.synth.plan import Plan, Scale
from routerset.etl.synth.wording import Item, body, preamble, write_items
from routerset.schemas.benchmarks import BENCHMARKS, Benchmark


@dataclass(frozen=True)
class Truth:
    """What is true of the dumps of one plan; large parts are computed when asked for.

    injuries: what each fault did; empty before anything is written.
    """

    plan: Plan
    injuries: tuple[Injury, ...] = ()

    @cached_property
    def people(self) -> Population:
        """All models that could be asked."""
        return population(self.plan.seed, self.plan.world)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Where the faults strike. Raises ValueError for a fault that no file can show."""
        return targets(self.plan)

    def places(self, benchmark: str) -> np.ndarray:
        """int (models,): numbers, in the population, of the models on a benchmark's leaderboard."""
        row = BENCHMARKS[benchmark]
        # at full size the v2 leaderboard starts later, so that few models stand on both
        first = 4689 if self.plan.scale is Scale.FULL and row.leaderboard == "v2" else 0
        return np.arange(first, first + min(self.plan.model_limit, row.models))

    def models(self, benchmark: str) -> tuple[str, ...]:
        """Names (`org/name`) of the models on a benchmark's leaderboard, in the order of `scores`."""
        return tuple(self.people.name(m) for m in self.places(benchmark).tolist())

    def abilities(self, benchmark: str) -> np.ndarray:
        """int64 (topics, models): ability in logits x 1024, without what a model knows of one benchmark."""
        return self.people.ability[:, self.places(benchmark)]

    def bank(self, benchmark: str) -> ItemBank:
        """Items of a benchmark with their difficulties."""
        row = BENCHMARKS[benchmark]
        return item_bank(self.plan.seed, row, self.plan.subset_sizes(row), self.plan.world)

    def items(self, benchmark: str) -> list[Item]:
        """Items of a benchmark in canonical order (subset by subset, by key)."""
        return write_items(self.plan.seed, self.bank(benchmark))

    def score_chunks(self, benchmark: str, subset: str) -> Iterator[np.ndarray]:
        """Scores on a subset, float32 (some items, models), a few items at a time."""
        bank = self.bank(benchmark)
        return draw_scores(self.people, bank, self.places(benchmark), bank.rows(subset))

    def scores(self, benchmark: str, subset: str | None = None) -> np.ndarray:
        """float32 (items, models): every model's score on every item, before any fault."""
        chosen = [subset] if subset is not None else list(self.bank(benchmark).sizes)
        return np.concatenate([c for s in chosen for c in self.score_chunks(benchmark, s)])


@dataclass(frozen=True)
class Subset:
    """What a layout writes of one subset: its items with their prompts, and the faults that strike here."""

    seed: int
    benchmark: Benchmark
    name: str
    items: list[Item]
    prompts: list[str]
    targets: tuple[Target, ...]

    def target(self, place: int) -> Target | None:
        """The fault that strikes the model at a place of the leaderboard."""
        return next((target for target in self.targets if target.model == place), None)


def subsets(truth: Truth, benchmark: str) -> Iterator[Subset]:
    """Subsets of a benchmark in canonical order."""
    items = truth.items(benchmark)
    bank = truth.bank(benchmark)
    for name in bank.sizes:
        rows = bank.rows(name)
        part = items[rows.start : rows.stop]
        before = preamble(truth.plan.seed, bank.benchmark, name)
        struck = tuple(t for t in truth.targets if (t.benchmark, t.subset) == (benchmark, name))
        prompts = [before + body(i) for i in part]
        yield Subset(truth.plan.seed, bank.benchmark, name, part, prompts, struck)
