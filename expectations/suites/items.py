"""Suite of the items that ingest writes."""

from __future__ import annotations

from routerset.expectations.findings import Suite
from routerset.expectations.suites.rules import TABLES, not_null, rows, unique, warn
from routerset.schemas.registry import MAX_CATEGORY

_COUNTS = """select benchmark, subset, coalesce(f.n, 0) as found,
    coalesce(s.n_items, if(s.subset is null, 0, f.n), 0) as expected
    from (select benchmark, subset, count(*) as n from {batch} group by all) f full join registry_subsets s
    using (benchmark, subset)
    where benchmark in (select benchmark from {batch} join registry using (benchmark) where n_items > 0)"""
"""Items of every subset of the benchmarks that are there, beside those of the paper, where they are known."""

ITEMS = Suite(
    "items",
    "items",
    ("benchmark", "item"),
    (
        not_null("item"),
        not_null("item_id"),
        not_null("subset"),
        not_null("doc_key"),
        not_null("question_id"),
        not_null("family_id"),
        rows(
            "items_dense",
            "items are row numbers 0 to n-1; a gap or a repeat shifts every score behind it",
            f"{TABLES}: ITEMS",
            """select benchmark, count(*) as n_items, count(distinct item) as different, min(item) as least,
            max(item) as most from {batch} group by benchmark
            having different <> n_items or least <> 0 or most <> n_items - 1""",
        ),
        unique("item_id_unique", "benchmark, item_id", "one id for two questions mixes their scores"),
        rows(
            "category_is_a_line",
            "results by category have a row for each, by its name: some words on one line",
            "schemas/registry.py: is_category",
            rf"""select benchmark, item, category from {{batch}} where length(category) > {MAX_CATEGORY}
            or not regexp_full_match(category, '[^\pC\pZ]+( [^\pC\pZ]+)*')""",
        ),
        rows(
            "item_id_stable",
            "an id that is not made of the content changes with the dump, and old results join the "
            "wrong item",
            "schemas/ids.py: item_id",
            """select benchmark, item, item_id, expected_id from {batch}
            where expected_id is not null and item_id <> expected_id
            and not regexp_full_match(item_id, expected_id || '-[1-9][0-9]*')""",
            "text_facts",
        ),
        rows(
            "item_id_prefix",
            "the readable part of an id names its benchmark and subset",
            "schemas/ids.py: item_id",
            """select benchmark, item, item_id from {batch} where not starts_with(item_id,
            case when subset = benchmark then benchmark else benchmark || '/' || subset end || '/')""",
        ),
        rows(
            "question_id_matches",
            "a hash that is not the question's hides that two items ask the same",
            "schemas/ids.py: question_id",
            """select benchmark, item, question_id, expected_question_id from {batch}
            where expected_question_id is not null and question_id <> expected_question_id""",
            "text_facts",
        ),
        rows(
            "question_source_told",
            "a question is the dump's own, or stands in the prompt",
            f"{TABLES}: ITEMS",
            """select benchmark, item, question_source from {batch}
            where (question is null) <> (question_source is null) or question_source not in ('dump', 'prompt')
            or question_source = 'prompt' and not coalesce(contains(prompt, question), false)""",
            "item_questions",
        ),
        rows(
            "family_id_matches",
            "a family has the smallest id of its questions, so that its side does not hang on their order",
            "docs/validation.md: families",
            """select benchmark, item, family_id, least from (select benchmark, item, family_id,
            min(question_id) over (partition by benchmark, family_id) as least from {batch})
            where family_id <> least""",
        ),
        rows(
            "families_whole",
            "a question in two families leaks from train to test, whatever its spacing and punctuation",
            "docs/validation.md: families",
            r"""with said as (select benchmark, item, family_id, question_id as said from {batch} union all
            select benchmark, item, family_id, trim(regexp_replace(question, '[\s.,;:!?"'']+', ' ', 'g'))
            from item_questions)
            select benchmark, count(distinct family_id) as families, min(item) as item, max(item) as other
            from said where said <> '' group by benchmark, said having families > 1""",
        ),
        warn(
            "families_alike",
            "a question has few words of any other in its family: what joined them?",
            "docs/validation.md: families",
            r"""with questions as (select benchmark, family_id, question_id, min(item) as item,
            list_distinct(regexp_extract_all(lower(any_value(question)), '[\pL\pN]+')) as words
            from {batch} where question is not null group by all)
            select a.benchmark, a.item, a.family_id from questions a join questions b
            on a.benchmark = b.benchmark and a.family_id = b.family_id and a.question_id <> b.question_id
            group by all having max(len(list_intersect(a.words, b.words))
            - least(10, greatest(len(a.words), len(b.words)) / 2)) < 0""",
            "item_questions",
        ),
        rows(
            "subsets_in_canonical_order",
            "the paper's splits depend on the order of subsets and items",
            "schemas/benchmarks.py: subset_order",
            """with placed as (select benchmark, item, subset, coalesce(s.position, 1000000) as position
            from {batch} left join registry_subsets s using (benchmark, subset)),
            ordered as (select *, lag(position) over w as before, lag(subset) over w as subset_before
            from placed window w as (partition by benchmark order by item))
            select benchmark, item, subset_before, subset from ordered
            where before > position or (before = position and subset_before > subset)""",
        ),
        rows(
            "doc_key_unique",
            "a key of the dump that names two items lets a score go to either",
            f"{TABLES}: ITEMS",
            """select benchmark, subset, doc_key, count(*) as times from {batch} where doc_key is not null
            group by all having count(*) > 1""",
            "doc_keys",
        ),
        warn(
            "table_4_counts",
            "other items than the paper's give other splits and results; whole subsets or files may be lost",
            "RouterEval, Table 4",
            f"""select benchmark, sum(found)::bigint as found, sum(expected)::bigint as expected,
            count(*) filter (found <> expected) as subsets_that_differ from ({_COUNTS}) group by benchmark
            having subsets_that_differ > 0""",
        ),
        rows(
            "table_4_demanded",
            "the config says that every subset has exactly the items of the paper",
            "RouterEval, Table 4",
            f"""select benchmark, subset, found, expected from ({_COUNTS}) join settings on table_4
            where found <> expected""",
        ),
        rows(
            "benchmark_known",
            "without a row in the registry nobody knows the metric, the shots or the licence",
            "schemas/benchmarks.py",
            "select distinct benchmark from {batch} anti join registry using (benchmark)",
        ),
        warn(
            "text_present",
            "an item without question and prompt cannot be embedded",
            f"{TABLES}: ITEMS",
            """select benchmark, count(*) as items from {batch} join registry using (benchmark)
            where characters is null and has_text group by all""",
            "text_facts",
        ),
        warn(
            "text_not_empty",
            "an empty question is a field that the reader did not find",
            f"{TABLES}: ITEMS",
            "select benchmark, item, item_id from {batch} where characters = 0",
            "text_facts",
        ),
    ),
)
