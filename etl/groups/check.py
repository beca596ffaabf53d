"""A check of releases that needs the group algorithms: choose the candidate groups again and compare."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.etl.groups.candidates import groups_table
from routerset.etl.groups.methods import METHODS, choose
from routerset.release.layout import GROUPS, MANIFEST, MODELS, data_path, scores_path
from routerset.release.manifest import Manifest, read_manifest
from routerset.release.verify import Problem
from routerset.schemas.matrix import read_matrix
from routerset.schemas.released import split_column
from routerset.schemas.splits import subset_sizes
from routerset.schemas.tables import Split
from routerset.schemas.twins import one_of_each, standing_for_twins


def check_groups(release: Path) -> Iterator[Problem]:
    """Problems of groups that are not what the release's own scores and splits give."""
    manifest = read_manifest(release)
    published = pq.read_table(release / GROUPS)
    named = standing_for_twins(release / MODELS)
    for benchmark, entry in manifest.benchmarks.items():
        matrix = read_matrix(release / scores_path(benchmark), entry.n_items, manifest.min_coverage)
        pool = one_of_each(matrix, named) if manifest.twins == "one" else None
        items, train = _items(release, manifest, benchmark)
        asked = {*manifest.methods, *(g.method for g in entry.groups)}
        for method in sorted(asked | {str(row["method"]) for row in entry.skipped_groups}):
            if method not in METHODS or method not in manifest.methods:
                known = [name for name in METHODS if name in manifest.methods]
                yield Problem(GROUPS, f"groups of {benchmark} by {method}", f"groups by {', '.join(known)}")
                continue
            here = pc.and_(pc.equal(published["benchmark"], benchmark), pc.equal(published["method"], method))
            found = published.filter(here)
            subsets = subset_sizes(items["subset"])
            chosen, skipped = choose(
                method, matrix.scores, manifest.sizes, subsets, train, manifest.seed, pool
            )
            again = groups_table(chosen, matrix.models)
            if found.select(again.column_names).cast(again.schema) != again:
                yield Problem(GROUPS, f"other {method} groups of {benchmark}", "those its scores give")
            told = [row for row in entry.skipped_groups if row["method"] == method]
            right = [{"method": method, "m": s.m, "kind": s.kind.value, "reason": s.reason} for s in skipped]
            if told != right:
                yield Problem(MANIFEST, f"{benchmark}: skipped groups {told}", f"{right}")


def _items(release: Path, manifest: Manifest, benchmark: str) -> tuple[pa.Table, np.ndarray]:
    """Items with their subsets, and those that train routers under the release's first scheme, ascending."""
    column = split_column(manifest.schemes[0])
    wanted = ["item", "subset", column]
    parts = [pq.read_table(release / data_path(benchmark, side), columns=wanted) for side in Split]
    rows = pa.concat_tables(parts).sort_by("item")
    return rows, rows.filter(pc.equal(rows[column], Split.TRAIN.value))["item"].to_numpy()
