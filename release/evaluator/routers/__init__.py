"""The registry of routers: one file and one row here adds one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ..errors import UsageError
from ..task import Router
from .cluster import SIZES, ClusterRouter
from .irt import ItemResponse
from .knn import SWEEP, NearestNeighbours
from .linear import LinearRouter
from .mf import MatrixFactors, MatrixFactorsOfAll
from .mlc import MultiLabelRoberta, no_model
from .mlp import MlpRouter
from .mlp_per_model import MlpPerModel
from .privileged import Privileged
from .routoo import Routoo
from .svm import SvmRouter
from .yardsticks import BestSingle, Heuristic, Oracle, Random, TrainMean, Zero

RouterFactory = Callable[[], Router]


def nothing() -> str | None:
    """What a router lacks that runs anywhere."""
    return None


@dataclass(frozen=True)
class RouterRow:
    """name: in commands and data. make: makes a fresh router. title: for people.

    trained: by gradient descent. on_request: runs only where it is asked for, as those that are trained do.
    compared: an existing router, of which reports name the best; the others are yardsticks. lacks: why it
    cannot run here, None where it can.
    colour: on light paper and on a dark screen. marker: Matplotlib's name, for colour is never the only
    difference; hollow: only its outline. in_figure: Figure 3 shows it.
    The rest is what its class declares (see `task.Router`), read here and nowhere else.
    """

    name: str
    make: RouterFactory
    title: str
    trained: bool = False
    on_request: bool = False
    compared: bool = True
    lacks: Callable[[], str | None] = nothing
    colour: tuple[str, str] = ("#5f6b7a", "#9aa7b8")
    marker: str = "v"
    hollow: bool = False
    in_figure: bool = True
    uses_vectors: bool = field(init=False)
    sees_test_scores: bool = field(init=False)
    uses_all_models: bool = field(init=False)
    has_probabilities: bool = field(init=False)
    entropy_floor: float = field(init=False)
    draws: bool = field(init=False)
    has_curve: bool = field(init=False)

    def __post_init__(self) -> None:
        router = self.make()
        for name, default in _DECLARED.items():
            object.__setattr__(self, name, getattr(router, name, default))


_DECLARED = {
    "uses_vectors": True,
    "sees_test_scores": False,
    "uses_all_models": False,
    "has_probabilities": True,
    "entropy_floor": 0.0,
    "draws": False,
    "has_curve": True,
}
"""What a class that does not say otherwise declares."""


_YARDSTICK = partial(RouterRow, compared=False)
_ROWS = (
    _YARDSTICK("oracle", Oracle, "Oracle r_o", colour=("#4338ca", "#a5b4fc"), marker="o"),
    _YARDSTICK(
        "r_o_0.5", partial(Oracle, 0.5), "r_o(0.5)", colour=("#8b7ff0", "#7c83f7"), marker="o", hollow=True
    ),
    _YARDSTICK("random", Random, "Random", colour=("#8a94a3", "#7f8b9c"), marker="x", in_figure=False),
    _YARDSTICK("best_single", BestSingle, "Best single", colour=("#1f2937", "#f1f5f9"), marker="D"),
    _YARDSTICK(
        "heuristic", Heuristic, "Heuristic", on_request=True, colour=("#475569", "#cbd5e1"), marker="P",
        in_figure=False,
    ),
    _YARDSTICK(
        "zero", Zero, "Hull of singles", on_request=True, colour=("#7c2d12", "#fdba74"), marker="X",
        in_figure=False,
    ),
    _YARDSTICK("mean", TrainMean, "Train mean", in_figure=False),
    _YARDSTICK(
        "privileged", Privileged, "Privileged", on_request=True, colour=("#0369a1", "#7dd3fc"), marker="P"
    ),
    RouterRow("linear", LinearRouter, "LinearR", trained=True, colour=("#be185d", "#f472b6")),
    RouterRow("mlp", MlpRouter, "MLPR", trained=True, colour=("#7e22ce", "#d8a4ff")),
    RouterRow("c_roberta", ClusterRouter, "C-RoBERTa", colour=("#0f766e", "#2dd4bf"), marker="s"),
    RouterRow("mlc", MultiLabelRoberta, "MLC", trained=True, lacks=no_model, colour=("#a16207", "#facc15")),
    RouterRow("knn", NearestNeighbours, "PRknn", colour=("#d9480f", "#fb923c"), marker="^"),
    RouterRow(
        "kmeans", partial(ClusterRouter, *SIZES), "K-means", on_request=True, colour=("#0e7490", "#67e8f9"),
        marker="s", hollow=True,
    ),
    RouterRow(
        "knn_sweep", partial(NearestNeighbours, *SWEEP), "kNN, k tuned", on_request=True,
        colour=("#9a3412", "#fdba74"), marker="^", hollow=True,
    ),
    RouterRow(
        "mlp_per_model", MlpPerModel, "MLP per model", trained=True, colour=("#86198f", "#f0abfc"),
        hollow=True,
    ),
    RouterRow("svm", SvmRouter, "SVM", on_request=True, colour=("#1d4ed8", "#93c5fd"), marker="<"),
    RouterRow(
        "mf", MatrixFactors, "MF", trained=True, colour=("#15803d", "#86efac"), marker="h", in_figure=False
    ),
    RouterRow(
        "mf_all", MatrixFactorsOfAll, "MF, all models", trained=True,
        colour=("#15803d", "#86efac"), marker="h", hollow=True, in_figure=False,
    ),
    RouterRow(
        "routoo", Routoo, "Routoo", trained=True, colour=("#9f1239", "#fda4af"), marker="p", in_figure=False
    ),
    RouterRow(
        "routoo_product", partial(Routoo, "product"), "Routoo, product", trained=True,
        colour=("#9f1239", "#fda4af"), marker="p", hollow=True, in_figure=False,
    ),
    RouterRow(
        "irt", ItemResponse, "IRT", trained=True, colour=("#57534e", "#d6d3d1"), marker="H", in_figure=False
    ),
)  # fmt: skip

ROUTERS: dict[str, RouterRow] = {row.name: row for row in _ROWS}

TRAINING_FREE = tuple(row.name for row in _ROWS if not (row.trained or row.on_request))
"""Routers without gradient training: seconds for a whole release."""

BESIDE_CURVES = ("heuristic", "zero")
"""Routers that stand beside curves of score over cost, where no others were asked for."""

TABLE_ORDER = tuple(
    row.name for row in sorted(_ROWS, key=lambda row: (not row.sees_test_scores, not row.compared))
)
"""Names in the order of the paper's tables: upper bounds, existing routers, other yardsticks."""


def find_router(name: str) -> RouterRow:
    """The row registered under `name`; `r_o_P` stands for r_o(P) with any P in [0, 1].

    Raises UsageError listing the valid names.
    """
    row = _find(name)
    if row is None:
        raise UsageError(
            f"no router {name!r}; valid names: all, {', '.join(ROUTERS)}, r_o_P with P in [0, 1]"
        )
    return row


def row_for(name: str) -> RouterRow:
    """How to show a router; a name that is not registered is one's own, and shown plainly."""
    return _find(name) or RouterRow(name, Random, name)


def _find(name: str) -> RouterRow | None:
    if name in ROUTERS:
        return ROUTERS[name]
    match = re.fullmatch(r"r_o_(0|1|0?\.\d+|1\.0+)", name)
    return _YARDSTICK(name, partial(Oracle, float(match[1])), name) if match else None
