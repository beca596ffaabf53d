"""Scores LLM routers on a routerset release.

    from evaluator import evaluate, load_release

    print(evaluate(load_release("."), ["knn", "best_single", "oracle"], sizes=[3, 5]).table())

README.md beside this file shows how to score a router of your own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .by_category import CategoryScore
    from .curve_rows import Curve
    from .errors import DataError, EvaluatorError, InputError, UsageError
    from .holdout_rows import HeldOut
    from .joining_rows import Joined
    from .pair_rows import Routing
    from .pairing import Pair
    from .reader import Release, load_release
    from .results import Difference, Estimate, Evaluation, Row
    from .routers import ROUTERS, TRAINING_FREE
    from .scoring import evaluate
    from .selection_rows import Selection
    from .selectors import Selector
    from .task import Router, Task
    from .tiers import TierShare
    from .verdict import beyond_noise

__all__ = [
    "ROUTERS",
    "TRAINING_FREE",
    "CategoryScore",
    "Curve",
    "DataError",
    "Difference",
    "Estimate",
    "Evaluation",
    "EvaluatorError",
    "HeldOut",
    "InputError",
    "Joined",
    "Pair",
    "Release",
    "Router",
    "Routing",
    "Row",
    "Selection",
    "Selector",
    "Task",
    "TierShare",
    "UsageError",
    "beyond_noise",
    "evaluate",
    "load_release",
]
_HOMES = {
    "CategoryScore": "by_category",
    "Curve": "curve_rows",
    "DataError": "errors",
    "EvaluatorError": "errors",
    "InputError": "errors",
    "UsageError": "errors",
    "HeldOut": "holdout_rows",
    "Joined": "joining_rows",
    "Routing": "pair_rows",
    "Pair": "pairing",
    "Release": "reader",
    "load_release": "reader",
    "Difference": "results",
    "Estimate": "results",
    "Evaluation": "results",
    "Row": "results",
    "ROUTERS": "routers",
    "TRAINING_FREE": "routers",
    "evaluate": "scoring",
    "Selection": "selection_rows",
    "Selector": "selectors",
    "Router": "task",
    "Task": "task",
    "TierShare": "tiers",
    "beyond_noise": "verdict",
}
"""Name -> the module that it comes from, on first use: whoever wants one of them waits for no other."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
