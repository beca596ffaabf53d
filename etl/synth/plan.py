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
    ALL = "all"


class Scale(StrEnum):
    """Few items of every subset, or the full shape of RouterEval (Table 4)."""

    SMALL = "small"
    FULL = "full"


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


HOME: dict[str, Layout] = {
    "arc": Layout.DETAILS_OLD,
    "hellaswag": Layout.DETAILS_NEW,
    "mmlu": Layout.WIDE,
    "truthfulqa": Layout.DETAILS_OLD,
    "winogrande": Layout.DETAILS_NEW,
    "gsm8k": Layout.ROUTEREVAL,
    "ifeval": Layout.LM_EVAL,
    "bbh": Layout.WIDE,
    "gpqa": Layout.LM_EVAL,
    "musr": Layout.LM_EVAL,
    "math_lvl5": Layout.WIDE,
    "mmlu_pro": Layout.MMLU_PRO,
}
"""Benchmarks that can be written, and where each lies under `Layout.ALL`: many subsets, few files."""

_SMALL: dict[str, tuple[int, int]] = {
    "arc": (40, 0),
    "hellaswag": (60, 0),
    "mmlu": (100, 2),
    "truthfulqa": (40, 0),
    "winogrande": (40, 0),
    "gsm8k": (64, 0),
    "ifeval": (40, 0),
    "bbh": (144, 6),
    "gpqa": (70, 0),
    "musr": (36, 12),
    "math_lvl5": (44, 6),
    "mmlu_pro": (66, 0),
}
"""Items of a benchmark at small scale, shared out like the full ones, and the least a subset gets."""


@dataclass(frozen=True)
class Plan:
    """One order for dumps.

    models: models per benchmark, the first of each leaderboard, at most as many as the leaderboard has;
    None for all of them at full scale and `SMALL_MODELS` at small scale. benchmarks: None for all that
    the layout can hold. Raises ValueError for what the layout cannot hold.
    """

    models: int | None = None
    layout: Layout = Layout.ALL
    scale: Scale = Scale.SMALL
    seed: int = 0
    faults: frozenset[Fault] = frozenset()
    benchmarks: tuple[str, ...] | None = None

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
    def model_limit(self) -> int:
        """Models per benchmark, before the size of the leaderboard is considered."""
        if self.models is not None:
            return self.models
        return SMALL_MODELS if self.scale is Scale.SMALL else max(b.models for b in BENCHMARKS.values())

    def placement(self) -> dict[str, Layout]:
        """Benchmark -> the one layout that it is written in, in registry order."""
        chosen = self.benchmarks or carried_by(self.layout)
        whole = self.layout is Layout.ALL
        return {name: HOME[name] if whole else self.layout for name in BENCHMARKS if name in chosen}

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
        target, least = _SMALL[benchmark.name]
        return {s: max(least, n * target // benchmark.n_items) for s, n in benchmark.subsets.items()}


def carried_by(layout: Layout) -> tuple[str, ...]:
    """Benchmarks that a layout can hold."""
    if layout is Layout.MMLU_PRO:
        return ("mmlu_pro",)
    v1_only = layout in (Layout.DETAILS_OLD, Layout.DETAILS_NEW)
    return tuple(name for name in HOME if not v1_only or BENCHMARKS[name].leaderboard == "v1")
