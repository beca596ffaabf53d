"""Suite of what `[curate]` leaves out: listed, left out for a reason that holds, and counted."""

from __future__ import annotations

from routerset.expectations.findings import Suite
from routerset.expectations.suites.rules import TABLES, not_null, one_of, rows, unique

_RULES = "docs/curation.md"


def listed_items(curated: str) -> str:
    """A common table of the items that a view lists."""
    return f"""named as (select scheme, benchmark, id, item, question_id from {curated} join
        (select benchmark, item_id as id, item, question_id from items) using (benchmark, id)
        where kind = 'item')"""


CURATED = Suite(
    "curated",
    "curated",
    ("kind", "id", "benchmark", "scheme"),
    (
        *(not_null(column) for column in ("kind", "id", "benchmark", "rule")),
        one_of("kind", ["item"], "what a row leaves out"),
        one_of("rule", ["duplicates"], "a rule that nobody knows cannot be checked"),
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
            "duplicate_of_another",
            "of items that ask the same, one before those that are left out stays",
            _RULES,
            f"""with {listed_items("{batch}")}, stays as (select scheme, benchmark, question_id, min(item)
            as first from (select distinct scheme, benchmark from named) join items using (benchmark)
            anti join named using (scheme, benchmark, item) group by all)
            select scheme, benchmark, id, first from named left join stays
            using (scheme, benchmark, question_id) where coalesce(first >= item, true)""",
        ),
        rows(
            "records_counted",
            "records kept are those that are used and those that are curated away: nothing else is missing",
            _RULES,
            f"""with {listed_items("curated")}, away as (select scheme, benchmark, item, true as is_away
            from named),
            found as (select benchmark, scheme, sum(models)::bigint as kept_found,
            coalesce(sum(models) filter (is_away), 0)::bigint as away_found from curated_records
            join item_facts using (benchmark) left join away using (scheme, benchmark, item) group by all)
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
