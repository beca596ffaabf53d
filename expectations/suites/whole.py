"""Suites of whole folders: layout of files, claims of manifests, releases, and drift between releases."""

from __future__ import annotations

from routerset.expectations.findings import Suite
from routerset.expectations.suites.rules import TABLES, rows, warn
from routerset.schemas.tables import LIMITS, PRICES

_MANIFEST = "docs/validation.md: manifest"
_RELEASE = "release/layout.py"
COMPARED = {
    "models": "*",
    "prices": ", ".join(PRICES.names),
    "items": "benchmark, item, item_id, subset, category, question_id, family_id",
    "text_facts": "benchmark, item, text_digest",
    "splits": "scheme, benchmark, item, split",
    "groups": "method, benchmark, m, kind, rank, model_id",
    "limits": ", ".join(["benchmark", "method", *LIMITS.names]),
    "score_digests": "benchmark, model_id, digest",
    "cost_facts": "benchmark, model_id, n, digest",
    "embedding_facts": "encoder, benchmark, item, digest",
}
"""What a release has of the build that it lies in: columns of views that both have."""

LAYOUT = Suite(
    "layout",
    "columns",
    ("path",),
    (
        rows(
            "columns_present",
            "a column that is missing breaks every reader",
            TABLES,
            'select path, "column", expected from {batch} where found is null',
        ),
        rows(
            "columns_known",
            "a column that no schema names may carry what must not be published",
            TABLES,
            'select path, "column", found from {batch} where expected is null',
        ),
        rows(
            "column_types",
            "a column of another type breaks every reader",
            TABLES,
            'select path, "column", expected, found from {batch} where not same and found is not null '
            "and expected is not null",
        ),
        rows(
            "partitions_known",
            "a partition of a benchmark that the registry does not hold",
            "schemas/benchmarks.py",
            """select path, benchmark from {batch} where benchmark is not null
            and benchmark not in (select benchmark from registry)""",
            "partitions",
        ),
        rows(
            "tables_present",
            "a table or partition that is not there was never written, or lost",
            TABLES,
            "select table_name, partition from {batch} where not found",
            "required",
        ),
        rows(
            "partitions_filled",
            "a partition without rows is a build that lost them",
            TABLES,
            # a side of a split can be empty; that it should be, `splits.counts_listed` checks
            """select path from {batch} where rows = 0 and table_name not in ('quarantine', 'groups',
            'limits', 'data', 'vectors')""",
            "partitions",
        ),
        rows(
            "rows_in_order",
            "the same rows in another order are other bytes, and readers rely on the order",
            f"{TABLES}: routerset.sort",
            "select path, unsorted, first_row from {batch} where unsorted > 0",
            "orders",
        ),
    ),
)

