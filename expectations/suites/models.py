"""Suites of what ingest says of models: what they are, and what they cost."""

from __future__ import annotations

from routerset.expectations.findings import Suite
from routerset.expectations.suites.rules import TABLES, not_null, one_of, resolves, rows, unique, warn
from routerset.schemas.tables import MATCHED_BY

MODELS = Suite(
    "models",
    "models",
    ("model_id",),
    (
        not_null("model_id"),
        not_null("leaderboards"),
        unique("model_id_unique", "model_id", "two rows for one model make every join with models double"),
        rows(
            "model_id_canonical",
            "a second spelling of a name splits one model in two",
            "schemas/ids.py: model_id",
            r"""select model_id from {batch} where length(model_id) > 256
            or regexp_matches(model_id, '(^|/)\.\.?(/|$)')
            or not regexp_full_match(model_id, '[^\s/\\]+(/[^\s/\\]+)?')""",
        ),
        warn(
            "model_ids_differ_in_case",
            "spellings that differ in case alone are one model; a list that others published may have both",
            "docs/validation.md: names",
            """select lower(model_id) as spelled, list_sort(list(model_id)) as models from {batch}
            group by lower(model_id) having count(*) > 1""",
        ),
        rows(
            "twins_resolve",
            "what stands for a twin is a model of the table, and no twin itself",
            f"{TABLES}: MODELS",
            """select a.model_id, a.twin_of, b.twin_of as of_that from {batch} a left join {batch} b
            on b.model_id = a.twin_of where a.twin_of is not null
            and (b.model_id is null or b.twin_of is not null)""",
        ),
        rows(
            "org_matches",
            "the organisation is the part of the name before the slash",
            TABLES,
            """select model_id, org from {batch} where org is distinct from
            case when model_id like '%/%' then split_part(model_id, '/', 1) end""",
        ),
        rows(
            "params_positive",
            "a size of zero, below zero or NaN is a parsing fault",
            TABLES,
            "select model_id, params_b from {batch} where not (params_b > 0 and isfinite(params_b))",
        ),
        rows(
            "active_within_params",
            "what answers one token is a part of the model",
            TABLES,
            """select model_id, params_b, active_params_b from {batch}
            where not (active_params_b > 0 and isfinite(active_params_b)) or active_params_b > params_b""",
        ),
        rows(
            "size_source_told",
            "a size tells where it is from, and nothing else does",
            TABLES,
            """select model_id, params_b, active_params_b, size_source from {batch}
            where (coalesce(params_b, active_params_b) is null) <> (size_source is null)
            or size_source not in ('metadata', 'name', 'table')""",
        ),
        warn(
            "params_fit_name",
            "a size that is more than 15% off the one in the name is that of other weights, or a wrong entry",
            "docs/costs.md: sizes",
            r"""with named as (select model_id, params_b, regexp_replace(regexp_replace(lower(regexp_extract(
            model_id, '([^/@]+)(@.*)?$', 1)), '(^|[^a-z0-9_])([0-9])_([0-9]b)', '\1\2.\3'),
            '(^|[^a-z0-9])([01])_([0-9]b)', '\1\2.\3') as name from {batch} where params_b is not null),
            sized as (select *, if(contains(name, '8x7b'), 46.7, try_cast(regexp_extract(name,
            '(^|[^a-z0-9.])([0-9]+([.][0-9]+)?)b([^a-z0-9]|$)', 2) as double)) as said from named
            where contains(name, '8x7b')
            or not regexp_matches(name, '[0-9]x[0-9]|bx[0-9]|moe|[0-9]b-[0-9]+e'))
            select model_id, params_b, said from sized
            where said > 0 and abs(params_b - said) > 0.15 * said""",
        ),
        rows(
            "prices_in_range",
            "a price is a finite number of at least 0, for both sides or for none",
            TABLES,
            """select model_id, usd_per_mtok_in, usd_per_mtok_out from {batch}
            where not (usd_per_mtok_in >= 0 and isfinite(usd_per_mtok_in))
            or not (usd_per_mtok_out >= 0 and isfinite(usd_per_mtok_out))
            or (usd_per_mtok_in is null) <> (usd_per_mtok_out is null)
            or (price_as_of is not null and usd_per_mtok_in is null)""",
        ),
        rows(
            "leaderboards_known",
            "a leaderboard that the registry does not know cannot be cited",
            "schemas/benchmarks.py: leaderboard",
            """select model_id, board from (select model_id, unnest(leaderboards) as board from {batch})
            where board is null or board not in (select leaderboard from registry)""",
        ),
        rows(
            "leaderboards_match_scores",
            "a model stands on the leaderboards that it has scores from, and on no other",
            TABLES,
            """select model_id, leaderboards, found from {batch} join
            (select model_id, list_sort(list(distinct leaderboard)) as found
            from score_facts join registry using (benchmark) group by model_id) using (model_id)
            where list_sort(leaderboards) <> found""",
        ),
        rows(
            "models_scored",
            "a model without a single score is of no use to anyone",
            TABLES,
            "select model_id from {batch} anti join score_facts using (model_id)",
        ),
    ),
)

PRICES = Suite(
    "prices",
    "prices",
    ("model_id",),
    (
        *(not_null(c) for c in ("model_id", "usd_per_mtok_in", "usd_per_mtok_out")),
        *(not_null(c) for c in ("matched_by", "match", "file")),
        unique("model_id_unique", "model_id", "two prices for one model: which one counts would be chance"),
        one_of("matched_by", MATCHED_BY, "a row of a price table names models in one of three ways"),
        rows(
            "price_in_range",
            "a price is a finite number of at least 0",
            f"{TABLES}: PRICES",
            """select model_id, usd_per_mtok_in, usd_per_mtok_out from {batch}
            where not (usd_per_mtok_in >= 0 and isfinite(usd_per_mtok_in))
            or not (usd_per_mtok_out >= 0 and isfinite(usd_per_mtok_out))""",
        ),
        rows(
            "as_of_iso",
            "versions follow from dates by comparing these as text",
            f"{TABLES}: PRICES",
            """select model_id, as_of from {batch}
            where try_cast(as_of as date)::varchar is distinct from as_of""",
        ),
        warn(
            "as_of_present",
            "prices age: without a date nobody knows whether these still hold",
            "docs/costs.md: price tables",
            """select file, count(*) as models, min(model_id) as such_as from {batch} where as_of is null
            group by all""",
        ),
        resolves("models_resolve", "model_id", "models", "a price of a model that has no score"),
        rows(
            "prices_as_in_models",
            "table models has the same prices",
            f"{TABLES}: PRICES",
            """select model_id, p.usd_per_mtok_in, m.usd_per_mtok_in as of_models, p.usd_per_mtok_out,
            m.usd_per_mtok_out as out_of_models, as_of, price_as_of from {batch} p full join
            (select * from models where coalesce(usd_per_mtok_in, usd_per_mtok_out) is not null) m
            using (model_id) where p.usd_per_mtok_in is distinct from m.usd_per_mtok_in
            or p.usd_per_mtok_out is distinct from m.usd_per_mtok_out
            or as_of is distinct from price_as_of""",
        ),
        rows(
            "prices_accounted_for",
            "the manifest says how many models each price table gave a price to",
            "docs/validation.md: accounting",
            """select file, coalesce(listed, 0) as listed, coalesce(found, 0) as found from {batch} full join
            (select file, count(*) as found from prices group by all) using (file)
            where coalesce(listed, 0) <> coalesce(found, 0)""",
            "price_files",
        ),
    ),
)
