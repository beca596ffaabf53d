"""What people read of each sort of results, in Markdown and LaTeX."""

from __future__ import annotations

from .layouts import Column, View
from .metrics import METRICS, TABLE_ORDER
from .scaling import PROBABILITIES
from .spending import COST_METRICS

_PLACE = (
    Column("benchmark", "{}"),
    Column("m", "m = {}"),
    Column("method", "groups: {}"),
    Column("scheme", "split: {}"),
    Column("track", "track: {}"),
)
_TESTED = (*_PLACE, Column("n_test", "{} test items"))
_COSTS = (Column("costs", "costs: {}"), Column("cost_unit", "in {}"))
_PAIR = (Column("router_a", "a"), Column("router_b", "b"))
_P = (Column("p_holm", "p Holm", None), Column("mdd", "mdd"))
_SHOWN = tuple(
    Column(of.name, of.head or of.title, of.digits, of.name == "mu_o")
    for of in (METRICS[name] for name in TABLE_ORDER)
)
_PRICED = tuple(
    Column(of.name, of.head, None, of.name == "area_cap") for of in COST_METRICS.values() if of.width
)
_HOLM = "p Holm: of the paired t-test, adjusted for the number of comparisons"

VIEWS: dict[str, View] = {
    view.name: view
    for view in (
    View(
        "means",
        "Means over the kinds of groups, then over benchmarks. "
        + "".join(f"{of.head}: {METRICS[of.key].says}. " for of in _SHOWN)
        + "[..]: 95% interval.",
        (Column("router", "router"), *_SHOWN),
        _TESTED,
    ),
    View(
        "costs",
        "Score over cost, means over the kinds of groups, then over benchmarks. "
        + "".join(f"{of.head}: {COST_METRICS[of.key].says}. " for of in _PRICED)
        + "from: what choices under a budget follow. [..]: 95% interval.",
        (Column("router", "router"), *_PRICED, Column("estimates", "from")),
        (*_TESTED, *_COSTS),
    ),
    View(
        "differences",
        f"Differences in mu_o and V_B tr between routers, a - b, on the same items. {_HOLM}. mdd: the "
        "smallest difference that these test items would show with 80% power. [..]: 95% interval of one "
        "difference.",
        (*_PAIR, Column("mu_o", "mu_o", 3, True), Column("v_b_train", "V_B tr"), *_P),
        _PLACE,
    ),
    View(
        "cost-differences",
        f"Differences in score over cost between routers, a - b, on the same items. {_HOLM}. area: mean "
        "score over all caps on the cost of one answer. [..]: 95% interval of one difference.",
        (*_PAIR, Column("area_cap", "area", 3, True), Column("aiq", "AIQ", 3, True),
         Column("area_cap_p_holm", "p Holm", None)),
        (*_PLACE, *_COSTS),
    ),
    View(
        "scaling",
        "Accuracy of r_o(p) over the number m of candidates, mean over all subsets of the pool.",
        (Column("m", "m"), *(Column(f"accuracy_{p:g}", f"p = {p:g}") for p in PROBABILITIES)),
        place=(Column("benchmark", "{}"), Column("pool", "pool of {} models"),
               Column("reference_model", "reference: {}"), Column("reference_score", "which scores {}")),
    ),
    View(
        "selections",
        "Scores under budgets, and at the same budget: bound, the best policy for the router's estimates; "
        "oracle, for the test scores; heuristic, the same selector on mean training scores; random, a draw "
        "of what the budget allows. [..]: 95% interval.",
        (Column("kind", "kind"), Column("router", "router"), Column("budget", "budget", None),
         Column("score", "score", 3, True), Column("cost", "cost", None),
         *(Column(name, name) for name in ("bound", "oracle", "heuristic", "random"))),
        (*_TESTED, *_COSTS, Column("selector", "selector: {}")),
    ),
    View(
        "curves",
        "Points of curves of score over cost.",
        (Column("kind", "kind"), Column("router", "router"), Column("cost", "cost", None),
         Column("score", "score")),
        (*_TESTED, *_COSTS, Column("curve", "curve: {}")),
    ),
    View(
        "pairs",
        "Two models: what part goes to the large one, and what the router scores then.",
        place=(*_TESTED, *_COSTS),
    ),
    View("commitment", "sha256 of files of predictions."),
)
}  # fmt: skip
"""Registry: a row here gives results of a new sort a table that people read."""
