"""Stage `curate`: what a config leaves out of benchmarks or adds, listed and counted; off without `[curate]`.

It stands behind `embed`, whose vectors tell what lies together, and before `splits`, whose sides it finds for
itself: they follow from the items alone.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from routerset.etl.manifest import Finished
from routerset.etl.progress import say
from routerset.etl.stages.base import Context, Stage
from routerset.release.auditing.reading import ITEM_COLUMNS, Tables, vectors_of_build
from routerset.release.curating.curate import Look, curated_of_benchmark
from routerset.release.curating.table import Row, curated_table, records_left_out
from routerset.release.files import read_table
from routerset.schemas import store
from routerset.schemas.tables import TABLES


def write_curated(context: Context) -> Finished:
    """Write what is left out and added, and count the records of it. Raises CurateError."""
    if _idle(context):
        return Finished.of((), {})
    rules, splits, out = context.config.curate, context.config.splits, context.out
    rows: list[Row] = []
    records, outputs = {}, []
    for benchmark in context.benchmarks:
        look = Look(_tables(context, benchmark), context.config.dataset.min_coverage)
        found = curated_of_benchmark(look, splits.schemes, rules)
        rows += found.rows
        scores = out / TABLES["scores"].path(benchmark=benchmark)
        kept, away = records_left_out(scores, found.left_out, found.pruned)
        records[benchmark] = {"kept": kept, "used": kept - away, "curated_away": away}
        said = f"{int(np.count_nonzero(found.left_out)):,} items and {len(found.pruned):,} models left out"
        say(f"{benchmark}: {said}, {away:,} of {kept:,} records; {len(found.added)} models added")
        if found.added:
            path = out / TABLES["pseudo_specialists"].path(benchmark=benchmark)
            n = store.write_table(path, TABLES["pseudo_specialists"].schema, found.scores)
            outputs.append(store.describe(out, path, n))
    table = curated_table(rows)
    if len(table):
        path = out / TABLES["curated"].path()
        outputs.append(store.describe(out, path, store.write_table(path, table.schema, table)))
    return Finished.of(outputs, {"rules": rules.told(), "scheme": splits.schemes[0], "records": records})


def _tables(context: Context, benchmark: str) -> Tables:
    """Where the tables of one benchmark are."""
    out, config = context.out, context.config
    columns = [*ITEM_COLUMNS, "item_id", "family_id", "question"]
    items = read_table(out / TABLES["items"].path(benchmark=benchmark), columns)
    asked = config.embed.text == "question" and items["question"].null_count == 0
    told = {"stages": {"embed": {"info": context.finished["embed"].info}}}
    return Tables(
        benchmark,
        items.drop_columns(["question"]),
        out / TABLES["scores"].path(benchmark=benchmark),
        None,
        partial(vectors_of_build, out, told, benchmark, asked),
        out / TABLES["costs"].path(benchmark=benchmark),
        out / TABLES["models"].path(),
        config.splits.seed,
    )


def _idle(context: Context) -> bool:
    return not context.config.curate.rules


def _settings(context: Context) -> object:
    if _idle(context):
        return ()
    config = context.config
    read = ("items", "scores", "embeddings", "costs", "models")
    files = [(output.path, output.sha256) for output in context.files(*read)]
    text = config.embed.text
    return config.curate.told(), config.splits, config.dataset.min_coverage, text, files


STAGE = Stage("curate", ("items",), _settings, write_curated, idle=_idle)
