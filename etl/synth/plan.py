"""What to synthesise: layout, scale, number of models, faults; and which benchmark lies in which layout."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from routerset.schemas.benchmarks import BENCHMARKS, Benchmark

SMALL_MODELS = 60
"""Models of the small scale, unless the plan says otherwise."""


class Layout(StrEnum):
    """The real dump layouts that can be written."""

    WIDE = "wide"
    LM_EVAL = "lm_eval"
    DETAILS_OLD = "details_old"
    DETAILS_NEW = "details_new"
    MMLU_PRO = "mmlu_pro"
    ROUTEREVAL = "routereval"
    LONG = "long"
    ITEM_MAJOR = "item_major"
    ALL = "all"


class Scale(StrEnum):
    """Few items of every subset, or the full shape of RouterEval (Table 4)."""

    SMALL = "small"
    FULL = "full"


class World(StrEnum):
    """Who knows what: models with strengths by topic and benchmark, or none better at anything."""

    TOPICS = "topics"
    RASCH = "rasch"


class Fault(StrEnum):
    """Faults that real dumps have."""

    RERUN = "rerun"
    MISSING_ROWS = "missing_rows"
    NAN = "nan"
    CONFLICTING_GOLD = "conflicting_gold"
    STRAY_STRINGS = "stray_strings"
    TRUNCATED = "truncated"
    DUPLICATE_KEYS = "duplicate_keys"
    UNKNOWN_TASK = "unknown_task"


@dataclass(frozen=True)
class Recipe:
    """How a benchmark is made. home: where it lies under `Layout.ALL`: many subsets, few files.

    items: at small scale, shared out like the full ones. least: items that a subset gets there.
    choices: answer options of a question; 0 where the answer is free text. ease: logits x 1024.
    """

    home: Layout
    items: int
    least: int
    choices: int
    ease: int


RECIPES = {
    "arc": Recipe(Layout.DETAILS_OLD, 40, 0, 4, 0),
    "hellaswag": Recipe(Layout.DETAILS_NEW, 60, 0, 4, 900),
    "mmlu": Recipe(Layout.WIDE, 100, 2, 4, -300),
    "truthfulqa": Recipe(Layout.DETAILS_OLD, 40, 0, 4, -200),
    "winogrande": Recipe(Layout.DETAILS_NEW, 40, 0, 2, 0),
    "gsm8k": Recipe(Layout.ROUTEREVAL, 64, 0, 0, -300),
    "ifeval": Recipe(Layout.LM_EVAL, 40, 0, 0, -200),
    "bbh": Recipe(Layout.WIDE, 144, 6, 3, -800),
    "gpqa": Recipe(Layout.LM_EVAL, 70, 0, 4, -2200),
    "musr": Recipe(Layout.LM_EVAL, 36, 12, 3, -1300),
    "math_lvl5": Recipe(Layout.WIDE, 44, 6, 0, -2000),
    "mmlu_pro": Recipe(Layout.MMLU_PRO, 66, 0, 10, -1100),
}
"""Benchmarks that can be written."""


COSTED = (
    Layout.LONG,
    Layout.ITEM_MAJOR,
    Layout.DETAILS_OLD,
    Layout.DETAILS_NEW,
    Layout.LM_EVAL,
    Layout.MMLU_PRO,
)
"""Layouts that can tell what answers cost: as numbers, as lists of tokens, or by texts to count them in."""


@dataclass(frozen=True)
class Plan:
    """One order for dumps.

    models: models per benchmark, the first of each leaderboard, at most as many as the leaderboard has;
    None for all of them at full scale and `SMALL_MODELS` at small scale. benchmarks: None for all that
    the layout can hold. costs: whether dumps in the layouts that can do so tell what answers cost.
    Raises ValueError for what the layout cannot hold.
    """

    models: int | None = None
    layout: Layout = Layout.ALL
    scale: Scale = Scale.SMALL
    seed: int = 0
    faults: frozenset[Fault] = frozenset()
    benchmarks: tuple[str, ...] | None = None
    world: World = World.TOPICS
    costs: bool = False

    def __post_init__(self) -> None:
        most = max(b.models for b in BENCHMARKS.values())
        if self.models is not None and not 1 <= self.models <= most:
            raise ValueError(f"models: expected 1 to {most}, found {self.models}")
        if self.faults and self.model_limit < len(Fault):
            # one victim per fault, so that no two of them meet in one file
            raise ValueError(f"faults: expected at least {len(Fault)} models, found {self.models}")
        holds = carried_by(self.layout)
        for name in self.benchmarks or ():
            if name not in holds:
                raise ValueError(
                    f"benchmarks: layout {self.layout} cannot hold {name!r}; it holds: {', '.join(holds)}"
                )
        if self.costs and not any(layout in COSTED for layout in self.placement().values()):
            can = ", ".join(COSTED)
            raise ValueError(f"costs: layout {self.layout} cannot hold them; {can} can, and {Layout.ALL}")
        for names in self.pickles().values():
            rows = {n for name in names for n in self.subset_sizes(BENCHMARKS[name]).values()}
            columns = min(self.model_limit, BENCHMARKS[names[0]].models)
            if rows == {columns}:
                # nothing in such a file tells items from models, and readers rightly refuse it
                raise ValueError(
                    f"models: found {columns}, as many as {', '.join(names)} has items, which makes a pickle "
                    "ambiguous; expected any other number"
                )

    @property
    def counted(self) -> bool:
        """Whether costs are to be counted in texts."""
        return self.costs and not {Layout.LM_EVAL, Layout.MMLU_PRO}.isdisjoint(self.placement().values())

    @property
    def model_limit(self) -> int:
        """Models per benchmark, before the size of the leaderboard is considered."""
        if self.models is not None:
            return self.models
        return SMALL_MODELS if self.scale is Scale.SMALL else max(b.models for b in BENCHMARKS.values())

    def placement(self) -> dict[str, Layout]:
        """Benchmark -> the one layout that it is written in, in registry order."""
        chosen = self.benchmarks or carried_by(self.layout)
        whole = self.layout is Layout.ALL
        return {name: RECIPES[name].home if whole else self.layout for name in BENCHMARKS if name in chosen}

    def pickles(self) -> dict[str, list[str]]:
        """RouterEval's file (old, new or mmlu_pro) -> the benchmarks in it."""
        files: dict[str, list[str]] = {}
        for name, layout in self.placement().items():
            if layout is Layout.ROUTEREVAL:
                which = {"v1": "old", "v2": "new"}[BENCHMARKS[name].leaderboard]
                files.setdefault("mmlu_pro" if name == "mmlu_pro" else which, []).append(name)
        return files

    def subset_sizes(self, benchmark: Benchmark) -> dict[str, int]:
        """Subset -> number of items, in canonical order."""
        if self.scale is Scale.FULL:
            return dict(benchmark.subsets)
        made, whole = RECIPES[benchmark.name], benchmark.n_items
        return {s: max(made.least, n * made.items // whole) for s, n in benchmark.subsets.items()}


def carried_by(layout: Layout) -> tuple[str, ...]:
    """Benchmarks that a layout can hold."""
    if layout is Layout.MMLU_PRO:
        return ("mmlu_pro",)
    v1_only = layout in (Layout.DETAILS_OLD, Layout.DETAILS_NEW)
    return tuple(name for name in RECIPES if not v1_only or BENCHMARKS[name].leaderboard == "v1")
