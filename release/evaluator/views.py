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
        "curves",
        "Score over cost, all kinds of groups together: over the highest cost of one answer (cap), or over "
        "the mean cost of all (mean). from: what choices follow.",
        (Column("router", "router"), Column("cost", "cost", None), Column("score", "score"),
         Column("estimates", "from")),
        (*_TESTED, Column("curve", "curve: {}"), *_COSTS),
    ),
    View(
        "selections",
        "Scores under budgets, means over the kinds of groups. budget, cost: of an answer, as known before "
        "the call and as paid. At the same budget: best, the best policy for these estimates; oracle, for "
        "the scores themselves; heuristic, the same on mean train scores; random, a draw of what costs no "
        "more. from: what choices follow. [..]: 95% interval of the score of these choices.",
        (Column("router", "router"), Column("budget", "budget", None), Column("cost", "cost", None),
         Column("score", "score", 3, True), Column("bound", "best"), Column("oracle", "oracle"),
         Column("heuristic", "heuristic"), Column("random", "random"), Column("order_sd", "sd"),
         Column("estimates", "from")),
        (*_TESTED, Column("selector", "selector: {}"), Column("alpha", "alpha: {}"), *_COSTS),
    ),
    View(
        "routings",
        "How much goes to the large one of two models. score: of the router's own choices. area: mean score "
        "over all shares that the large one gets. PGR, APGR: part of its gain that the score and the area "
        "have. CPT: least share that recovers 20, 50, 80% of the gain. from: what the order follows. "
        "[..]: 95% interval.",
        (Column("router", "router"), Column("score", "score", 3, True), Column("area", "area", 3, True),
         Column("pgr", "PGR"), Column("apgr", "APGR", 3, True), Column("cpt20", "CPT20"),
         Column("cpt50", "CPT50"), Column("cpt80", "CPT80"), Column("estimates", "from")),
        (Column("benchmark", "{}"), Column("scheme", "split: {}"), Column("n_test", "{} test items"),
         Column("small", "small: {}"), Column("small_score", "which scores {}"), Column("large", "large: {}"),
         Column("large_score", "which scores {}"), Column("confidence", "confidence: {}")),
    ),
    View(
        "held-out",
        "Scores on categories with and without learning of them; delta: 100 x (without - with), on the same "
        "items. [..]: 95% interval.",
        (Column("router", "router"), Column("category", "category"), Column("n_test", "items"),
         Column("mu_o_with", "with"), Column("mu_o_without", "without"), Column("delta", "delta", 1, True)),
        (*_PLACE, Column("held_out", "held out: {}")),
    ),
    View(
        "joined",
        "How often a router takes the heuristic's choice, over all caps, without and with pseudo-specialists "
        "among the candidates; delta: 100 x (with - without), on the same items. [..]: 95% interval.",
        (Column("router", "router"), Column("category", "target"), Column("n_test", "items"),
         Column("agreement_without", "without"), Column("agreement_with", "with"),
         Column("delta", "delta", 1, True)),
        (*_PLACE, Column("joined", "joined: {}")),
    ),
    View(
        "categories",
        "Scores by category of items, of routers and single candidates. delta: 100 x (score - that of the "
        "candidate that is best on train), on the same items. [..]: 95% interval.",
        (Column("router", "router"), Column("model", "model"), Column("category", "category"),
         Column("n_test", "items"), Column("mu_o", "score", 3, True), Column("delta", "delta", 1, True)),
        (*_PLACE, Column("kind", "kind: {}"), Column("by", "by {}")),
    ),
    View(
        "tiers",
        "How often routers choose models of each size, and what part of the candidates these are. [..]: 95% "
        "interval.",
        (Column("router", "router"), Column("tier", "tier"), Column("candidates", "candidates"),
         Column("share", "share", 3, True)),
        (*_PLACE, Column("kind", "kind: {}"), Column("cap", "cap: {}")),
    ),
    View("commitment", "sha256 of files of predictions."),
)
}  # fmt: skip
"""Registry: a row here gives results of a new sort a table that people read."""
