"""The registry of routers: one file and one line here adds one."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from ..errors import UsageError
from ..task import Router
from .bounds import Oracle, Random
from .cluster import ClusterRouter
from .constant import BestSingle, TrainMean
from .knn import NearestNeighbours
from .linear import LinearRouter
from .mlc import MultiLabelRoberta
from .mlp import MlpRouter

RouterFactory = Callable[[], Router]

ROUTERS: dict[str, RouterFactory] = {
    "oracle": Oracle,
    "r_o_0.5": partial(Oracle, 0.5),
    "random": Random,
    "best_single": BestSingle,
    "mean": TrainMean,
    "linear": LinearRouter,
    "mlp": MlpRouter,
    "c_roberta": ClusterRouter,
    "mlc": MultiLabelRoberta,
    "knn": NearestNeighbours,
}

TRAINING_FREE = ("oracle", "r_o_0.5", "random", "best_single", "mean", "c_roberta", "knn")
"""Routers without gradient training: seconds for a whole release."""

STRONG = ("oracle", "r_o_0.5")
"""Upper bounds that see the test scores (the paper's "strong routers")."""


def find_router(name: str) -> RouterFactory:
    """The factory registered under `name`; `r_o_P` stands for r_o(P) with any P in [0, 1].

    Raises UsageError listing the valid names.
    """
    if name in ROUTERS:
        return ROUTERS[name]
    match = re.fullmatch(r"r_o_(0|1|0?\.\d+|1\.0+)", name)
    if match:
        return partial(Oracle, float(match[1]))
    raise UsageError(f"no router {name!r}; valid names: all, {', '.join(ROUTERS)}, r_o_P with P in [0, 1]")
