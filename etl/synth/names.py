"""How each layout spells benchmarks, tasks, models and times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from routerset.schemas.benchmarks import Benchmark
from routerset.schemas.tasks import TASKS

MODELS = "models.csv"
"""Table of the models."""
TITLES = {
    "bbh": "Big-Bench-Hard",
    "gpqa": "GPQA",
    "ifeval": "IFEVAL",
    "math_lvl5": "MATH-LvL-5",
    "mmlu_pro": "MMLU-Pro",
    "musr": "MuSR",
}
"""Benchmark as file names of the v2 tables spell it."""
UNKNOWN_TASK = "synthetic_riddles"
"""A task that no registry knows."""


def harness_task(benchmark: Benchmark, subset: str) -> str:
    """Task name in lm-evaluation-harness logs."""
    lead = "leaderboard_" if benchmark.leaderboard == "v2" else ""
    return _spelled(benchmark, subset, lambda t: t.startswith(lead) and not t.startswith("harness"))


def details_task(benchmark: Benchmark, subset: str, old: bool) -> str:
    """Task name in v1 details: with colons where the old files have them, with hyphens in the new ones."""
    colon = old and any(task.benchmark == benchmark.name and ":" in name for name, task in TASKS.items())
    return _spelled(benchmark, subset, lambda t: "|" in t and (":" in t) == colon)


def pickle_task(benchmark: Benchmark, subset: str) -> str:
    """Subset name in RouterEval pickles."""
    return _spelled(
        benchmark,
        subset,
        lambda t: t.startswith("harness_") if benchmark.leaderboard == "v1" else not t.startswith("leader"),
    )


def _spelled(benchmark: Benchmark, subset: str, fits: Callable[[str], bool]) -> str:
    of_subset = (benchmark.name, subset)
    return next(
        name for name, task in TASKS.items() if (task.benchmark, task.subset) == of_subset and fits(name)
    )


def folder_name(model: str) -> str:
    """`org__name` of `org/name`."""
    return model.replace("/", "__")


def timestamp(day: str, place: int, colons: bool = False, days_before: int = 0) -> str:
    """Time of a model's run, with microseconds; older runs lie `days_before`."""
    time = datetime.fromisoformat(day) + timedelta(
        seconds=61 * place, microseconds=7 + place, days=-days_before
    )
    text = time.isoformat(timespec="microseconds")
    return text if colons else text.replace(":", "-")
