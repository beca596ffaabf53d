"""Stage `curate`: what a config leaves out of the benchmarks, listed and counted; off without `[curate]`."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pyarrow.parquet as pq

from routerset.etl.manifest import Finished
from routerset.etl.progress import say
from routerset.etl.stages.base import Context, Stage
from routerset.release.curating import (
    Row,
    curated_table,
    duplicates,
    items_left_out,
    left_out_rows,
    records_left_out,
)
from routerset.schemas import store
from routerset.schemas.splits import splits_table
from routerset.schemas.tables import TABLES


def write_curated(context: Context) -> Finished:
    """Write table `curated`, where anything is left out, and count the records of it."""
    wanted, splits = context.config.curate, context.config.splits
    if _idle(context):
        return Finished.of((), {})
    rows: list[Row] = []
    ids = {}
    for benchmark in context.benchmarks:
        path = context.out / TABLES["items"].path(benchmark=benchmark)
        items = pq.read_table(path, columns=["item_id", "subset", "question_id", "family_id"])
        ids[benchmark] = items["item_id"]
        for scheme in splits.schemes:
            sides = splits_table(scheme, items["family_id"], items["subset"], splits.seed)
            rows += duplicates(items, sides, benchmark, scheme, wanted.scope)
    table = curated_table(rows)
    records = {}
    for benchmark in context.benchmarks:
        out = left_out_rows(ids[benchmark], items_left_out(table, benchmark, splits.schemes[0]))
        scores = context.out / TABLES["scores"].path(benchmark=benchmark)
        kept, away = records_left_out(scores, out)
        records[benchmark] = {"kept": kept, "used": kept - away, "curated_away": away}
        say(f"{benchmark}: {int(np.count_nonzero(out)):,} items left out, {away:,} of {kept:,} records")
    outputs = []
    if len(table):
        path = context.out / TABLES["curated"].path()
        outputs.append(store.describe(context.out, path, store.write_table(path, table.schema, table)))
    return Finished.of(outputs, {"rules": asdict(wanted), "scheme": splits.schemes[0], "records": records})


def _idle(context: Context) -> bool:
    return not context.config.curate.rules


STAGE = Stage(
    "curate",
    ("items", "scores"),
    lambda context: () if _idle(context) else (context.config.curate, context.config.splits),
    write_curated,
    idle=_idle,
)
