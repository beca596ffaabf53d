"""Stage `splits`: which items train, validate and test a router, by every scheme of the config."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow.parquet as pq

from routerset.etl.manifest import Finished
from routerset.etl.progress import say
from routerset.etl.stages.base import Context, Stage, curated_in
from routerset.release.curating.table import items_left_out, leave_out
from routerset.schemas import store
from routerset.schemas.released import files_of
from routerset.schemas.splits import splits_table, thin_sides
from routerset.schemas.tables import TABLES, Split

ENOUGH = 10
"""Items of a subset that can be cut 8:1:1."""


def write_splits(context: Context) -> Finished:
    """Write the splits of every scheme and benchmark."""
    outputs = []
    counts: dict[str, dict[str, dict[str, int]]] = {}
    wanted = context.config.splits
    curated = curated_in(context)
    for benchmark in context.benchmarks:
        path = context.out / TABLES["items"].path(benchmark=benchmark)
        items = pq.read_table(path, columns=["item_id", "subset", "family_id"])
        for scheme in wanted.schemes:
            table = splits_table(scheme, items["family_id"], items["subset"], wanted.seed)
            table = leave_out(table, items["item_id"], items_left_out(curated, benchmark, scheme))
            path = context.out / TABLES["splits"].path(scheme=scheme, benchmark=benchmark)
            rows = store.write_table(path, TABLES["splits"].schema, table)
            outputs.append(store.describe(context.out, path, rows))
            sides = table["split"].to_pylist()
            found = {side: sides.count(side) for side in files_of(sides)}
            counts.setdefault(scheme, {})[benchmark] = found
            found = {side.value: found[side] for side in Split}
            if len(table) < ENOUGH or thin_sides(found):
                say(_too_few(benchmark, scheme, found))
    return Finished.of(outputs, {"counts": counts, "seed": wanted.seed})


def _too_few(benchmark: str, scheme: str, sides: Mapping[str, int]) -> str:
    """What a benchmark with few items, or a thin side, is good for."""
    total, thin = sum(sides.values()), thin_sides(sides)
    lost = {
        Split.TRAIN.value: "no router can be trained, and no group chosen on train items",
        Split.VALIDATION.value: "routers train without it",
        Split.TEST.value: "no router can be scored",
    }
    return (
        f"{benchmark}: {total} item{'s' * (total != 1)}, split {scheme}: "
        f"{', '.join(f'{n} {side}' for side, n in sides.items())}"
        + "".join(
            f"; {side} has {sides[side]} of its {share:.1f}"
            if sides[side]
            else f"; {side} is empty: {lost[side]}"
            for side, share in thin.items()
        )
        + f"; a subset of {ENOUGH} items or more has some on every side"
    )


STAGE = Stage("splits", ("items", "curated"), lambda context: context.config.splits, write_splits)
