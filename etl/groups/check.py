"""A check of releases that needs the group algorithms: choose groups and find their limits again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.etl.groups.candidates import Group, Kind, groups_table
from routerset.etl.groups.frozen import joined
from routerset.etl.groups.limits import Scored, limits
from routerset.etl.groups.methods import METHODS, coverage, pool_for
from routerset.etl.groups.tiers import of_tiers, told_of
from routerset.release.curating.table import curated_of, pruned_models
from routerset.release.layout import (
    GROUPS,
    LIMITS,
    MANIFEST,
    MODELS,
    data_path,
    limits_table,
    members_of,
    scores_path,
)
from routerset.release.manifest import Manifest, read_manifest
from routerset.release.verify import Problem
from routerset.release.write import bounded
from routerset.schemas import groups as columns
from routerset.schemas.matrix import read_matrix
from routerset.schemas.released import RELEASED, split_column
from routerset.schemas.splits import subset_sizes
from routerset.schemas.tables import LIMITS as TABLE
from routerset.schemas.tables import Split
from routerset.schemas.twins import standing_for_twins

BOUNDS = ("train_at_most", "bound_by")
"""Columns of limits that another version of SciPy may prove otherwise."""


def check_groups(release: Path, note: Callable[[str], None] = lambda words: None) -> Iterator[Problem]:
    """Problems of groups, and of their limits, that are not what the release's own scores and splits give.

    note: told what could not be compared, and why.
    """
    manifest = read_manifest(release)
    chosen, limited = (pq.read_table(release / path) for path in (GROUPS, LIMITS))
    others = () if manifest.libraries.get("scipy") == version("scipy") else BOUNDS
    if others:
        stated = manifest.libraries.get("scipy", "none")
        note(f"{LIMITS}: bounds not compared: made with scipy {stated}, here is {version('scipy')}")
    for name in sorted(set(limited["benchmark"].to_pylist()) - manifest.benchmarks.keys()):
        yield Problem(LIMITS, f"limits of {name}", f"a benchmark of {MANIFEST}")
    tiers = told_of(release / MODELS, manifest.tiers.get("chosen", ()))
    if manifest.tiers != tiers:
        yield Problem(MANIFEST, f"tiers {manifest.tiers}", f"{tiers}, by {MODELS}")
    for benchmark in manifest.benchmarks:
        scored, models = _scored(release, manifest, benchmark)
        groups, found = (t.filter(pc.equal(t["benchmark"], benchmark)) for t in (chosen, limited))
        wrong = list(_groups(manifest, benchmark, scored, models, groups, found))
        yield from wrong
        if not wrong:
            methods = [method for method in METHODS if method in manifest.methods]
            kept = _limits_kept(manifest.frozen_groups(benchmark), found)
            if kept:
                since = manifest.frozen["version"]
                note(f"{LIMITS}: {benchmark}: groups frozen since v{since} and their limits not found again")
            again = limits_table({(benchmark, m): t for m, t in limits(scored, methods, kept).items()})
            for name in again.column_names if len(found) == len(again) else ("benchmark",):
                if name not in others and not found[name].equals(again[name]):
                    yield Problem(LIMITS, f"other {name} of {benchmark}", "what its scores give")


def _groups(
    manifest: Manifest,
    benchmark: str,
    scored: Scored,
    models: Sequence[str],
    published: pa.Table,
    limited: pa.Table,
) -> Iterator[Problem]:
    """Problems of the groups of one benchmark. published, limited: its rows of groups and of limits."""
    entry = manifest.benchmarks[benchmark]
    row_of = {model: row for row, model in enumerate(models)}
    for name in sorted(manifest.frozen_groups(benchmark).difference(g.column for g in entry.groups)):
        yield Problem(MANIFEST, f"{benchmark}: frozen group {name}", "one of its groups")
    asked = {
        *manifest.methods,
        *(g.method for g in entry.groups),
        *(str(row["method"]) for row in entry.coverage),
    }
    for method in sorted(asked | {str(row["method"]) for row in entry.skipped_groups}):
        if method not in METHODS or method not in manifest.methods:
            known = [name for name in METHODS if name in manifest.methods]
            yield Problem(GROUPS, f"groups of {benchmark} by {method}", f"groups by {', '.join(known)}")
            continue
        found = published.filter(pc.equal(published["method"], method))
        frozen = manifest.frozen_groups(benchmark)
        kept = []
        for group, members in members_of(found, f"{GROUPS}, {benchmark}").items():
            if group.column in frozen:
                gone = [model for model in members if model not in row_of]
                if gone:
                    yield Problem(GROUPS, f"{benchmark}: {group.column}: {gone[0]!r}", "a model with scores")
                    continue
                rows = np.array([row_of[model] for model in members], np.int32)
                kept.append(Group(group.m, Kind(group.kind), rows))
        chosen, skipped = joined(kept, *scored.choose(method, scored.scores))
        again = groups_table(chosen, models)
        if found.select(again.column_names).cast(again.schema) != again:
            yield Problem(GROUPS, f"other {method} groups of {benchmark}", "those its scores give")
        told = [row for row in entry.skipped_groups if row["method"] == method]
        right = [{"method": method, "m": s.m, "kind": s.kind.value, "reason": s.reason} for s in skipped]
        if told != right:
            yield Problem(MANIFEST, f"{benchmark}: skipped groups {told}", f"{right}")
        held = tuple(row for row in entry.coverage if row["method"] == method)
        of = coverage(method, scored.scores, chosen, scored.sides, scored.pools.get(method))
        if held != bounded(
            [{"method": method, **row} for row in of], limited, len(scored.sides[Split.TRAIN])
        ):
            yield Problem(MANIFEST, f"{benchmark}: other coverage of {method} groups", "what its scores give")


def _limits_kept(frozen: Collection[str], limited: pa.Table) -> dict[str, pa.Table]:
    """Rows of limits of frozen groups, by method; what these cover is the gate's to recount."""
    kept: dict[str, list[dict[str, object]]] = {}
    for row in limited.to_pylist():
        if columns.Group(row["method"], row["m"], row["kind"]).column in frozen:
            kept.setdefault(row["method"], []).append({name: row[name] for name in TABLE.names})
    return {method: pa.Table.from_pylist(rows, TABLE) for method, rows in kept.items()}


def _scored(release: Path, manifest: Manifest, benchmark: str) -> tuple[Scored, Sequence[str]]:
    """What groups are chosen from, under the release's first scheme; and the models of the rows."""
    entry, column = manifest.benchmarks[benchmark], split_column(manifest.schemes[0])
    pruned = pruned_models(curated_of(release / RELEASED["curated"].path), benchmark)
    matrix = read_matrix(release / scores_path(benchmark), entry.n_items, manifest.min_coverage, pruned)
    wanted = ["item", "subset", column]
    parts = [
        pq.read_table(release / data_path(benchmark, side), columns=wanted)
        for side in manifest.files(benchmark)
    ]
    rows = pa.concat_tables(parts).sort_by("item")
    sides = {side: rows.filter(pc.equal(rows[column], side.value))["item"].to_numpy() for side in Split}
    counts = subset_sizes(rows["subset"])
    named = standing_for_twins(release / MODELS) if manifest.twins == "one" else None
    tiered = of_tiers(release / MODELS, manifest.tiers.get("chosen", ()))
    pools = {m: pool_for(m, matrix, named, tiered) for m in manifest.methods if m in METHODS}
    return Scored(matrix.scores, counts, sides, manifest.sizes, manifest.seed, pools), matrix.models
