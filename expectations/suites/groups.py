"""Suites of groups of candidate LLMs and of their limits."""

from __future__ import annotations

from routerset.expectations.findings import Suite
from routerset.expectations.suites.rules import not_null, one_of, resolves, rows, unique, warn
from routerset.schemas.tables import Kind

_GROUPS = "RouterEval, section 4.2 and appendix C"
_LIMITS = "etl/groups/limits.py"
_KEY = "benchmark, method, m, kind"
_WORLDS = ("a", "b")
_FLOORS = {
    x: [f"oracle_{x}", f"oracle_{x}_lo", f"oracle_{x}_hi", f"best_single_{x}", f"best_on_train_{x}"]
    for x in _WORLDS
}


def _in_either(condition: str) -> str:
    """An SQL condition on the columns of one kind of worlds of noise, for both. condition: with {x}."""
    return " or ".join(f"({condition.replace('{x}', x)})" for x in _WORLDS)


GROUPS = Suite(
    "groups",
    "groups",
    ("method", "benchmark", "m", "kind", "rank"),
    (
        not_null("m"),
        not_null("kind"),
        not_null("rank"),
        not_null("model_id"),
        one_of("kind", [*Kind], "groups are of three kinds by strength, or open"),
        resolves("models_resolve", "model_id", "models", "a candidate that the models table does not hold"),
        rows(
            "m_candidates",
            "a group of m has m candidates, ranked 0 to m-1; padding or truncation changes every metric",
            _GROUPS,
            """select method, benchmark, m, kind, count(*) as candidates, count(distinct rank) as ranks,
            min(rank) as least, max(rank) as most from {batch} group by all
            having candidates <> m or ranks <> m or least <> 0 or most <> m - 1""",
        ),
        rows(
            "candidates_differ",
            "a model that stands in a group twice is no second choice",
            _GROUPS,
            """select method, benchmark, m, kind, model_id, count(*) as times from {batch}
            group by all having times > 1""",
        ),
        rows(
            "kinds_complete",
            "each size has all kinds of its method, but for those that the manifest says no pool could fill",
            _GROUPS,
            """select * from (select distinct method, benchmark, m, kind, true as found from {batch})
            full join group_claims using (method, benchmark, m, kind) where found is distinct from listed""",
        ),
        rows(
            "candidates_complete",
            "a candidate with scores on fewer items than [dataset] min_coverage asks for",
            "docs/validation.md: coverage",
            f"select {_KEY}, incomplete, first_incomplete as model_id from {{batch}} where incomplete > 0",
            "group_facts",
        ),
        rows(
            "one_of_each_twins",
            "where [groups] twins says so, models with the same scores are one candidate: a second one adds "
            "nothing, and takes a place",
            "docs/validation.md: twins",
            f"select {_KEY}, twins, first_twin as model_id from {{batch}} where twins > 0",
            "group_facts",
        ),
        rows(
            "pool",
            "all_strong and all_weak come from the strongest and weakest fifth between mean scores "
            ".1 and .9, strong_to_weak and open from all between, a universe from all up to .9 that are of a "
            "tier of [groups] tiers: means on all items for the paper's groups, on the train items for all "
            "others",
            _GROUPS,
            f"select {_KEY}, outside_pool, first_outside as model_id from {{batch}} where outside_pool > 0",
            "group_facts",
        ),
        rows(
            "one_per_bin",
            "strong_to_weak takes one model from each of m bins of equal size, weakest to strongest",
            _GROUPS,
            f"select {_KEY}, empty_bins from {{batch}} where empty_bins > 0",
            "group_facts",
        ),
        rows(
            "window",
            "the paper's strong and weak groups are neighbours in the order of mean scores",
            _GROUPS,
            f"""select {_KEY}, gaps from {{batch}}
            where method = 'paper' and kind <> 'strong_to_weak' and gaps > 0""",
            "group_facts",
        ),
        rows(
            "best_window",
            "the paper's strong and weak groups are the window of neighbours with the best oracle, the first",
            _GROUPS,
            f"select {_KEY}, better_windows, oracle from {{batch}} where better_windows > 0",
            "group_facts",
        ),
        rows(
            "best_draw",
            "the paper's strong-to-weak group is the best of 1000 draws with the build's seed, the first",
            _GROUPS,
            f"select {_KEY}, better_draws, oracle from {{batch}} where better_draws > 0",
            "group_facts",
        ),
        rows(
            "covers_most",
            "a greedy group covers no less of the train items than any window of neighbours, or than itself "
            "with one candidate exchanged (up to 10)",
            "schemas/greedy.py",
            f"select {_KEY}, better_on_train from {{batch}} where better_on_train > 0",
            "group_facts",
        ),
        rows(
            "adds_most",
            "a universe takes what adds most to the coverage of the train items, again and again; where "
            "nothing does, the next layer begins (up to 10)",
            "docs/pools.md: Method `universe`",
            f"select {_KEY}, other_universe from {{batch}} where other_universe > 0",
            "group_facts",
        ),
        rows(
            "keeps_most_unlike",
            "what is left of a pool where again and again the model goes that is weakest for how much it is "
            "like the nearest other one: none of the group would have gone before one that is gone",
            "docs/pools.md: Method `diverse`",
            f"select {_KEY}, goes_first from {{batch}} where goes_first > 0",
            "group_facts",
        ),
        rows(
            "weakest_first",
            "candidates stand in ascending order of the mean that they are ranked by; columns follow it",
            _GROUPS,
            f"select {_KEY}, misplaced, first_misplaced as model_id from {{batch}} where misplaced > 0",
            "group_facts",
        ),
        rows(
            "oracle_above_best_above_mean",
            "no candidate can beat the oracle, and no mean the best",
            "RouterEval, Eq. 4 and section 5.1",
            f"""select {_KEY}, oracle, best_single, mean from {{batch}}
            where oracle < best_single - 1e-9 or best_single < mean - 1e-9""",
            "group_facts",
        ),
        warn(
            "learnable",
            "fewer than 10^30 ways to choose a candidate per item reach the oracle: items are few, or seldom "
            "have several best candidates; whether a router can learn one of them, the count cannot tell",
            "RouterEval, section 4.2: at least 10^30 routers; router `privileged` shows what can be learnt",
            f"select {_KEY}, round(log10_routers, 1) as log10_routers from {{batch}} where "
            f"log10_routers < 30",
            "group_facts",
        ),
        warn(
            "complementary",
            "the best candidate is as good as the oracle: there is nothing for a router to gain",
            "RouterEval, Eq. 4",
            f"select {_KEY}, oracle, best_single from {{batch}} where m > 1 and oracle <= best_single + 1e-9",
            "group_facts",
        ),
    ),
)

