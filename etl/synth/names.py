"""How each layout spells benchmarks, tasks, models and times."""

from __future__ import annotations

from datetime import datetime, timedelta

from routerset.etl.synth.plan import Layout
from routerset.schemas.benchmarks import Benchmark
from routerset.schemas.tasks import TASKS

MODELS = "models.csv"
"""Table of the models."""
TOKENIZER_FILE = "tokenizer.json"
"""What counts the texts of dumps that tell no tokens."""
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
ITEM_COLUMNS = {
    "doc_key": "sample_id", "question": "prompt", "choices": "options", "gold": "answer",
    "subset": "eval_name",
}  # fmt: skip
COST_SUFFIXES = {
    "usd": "{model}|total_cost", "prompt_tokens": "{model}|input_tokens",
    "completion_tokens": "{model}|output_tokens", "latency_s": "{model}|latency",
}  # fmt: skip
"""Our column -> column of tables with a row per item."""
LONG_COLUMNS = {
    "model": "model_name", "doc_key": "prompt_id", "question": "prompt", "choices": "options",
    "gold": "answer", "subset": "category", "score": "label",
}  # fmt: skip
COST_COLUMNS = {
    "usd": "cost", "prompt_tokens": "input_tokens", "completion_tokens": "output_tokens",
    "latency_s": "latency",
}  # fmt: skip
"""Our column -> column of long tables."""


def task_name(benchmark: Benchmark, subset: str, layout: Layout) -> str:
    """Task name as a layout spells it: in details with colons where the old files have them."""
    v2 = benchmark.leaderboard == "v2"
    names = [(name, task.subset) for name, task in TASKS.items() if task.benchmark == benchmark.name]
    colon = layout is Layout.DETAILS_OLD and any(":" in name for name, _ in names)

    def fits(name: str) -> bool:
        if layout is Layout.LM_EVAL:
            return name.startswith("leaderboard_") if v2 else not name.startswith("harness")
        if layout is Layout.ROUTEREVAL:
            return not name.startswith("leader") if v2 else name.startswith("harness_")
        return "|" in name and (":" in name) == colon

    return next(name for name, of in names if of == subset and fits(name))


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
