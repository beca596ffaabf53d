"""Stage `splits`: which items train, validate and test a router, by every scheme of the config."""

from __future__ import annotations

import pyarrow.parquet as pq

from routerset.etl.manifest import Finished
from routerset.etl.stages.base import Context, Stage
from routerset.schemas import store
from routerset.schemas.splits import splits_table
from routerset.schemas.tables import TABLES, Split


def write_splits(context: Context) -> Finished:
    """Write the splits of every scheme and benchmark."""
    outputs = []
    counts: dict[str, dict[str, dict[str, int]]] = {}
    wanted = context.config.splits
    for benchmark in context.benchmarks:
        path = context.out / TABLES["items"].path(benchmark=benchmark)
        items = pq.read_table(path, columns=["subset", "family_id"])
        for scheme in wanted.schemes:
            table = splits_table(scheme, items["family_id"], items["subset"], wanted.seed)
            path = context.out / TABLES["splits"].path(scheme=scheme, benchmark=benchmark)
            rows = store.write_table(path, TABLES["splits"].schema, table)
            outputs.append(store.describe(context.out, path, rows))
            sides = table["split"].to_pylist()
            counts.setdefault(scheme, {})[benchmark] = {side.value: sides.count(side.value) for side in Split}
    return Finished.of(outputs, {"counts": counts})


STAGE = Stage("splits", ("items",), lambda context: context.config.splits, write_splits)