MANIFEST = Suite(
    "manifest",
    "listed_files",
    ("path",),
    (
        rows(
            "files_present",
            "the manifest lists a file that is not there",
            _MANIFEST,
            "select distinct path from {batch} where listed_sha256 is not null and found_sha256 is null",
        ),
        rows(
            "checksums",
            "a file that is not the one that was listed was changed afterwards",
            _MANIFEST,
            """select path, listed_sha256, found_sha256 from {batch} where listed_sha256 <> found_sha256""",
        ),
        rows(
            "sizes",
            "the manifest says another number of bytes",
            _MANIFEST,
            "select path, listed_bytes, found_bytes from {batch} where listed_bytes <> found_bytes",
        ),
        rows(
            "row_counts",
            "the manifest says another number of rows",
            _MANIFEST,
            "select path, listed_rows, found_rows from {batch} where listed_rows <> found_rows",
        ),
        rows(
            "nothing_unlisted",
            "a file that the manifest does not list was put there by hand, or by a run that was killed",
            _MANIFEST,
            "select path from {batch} where listed_sha256 is null and found_sha256 is not null",
        ),
        rows(
            "files_known",
            "a link, a pipe or a file that no release has may run as code, or show what must stay unseen",
            _RELEASE,
            "select path, found from {batch}",
            "strange_files",
        ),
        rows(
            "accounting_identity",
            "records read = kept + superseded + quarantined: nothing is ever dropped in silence",
            "docs/validation.md: accounting",
            'select * from {batch} where "read" <> kept + superseded + quarantined or least("read", kept, '
            "superseded, quarantined) < 0",
            "accounting",
        ),
        rows(
            "accounting_reasons",
            "every quarantined record has a reason",
            "docs/validation.md: accounting",
            """select source, benchmark, quarantined, coalesce(reasons, 0) as reasons from {batch} left join
            (select source, benchmark, sum(listed) as reasons from accounting_reasons group by all)
            using (source, benchmark) where quarantined <> coalesce(reasons, 0)""",
            "accounting",
        ),
        rows(
            "accounting_joined",
            "the manifest says what told the document of every kept record: its content, a hash, or a key",
            "docs/validation.md: accounting",
            """select source, benchmark, kept, sum(listed) as joined from accounting_joined
            join {batch} using (source, benchmark) group by all having kept <> sum(listed)""",
            "accounting",
        ),
        rows(
            "accounting_kept",
            "every record that was kept is a score",
            "docs/validation.md: accounting",
            """select benchmark, coalesce(kept, 0) as kept, coalesce(scores, 0) as scores from
            (select benchmark, sum(kept) as kept from {batch} where benchmark <> '' group by all) full join
            (select benchmark, sum(n) as scores from score_facts group by all) using (benchmark)
            where coalesce(kept, 0) <> coalesce(scores, 0)""",
            "accounting",
        ),
        rows(
            "totals",
            "the manifest says how many models and items each benchmark has",
            _MANIFEST,
            """select benchmark, name, listed, found from {batch} join totals_found using (benchmark, name)
            where abs(listed - found) > 1e-6""",
            "totals_listed",
        ),
    ),
)

RELEASE = Suite(
    "release",
    "data",
    ("benchmark", "item", "item_id"),
    (
        rows(
            "text_withheld",
            "the authors of this benchmark ask that no question be published",
            "schemas/benchmarks.py: publish_text",
            # how long it is, never the text: what the gate prints is read by everyone
            """select benchmark, item, item_id, length(coalesce(question, prompt)) as characters
            from {batch} join registry using (benchmark) where not publish_text
            and coalesce(question, prompt) is not null""",
        ),
        rows(
            "text_withheld_elsewhere",
            "a withheld question under the name of another benchmark, or in another file, is published too",
            "schemas/benchmarks.py: publish_text",
            "select path, place, benchmark, item from {batch}",
            "leaks",
        ),
        rows(
            "files_follow_first_scheme",
            "the train, validation and test files are the sides of the first split scheme",
            _RELEASE,
            "select benchmark, item, file_split, side from {batch} where file_split <> side",
            "file_sides",
        ),
        rows(
            "items_complete",
            "vectors have the items of the data files, in the same order",
            _RELEASE,
            "select path, missing, first_item_id as item_id from {batch} where missing > 0",
            "vector_files",
        ),
        rows(
            "group_scores",
            "a column of scores holds what the scores table says of the candidates of groups, in their order",
            _RELEASE,
            """select path, "column", wrong_scores, first_wrong as item_id from {batch} where wrong_scores
            > 0""",
            "group_columns",
        ),
        rows(
            "labels",
            "a candidate is a good choice from 0.95 of the best score on, and nobody is where the best is 0",
            "RouterEval, section 2",
            """select path, "column", wrong_labels, first_wrong as item_id from {batch} where wrong_labels
            > 0""",
            "group_columns",
        ),
        rows(
            "group_columns_complete",
            "every group of the groups table is one pair of columns, and the other way round",
            _RELEASE,
            """select path, "column", listed, found from {batch} where listed <> found""",
            "group_columns",
        ),
        rows(
            "card_lists_files",
            "load_dataset reads the files that the card names",
            _RELEASE,
            "select path, on_card, on_disk from {batch} where on_card <> on_disk",
            "card_files",
        ),
        rows(
            "notes_known",
            "a note in the footer of a table, or at a column, may carry what must not be published",
            TABLES,
            "select path, place, found from {batch}",
            "footers",
        ),
        rows(
            "reference",
            "V_R is a share of the reference score that the paper takes",
            "RouterEval, Table 4",
            "select benchmark, name, listed, known from {batch} where listed <> known",
            "registry_claims",
        ),
        rows(
            "version_before",
            "a version comes after the one that it says it follows",
            "release/version.py",
            """select version, previous from {batch} where previous is not null and coalesce(
            try_cast(string_split(previous, '.') as bigint[])
            >= try_cast(string_split(version, '.') as bigint[]), true)""",
            "release_facts",
        ),
    ),
)

