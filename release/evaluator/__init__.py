"""Scores LLM routers on a routerset release.

    from evaluator import evaluate, load_release

    print(evaluate(load_release("."), ["knn", "best_single", "oracle"], sizes=[3, 5]).table())

README.md beside this file shows how to score a router of your own.
"""

from __future__ import annotations

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
