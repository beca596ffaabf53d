"""A check of releases that needs the group algorithms: choose groups and find their limits again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.etl.groups.candidates import groups_table
from routerset.etl.groups.limits import Scored, limits
from routerset.etl.groups.methods import METHODS, coverage
from routerset.release.layout import (
    GROUPS,
    LIMITS,
    MANIFEST,
    MODELS,
    data_path,
    limits_table,
    scores_path,
)
from routerset.release.manifest import Manifest, read_manifest
from routerset.release.verify import Problem
from routerset.schemas.matrix import read_matrix
from routerset.schemas.released import split_column
from routerset.schemas.splits import subset_sizes
from routerset.schemas.tables import Split
from routerset.schemas.twins import one_of_each, standing_for_twins

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
    for benchmark in manifest.benchmarks:
        scored, models = _scored(release, manifest, benchmark)
        groups, found = (t.filter(pc.equal(t["benchmark"], benchmark)) for t in (chosen, limited))
        wrong = list(_groups(manifest, benchmark, scored, models, groups))
        yield from wrong
        if not wrong:
            methods = [method for method in METHODS if method in manifest.methods]
            again = limits_table({(benchmark, m): t for m, t in limits(scored, methods).items()})
            for name in again.column_names if len(found) == len(again) else ("benchmark",):
                if name not in others and not found[name].equals(again[name]):
                    yield Problem(LIMITS, f"other {name} of {benchmark}", "what its scores give")


def _groups(
    manifest: Manifest, benchmark: str, scored: Scored, models: Sequence[str], published: pa.Table
) -> Iterator[Problem]:
    """Problems of the groups of one benchmark."""
    entry = manifest.benchmarks[benchmark]
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
        chosen, skipped = scored.choose(method, scored.scores)
        again = groups_table(chosen, models)
        if found.select(again.column_names).cast(again.schema) != again:
            yield Problem(GROUPS, f"other {method} groups of {benchmark}", "those its scores give")
        told = [row for row in entry.skipped_groups if row["method"] == method]
        right = [{"method": method, "m": s.m, "kind": s.kind.value, "reason": s.reason} for s in skipped]
        if told != right:
            yield Problem(MANIFEST, f"{benchmark}: skipped groups {told}", f"{right}")
        held = [row for row in entry.coverage if row["method"] == method]
        of = coverage(method, scored.scores, chosen, scored.sides, scored.pool)
        if held != [{"method": method, **row} for row in of]:
            yield Problem(MANIFEST, f"{benchmark}: other coverage of {method} groups", "what its scores give")


def _scored(release: Path, manifest: Manifest, benchmark: str) -> tuple[Scored, Sequence[str]]:
    """What groups are chosen from, under the release's first scheme; and the models of the rows."""
    entry, column = manifest.benchmarks[benchmark], split_column(manifest.schemes[0])
    matrix = read_matrix(release / scores_path(benchmark), entry.n_items, manifest.min_coverage)
    wanted = ["item", "subset", column]
    parts = [pq.read_table(release / data_path(benchmark, side), columns=wanted) for side in Split]
    rows = pa.concat_tables(parts).sort_by("item")
    sides = {side: rows.filter(pc.equal(rows[column], side.value))["item"].to_numpy() for side in Split}
    counts = subset_sizes(rows["subset"])
    named = standing_for_twins(release / MODELS)
    pool = one_of_each(matrix, named) if manifest.twins == "one" else None
    return Scored(matrix.scores, counts, sides, manifest.sizes, manifest.seed, pool), matrix.models
