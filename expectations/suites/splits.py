"""Suite of splits."""

from __future__ import annotations

from routerset.expectations.findings import Suite
from routerset.expectations.suites.curated import listed_items
from routerset.expectations.suites.rules import TABLES, not_null, one_of, resolves, rows, unique, warn
from routerset.schemas.tables import LEFT_OUT, Split

_SPLITS = "RouterEval, appendix A, Table 4"

SPLITS = Suite(
    "splits",
    "splits",
    ("scheme", "benchmark", "item"),
    (
        not_null("item"),
        not_null("split"),
        one_of("split", [*Split, LEFT_OUT], "a side that is none of the three is never trained or tested on"),
        unique(
            "sides_disjoint", "scheme, benchmark, item", "an item on two sides is tested after training on it"
        ),
        resolves("items_resolve", "benchmark, item", "items", "a split of an item that does not exist"),
        rows(
            "items_complete",
            "an item on no side is lost from every experiment",
            TABLES,
            """select scheme, benchmark, item from (select distinct scheme, benchmark from {batch})
            join items using (benchmark) anti join splits using (scheme, benchmark, item)""",
        ),
        rows(
            "left_out_as_listed",
            "what is listed has no side, and what has no side is listed: else an item is lost in silence",
            "docs/curation.md: what becomes of it",
            f"""with {listed_items("curated")}, found as (select scheme, benchmark, item, true as is_left_out
            from {{batch}} where split = 'left_out'), schemes as (select distinct scheme, benchmark
            from splits) select scheme, benchmark, item, id, is_left_out from
            (select named.* from named join schemes using (scheme, benchmark))
            full join found using (scheme, benchmark, item) where id is null or is_left_out is null""",
        ),
        rows(
            "paper_ratio",
            "every subset is cut at int(.8n) and int(.9n): all 36 counts of the paper follow from it",
            _SPLITS,
            """select benchmark, subset, count(*) as n, count(*) filter (split = 'train') as train,
            count(*) filter (split = 'validation') as validation from {batch} join items using (benchmark,
            item)
            where scheme = 'paper' group by all having count(*) filter (split = 'left_out') = 0
            and (train <> floor(n * 8 / 10) or validation <> floor(n * 9 / 10) - floor(n * 8 / 10))""",
        ),
        rows(
            "paper_sides",
            "the items that the reference's shuffle with the build's seed puts on each side, index for index",
            _SPLITS,
            "select benchmark, item, split, expected from {batch} join paper_sides using (benchmark, item) "
            "where scheme = 'paper' and split not in (expected, 'left_out')",
        ),
        rows(
            "family_sides",
            "the families that stand first in the order of their hashes with the build's seed train",
            "docs/validation.md: families",
            "select benchmark, item, split, expected from {batch} join family_sides using (benchmark, item) "
            "where scheme = 'family' and split not in (expected, 'left_out')",
        ),
        rows(
            "family_kept_whole",
            "a question on two sides is tested after training on it",
            "docs/validation.md: families",
            """select benchmark, family_id, count(distinct split) filter (split <> 'left_out') as sides,
            min(item) as item from {batch}
            join items using (benchmark, item) where scheme = 'family' group by all having sides > 1""",
        ),
        rows(
            "family_ratio",
            "whole families come as near to 8:1:1 as half a family at each cut of each subset",
            "docs/validation.md: families",
            """with sides as (select benchmark, count(*) as n, count(*) filter (split = 'train') as train,
            count(*) filter (split = 'test') as test, count(distinct subset) as subsets
            from {batch} join items using (benchmark, item) where scheme = 'family' group by all
            having count(*) filter (split = 'left_out') = 0),
            families as (select benchmark, max(n) as largest from (select benchmark, family_id, count(*) as n
            from items group by all) group by all)
            select benchmark, n, train, test from sides join families using (benchmark)
            where abs(train - 0.8 * n) > subsets * (largest / 2 + 1) or abs(test - 0.1 * n) > subsets *
            (largest / 2 + 1)""",
        ),
        warn(
            "thin_side",
            "a side with less than half of its share of the items says little: small subsets, a large family",
            "docs/validation.md: families",
            """select scheme, benchmark, count(*) as n, count(*) filter (split = 'train') as train,
            count(*) filter (split = 'validation') as validation, count(*) filter (split = 'test') as test
            from {batch} group by all having train < 0.4 * n or validation < 0.05 * n or test < 0.05 * n""",
        ),
        rows(
            "counts_listed",
            "the manifest says how many items are on each side",
            "docs/validation.md: manifest",
            """select * from (select scheme, benchmark, split, count(*) as found from {batch} group by all)
            full join split_counts_listed using (scheme, benchmark, split)
            where coalesce(found, 0) <> coalesce(listed, 0)""",
        ),
    ),
)