LIMITS = Suite(
    "limits",
    "limits",
    ("method", "benchmark", "m", "kind"),
    (
        not_null("m"),
        not_null("kind"),
        *(not_null(f"draws_{x}") for x in _WORLDS),
        one_of("kind", [*Kind], "groups are of three kinds by strength, or open"),
        one_of("bound_by", ["pool", "gains", "lp", "milp"], "a bound without a proof is a guess"),
        unique("one_row_per_group", _KEY, "a group has one noise floor and one bound"),
        rows(
            "groups_complete",
            "every group has its limits, and no other: an oracle without a noise floor says little",
            _LIMITS,
            f"""select * from (select distinct {_KEY}, true as limited from {{batch}})
            full join (select distinct {_KEY}, true as found from groups) using ({_KEY})
            where limited is distinct from found""",
        ),
        rows(
            "floors_drawn",
            "a floor is a mean over worlds: there is one where worlds were drawn, and nowhere else",
            _LIMITS,
            f"select {_KEY}, draws_a, draws_b from {{batch}} where "
            + " or ".join(
                f"draws_{x} < 0 or (draws_{x} > 0) <> ({name} is not null)"
                for x, names in _FLOORS.items()
                for name in names
            ),
        ),
        rows(
            "floors_are_shares",
            "mean scores lie between 0 and 1",
            _LIMITS,
            f"select {_KEY} from {{batch}} where "
            + " or ".join(f"{name} not between 0 and 1" for names in _FLOORS.values() for name in names),
        ),
        rows(
            "floors_in_their_range",
            "a mean lies between the least and the largest",
            _LIMITS,
            f"select {_KEY}, oracle_a, oracle_b from {{batch}} where "
            + _in_either("oracle_{x} < oracle_{x}_lo - 1e-12 or oracle_{x} > oracle_{x}_hi + 1e-12"),
        ),
        rows(
            "floors_in_order",
            "no candidate can beat the oracle, none chosen on train the best on test, in any world",
            "RouterEval, Eq. 4",
            f"select {_KEY}, oracle_a, oracle_b from {{batch}} where "
            + _in_either("best_on_train_{x} > best_single_{x} + 1e-9 or best_single_{x} > oracle_{x} + 1e-9"),
        ),
        rows(
            "covered",
            "train items that the candidates of the group have right, recounted; of scores of 0 and 1 alone",
            _LIMITS,
            f"""select {_KEY}, train_covered, covered[2:] as recounted from {{batch}} join group_facts
            using ({_KEY}) where train_covered < 0 or case when train_covered is null
            then list_max(covered) >= 0 else not list_contains(covered, train_covered) end""",
        ),
        rows(
            "bound_proven",
            "there is a bound, and what proves it, where train items are counted",
            _LIMITS,
            f"""select {_KEY}, train_covered, train_at_most, bound_by from {{batch}}
            where (train_covered is null) <> (train_at_most is null)
            or (bound_by is null) <> (train_at_most is null)""",
        ),
        rows(
            "bound_holds",
            "no group covers more than its bound, and no bound is more than all train items",
            _LIMITS,
            f"""select {_KEY}, train_covered, train_at_most from {{batch}} join group_facts using ({_KEY})
            where train_at_most < train_covered or train_at_most > list_max(train_items)""",
        ),
    ),
)