BUILT = Suite(
    "built",
    "built_items",
    ("benchmark", "item"),
    tuple(
        rows(
            f"{view}_as_built",
            "a release that is not what its build holds was changed afterwards, or its build was",
            _RELEASE,
            f"select {columns}, 'build' as only_in from ((select {columns} from {{batch}}) except "
            f"(select {columns} from {view})) union all select {columns}, 'release' from "
            f"((select {columns} from {view}) except (select {columns} from {{batch}}))",
            f"built_{view}",
        )
        for view, columns in COMPARED.items()
    ),
)

DRIFT = Suite(
    "drift",
    "previous_score_facts",
    ("benchmark",),
    (
        warn(
            "models_kept",
            "models that the release before had",
            "docs/validation.md: drift",
            """select benchmark, count(*) as models_lost, min(model_id) as first from {batch}
            anti join score_facts using (benchmark, model_id) group by all""",
        ),
        warn(
            "mean_steady",
            "the mean score of the models that both releases have moved by more than half a point",
            "docs/validation.md: drift",
            """select benchmark, count(*) as models, avg(o.mean) as before, avg(n.mean) as after,
            avg(n.mean) - avg(o.mean) as moved from {batch} o join score_facts n using (benchmark, model_id)
            group by all having abs(moved) > 0.005""",
        ),
        warn(
            "scores_steady",
            "models whose mean score moved by more than five points",
            "docs/validation.md: drift",
            """select benchmark, model_id, o.mean as before, n.mean as after from {batch} o
            join score_facts n using (benchmark, model_id) where abs(n.mean - o.mean) > 0.05""",
        ),
        warn(
            "items_kept",
            "items that the release before had, by their ids",
            "docs/validation.md: drift",
            """select benchmark, count(*) as items_lost, min(item_id) as first from {batch}
            anti join items using (benchmark, item_id) group by all""",
            "previous_items",
        ),
        warn(
            "items_unmoved",
            "items whose number in canonical order changed",
            "docs/validation.md: drift",
            """select benchmark, count(*) as items_moved, min(item_id) as first from {batch} o
            join items n using (benchmark, item_id) where o.item <> n.item group by all""",
            "previous_items",
        ),
        warn(
            "splits_kept",
            "items that changed sides: results on them cannot be compared",
            "docs/validation.md: drift",
            """select o.scheme, benchmark, count(*) as items_moved from {batch} o
            join previous_items p using (benchmark, item) join items i using (benchmark, item_id)
            join splits n on n.scheme = o.scheme and n.benchmark = o.benchmark and n.item = i.item
            where o.split <> n.split group by all""",
            "previous_splits",
        ),
        warn(
            "groups_kept",
            "groups whose candidates changed: results on them cannot be compared",
            "docs/validation.md: drift",
            """with members as (select method, benchmark, m, kind, list(model_id order by rank) as models
            from {batch} group by all), now as (select method, benchmark, m, kind,
            list(model_id order by rank) as models from groups group by all)
            select method, benchmark, m, kind from members left join now using (method, benchmark, m, kind)
            where members.models is distinct from now.models""",
            "previous_groups",
        ),
    ),
)
