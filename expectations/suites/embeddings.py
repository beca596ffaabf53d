"""Suite of embeddings."""

from __future__ import annotations

from routerset.expectations.findings import Suite
from routerset.expectations.suites.rules import TABLES, not_null, resolves, rows, unique, warn

EMBEDDINGS = Suite(
    "embeddings",
    "embedding_facts",
    ("encoder", "benchmark", "item"),
    (
        not_null("item"),
        rows(
            "vector_not_null",
            "an item without a vector cannot be routed",
            TABLES,
            "select encoder, benchmark, item from {batch} where is_null",
        ),
        unique("one_row_per_item", "encoder, benchmark, item", "two vectors for one item"),
        resolves("items_resolve", "benchmark, item", "items", "a vector of an item that does not exist"),
        rows(
            "items_complete",
            "an item without a vector cannot be routed",
            TABLES,
            """select encoder, benchmark, item from (select distinct encoder, benchmark from {batch})
            join items using (benchmark) anti join embedding_facts using (encoder, benchmark, item)""",
        ),
        rows(
            "dimension",
            "all vectors of an encoder are equally long, as long as the manifest says",
            TABLES,
            """select encoder, benchmark, dimension, count(*) as vectors, any_value(usual) as expected from
            {batch}
            join (select encoder, mode(dimension) as usual from embedding_facts group by all) using (encoder)
            group by encoder, benchmark, dimension having dimension <> expected""",
        ),
        rows(
            "finite",
            "one NaN or infinite number makes every distance to the vector meaningless",
            TABLES,
            "select encoder, benchmark, item, not_finite from {batch} where not_finite > 0",
        ),
        rows(
            "not_zero",
            "a vector of zeros has no direction: its cosine is undefined",
            TABLES,
            "select encoder, benchmark, item from {batch} where norm = 0",
        ),
        rows(
            "vectors_differ",
            "a tenth of the questions or more share vectors with others: the texts were lost, or the rows",
            TABLES,
            """with shared as (select encoder, digest, count(distinct question_id) as texts from {batch}
            where norm > 0 group by all having texts > 1 and count(distinct prompt_digest) > 1
            and not bool_and(may_be_cut)), every as (select encoder, count(distinct question_id) as texts
            from {batch} group by all) select encoder, sum(shared.texts)::bigint as shared,
            any_value(every.texts) as texts from shared join every using (encoder) group by encoder
            having sum(shared.texts) > 2 and 10 * sum(shared.texts) >= any_value(every.texts)""",
        ),
        warn(
            "equal_only_for_equal_texts",
            "two questions with one vector are one to every router: an encoder that ignores what they differ "
            "in (accents, rare signs), or shifted rows",
            TABLES,
            """with twins as (select encoder, digest, count(distinct question_id) as texts, any_value(not
            may_be_cut)
            as whole, min(benchmark || ' ' || item) as item, max(benchmark || ' ' || item) as other
            from {batch} where norm > 0 group by all having texts > 1 and count(distinct prompt_digest) > 1
            and not bool_and(may_be_cut)) select encoder, item, other, texts from twins""",
        ),
        warn(
            "equal_long_texts",
            "texts that differ have one vector; they may be cut to the same tokens by the encoder",
            TABLES,
            """select encoder, count(distinct question_id) as texts, min(benchmark || ' ' || item) as item,
            max(benchmark || ' ' || item) as other from {batch} where norm > 0 group by encoder, digest
            having texts > 1 and count(distinct prompt_digest) > 1 and bool_and(may_be_cut)""",
        ),
        warn(
            "normalised",
            "some vectors have length 1 and some not: they come from different settings",
            TABLES,
            """select encoder, benchmark, count(*) filter (abs(norm - 1) > 1e-2) as not_of_length_1,
            count(*) as vectors from {batch} where norm > 0 group by all
            having not_of_length_1 > 0 and not_of_length_1 < 0.5 * vectors""",
        ),
    ),
)
