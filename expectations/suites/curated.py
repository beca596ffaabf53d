"""Suite of what `[curate]` leaves out: listed, left out for a reason that holds, and counted."""

from __future__ import annotations

from routerset.expectations.findings import Suite
from routerset.expectations.suites.rules import TABLES, not_null, one_of, resolves, rows, unique

_RULES = "docs/curation.md: what becomes of it"
_RULE_NAMES = ("duplicates", "tasks", "models", "pseudo_specialists")
_BY_TEXT = "rule = 'duplicates' and coalesce(detail, '') not like 'lies where %'"


def listed_items(curated: str, which: str = "true") -> str:
    """A common table of the items that a view lists. which: of its rows, in SQL."""
    return f"""named as (select scheme, benchmark, id, item, question_id from {curated} join
        (select benchmark, item_id as id, item, question_id from items) using (benchmark, id)
        where kind = 'item' and {which})"""


CURATED = Suite(
    "curated",
    "curated",
    ("kind", "id", "benchmark", "scheme"),
    (
        *(not_null(column) for column in ("kind", "id", "benchmark", "rule")),
        one_of("kind", ["item", "model"], "what a row leaves out"),
        one_of("rule", [*_RULE_NAMES], "a rule that nobody knows cannot be checked"),
        unique("listed_once", "kind, id, benchmark, scheme", "what is listed twice is counted twice"),
        rows(
            "items_resolve",
            "an item that does not exist cannot be left out; under a scheme it is, or it is not",
            TABLES,
            """select benchmark, id, scheme from {batch} left join
            (select benchmark, item_id as id, true as known from items) using (benchmark, id)
            where kind = 'item' and (known is null or scheme is null)""",
        ),
        rows(
            "models_resolve",
            "a model without scores cannot be left out, and one that has some is not added",
            TABLES,
            """select benchmark, id, scheme, rule from {batch} left join
            (select benchmark, model_id as id, true as known from score_facts) using (benchmark, id)
            where kind = 'model' and (scheme is not null or rule not in ('models', 'pseudo_specialists')
            or (known is null) <> (rule = 'pseudo_specialists'))""",
        ),
        rows(
            "added_have_scores",
            "what is listed as added is there, and what is there is listed",
            _RULES,
            """with listed as (select benchmark, id as model_id, true as is_listed from {batch}
            where kind = 'model' and rule = 'pseudo_specialists'), made as
            (select benchmark, model_id, true as is_made from pseudo_specialists group by all)
            select benchmark, model_id, is_listed, is_made from listed full join made
            using (benchmark, model_id) where is_listed is null or is_made is null""",
        ),
        rows(
            "duplicate_of_another",
            "of items that ask the same, one before those that are left out stays",
            _RULES,
            f"""with {listed_items("{batch}", _BY_TEXT)}, stays as (select scheme, benchmark, question_id,
            min(item) as first from (select distinct scheme, benchmark from named) join items
            using (benchmark) anti join named using (scheme, benchmark, item) group by all)
            select scheme, benchmark, id, first from named left join stays
            using (scheme, benchmark, question_id) where coalesce(first >= item, true)""",
        ),
        rows(
            "records_counted",
            "records kept are those that are used and those that are curated away: nothing else is missing",
            _RULES,
            f"""with {listed_items("curated")}, away as (select scheme, benchmark, item, true as is_away
            from named), gone as (select distinct benchmark, id as model_id from curated
            where kind = 'model' and rule = 'models'), of_models as (select benchmark, scheme, count(*) as n
            from scores join gone using (benchmark, model_id) join curated_records using (benchmark)
            anti join away using (scheme, benchmark, item) group by all),
            of_items as (select benchmark, scheme, sum(models)::bigint as kept_found,
            coalesce(sum(models) filter (is_away), 0)::bigint as n from curated_records
            join item_facts using (benchmark) left join away using (scheme, benchmark, item) group by all),
            found as (select benchmark, scheme, kept_found, of_items.n + coalesce(of_models.n, 0) as
            away_found from of_items left join of_models using (benchmark, scheme))
            select benchmark, kept, kept_found, used, curated_away, away_found
            from {{batch}} left join found using (benchmark, scheme)
            where kept <> used + curated_away or coalesce(kept_found, 0) <> kept
            or coalesce(away_found, 0) <> curated_away""",
            "curated_records",
        ),
        rows(
            "benchmarks_counted",
            "the manifest tells the records of every benchmark that something is left out of",
            _RULES,
            """select distinct benchmark from {batch} where benchmark not in
            (select benchmark from curated_records)""",
        ),
    ),
)

PSEUDO_SPECIALISTS = Suite(
    "pseudo_specialists",
    "pseudo_specialists",
    ("model_id", "benchmark", "item"),
    (
        *(not_null(column) for column in ("model_id", "category", "item", "score", "is_synthetic")),
        unique("one_per_model_and_item", "benchmark, model_id, item", "two scores for one model and item"),
        resolves("items_resolve", "benchmark, item", "items", "a score on an item that does not exist"),
        rows(
            "made_scores_known",
            "what is made by rule is right or wrong",
            _RULES,
            "select benchmark, model_id, item, score from {batch} where score not in (0, 1)",
        ),
        rows(
            "synthetic",
            "no model gave these answers, which every row says",
            _RULES,
            "select benchmark, model_id, item from {batch} where not is_synthetic",
        ),
        rows(
            "items_complete",
            "a made model answers every item",
            _RULES,
            """select benchmark, model_id, count(distinct item) as n, n_items from {batch}
            join item_counts using (benchmark) group by all having n <> n_items""",
        ),
    ),
)
